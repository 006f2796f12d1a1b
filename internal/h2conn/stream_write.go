package h2conn

import (
	"net"

	"github.com/lariat-go/websocket/internal/h2"
)

// mayWrite returns why nothing may be written, nil if it may. c.mu is held.
func (s *Stream) mayWrite() error {
	switch {
	case s.err != nil:
		return s.err
	case s.outEnd:
		return net.ErrClosed
	}
	return nil
}

// stage gives the machine what it takes at once of p and then tail, with
// END_STREAM when all of it is taken and end is set or EndAfter says so. c.mu is
// held.
func (s *Stream) stage(p, tail []byte, end bool) (int, error) {
	total := len(p) + len(tail)
	end = end || s.endAfter > 0 && s.endAfter == total
	n, err := s.c.m.Write(s.m, p, tail, end)
	if s.endAfter > 0 {
		s.endAfter -= n
	}
	if err == nil && n == total && end {
		s.outEnd = true
	}
	return n, err
}

// TryWrite writes what can be written without waiting. When that is not all, a
// watched stream is called with Writable later.
func (s *Stream) TryWrite(p, tail []byte) (int, error) {
	s.c.mu.Lock()
	defer s.c.unlock()
	if err := s.mayWrite(); err != nil {
		return 0, err
	}
	n, err := s.stage(p, tail, false)
	for err == nil && n < len(p)+len(tail) && s.c.unstage() {
		var m int
		if n < len(p) {
			m, err = s.stage(p[n:], tail, false)
		} else {
			m, err = s.stage(nil, tail[n-len(p):], false)
		}
		if n += m; m == 0 {
			break
		}
	}
	if n < len(p)+len(tail) {
		s.wantWrite()
	}
	s.checkOver()
	s.c.flush(false)
	return n, err
}

// Write writes p, however long the peer takes to open its windows, until the
// deadline. What is written when it returns may still be on its way to the
// kernel.
func (s *Stream) Write(p []byte) (int, error) { return s.writeAll(p, nil, false) }

// Writev writes both in one DATA frame if they fit.
func (s *Stream) Writev(hdr, payload []byte) (int, error) { return s.writeAll(hdr, payload, false) }

// WriteEnd writes p and ends our direction with it.
func (s *Stream) WriteEnd(p []byte) error {
	_, err := s.writeAll(p, nil, true)
	return err
}

func (s *Stream) writeAll(p, tail []byte, end bool) (int, error) {
	s.c.mu.Lock()
	defer s.c.unlock()
	if err := s.mayWrite(); err != nil {
		return 0, err
	}
	n, err := s.stage(p, tail, end)
	if err == nil && !s.outEnd && (n < len(p)+len(tail) || end) {
		if n < len(p) {
			n, err = s.queueAll(p[n:], n, end && len(tail) == 0)
		}
		if err == nil && (n < len(p)+len(tail) || end && len(tail) > 0) {
			n, err = s.queueAll(tail[n-len(p):], n, end)
		}
	}
	s.checkOver()
	s.c.flush(true)
	return n, err
}

// queueAll has the machine send p when it can, and waits for that. It returns how
// much was sent, the n bytes before p included. c.mu is held, and released while
// waiting.
func (s *Stream) queueAll(p []byte, n int, end bool) (int, error) {
	end = end || s.endAfter > 0 && s.endAfter == len(p)
	if err := s.c.m.Queue(s.m, p, end); err != nil {
		return n, err
	}
	s.queued, s.lastQueued = true, end
	for s.c.flush(true); s.queued; s.c.flush(true) {
		if s.err != nil {
			s.queued = false
			return n, s.err
		}
		if s.write.past(s.c) {
			s.queued = false
			sent := len(p) - s.c.m.Unqueue(s.m)
			s.sent(sent)
			return n + sent, errTimeout
		}
		wake := s.write.prepare()
		s.c.mu.Unlock()
		<-wake
		s.c.mu.Lock()
	}
	s.sent(len(p))
	return n + len(p), s.err
}

func (s *Stream) sent(n int) {
	if s.endAfter > 0 {
		s.endAfter -= n
	}
}

// written is called when the machine has taken all that was queued. c.mu is held.
func (s *Stream) written() {
	if !s.queued {
		return
	}
	s.queued = false
	s.outEnd = s.outEnd || s.lastQueued
	s.write.tell()
	s.checkOver()
}

// EndAfter says that END_STREAM goes with the nth byte written from now.
func (s *Stream) EndAfter(n int) {
	s.c.mu.Lock()
	s.endAfter = n
	s.c.mu.Unlock()
}

// Flush writes what is staged.
func (s *Stream) Flush() error {
	s.c.mu.Lock()
	defer s.c.unlock()
	s.c.flush(true)
	return s.err
}

// awaitRoom waits while much is staged: no window limits the heads of a peer that
// asks and does not read. It returns why nothing may be written. c.mu is held, and
// released while waiting.
func (s *Stream) awaitRoom() error {
	c := s.c
	for {
		if c.m.Staged() >= mostStaged {
			c.flush(true)
		}
		switch err := s.mayWrite(); {
		case err != nil:
			return err
		case c.m.Staged() < mostStaged:
			return nil
		case s.write.past(s.c):
			return errTimeout
		}
		c.crowd = append(c.crowd, s)
		wake := s.write.prepare()
		c.mu.Unlock()
		<-wake
		c.mu.Lock()
	}
}

// letIn wakes those who wait for room. c.mu is held.
func (c *Conn) letIn() {
	if len(c.crowd) == 0 || !c.over && c.m.Staged() >= mostStaged {
		return
	}
	for i, s := range c.crowd {
		s.write.tell()
		c.crowd[i] = nil
	}
	c.crowd = c.crowd[:0]
}

// Respond sends a head of an answer (server): an interim one, or the final one
// with the beginning of the body, or with all of it and END_STREAM. It waits
// like Write.
func (s *Stream) Respond(h *h2.Head, body []byte, end bool) error {
	s.c.mu.Lock()
	defer s.c.unlock()
	if err := s.awaitRoom(); err != nil {
		return err
	}
	if err := s.c.m.Respond(s.m, h, end && len(body) == 0); err != nil {
		return err
	}
	if end && len(body) == 0 {
		s.outEnd = true
	}
	if len(body) > 0 {
		n, err := s.stage(body, nil, end)
		if err == nil && n < len(body) {
			_, err = s.queueAll(body[n:], n, end)
		}
		if err != nil {
			return err
		}
	}
	s.checkOver()
	s.c.flush(true)
	return nil
}

// WriteTrailers sends trailers, which end our direction.
func (s *Stream) WriteTrailers(f []h2.Field) error {
	s.c.mu.Lock()
	defer s.c.unlock()
	if err := s.mayWrite(); err != nil {
		return err
	}
	if err := s.c.m.Trailers(s.m, f); err != nil {
		return err
	}
	s.outEnd = true
	s.checkOver()
	s.c.flush(true)
	return nil
}

// CloseWrite ends our direction: END_STREAM.
func (s *Stream) CloseWrite() error {
	s.c.mu.Lock()
	defer s.c.unlock()
	switch {
	case s.err != nil:
		return s.err
	case s.outEnd:
		return nil
	case s.queued:
		return errBusy
	}
	if err := s.c.m.Queue(s.m, nil, true); err != nil {
		return err
	}
	s.outEnd = true
	s.checkOver()
	s.c.flush(false)
	return nil
}
