package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/roundtrip"
	"github.com/lariat-go/websocket/internal/stream"
)

const (
	// unread1 is how much of a response may be there unread before no more is
	// taken from the socket; what one read brings comes on top.
	unread1 = 32 << 10

	// The least and the most that one read brings.
	minRead1, maxRead1 = 12, 15 // 4 KiB, 32 KiB

	// lostTime is how long, after a write has failed, an answer that was sent
	// before may take to come.
	lostTime = time.Second
)

var (
	// errLast ends a connection whose last response is over.
	errLast = errors.New("websocket: the connection ended with its last response, as one side had asked (Connection: close)")

	// errEarly ends a connection whose response was there before all of the
	// request was sent.
	errEarly = errors.New("websocket: the connection ended with a response that came before its request was sent to the end")

	// errGivenUp ends a connection on which a response is not wanted any more.
	errGivenUp = errors.New("websocket: a request was given up, which over HTTP/1.1 ends the connection")

	errSilent = errors.New("websocket: the connection was lost: the server has taken nothing for WriteTimeout")
)

// session1Options are the settings of a session1.
type session1Options struct {
	httpconn.Options
	writeTimeout time.Duration // of each piece that the kernel does not take at once; 0: none
}

// session1 is a connection of HTTP/1.1: one request after another, in the order
// in which they were made. One goroutine, serve, reads; whoever has the turn
// writes.
type session1 struct {
	link *dial.Link
	t    stream.Transport
	o    session1Options

	out []byte // of who has the turn

	mu    sync.Mutex
	h     *httpconn.Conn
	room  sync.Cond // serve waits until the response was read
	cur   *stream1  // what is under way
	news  *stream1  // to be woken
	busy  bool      // somebody has the turn
	queue []*turn
	used  bool   // a request was made
	taken bool   // by the answer to an opening handshake
	sold  bool   // and by a socket: the answer was good
	early []byte // what came behind the 101
	last  bool   // no more requests
	ended bool   // nothing is to be read or written any more
	mine  bool   // this end wanted that
	err   error  // why it is
	lost  error  // of a write
}

// turn is a place in the queue.
type turn struct {
	ready chan struct{} // closed when the turn has come, or never will
	come  bool
}

// newSession1 returns the session of a connection that is up.
func (c *Conn) newSession1(l *dial.Link) *session1 {
	o := session1Options{writeTimeout: c.o.WebSocket.WriteTimeout}
	o.Secure = l.TLS() != nil
	o.MaxHeaderBytes, o.MaxFields = c.o.HTTP1.MaxHeaderBytes, c.o.HTTP1.MaxFields
	if o.writeTimeout == 0 {
		o.writeTimeout = websocket.DefaultDialWriteTimeout
	}
	return newSession1(l, &o)
}

func newSession1(l *dial.Link, o *session1Options) *session1 {
	s := &session1{link: l, t: stream.New(l.Conn), o: *o}
	s.room.L = &s.mu
	s.h, _ = httpconn.New(&o.Options) // HTTP/1.1 has nothing that can be wrong
	return s
}

func (s *session1) protocol() Protocol { return HTTP1 }

// serve reads until the connection is over, or a socket takes it.
func (s *session1) serve() error {
	bits := uint8(minRead1)
	for {
		buf, err := s.t.ReadBorrow(bits)
		s.mu.Lock()
		switch {
		case err != nil:
			s.readFailed(err)
		case s.ended:
		default:
			s.receive(buf)
		}
		switch {
		case len(buf) == cap(buf):
			bits = min(bits+1, maxRead1)
		case len(buf) < cap(buf)/4:
			bits = max(bits-1, minRead1)
		}
		for s.cur != nil && s.cur.unread() > unread1 && !s.ended {
			s.cur.wake.Signal()
			s.room.Wait()
		}
		news, taken, ended, mine, why := s.news, s.taken, s.ended, s.mine, s.err
		s.news = nil
		s.mu.Unlock()
		bufpool.Put(buf)
		if news != nil {
			news.wake.Signal() // who is woken finds the lock free
		}
		switch {
		case taken:
			return errTaken
		case ended:
			return s.leave(mine, why)
		}
	}
}

// receive takes what came. s.mu is held.
func (s *session1) receive(p []byte) {
	events, err := s.h.Receive(p)
	if err != nil {
		s.lost = err
	}
	s.handle(events)
	if err != nil {
		s.fail(err)
	}
}

// readFailed takes the end of what comes. s.mu is held.
func (s *session1) readFailed(err error) {
	switch {
	case s.ended:
	case err != io.EOF:
		if err = lost1(err); s.lost != nil && !told(err) {
			err = s.lost
		}
		s.fail(err)
	default:
		events, err := s.h.ReceiveEOF()
		s.handle(events)
		if err == nil {
			err = errEnded
		}
		s.fail(err)
	}
}

