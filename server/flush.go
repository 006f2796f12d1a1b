package server

import (
	"sync/atomic"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

// How writing works: frames are appended to s.out under s.mu. While callbacks
// run they stay there; whoever runs them writes in the end. Otherwise whoever
// finds nobody writing writes, without the lock, until nothing is left or the
// kernel takes no more; then a Writable will have a worker go on.

// gathering says whether what is sent waits for the end of the turn. It is set by
// whoever has the turn, or finds that it takes long.
type gathering struct{ v atomic.Uint32 }

const (
	flushNow    = iota
	gather      // callbacks run
	gatherLast  // it is the callback for the last message that was read
	gatherAlone // callbacks run, and nobody looks how long that takes
)

func (g *gathering) set(v uint32) { g.v.Store(v) }
func (g *gathering) on() bool     { return g.v.Load() != flushNow }
func (g *gathering) last() bool   { return g.v.Load() == gatherLast }

// change does nothing when the turn was found to take long.
func (g *gathering) change(from, to uint32) bool { return g.v.CompareAndSwap(from, to) }

// flush writes what is queued, unless somebody else will. s.mu is held, and
// released while writing.
func (s *Session) flush() {
	if !s.gather.on() || len(s.out) >= gatherLimit {
		s.write()
	} else if s.gather.change(gatherAlone, gather) {
		s.watch()
	}
}

// write writes what is queued as far as the kernel takes it. s.mu is held, and
// released while writing.
func (s *Session) write() {
	if s.flushing || s.released {
		return
	}
	for !s.blocked {
		head, off := s.takeOut()
		if head == nil {
			break
		}
		n, err := s.transmit(head[off:], nil)
		s.wrote(head, off+n, n, err)
		if s.gone {
			s.release()
			return
		}
	}
	s.relieve()
}

// takeOut returns what is to be written next, nil for nothing. s.mu is held.
func (s *Session) takeOut() (head []byte, off int) {
	if r := s.rare; r != nil {
		if head, off = r.head, r.off; head != nil {
			r.head, r.off = nil, 0
			return head, off
		}
		s.refillOut()
	}
	s.dropEmptyOut()
	head, s.out = s.out, nil
	return head, 0
}

// transmit writes as much as the kernel takes. s.mu is held, and released
// meanwhile.
func (s *Session) transmit(p, tail []byte) (int, error) {
	if len(s.out) == 0 && s.mode.Load()&modeClosing != 0 && s.rare.end.closing.State() == protocol.StateClosed {
		// It ends with a close frame that has no answer. After one that asks for an
		// answer, a browser that sees the end resets the stream instead.
		if l, ok := s.link.(endingLink); ok {
			l.endAfter(len(p) + len(tail))
		}
	}
	s.flushing = true
	s.mu.Unlock()
	n, err := s.link.write(p, tail)
	s.mu.Lock()
	s.flushing = false
	return n, err
}

// wrote puts away what was written: head[:off] was taken by the kernel, of which
// n bytes just now. s.mu is held.
func (s *Session) wrote(head []byte, off, n int, err error) {
	s.conf.srv.counters.sent(s.shard, int(s.unsaid), n)
	s.unsaid = 0
	if r := s.rare; r != nil {
		if r.taken += int64(n); r.end != nil {
			s.kick(evClose) // it may have been all that was waited for
		}
	}
	if off == len(head) || err != nil {
		bufpool.Put(head)
		if err != nil {
			e := s.ending()
			e.unsent = max(e.unsent, len(head)-off+s.owed())
			s.writeFailed(err)
		} else if s.retry && s.link.unsent() > 0 {
			s.kick(evWrite) // the kernel took more before the link knew that it waits
		}
		s.retry = false
		return
	}
	// The kernel takes no more now.
	r := s.more()
	r.head, r.off = head, off
	if s.retry {
		s.retry = false // it does already
		return
	}
	s.blocked = true
	if t := s.conf.writing; t > 0 && r.writeAt == 0 {
		r.wrote = s.delivered()
		r.writeAt = s.conf.srv.clock.now() + t.Milliseconds()
		s.arm()
	}
}

// delivered returns how many bytes the peer has taken, as far as that can be told.
// s.mu is held, and nobody writes.
func (s *Session) delivered() int64 { return s.rare.taken - int64(s.link.unsent()) }

// writable goes on writing: the kernel takes more. s.mu is held.
func (s *Session) writable() {
	switch {
	case s.flushing:
		s.retry = true
	case !s.released:
		err := s.link.flush()
		s.blocked = false
		if s.write(); !s.blocked && s.rare != nil {
			s.rare.writeAt = 0
		}
		if err != nil && !s.released && s.mode.Load()&modeBroken == 0 {
			s.writeFailed(err) // nothing was left to write that would fail
		}
	}
}

// refillOut puts into s.out what waits elsewhere: a pong, and messages that
// were not encoded yet. s.mu is held.
func (s *Session) refillOut() {
	r := s.rare
	s.refillPong()
	for len(s.out) < gatherLimit {
		m, ok := r.queue.pop()
		if !ok {
			return
		}
		err := s.encodeQueued(&m)
		if err != nil {
			s.writeFailed(err)
			return
		}
	}
}

// refillPong puts into s.out the pong that is owed. s.mu is held.
func (s *Session) refillPong() {
	if r := s.rare; r.owesPong {
		r.owesPong = false
		s.out, _ = s.send.AppendControl(bufpool.Grow(s.out, len(r.pong)+frame.MaxHeaderSize), frame.OpPong, r.pong)
	}
}

// encodeQueued makes frames of a message that has waited. s.mu is held.
func (s *Session) encodeQueued(m *item) error {
	if m.skip && s.send.Coding() {
		s.send.SetCoding(false)
		defer s.send.SetCoding(true)
	}
	out, err := s.send.AppendMessage(bufpool.Grow(s.out, len(m.data)+frame.MaxHeaderSize), m.opcode, m.data)
	s.out = out
	return err
}

// owed returns how many bytes wait for the peer. s.mu is held.
func (s *Session) owed() int {
	n := len(s.out) + s.link.pending()
	if r := s.rare; r != nil {
		n += len(r.head) - r.off + r.queue.size()
	}
	return n
}

// written reports whether nothing waits for the peer any more. s.mu is held.
func (s *Session) written() bool { return !s.flushing && s.owed() == 0 }

// dropOut drops what was queued. s.mu is held, and nobody writes.
func (s *Session) dropOut() {
	bufpool.Put(s.out)
	s.out = nil
	if r := s.rare; r != nil {
		bufpool.Put(r.head)
		r.head, r.off = nil, 0
		r.queue.clear()
		r.owesPong = false
	}
}

// dropEmptyOut gives back a buffer that was borrowed in vain. s.mu is held.
func (s *Session) dropEmptyOut() {
	if s.out != nil && len(s.out) == 0 {
		bufpool.Put(s.out)
		s.out = nil
	}
}

// codec returns the session's codec, nil for none.
func (s *Session) codec() extension.Codec {
	if s.hs == nil {
		return nil
	}
	return s.hs.Codec
}
