package websocket

import (
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

// streamGiver is an http.ResponseWriter that gives its stream away, as Hijack
// does with a connection of HTTP/1.1. The answer is sent before, when it was
// not yet; the handler may return, and the stream lives on.
type streamGiver interface {
	http.ResponseWriter
	HijackStream() (Stream, error)
}

// connect answers an extended CONNECT (RFC 8441, section 5; RFC 9220) with 200
// and takes the stream over.
func (a *Accepted) connect(w http.ResponseWriter, r *http.Request, o *AcceptOptions, resp *handshake.Response, res *handshake.Result) error {
	if g := giver(w); g != nil {
		sendHead(g, o, resp)
		s, err := g.HijackStream()
		if err != nil {
			return unsentAnswer(resp, err)
		}
		s.SetReadDeadline(time.Time{}) // those of the request are over
		s.SetWriteDeadline(time.Time{})
		a.Stream, a.Handshake = stream.Wrap(s), res
		return nil
	}
	w, ok := innermost(w)
	if !ok {
		err := fmt.Errorf("%w: %T hides the stream, as http.TimeoutHandler's does; "+
			"serve WebSocket outside of it, or give it an Unwrap method", handshake.ErrNotHijackable, w)
		return refuseHijack(w, r, o, err)
	}
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex() // over HTTP/2 and HTTP/3 it always is
	_ = rc.SetReadDeadline(time.Time{})
	if d := option.OrDefault(o.HandshakeTimeout, DefaultHandshakeTimeout); d > 0 {
		_ = rc.SetWriteDeadline(time.Now().Add(d))
	}
	sendHead(w, o, resp)
	if err := rc.Flush(); err != nil {
		return unsentAnswer(resp, err)
	}
	_ = rc.SetWriteDeadline(time.Time{})
	a.Stream, a.Handshake = stream.Wrap(newBodyStream(w, r)), res
	return nil
}

// giver returns the outermost writer that gives its stream away, nil for none.
func giver(w http.ResponseWriter) streamGiver {
	for {
		if g, ok := w.(streamGiver); ok {
			return g
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
}

// innermost returns the writer that all others wrap, which must not add to what
// is written nor hold it back, as it cannot on a connection that is hijacked. ok
// says that it can be flushed.
func innermost(w http.ResponseWriter) (inner http.ResponseWriter, ok bool) {
	for {
		u, wraps := w.(interface{ Unwrap() http.ResponseWriter })
		if !wraps {
			break
		}
		w = u.Unwrap()
	}
	switch w.(type) {
	case interface{ FlushError() error }, http.Flusher:
		return w, true
	}
	return w, false
}

// sendHead sends the head that opens the connection. What middleware has set is
// in resp already.
func sendHead(w http.ResponseWriter, o *AcceptOptions, resp *handshake.Response) {
	h := w.Header()
	maps.DeleteFunc(h, func(name string, _ []string) bool { return hopByHop(name) })
	maps.Copy(h, resp.Header)
	if o.Trace != nil && o.Trace.Response != nil {
		o.Trace.Response(resp.Status, h)
	}
	w.WriteHeader(resp.Status)
}

// unsentAnswer is the error for a client that is gone before it had its answer.
func unsentAnswer(resp *handshake.Response, err error) error {
	return &HandshakeError{Status: resp.Status, Header: resp.Header, Body: []byte{}, Err: fmt.Errorf("websocket: sending the answer: %w", err)}
}