// told reports whether the server has said why: by an alert of TLS.
func told(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// lost1 returns the error for a connection that cannot be read or written.
func lost1(err error) error { return fmt.Errorf("websocket: the connection was lost: %w", err) }

// handle gives events to the stream they are about, which is to be woken then.
// s.mu is held.
func (s *session1) handle(events []httpconn.Event) {
	st := s.cur
	for i := range events {
		ev := &events[i]
		if st == nil || st.id != ev.ID {
			continue // it was given up
		}
		switch ev.Kind {
		case httpconn.Interim, httpconn.Status:
			st.head(ev)
		case httpconn.Data:
			if s.taken {
				s.early = append(s.early, ev.Data...)
			} else {
				st.data(ev.Data)
			}
		case httpconn.Trailer:
			st.trailer = ev.Header
		case httpconn.Done:
			st.inEnd = true
			st.checkOver()
		case httpconn.Upgraded:
			st.head(ev)
			s.taken = true // busy stays: nobody else has a turn
		case httpconn.Failed:
			st.err = ev.Err
		}
		s.news = st
	}
}

// leave ends what serve has begun, and returns why the connection is over.
func (s *session1) leave(mine bool, err error) error {
	if mine || err == errLast {
		s.link.Close() // says goodbye where there is TLS
	}
	s.link.Socket.Close()
	if mine {
		return nil
	}
	return err
}

// fail ends the connection because of err, which serve returns. s.mu is held.
func (s *session1) fail(err error) {
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	if st := s.cur; st != nil {
		if st.err == nil {
			st.err = err
		}
		st.stopLinger()
		st.wake.Broadcast()
	}
	s.room.Signal()
	s.refuseAll()
	if s.taken {
		return
	}
	if s.mine || err == errLast {
		s.t.SetReadDeadline(time.Unix(1, 0)) // serve closes it
	} else {
		s.link.Socket.Close()
	}
}

// refuseAll ends the waiting of those in the queue. s.mu is held.
func (s *session1) refuseAll() {
	for _, t := range s.queue {
		close(t.ready)
	}
	s.queue = nil
}

// refusal returns why no request can be made, nil if one can. s.mu is held.
func (s *session1) refusal() error {
	switch {
	case s.sold:
		return ErrUpgraded
	case s.ended:
		return &notSentError{s.err}
	case s.last:
		return &notSentError{ErrClosed}
	}
	return nil
}

// notSentError is for what was not sent because the connection is over: it can be
// sent on another one.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return "websocket: request was not sent: " + trimmed(e.err) }

func (e *notSentError) Unwrap() error { return e.err }

// await waits for a turn, first come first served.
func (s *session1) await(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusal(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !s.busy {
		s.busy = true
		return nil
	}
	t := &turn{ready: make(chan struct{})}
	s.queue = append(s.queue, t)
	s.mu.Unlock()
	select {
	case <-t.ready:
	case <-ctx.Done():
	}
	s.mu.Lock()
	err := s.refusal()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	switch {
	case err == nil:
	case t.come:
		s.release()
	default:
		s.queue = slices.DeleteFunc(s.queue, func(o *turn) bool { return o == t })
	}
	return err
}

// release gives the turn to the next one. s.mu is held.
func (s *session1) release() {
	s.cur = nil
	switch {
	case s.ended:
	case s.last:
		s.fail(errLast)
	case len(s.queue) > 0:
		t := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		t.come = true
		close(t.ready)
	default:
		s.busy = false
		s.queue = nil
	}
}

// open sends the head of a request, in its turn.
func (s *session1) open(ctx context.Context, r *http.Request, end bool) (roundtrip.Stream, error) {
	req, err := request1(r, end)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	st, err := s.begin(func() (httpconn.StreamID, error) { return s.h.Request(&req) })
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	st.outEnd = end
	st.chunked = req.Body < 0
	if !end && r.GetBody != nil && req.Body > 0 && r.Header["Expect"] == nil {
		s.mu.Unlock()
		return st, nil // the body is at hand, and goes along
	}
	st.flush()
	s.mu.Unlock()
	return st, nil
}

// begin begins an exchange for who has the turn. s.mu is held.
func (s *session1) begin(request func() (httpconn.StreamID, error)) (*stream1, error) {
	err := s.refusal()
	var id httpconn.StreamID
	if err == nil {
		id, err = request()
	}
	if err != nil {
		s.release()
		return nil, err
	}
	st := &stream1{s: s, id: id, left: -1, reused: s.used}
	st.wake.L = &s.mu
	s.used, s.cur = true, st
	return st, nil
}

// write writes p, which nobody else does meanwhile.
func (s *session1) write(p []byte) error {
	n, err := s.t.TryWrite(p, nil)
	if err != nil || n == len(p) {
		return err
	}
	if s.o.writeTimeout <= 0 {
		_, err = s.t.Write(p[n:])
		return err
	}
	for err == nil && n < len(p) { // what is long may take its time
		piece := p[n:min(len(p), n+maxPiece1)]
		s.t.SetWriteDeadline(time.Now().Add(s.o.writeTimeout))
		var m int
		m, err = s.t.Write(piece)
		n += m
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	s.t.SetWriteDeadline(time.Time{})
	return err
}

// maxPiece1 is how much is written under one deadline.
const maxPiece1 = 64 << 10

// over reports that nothing goes through any more.
func (s *session1) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// isTaken reports whether a socket has the connection, or an answer to an
// opening handshake that was none.
func (s *session1) isTaken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

// drain ends the connection when what is under way is done. Who waits for a turn
// gets none.
func (s *session1) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken || s.ended {
		return
	}
	s.last, s.mine = true, true
	s.refuseAll()
	if !s.busy {
		s.fail(ErrClosed)
	}
}

// close ends it at once.
func (s *session1) close() {
	s.mu.Lock()
	if !s.ended {
		s.mine = true
		s.fail(ErrClosed)
	}
	s.mu.Unlock()
	s.link.Socket.Close()
}
