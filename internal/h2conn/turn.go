package h2conn

import (
	"errors"
	"time"

	"github.com/lariat-go/websocket/internal/poll"
)

// Events is what a watched stream's function is called with.
type Events uint8

// The events.
const (
	Readable Events = 1 << iota // something came, or the peer's direction has ended, or the stream
	Writable                    // TryWrite takes more than it did
)

// How watched streams work: what comes for them is told on the goroutine that
// reads the connection, so that a callback needs no goroutine of its own and no
// change of goroutines; what callbacks send is held, and written in one piece
// when all of them had their turn. A callback that takes long is left behind:
// another goroutine goes on reading, and with the turns that are left.

// overdueAfter is how long a callback may keep the connection.
const overdueAfter = 3 * time.Millisecond

// ErrAgain is what TryRead returns when nothing has come: a Readable will.
var ErrAgain = errors.New("websocket: nothing has come on the HTTP/2 stream")

// Watcher is told what happens to a stream.
type Watcher interface {
	// Ready is called on the goroutine that reads the connection, or on one made
	// for it, possibly on several at the same time. It may wait.
	Ready(ev Events)
	// Overdue is called while a call of Ready takes long, and must not wait.
	Overdue()
}

// Watch has w called whenever something happens to s, and once at first if
// something has. TryRead and TryWrite are then the way to move bytes. Nil ends
// it; calls that are under way may still come.
func (s *Stream) Watch(w Watcher) {
	c := s.c
	c.mu.Lock()
	s.watch.Watcher = w
	tell := w != nil && (s.off < len(s.in) || s.inEnd || s.err != nil)
	c.unlock()
	if tell {
		w.Ready(Readable)
	}
}

// watch is what is to be called for a stream.
type watch struct {
	Watcher
	next    *Stream // in the list of those to be called
	events  Events  // what for; 0: not in the list
	wanting bool    // in the list of those who want to write
}

// call calls the watcher, without the lock.
func call(w Watcher, ev Events) {
	if w != nil {
		w.Ready(ev)
	}
}

// notify has a watched stream called. c.mu is held.
func (s *Stream) notify(ev Events) {
	w, c := &s.watch, s.c
	if w.Watcher == nil || s.dropped {
		return
	}
	if w.events == 0 {
		if c.lastReady == nil {
			c.ready = s
		} else {
			c.lastReady.watch.next = s
		}
		c.lastReady = s
	}
	w.events |= ev
}

// nextReady takes the first stream to be called, nil for none. c.mu is held.
func (c *Conn) nextReady() (s *Stream, ev Events) {
	if s = c.ready; s == nil {
		return nil, 0
	}
	w := &s.watch
	c.ready = w.next
	if c.ready == nil {
		c.lastReady = nil
	}
	ev = w.events
	w.next, w.events = nil, 0
	return s, ev
}

// wantWrite has s called when more can be written. c.mu is held.
func (s *Stream) wantWrite() {
	if w := &s.watch; w.Watcher != nil && !w.wanting {
		w.wanting = true
		s.c.wanting = append(s.c.wanting, s)
	}
}

// mayWriteMore has those called who want to write. It is called when windows
// have opened or what was staged has left. c.mu is held.
func (c *Conn) mayWriteMore() {
	for i, s := range c.wanting {
		s.watch.wanting = false
		s.notify(Writable)
		c.wanting[i] = nil
	}
	c.wanting = c.wanting[:0]
}

// turn calls the streams to which something has happened, and writes what is to
// be written. It reports whether the caller is still the one who reads: another
// one is if a call took long. c.mu is held, and released meanwhile.
func (c *Conn) turn() bool {
	if c.ready == nil {
		c.flush(false)
		c.checkDrained()
		return true
	}
	mine, done := c.reader, false
	defer func() {
		if done {
			return
		}
		c.mu.Lock() // a callback has ended this goroutine
		if c.reader == mine {
			c.replace()
		}
		c.unlock()
	}()
	c.inTurn = true
	c.guard()
	for c.reader == mine {
		s, ev := c.nextReady()
		if s == nil {
			// What is written may make room, and others want to write then.
			c.held = false
			c.flush(false)
			if c.ready == nil || c.reader != mine {
				break
			}
			continue
		}
		c.held = true
		c.calls++
		c.calling = s
		w := s.watch.Watcher
		c.unlock()
		call(w, ev)
		c.mu.Lock()
		if c.reader != mine {
			break
		}
		c.calling = nil
		if c.m.Staged() >= outputSize/2 {
			c.unstage()
		}
	}
	done = true
	if c.reader != mine {
		return false
	}
	c.held, c.inTurn = false, false
	c.checkDrained()
	return true
}

// guard has somebody look whether callbacks take long. c.mu is held.
func (c *Conn) guard() {
	if c.guarded || c.polled != nil {
		return
	}
	c.guarded, c.seen = true, c.calls
	if c.guardian == nil {
		c.guardian = time.AfterFunc(overdueAfter, c.look)
	} else {
		c.guardian.Reset(overdueAfter)
	}
}

// look leaves a callback behind that takes long.
func (c *Conn) look() {
	c.mu.Lock()
	switch {
	case !c.inTurn:
		c.guarded = false
		c.unlock()
	case c.calling == nil || c.seen != c.calls:
		c.seen = c.calls
		c.guardian.Reset(overdueAfter)
		c.unlock()
	default:
		c.guarded = false
		c.overdue()
	}
}

// overdue leaves the callback behind that is running. c.mu is held, and is
// released.
func (c *Conn) overdue() {
	w := c.calling.watch.Watcher
	c.replace()
	c.unlock()
	if w != nil {
		w.Overdue()
	}
}

// replace has another goroutine read the connection, instead of one that is in a
// callback. c.mu is held, and released while writing.
func (c *Conn) replace() {
	c.reader++
	c.held, c.inTurn, c.calling = false, false, nil
	if p := c.polled; p != nil {
		p.reading = false
		p.events |= poll.Readable
		p.desc.Wake()
	} else {
		go c.read()
	}
	c.flush(false)
}

// callSoon has what is in the list called by a goroutine of its own: the one that
// reads may wait for the peer. c.mu is held.
func (c *Conn) callSoon() {
	if c.ready == nil || c.inTurn || c.inReceive {
		return // whoever reads is about to
	}
	c.later = append(c.later, func() { go c.callAside() })
}

// callAside calls streams beside the goroutine that reads.
func (c *Conn) callAside() {
	done := false
	defer func() {
		if !done {
			go c.callAside()
		}
	}()
	c.mu.Lock()
	for {
		s, ev := c.nextReady()
		if s == nil {
			break
		}
		w := s.watch.Watcher
		c.unlock()
		call(w, ev)
		c.mu.Lock()
	}
	c.unlock()
	done = true
}

// TryRead returns what came, in a buffer of bufpool: [ErrAgain] for nothing,
// [io.EOF] when the peer has ended its direction. With more, there is something
// to be had at once.
func (s *Stream) TryRead() (b []byte, more bool, err error) {
	s.c.mu.Lock()
	defer s.c.unlock()
	if s.off < len(s.in) {
		b = s.take()
		if !s.c.inTurn { // or what the peer may send is told at its end
			s.c.flush(false)
		}
		return b, s.off < len(s.in) || s.inputOver() != nil, nil
	}
	if err := s.inputOver(); err != nil {
		return nil, false, err
	}
	s.c.flush(false) // the peer may need to know that it can go on
	return nil, false, ErrAgain
}
