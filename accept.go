package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
)

// The defaults of [AcceptOptions], and what an [http.Server] should be given:
// its own defaults let a client take any time and 1 MiB for a request's header.
const (
	DefaultHandshakeTimeout  = 10 * time.Second
	DefaultReadHeaderTimeout = 5 * time.Second // for http.Server.ReadHeaderTimeout
	DefaultMaxHeaderBytes    = 32 << 10        // for http.Server.MaxHeaderBytes

	pendingPerProcessor = 256
)

// Accept answers the opening handshake of a client in an [http.Handler] and
// returns the connection:
//
//	c, err := websocket.Accept(w, r, nil)
//	if err != nil {
//		return // the client has its answer
//	}
//	defer c.CloseNow()
//
// Nil options mean all defaults. A request that is no good opening handshake is
// answered with the status and text that say so (see the handshake package),
// also one from a page of an origin that is not allowed; there is nothing left
// to do but to return. Headers that were set on w before are sent along, except
// those about the connection and the body.
//
// w may be wrapped, as middleware does, when the wrappers have an Unwrap method
// or are an [http.Hijacker]. Once Accept has returned a connection, w and the
// body of r must not be used any more. The handler may go on with the
// connection, or hand it to another goroutine and return: it does not end with
// the handler, nor with r's context.
//
// Over HTTP/2 the opening handshake is an extended CONNECT (RFC 8441) and the
// connection is one stream, of which others of the same client do not notice
// anything. Package h2 has a server for it, with which all of the above holds.
// Other servers work too, net/http's own under GODEBUG=http2xconnect=1, or one
// for HTTP/3 (RFC 9220), with two differences: the handler must not return
// before [Conn.Close] or [Conn.CloseNow] has, and the connection ends with r's
// context. An extended CONNECT is refused with 501 where the writer can't be
// flushed.
//
// What can go wrong:
//
//   - [*OptionError]: the options, or headers set on w, cannot be used. The
//     client got a 500.
//   - [*HandshakeError]: the request was refused, with the answer it got and
//     the reason: errors.Is with [handshake.ErrOrigin], for instance.
//     [handshake.ErrNotHijackable], with status 501, means that w does not give
//     its connection away. [handshake.ErrBusy], with 503, means
//     MaxPendingHandshakes. When the client went away before it had the
//     answer, the status is that of the answer and the reason the error of the
//     net package.
//
// What is wrong below HTTP, net/http answers by itself, and slow clients are
// its business too. It should be told to be strict:
//
//	srv := &http.Server{
//		ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout,
//		MaxHeaderBytes:    websocket.DefaultMaxHeaderBytes,
//	}
//
// net/http then closes a connection whose header takes too long, and answers
// 431 to one that is too long; it does not limit the number of fields, and it
// takes header lines that end in a bare LF or are folded.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	if o == nil {
		o = &acceptDefaults
	}
	var a Accepted
	if err := a.open(w, r, o); err != nil {
		return nil, err
	}
	return a.Conn(protocol.RoleServer, &o.ConnOptions), nil
}

// refuseBusy refuses because of MaxPendingHandshakes.
func refuseBusy(w http.ResponseWriter, r *http.Request, o *AcceptOptions) error {
	e := refusal(http.StatusServiceUnavailable, "Too many clients are connecting. Try again in a second.\n", handshake.ErrBusy)
	e.Header["Retry-After"] = []string{"1"}
	return refuse(w, r, o, asResponse(e), e)
}

// Validate returns the [*OptionError] that Accept would return for the
// subprotocols, extensions, origins and header of o, nil for none: for a program
// that wants to know when it starts. A nil o is valid.
func (o *AcceptOptions) Validate() error {
	if o == nil {
		return nil
	}
	srv := o.policy(o.Header)
	return srv.Validate()
}

// policy returns what o says about opening handshakes.
func (o *AcceptOptions) policy(header http.Header) handshake.Server {
	return handshake.Server{
		Subprotocols: o.Subprotocols,
		Extensions:   o.Extensions,
		Origins:      o.Origins,
		AnyOrigin:    o.AnyOrigin,
		Header:       header,
	}
}

// pendingLimit returns a negative number for none.
func pendingLimit(o *AcceptOptions) int64 {
	if o.MaxPendingHandshakes == 0 {
		return int64(pendingPerProcessor * runtime.GOMAXPROCS(0))
	}
	return int64(o.MaxPendingHandshakes)
}

// answerHeader returns the option, with what middleware has set before it.
func answerHeader(set, option http.Header) http.Header {
	if len(set) == 0 {
		return option
	}
	all := make(http.Header, len(set)+len(option))
	for name, lines := range set {
		if !hopByHop(name) {
			all[name] = lines
		}
	}
	for name, lines := range option {
		all[name] = slices.Concat(all[name], lines)
	}
	return all
}

// hopByHop reports whether a header set on an http.ResponseWriter is a word to
// net/http about the connection or the body rather than one to the client.
func hopByHop(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Transfer-Encoding", "Content-Length", "Content-Encoding":
		return true
	}
	return strings.HasPrefix(name, http.TrailerPrefix)
}

// refuseHijack refuses because the connection cannot be had.
func refuseHijack(w http.ResponseWriter, r *http.Request, o *AcceptOptions, err error) error {
	e := refusal(http.StatusNotImplemented, "The server cannot take this connection over for WebSocket.\n", err)
	if errors.Is(err, http.ErrHijacked) {
		return e // somebody else has the connection, and the word
	}
	return refuse(w, r, o, asResponse(e), e)
}

// hijack takes the connection out of w, or of what w wraps.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	switch {
	case errors.Is(err, http.ErrNotSupported):
		return nil, nil, fmt.Errorf("%w: %T hides the connection, as http.TimeoutHandler's does; "+
			"serve WebSocket outside of it, or give it an Unwrap method", handshake.ErrNotHijackable, w)
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", handshake.ErrNotHijackable, err)
	}
	return nc, rw, nil
}

// refusal makes the refusals that are not the handshake package's.
func refusal(status int, body string, err error) *HandshakeError {
	return &HandshakeError{
		Status: status, Body: []byte(body), Err: err,
		Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}},
	}
}

func asResponse(e *HandshakeError) *handshake.Response {
	return &handshake.Response{Status: e.Status, Header: e.Header, Body: string(e.Body)}
}

// refuse sends a refusal through w and returns its reason.
func refuse(w http.ResponseWriter, r *http.Request, o *AcceptOptions, resp *handshake.Response, err error) error {
	h := w.Header()
	if resp.Status == http.StatusInternalServerError {
		clear(h) // what can't be sent may be among it
	}
	h.Del("Content-Encoding")
	h.Del("Content-Length")
	if r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"}
	}
	maps.Copy(h, resp.Header)
	if o.Trace != nil && o.Trace.Response != nil {
		o.Trace.Response(resp.Status, h)
	}
	w.WriteHeader(resp.Status)
	_, _ = w.Write([]byte(resp.Body)) // a client that is gone needs no answer
	return err
}
