package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
)

// bodyStream is the stream of an extended CONNECT on a server that does not
// give it away: the body of the request and that of the answer. A deadline of
// an http.ResponseController can't be taken back once it has passed, so two
// goroutines move the bytes, through pipes that have deadlines of their own.
//
// It ends when the handler returns, at the latest, and the handler must not
// return before Done.
type bodyStream struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	r      *http.Request
	in     net.Conn // read by Read, written by receive
	out    net.Conn // written by Write, read by send
	ends   [2]net.Conn
	unbind func() bool // from the request's context

	received, sent chan struct{} // closed when receive and send have returned
	closing        sync.Once
	done           chan struct{}

	mu         sync.Mutex
	rerr, werr error // why nothing more can be read, written
}

// bodyBits is the size of the buffers between: 4 KiB.
const bodyBits = 12

// bodyGrace is how long a server has to say more of an end than that the
// request's context has ended.
const bodyGrace = 50 * time.Millisecond

func newBodyStream(w http.ResponseWriter, r *http.Request) *bodyStream {
	s := &bodyStream{
		w: w, rc: http.NewResponseController(w), r: r,
		received: make(chan struct{}), sent: make(chan struct{}), done: make(chan struct{}),
	}
	s.in, s.ends[0] = net.Pipe()
	s.out, s.ends[1] = net.Pipe()
	s.unbind = context.AfterFunc(r.Context(), s.abandoned)
	go s.receive()
	go s.send()
	return s
}

// receive moves what the client sends.
func (s *bodyStream) receive() {
	defer close(s.received)
	buf := bufpool.Get(1 << bodyBits)
	_, err := io.CopyBuffer(s.ends[0], struct{ io.Reader }{s.r.Body}, buf)
	bufpool.Put(buf)
	if err == nil {
		err = io.EOF
	} else {
		err = bodyError(err)
	}
	s.fail(err, nil)
	s.ends[0].Close()
}

// send moves what is to be sent to the client.
func (s *bodyStream) send() {
	defer close(s.sent)
	buf := bufpool.Get(1 << bodyBits)
	_, err := io.CopyBuffer(flusher{s}, s.ends[1], buf)
	bufpool.Put(buf)
	s.fail(nil, err)
	s.ends[1].Close()
}

// flusher writes to the client at once.
type flusher struct{ s *bodyStream }

// Write survives the panic of a server whose handler has returned.
func (f flusher) Write(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("websocket: over this server's HTTP/%d the handler must not return before the connection has ended: %v", f.s.r.ProtoMajor, v)
		}
	}()
	if n, err = f.s.w.Write(p); err == nil {
		err = f.s.rc.Flush()
	}
	return n, err
}

// fail notes errors, of which the first count.
func (s *bodyStream) fail(rerr, werr error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rerr == nil {
		s.rerr = rerr
	}
	if s.werr == nil {
		s.werr = werr
	}
}

// abandoned ends the stream because the request's context has ended: the client
// is gone, or the handler has returned.
func (s *bodyStream) abandoned() {
	grace := time.NewTimer(bodyGrace)
	defer grace.Stop()
	select {
	case <-s.received:
	case <-grace.C:
	}
	err := fmt.Errorf("websocket: %w: the request is over: %v", io.ErrUnexpectedEOF, context.Cause(s.r.Context()))
	s.fail(err, err)
	s.ends[0].Close()
	s.ends[1].Close()
}

// bodyError says what became of a body. What a server calls the loss of its
// client is its own business, but net/http tells of a RST_STREAM.
func bodyError(err error) error {
	var reset netHTTPReset
	if errors.As(err, &reset) {
		return &HTTP2StreamError{Stream: reset.StreamID, Code: reset.Code, Remote: true}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fmt.Errorf("websocket: serve WebSocket outside of http.MaxBytesHandler: %w", err)
	}
	return fmt.Errorf("websocket: %w: %w", io.ErrUnexpectedEOF, err)
}

// netHTTPReset is what net/http makes of its own error for a RST_STREAM when
// errors.As asks for a type with these fields.
type netHTTPReset struct {
	StreamID uint32
	Code     h2.ErrCode
	Cause    error
}

func (netHTTPReset) Error() string { return "RST_STREAM" }

func (s *bodyStream) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if errors.Is(err, io.EOF) {
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.rerr
	}
	return n, err
}

func (s *bodyStream) Write(p []byte) (int, error) {
	n, err := s.out.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.werr != nil {
			err = s.werr
		}
	}
	return n, err
}

// Close ends both directions. It waits until what was written is on its way, for
// a second at most, so that the handler may return afterwards.
func (s *bodyStream) Close() error {
	s.closing.Do(func() { s.end(lingerTime) })
	<-s.done
	return nil
}

// CloseWrite is Close: our direction ends when the handler returns, and the other
// one with it.
func (s *bodyStream) CloseWrite() error { return s.Close() }

// Abort ends the stream at once. The code is the server's choice.
func (s *bodyStream) Abort(uint32) {
	s.closing.Do(func() {
		s.expire()
		s.end(lingerTime)
	})
}

// expire has a write that is under way fail, and the server reset the stream,
// unless the handler has returned.
func (s *bodyStream) expire() {
	defer func() { _ = recover() }() // net/http's word for that
	_ = s.rc.SetWriteDeadline(past)
}

func (s *bodyStream) end(grace time.Duration) {
	defer close(s.done)
	s.unbind()
	s.in.Close()
	s.out.Close()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-s.sent:
	case <-timer.C:
		s.expire()
		<-s.sent
	}
	_ = s.r.Body.Close()
	<-s.received
}

// Done is closed when the stream is, and the handler may return.
func (s *bodyStream) Done() <-chan struct{} { return s.done }

func (s *bodyStream) SetReadDeadline(t time.Time) error  { return s.in.SetReadDeadline(t) }
func (s *bodyStream) SetWriteDeadline(t time.Time) error { return s.out.SetWriteDeadline(t) }

// LocalAddr returns the address of the server that took the request.
func (s *bodyStream) LocalAddr() net.Addr {
	a, _ := s.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return a
}

// RemoteAddr returns the address of the request.
func (s *bodyStream) RemoteAddr() net.Addr {
	a, err := netip.ParseAddrPort(s.r.RemoteAddr)
	if err != nil {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}
