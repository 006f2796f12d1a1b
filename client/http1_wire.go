package client

import (
	"context"
	"net"
	"net/http"

	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/roundtrip"
	"github.com/lariat-go/websocket/internal/stream"
)

// wire1 is the turn of an opening handshake.
type wire1 struct {
	s    *session1
	req  *dial.Opening
	st   *stream1 // guarded by s.mu; nil: nothing was sent yet
	over bool     // guarded by s.mu; nothing will be
}

// wire waits for the turn of an opening handshake.
func (s *session1) wire(ctx context.Context, req *dial.Opening) (dial.Wire, error) {
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	return &wire1{s: s, req: req}, nil
}

// Exchange sends the request and returns the head of the final answer.
func (w *wire1) Exchange(ctx context.Context) (*h1.Response, error) {
	s := w.s
	s.mu.Lock()
	if w.over {
		s.mu.Unlock()
		return nil, net.ErrClosed
	}
	st, err := s.begin(func() (httpconn.StreamID, error) { return s.h.Upgrade(w.req.Request) })
	if err != nil {
		w.over = true
		s.mu.Unlock()
		return nil, err
	}
	w.st = st
	st.outEnd = true
	st.flush() // what goes wrong is found by who waits for the answer
	s.mu.Unlock()
	for {
		var h roundtrip.Head
		if err := st.AwaitHead(ctx, &h); err != nil {
			return nil, err
		}
		if h.Status >= 200 || h.Status == http.StatusSwitchingProtocols {
			return &h1.Response{Minor: h.Minor, Status: h.Status, Header: h.Header}, nil
		}
	}
}

// Body reads the body of a refusal. When that ends within the limit the
// connection can be used on.
func (w *wire1) Body(_ *h1.Response, limit int64) ([]byte, error) {
	return dial.ReadRefusal(w.st, limit), nil
}

// Transport returns what carries the socket from now on, and what came along
// with the answer.
func (w *wire1) Transport() (stream.Transport, []byte) {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	early := s.early
	s.early, s.out, s.h, s.cur = nil, nil, nil, nil
	s.sold = true
	s.refuseAll()
	return s.t, early
}

// Abort ends the connection, unless the answer was read, or nearly: it can be
// used on then.
func (w *wire1) Abort() {
	w.s.mu.Lock()
	st := w.st
	if st == nil && !w.over {
		w.over = true
		w.s.release()
	}
	w.s.mu.Unlock()
	if st != nil {
		st.Abort()
	}
}

// Addr returns the server's address.
func (w *wire1) Addr() string { return w.s.link.Addr }
