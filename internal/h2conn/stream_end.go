package h2conn

import (
	"errors"
	"net"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
)

// errBusy is what CloseWrite returns beside a Write.
var errBusy = errors.New("websocket: a Write is under way on the HTTP/2 stream; end it first")

// streamLinger is how long a closed stream waits for the peer to end its
// direction.
const streamLinger = time.Second

// checkOver lets the connection forget the stream once both directions have
// ended. c.mu is held.
func (s *Stream) checkOver() {
	if s.inEnd && s.outEnd && !s.queued && !s.gone {
		s.leave()
	}
}

// leave takes the stream out of the connection. c.mu is held.
func (s *Stream) leave() {
	if s.gone {
		return
	}
	s.gone = true
	c := s.c
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		c.streams = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
	if s.rest != nil && s.rest.linger != nil {
		s.rest.linger.Stop()
	}
	s.onDrain = nil
	c.admit()
	c.changed = true
	if c.stopping {
		c.checkDrained()
	}
}

// fail ends the stream because of what the peer did, or of the connection's end.
// c.mu is held.
func (s *Stream) fail(err error) {
	s.leave()
	if s.err != nil || s.inEnd && s.outEnd && !s.queued {
		return // it was over
	}
	s.err = err
	s.tellGone()
	s.read.tell()
	s.write.tell()
	s.notify(Readable | Writable)
	s.c.callSoon()
	if s.dropped {
		s.release()
	}
}

// reset ends the stream with RST_STREAM. c.mu is held.
func (s *Stream) reset(code h2.ErrCode) {
	if s.err != nil || s.gone {
		return
	}
	s.c.m.Reset(s.m, code)
	s.leave()
	s.err = net.ErrClosed
	s.read.tell()
	s.write.tell()
	s.c.flush(false)
}

// drop says that nobody reads or writes any more. c.mu is held.
func (s *Stream) drop() {
	s.dropped = true
	s.onGone, s.onDrain = nil, nil
	s.release()
	s.read.tell()
}

// release gives back what is held. c.mu is held.
func (s *Stream) release() {
	s.read.stop()
	s.write.stop()
	if s.in != nil && s.dst == nil {
		s.dropInput()
	}
}

// Abort ends the stream at once with RST_STREAM and an error code of RFC 9113,
// section 7.
func (s *Stream) Abort(code uint32) {
	s.c.mu.Lock()
	s.reset(h2.ErrCode(code))
	s.drop()
	s.c.unlock()
}

// Close ends the stream. When our direction has ended, the peer has a second to
// end its own; what it still sends is dropped. Otherwise, and after that second,
// the stream is reset with CANCEL.
func (s *Stream) Close() error {
	s.c.mu.Lock()
	defer s.c.unlock()
	if s.dropped {
		return nil
	}
	if unread := len(s.in) - s.off; unread > 0 {
		s.consumed(unread)
	}
	s.drop()
	switch {
	case s.gone || s.err != nil:
	case s.outEnd && !s.queued:
		s.more().linger = time.AfterFunc(streamLinger, func() {
			s.c.mu.Lock()
			s.reset(h2.ErrCodeCancel)
			s.c.unlock()
		})
		s.c.flush(false)
	default:
		s.reset(h2.ErrCodeCancel)
	}
	return nil
}

// Release says that the handler of a request has returned. What it did not read
// is dropped, and the client is told not to send more; an answer that it did not
// end is reset.
func (s *Stream) Release() {
	s.c.mu.Lock()
	defer s.c.unlock()
	s.detach()
	if s.dropped {
		return
	}
	s.drop()
	switch {
	case s.gone || s.err != nil:
	case s.outEnd:
		s.reset(h2.ErrCodeNo) // RFC 9113, section 8.1
	case s.write.past(s.c): // the client took too little, and nothing broke here
		s.reset(h2.ErrCodeCancel)
	default:
		s.reset(h2.ErrCodeInternal)
	}
}

// Detach says that the handler of a request has returned, or does not work for
// it any more, and that the stream goes on: somebody else closes it.
func (s *Stream) Detach() {
	s.c.mu.Lock()
	defer s.c.unlock()
	s.detach()
}

func (s *Stream) detach() {
	if s.held {
		s.held = false
		s.c.m.Release(s.m)
		s.c.changed = true
		s.c.checkDrained()
	}
}
