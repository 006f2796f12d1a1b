package client

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/roundtrip"
	"github.com/lariat-go/websocket/internal/stream"
)

// Opener opens connections of a protocol that is not spoken over TCP: HTTP/3.
type Opener interface {
	// Open connects to addr, a host and port, within ctx. The configuration is
	// the Options' TLSConfig with a ServerName; it is the Opener's.
	Open(ctx context.Context, addr string, c *tls.Config) (Session, error)
}

// Session is a connection that an [Opener] has opened. Any number of goroutines
// call its methods.
type Session interface {
	http.RoundTripper

	// Upgrade sends an opening handshake, an extended CONNECT (RFC 9220), and
	// returns the final answer.
	Upgrade(ctx context.Context, r *handshake.Request) (*Answer, error)

	// Drain ends the connection when what is under way is done; Close at once.
	Drain()
	Close() error

	// Done returns a channel that is closed when the connection is over; Err
	// tells why, nil after an orderly end.
	Done() <-chan struct{}
	Err() error

	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	ConnectionState() tls.ConnectionState
}

// Answer is the answer to an opening handshake.
type Answer struct {
	Status int
	Header http.Header
	Stream websocket.Stream // of an answer that accepts, and of a refusal with its body
}

// session3 makes a session of one that an Opener has opened.
type session3 struct {
	s    Session
	addr string
}

// openHTTP3 has the Opener connect.
func (c *Conn) openHTTP3(ctx context.Context) (session, error) {
	ctx, cancel := dial.WithStep(ctx, "ConnectTimeout", c.o.ConnectTimeout)
	defer cancel()
	config := &tls.Config{}
	if c.o.TLSConfig != nil {
		config = c.o.TLSConfig.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = c.target.Host
	}
	s, err := c.o.HTTP3.Open(ctx, c.target.Addr(), config)
	if err != nil {
		return nil, dial.StepError(ctx, dial.StepConnect, c.target.Addr(), err)
	}
	return &session3{s, c.target.Addr()}, nil
}

func (s *session3) protocol() Protocol { return HTTP3 }

func (s *session3) serve() error {
	<-s.s.Done()
	return s.s.Err()
}

func (s *session3) over() bool {
	select {
	case <-s.s.Done():
		return true
	default:
		return false
	}
}

func (s *session3) drain() { s.s.Drain() }

func (s *session3) close() { s.s.Close() }

// open has the request made by the session's own RoundTrip, with a pipe for its
// body.
func (s *session3) open(ctx context.Context, r *http.Request, end bool) (roundtrip.Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	st := &stream3{cancel: cancel, answered: make(chan struct{}), carrier: roundtrip.Carrier{Reused: true}}
	cs := s.s.ConnectionState()
	st.carrier.TLS = &cs
	own := r.WithContext(ctx)
	own.Body = nil
	own.Trailer = nil
	if !end {
		var body *io.PipeReader
		body, st.body = io.Pipe()
		own.Body = &body3{body, st}
		if len(r.Trailer) > 0 {
			st.trailer = make(http.Header, len(r.Trailer))
			for name := range r.Trailer {
				st.trailer[name] = nil
			}
			own.Trailer = st.trailer
		}
	}
	go func() {
		defer close(st.answered)
		st.res, st.err = s.s.RoundTrip(own)
	}()
	return st, nil
}

// body3 is the body of such a request. The trailers are there at its end.
type body3 struct {
	*io.PipeReader
	st *stream3
}

func (b *body3) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if err == io.EOF {
		maps.Copy(b.st.trailer, b.st.trailers)
	}
	return n, err
}

// stream3 is a request made by the RoundTrip of a Session.
type stream3 struct {
	cancel   context.CancelFunc
	body     *io.PipeWriter // nil: there is none
	trailer  http.Header    // of the request
	trailers http.Header    // what is to be in it, once body is closed
	answered chan struct{}  // closed when res or err is there
	res      *http.Response
	err      error
	carrier  roundtrip.Carrier
}

func (s *stream3) AwaitHead(ctx context.Context, h *roundtrip.Head) error {
	select {
	case <-s.answered:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.err != nil {
		return s.err
	}
	*h = roundtrip.Head{
		Major: s.res.ProtoMajor, Minor: s.res.ProtoMinor, Status: s.res.StatusCode, Header: s.res.Header,
		ContentLength: s.res.ContentLength, End: s.res.Body == http.NoBody,
	}
	return nil
}

func (s *stream3) Read(p []byte) (int, error) { return s.res.Body.Read(p) }

func (s *stream3) Trailers() http.Header { return s.res.Trailer }

func (s *stream3) Write(p []byte) (int, error) { return s.body.Write(p) }

func (s *stream3) WriteEnd(p []byte) error {
	if len(p) > 0 {
		if _, err := s.body.Write(p); err != nil {
			return err
		}
	}
	return s.body.Close()
}

func (s *stream3) WriteTrailers(h http.Header) error {
	s.trailers = h
	return s.body.Close()
}

func (s *stream3) Abort() {
	s.cancel()
	if s.body != nil {
		s.body.CloseWithError(context.Canceled)
	}
}

// Close gives up what has not come, and what nobody waits for.
func (s *stream3) Close() error {
	s.cancel()
	go func() {
		<-s.answered
		if s.err == nil {
			s.res.Body.Close()
		}
	}()
	return nil
}

func (s *stream3) Carrier() roundtrip.Carrier { return s.carrier }

func (s *session3) wire(_ context.Context, req *dial.Opening) (dial.Wire, error) {
	return &wire3{session3: s, req: req.Request}, nil
}

// wire3 is an opening handshake made by a Session.
type wire3 struct {
	*session3
	req *handshake.Request

	mu     sync.Mutex
	stream websocket.Stream
	gone   bool
}

func (w *wire3) Exchange(ctx context.Context) (*h1.Response, error) {
	a, err := w.s.Upgrade(ctx, w.req)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.stream = a.Stream
	gone := w.gone
	w.mu.Unlock()
	if gone {
		w.Abort()
		return nil, net.ErrClosed
	}
	return &h1.Response{Minor: 1, Status: a.Status, Header: a.Header}, nil
}

func (w *wire3) Body(r *h1.Response, limit int64) ([]byte, error) {
	if r.Status < 300 || w.stream == nil {
		return []byte{}, nil
	}
	return dial.ReadRefusal(w.stream, limit), nil
}

func (w *wire3) Transport() (stream.Transport, []byte) { return stream.Wrap(w.stream), nil }

func (w *wire3) Abort() {
	w.mu.Lock()
	s := w.stream
	w.gone = true
	w.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

func (w *wire3) Addr() string { return w.addr }
