package h2

// creditConn takes n bytes of DATA off the connection's window. When half of it
// is used, the next Output opens it again: what is not read is held by the
// windows of the streams.
func (c *Conn) creditConn(n uint32) error {
	if int64(n) > c.recvWindow {
		return c.fail(ErrCodeFlowControl, "more DATA than the connection's window lets in")
	}
	c.recvWindow -= int64(n)
	if used := int64(c.cfg.ConnWindow) - c.recvWindow; used >= int64(c.cfg.ConnWindow)/2 {
		c.connUpdate = uint32(used)
	}
	return nil
}

// takeWindow takes n bytes of DATA off the window of s. Before the peer has our
// SETTINGS it may go by the initial window (RFC 9113, section 6.9.3).
func (c *Conn) takeWindow(s *Stream, n uint32) bool {
	slack := int64(0)
	if !c.acked {
		slack = max(0, initialWindow-int64(c.cfg.StreamWindow))
	}
	if int64(n) > int64(s.recvWindow)+slack {
		return false
	}
	s.recvWindow -= int32(n)
	return true
}

// Consumed says that n bytes of s were read: the peer may send as many more. It
// is told (HasOutput) when half of the window was read, or the window is nearly
// used up.
func (c *Conn) Consumed(s *Stream, n int) {
	if s.is(recvEnd) || n <= 0 || c.err != nil {
		return
	}
	s.consumed += int32(n)
	w := int32(c.cfg.StreamWindow)
	if s.consumed < w/2 && (s.recvWindow >= w/8 || s.consumed < w/8) {
		return
	}
	c.control(frameHeader{length: 4, typ: FrameWindowUpdate, stream: s.ID}, uint32(s.consumed))
	s.recvWindow += s.consumed
	s.consumed = 0
}

// onWindowUpdate takes WINDOW_UPDATE (RFC 9113, section 6.9).
func (c *Conn) onWindowUpdate(ev *Event, h *frameHeader, more uint32) (ok bool, err error) {
	c.traceReceived(h, FrameInfo{Value: more})
	var s *Stream
	if h.stream != 0 {
		if s = c.lookup(h.stream); s == nil {
			if c.fateOf(h.stream) == fateIdle {
				return false, c.fail(ErrCodeProtocol, "WINDOW_UPDATE on an idle stream")
			}
			return false, c.update("WINDOW_UPDATE frames")
		}
	}
	switch {
	case more == 0 && s == nil:
		return false, c.fail(ErrCodeProtocol, "WINDOW_UPDATE by 0")
	case more == 0:
		return c.streamError(ev, s, ErrCodeProtocol, "WINDOW_UPDATE by 0")
	case s == nil && int64(c.sendWindow)+int64(more) > maxWindow:
		return false, c.fail(ErrCodeFlowControl, "WINDOW_UPDATE over the largest window")
	case s != nil && int64(s.sendWindow)+int64(more) > maxWindow:
		return c.streamError(ev, s, ErrCodeFlowControl, "WINDOW_UPDATE over the largest window")
	}
	if err := c.update("WINDOW_UPDATE frames"); err != nil {
		return false, err
	}
	if s == nil {
		c.sendWindow += int32(more)
		c.wakeAll()
	} else {
		s.sendWindow += int32(more)
		c.wake(s)
	}
	*ev = Event{Kind: KindWindow, Stream: s}
	return true, nil
}

// setInitialWindow changes the windows of all streams by as much as the initial
// one (RFC 9113, section 6.9.2): they may become negative.
func (c *Conn) setInitialWindow(v int32) error {
	delta := int64(v) - int64(c.peer.window)
	c.peer.window = v
	if delta == 0 {
		return nil
	}
	for _, s := range c.streams {
		w := int64(s.sendWindow) + delta
		if w > maxWindow {
			return c.fail(ErrCodeFlowControl, "an INITIAL_WINDOW_SIZE that takes a stream over the largest window")
		}
		s.sendWindow = int32(w)
	}
	if delta > 0 {
		c.opened = true
		for _, s := range c.streams {
			c.wake(s)
		}
	}
	return nil
}
