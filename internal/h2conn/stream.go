package h2conn

import (
	"cmp"
	"net"
	"os"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
)

// Stream is one stream of a connection: a request and its answer, or a tunnel.
// It is a transport as package stream has them. One goroutine at a time reads
// and one writes; any may set deadlines and end the stream.
type Stream struct {
	c          *Conn
	m          *h2.Stream
	next, prev *Stream // in the connection's list

	// Everything is guarded by c.mu.
	in       []byte // borrowed; in[off:] came and was not read
	off      int
	dst      []byte // of a Read that waits
	got      int    // bytes in dst
	endAfter int    // END_STREAM goes with this many bytes from now; 0: not known
	read     side
	write    side
	rest     *rest
	err      error  // why the stream is over
	watch    watch  // see Watch
	onGone   func() // see OnGone
	onDrain  func() // see OnDrain

	bulk       bool // much came at once lately
	inEnd      bool // the peer's direction has ended
	outEnd     bool // ours has, or it will with what is queued
	queued     bool // memory of a Write is in the machine's queue
	lastQueued bool // and END_STREAM goes with it
	dropped    bool // what comes is of no interest
	gone       bool // not in the connection's list any more
	held       bool // occupied for the machine until Release or Detach (server)
}

// rest is what most streams of a server do not have.
type rest struct {
	heads    []head // of the answer (client)
	room     [1]head
	trailers []h2.Field
	linger   *time.Timer
}

// more returns what most streams do not have. c.mu is held.
func (s *Stream) more() *rest {
	if s.rest == nil {
		s.rest = new(rest)
	}
	return s.rest
}

// head is a head of an answer.
type head struct {
	h   *h2.Head
	end bool
}

// newStream makes the Stream for one of the machine's. c.mu is held.
func (c *Conn) newStream(m *h2.Stream) *Stream {
	s := &Stream{c: c, m: m, next: c.streams, held: c.o.Role == h2.RoleServer}
	if s.next != nil {
		s.next.prev = s
	}
	c.streams = s
	m.Owner = s
	return s
}

// ID returns the number of the stream on its connection.
func (s *Stream) ID() uint32 { return s.m.ID }

// Conn returns the connection.
func (s *Stream) Conn() *Conn { return s.c }

// Unwrap returns s: its optional methods count.
func (s *Stream) Unwrap() any { return s }

// LocalAddr returns the address of this end of the connection.
func (s *Stream) LocalAddr() net.Addr { return s.c.LocalAddr() }

// RemoteAddr returns the address of the connection's peer.
func (s *Stream) RemoteAddr() net.Addr { return s.c.RemoteAddr() }

// side is the waiting of one direction.
type side struct {
	wake     chan struct{} // of one element, made when somebody waits
	deadline time.Duration // since the connection's start; 0: none
	timer    *time.Timer
	waiting  bool
}

// set sets the deadline. The lock is held.
func (d *side) set(t time.Time, s *Stream) {
	if t.IsZero() {
		d.deadline = 0
		if d.timer != nil {
			d.timer.Stop()
		}
		return
	}
	d.deadline = cmp.Or(t.Sub(s.c.start), -1)
	left := time.Until(t)
	switch {
	case left <= 0:
		d.tell()
	case d.timer == nil:
		d.timer = time.AfterFunc(left, func() {
			s.c.mu.Lock()
			d.tell()
			s.c.mu.Unlock()
		})
	default:
		d.timer.Reset(left)
	}
}

// tell has whoever waits look again. The lock is held.
func (d *side) tell() {
	if d.waiting {
		d.waiting = false
		d.wake <- struct{}{} // has room: there is one who waits
	}
}

// prepare returns the channel to wait on, without the lock. The lock is held.
func (d *side) prepare() <-chan struct{} {
	if d.wake == nil {
		d.wake = make(chan struct{}, 1)
	}
	d.waiting = true
	return d.wake
}

// past reports whether the deadline has passed. The lock is held.
func (d *side) past(c *Conn) bool { return d.deadline != 0 && time.Since(c.start) >= d.deadline }

// stop ends the timer. The lock is held.
func (d *side) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// SetReadDeadline sets when a Read gives up, with [os.ErrDeadlineExceeded]; the
// zero time means never.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.read.set(t, s)
	return nil
}

// SetWriteDeadline sets when a Write gives up.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.write.set(t, s)
	return nil
}

// SetDeadline sets both.
func (s *Stream) SetDeadline(t time.Time) error {
	s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// Err returns why the stream is over: an [*h2.StreamError], or the error of the
// connection. It is nil while the stream lives, and after an orderly end.
func (s *Stream) Err() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.err
}

// OnGone has f called once when the peer resets the stream or the connection is
// lost, at once if that has happened; not after the stream has ended in another
// way. It may be called on the goroutine that reads the connection, and must not
// wait.
func (s *Stream) OnGone(f func()) {
	s.c.mu.Lock()
	s.onGone = f
	if s.err != nil {
		s.tellGone()
	}
	s.c.unlock()
}

func (s *Stream) tellGone() {
	if s.onGone != nil {
		s.c.later = append(s.c.later, s.onGone)
		s.onGone = nil
	}
}

// OnDrain has f called once, in a goroutine of its own, when this side drains the
// connection; at once if it does already.
func (s *Stream) OnDrain(f func()) {
	s.c.mu.Lock()
	defer s.c.unlock()
	if s.c.stopping && !s.gone {
		go f()
	} else {
		s.onDrain = f
	}
}

// errTimeout is what a deadline that has passed gives.
var errTimeout error = os.ErrDeadlineExceeded
