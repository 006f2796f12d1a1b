package h2

// list is a list of streams; one stream is on one list at most.
type list struct{ head, tail *Stream }

func (l *list) push(s *Stream) {
	s.prev, s.next = l.tail, nil
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.next = s
	}
	l.tail = s
}

func (l *list) remove(s *Stream) {
	if s.prev == nil {
		l.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.tail = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

const (
	// leastData is the least DATA that is sent at once while more waits, and
	// patience how long, in nanoseconds, for the peer to take that much.
	leastData = 1 << 10
	patience  = 50e6
)

// allowance returns how much of left bytes s may send now. It is 0 when windows
// are closed, and when they are opened by little at a time: not less than
// leastData is sent then, until patience is over.
func (c *Conn) allowance(s *Stream, left int) int {
	n := min(left, int(s.sendWindow), int(c.sendWindow))
	switch {
	case n <= 0:
		return 0
	case n >= min(leastData, left), c.cfg.SendAtOnce:
		s.stuck = 0
		return n
	case s.stuck == 0:
		s.stuck = c.now + 1
		return 0
	case !c.expired(s):
		return 0
	}
	return n
}

func (c *Conn) expired(s *Stream) bool { return c.now+1-s.stuck >= patience }

// Queue queues p, which stays as it is until Written or Unqueue returns s, or
// the stream is over. One call per stream at a time.
func (c *Conn) Queue(s *Stream, p []byte, end bool) error {
	if err := c.sendable(s); err != nil {
		return err
	}
	if len(s.queue) > 0 {
		return errQueued
	}
	if len(p) == 0 {
		if end {
			c.stageData(s, nil, nil, true)
		}
		c.emptied(s)
		return nil
	}
	s.queue = p
	if end {
		s.flags |= queuedEnd
	}
	c.enlist(s)
	return nil
}

// Unqueue takes back what is queued on s and returns how many bytes of it were
// not taken.
func (c *Conn) Unqueue(s *Stream) (left int) {
	for i, w := range c.written {
		if w == s && !c.writtenGiven {
			c.written = append(c.written[:i], c.written[i+1:]...)
			break
		}
	}
	left = len(s.queue)
	c.unlist(s)
	s.queue = nil
	s.flags &^= queuedEnd
	return left
}

// Written returns the streams whose queue was emptied since the last call.
// Valid until the next call of any method.
func (c *Conn) Written() []*Stream {
	if c.writtenGiven {
		return nil
	}
	c.writtenGiven = true
	return c.written
}

// emptied makes Written return s.
func (c *Conn) emptied(s *Stream) {
	if c.writtenGiven {
		clear(c.written)
		c.written, c.writtenGiven = c.written[:0], false
	}
	c.written = append(c.written, s)
}

// enlist puts s, whose queue is not empty, where it belongs: among those that
// can send, those that are stuck, or nowhere while its window is closed.
func (c *Conn) enlist(s *Stream) {
	switch {
	case s.sendWindow <= 0:
	case c.sendWindow <= 0 || c.allowance(s, len(s.queue)) > 0:
		s.flags |= inReady
		c.ready.push(s)
	default:
		s.flags |= inStuck
		c.stuck.push(s)
	}
}

func (c *Conn) unlist(s *Stream) {
	switch {
	case s.is(inReady):
		c.ready.remove(s)
	case s.is(inStuck):
		c.stuck.remove(s)
	}
	s.flags &^= inReady | inStuck
}

// wake looks at s again after its window was opened.
func (c *Conn) wake(s *Stream) {
	if len(s.queue) > 0 && !s.is(inReady) {
		c.unlist(s)
		c.enlist(s)
	}
}

// wakeAll looks again at those that are stuck: the connection's window was
// opened, or time has passed.
func (c *Conn) wakeAll() {
	for s := c.stuck.head; s != nil; {
		next := s.next
		if c.allowance(s, len(s.queue)) > 0 {
			c.unlist(s)
			c.enlist(s)
		}
		s = next
	}
}

// canSend reports whether some queued stream can send now. The first of those
// that are ready can, then.
func (c *Conn) canSend() bool {
	if c.sendWindow <= 0 {
		return false
	}
	if c.stuck.head != nil {
		c.wakeAll()
	}
	for s := c.ready.head; s != nil; s = c.ready.head {
		if c.allowance(s, len(s.queue)) > 0 {
			return true
		}
		c.unlist(s)
		c.enlist(s)
	}
	return false
}

// Retry reports whether queued data waits only because the peer's window is
// opened by little at a time: Output should be called again after 50 ms.
func (c *Conn) Retry() bool { return c.stuck.head != nil && c.sendWindow > 0 }
