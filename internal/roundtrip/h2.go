package roundtrip

import (
	"context"
	"crypto/tls"
	"net/http"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/h2http"
)

// H2 returns the [Stream] of a request that was sent on s. The state of the TLS
// below, nil for none, is for the response.
func H2(s *h2conn.Stream, state *tls.ConnectionState) Stream { return &h2Stream{s, state} }

// OpenHTTP2 sends the head of a request on a new stream of c. It waits for as
// long as the server takes no more.
func OpenHTTP2(ctx context.Context, c *h2conn.Conn, r *http.Request, end bool, state *tls.ConnectionState) (Stream, error) {
	h, err := h2http.RequestHead(r)
	if err != nil {
		return nil, err
	}
	s, err := c.Open(ctx, h, end, true)
	if err != nil {
		return nil, err
	}
	return H2(s, state), nil
}

// h2Stream is a stream of HTTP/2.
type h2Stream struct {
	*h2conn.Stream
	tls *tls.ConnectionState
}

func (s *h2Stream) AwaitHead(ctx context.Context, h *Head) error {
	head, end, err := s.Stream.AwaitHead(ctx)
	if err != nil {
		return err
	}
	*h = Head{Major: 2, Status: head.Status, ContentLength: head.ContentLength, End: end, TooLarge: head.TooLarge}
	if !h.TooLarge {
		h.Header = h2http.Header(head.Fields)
	}
	return nil
}

func (s *h2Stream) Trailers() http.Header {
	fields := s.Stream.Trailers()
	if len(fields) == 0 {
		return nil
	}
	return h2http.Header(fields)
}

func (s *h2Stream) WriteTrailers(h http.Header) error {
	fields, err := h2http.AppendFields(nil, h, nil)
	switch {
	case err != nil:
		return err
	case len(fields) == 0: // of a connection of HTTP/1, all of them
		return s.WriteEnd(nil)
	}
	return s.Stream.WriteTrailers(fields)
}

func (s *h2Stream) Abort() { s.Stream.Abort(uint32(h2.ErrCodeCancel)) }

func (s *h2Stream) Carrier() Carrier {
	return Carrier{Conn: s.Conn().NetConn(), Reused: s.ID() > 1, TLS: s.tls}
}
