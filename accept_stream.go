package websocket

import (
	"bufio"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// Accepted is a connection whose opening handshake is done and that is no
// [Conn] yet. It is for shells of other kinds: programs that read, write and
// wait in ways of their own, with a [protocol.Receiver] and a
// [protocol.Sender]. What a Conn does for its user is then theirs to do: the
// answers to pings, the closing handshake, timeouts, and to close Stream and
// the codec of Handshake in the end.
type Accepted struct {
	// Stream carries the frames. Its Unwrap method, found by type assertion
	// as interface{ Unwrap() any }, returns the [net.Conn] that net/http gave
	// away, or the stream of HTTP/2; use one of the two and not both. No
	// deadline is set. When what is unwrapped has a Done() <-chan struct{}, the
	// handler must not return before that is closed, as Close does.
	Stream Stream

	// Handshake is what was agreed. It has the codec, if there is one, which
	// the receiver and the sender of the connection need.
	Handshake *handshake.Result

	// Early is what the client sent right behind its request: the first bytes
	// of the connection, which come before those of Stream. Most often nil. It
	// may be changed, and be kept, but then a buffer of net/http's of 4 KiB is
	// kept with it.
	Early []byte
}

// AcceptStream is the first half of [Accept]: it answers the opening handshake,
// and leaves it to the caller what to make of the connection. All that is said
// of Accept, its options and its errors, holds for it. Of the options'
// ConnOptions it regards only Subprotocols, Extensions and the first two hooks
// of Trace; the rest is for the caller, who may give it to [Accepted.Conn].
//
// Whoever gets an Accepted has to close its Stream, and the codec of its
// Handshake if there is one, or to call [Accepted.Conn].
func AcceptStream(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Accepted, error) {
	if o == nil {
		o = &acceptDefaults
	}
	a := new(Accepted)
	if err := a.open(w, r, o); err != nil {
		return nil, err
	}
	return a, nil
}

// Conn is the second half of [Accept]: it makes a Conn of the connection, which
// owns Stream and codec from now on. What is in Early is read first. The role
// is [protocol.RoleServer] for what AcceptStream returned; nil options mean all
// defaults. It must not be called twice.
func (a *Accepted) Conn(role protocol.Role, o *ConnOptions) *Conn {
	return newConn(a.Stream, role, a.Handshake, o, a.Early)
}

// pending counts the handshakes that are under way in the process, which is what
// the limit is about: memory and descriptors are the process's too.
var pending atomic.Int64

// acceptDefaults are the options of who gives none. They lie here and are never
// changed, so that no stack has to have room for them.
var acceptDefaults AcceptOptions

// open answers the opening handshake. After an error a is as before.
func (a *Accepted) open(w http.ResponseWriter, r *http.Request, o *AcceptOptions) error {
	if w == nil || r == nil {
		return &OptionError{Field: "w, r", Value: nil, Want: "what the http.Handler was called with"}
	}
	defer pending.Add(-1)
	if n, limit := pending.Add(1), pendingLimit(o); limit >= 0 && n > limit {
		return refuseBusy(w, r, o)
	}
	if o.Trace != nil && o.Trace.Request != nil {
		o.Trace.Request(r.Method, r.RequestURI, r.Header)
	}
	resp, res, err := answer(w, r, o)
	if err != nil {
		return refuse(w, r, o, resp, err)
	}
	err = a.upgrade(w, r, o, resp, res)
	if err != nil && res.Codec != nil {
		res.Codec.Close()
	}
	return err
}

// answer judges the request. It is a step of its own, like upgrade: the stack
// of net/http's goroutine grows less.
func answer(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*handshake.Response, *handshake.Result, error) {
	srv := o.policy(answerHeader(w.Header(), o.Header))
	return srv.Answer(r)
}

// upgrade takes the connection over and sends the answer that opens it.
func (a *Accepted) upgrade(w http.ResponseWriter, r *http.Request, o *AcceptOptions, resp *handshake.Response, res *handshake.Result) error {
	if r.ProtoMajor >= 2 {
		return a.connect(w, r, o, resp, res)
	}
	nc, rw, err := hijack(w)
	if err != nil {
		return refuseHijack(w, r, o, err)
	}
	early := takeBuffered(rw)
	nc.SetDeadline(time.Time{}) // those of net/http were for the request
	transport := stream.New(nc)
	if o.RejectEarlyData && len(early) > 0 {
		e := refusal(http.StatusBadRequest, "Wait for the answer to the opening handshake before sending data.\n", handshake.ErrEarlyData)
		e.Header["Connection"] = []string{"close"}
		resp, err = asResponse(e), e
	}
	if o.Trace != nil && o.Trace.Response != nil {
		o.Trace.Response(resp.Status, resp.Header)
	}
	buf := bufpool.Get(512)
	werr := writeHead(transport, resp.AppendHTTP1(buf[:0]), option.OrDefault(o.HandshakeTimeout, DefaultHandshakeTimeout))
	bufpool.Put(buf)
	if werr != nil && err == nil {
		err = unsentAnswer(resp, werr)
	}
	if err != nil {
		nc.Close()
		return err
	}
	a.Stream, a.Handshake, a.Early = transport, res, early
	return nil
}

// takeBuffered returns what came right behind the request and lets go of the
// buffers, which net/http would hold on to for as long as the handler runs.
func takeBuffered(rw *bufio.ReadWriter) (early []byte) {
	if rw == nil {
		return nil
	}
	if rw.Reader != nil {
		if n := rw.Reader.Buffered(); n > 0 {
			early, _ = rw.Reader.Peek(n)
			early = early[:n:n]
		}
		*rw.Reader = bufio.Reader{}
	}
	if rw.Writer != nil {
		*rw.Writer = bufio.Writer{}
	}
	return early
}

// writeHead writes a head in one piece. Most often the kernel takes it at once
// and no deadline is needed.
func writeHead(s stream.Transport, p []byte, timeout time.Duration) error {
	n, err := s.TryWrite(p, nil)
	if err != nil || n == len(p) {
		return err
	}
	if timeout > 0 {
		s.SetWriteDeadline(time.Now().Add(timeout))
		defer s.SetWriteDeadline(time.Time{})
	}
	_, err = s.Write(p[n:])
	return err
}
