package server

import (
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// How writing works: frames are appended to s.out under s.mu. While callbacks
// run they stay there; whoever runs them writes in the end. Otherwise whoever
// finds nobody writing writes, without the lock, until nothing is left or the
// kernel takes no more; then a Writable will have a worker go on.

// flush writes what is queued, unless somebody else will. s.mu is held, and
// released while writing.
func (s *Session) flush() {
	if !s.gather.Load() || len(s.out) >= gatherLimit {
		s.write()
	}
}

// write writes what is queued as far as the kernel takes it. s.mu is held, and
// released while writing.
func (s *Session) write() {
	if s.flushing || s.blocked || s.released {
		return
	}
	for !s.blocked {
		if s.head == nil {
			s.refillOut()
			if len(s.out) == 0 {
				break
			}
			s.head, s.out, s.off = s.out, nil, 0
		}
		p := s.head[s.off:]
		n, err := s.transmit(p, nil)
		if s.gone {
			s.release()
			return
		}
		if s.off += n; n < len(p) && err == nil {
			s.stuck(n)
		} else {
			s.wrote(n, err)
		}
	}
	s.dropEmptyOut()
}

// transmit writes as much as the kernel takes. s.mu is held, and released
// meanwhile.
func (s *Session) transmit(p, tail []byte) (int, error) {
	s.flushing = true
	s.mu.Unlock()
	n, err := s.link.write(p, tail)
	s.mu.Lock()
	s.flushing = false
	return n, err
}

// wrote ends a write that is over. s.mu is held.
func (s *Session) wrote(n int, err error) {
	if r := s.rare; r != nil {
		r.taken += int64(n)
	}
	bufpool.Put(s.head)
	s.head, s.off = nil, 0
	if err != nil {
		s.writeFailed(err)
	}
}

// stuck notes that the kernel took n bytes and takes no more now. s.mu is held.
func (s *Session) stuck(n int) {
	if s.retry {
		s.retry = false // it does already
		return
	}
	s.blocked = true
	r := s.more()
	r.taken += int64(n)
	if t := s.conf.writing; t > 0 && r.writeAt == 0 {
		r.wrote = r.taken
		r.writeAt = s.srv.clock.now() + t.Milliseconds()
		s.arm()
	}
}

// writable goes on writing: the kernel takes more. s.mu is held.
func (s *Session) writable() {
	switch {
	case s.flushing:
		s.retry = true
	case !s.released:
		s.link.flush()
		s.blocked = false
		if s.write(); !s.blocked && s.rare != nil {
			s.rare.writeAt = 0
		}
	}
}

// refillOut puts into s.out what waits elsewhere: a pong, and messages that
// were not encoded yet. s.mu is held.
func (s *Session) refillOut() {
	r := s.rare
	if r == nil {
		return
	}
	if r.owesPong {
		r.owesPong = false
		s.out, _ = s.send.AppendControl(bufpool.Grow(s.out, len(r.pong)+frame.MaxHeaderSize), frame.OpPong, r.pong)
	}
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
	n := len(s.head) - s.off + len(s.out) + s.link.pending()
	if s.rare != nil {
		n += s.rare.queue.size()
	}
	return n
}

// dropOut drops what was queued. s.mu is held, and nobody writes.
func (s *Session) dropOut() {
	bufpool.Put(s.head)
	bufpool.Put(s.out)
	s.head, s.out, s.off = nil, nil, 0
	if s.rare != nil {
		s.rare.queue.clear()
		s.rare.owesPong = false
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
