package h2

// onData takes the header of DATA (RFC 9113, section 6.1).
func (c *Conn) onData(ev *Event, h *frameHeader) (ok bool, err error) {
	c.traceReceived(h, FrameInfo{})
	c.phase = phaseSkip
	s := c.lookup(h.stream)
	if s == nil && c.fateOf(h.stream) == fateIdle {
		return false, c.fail(ErrCodeProtocol, "DATA on an idle stream")
	}
	if err := c.creditConn(h.length); err != nil {
		return false, err
	}
	switch {
	case s == nil && c.fateOf(h.stream) != fateIgnored:
		return false, c.fail(ErrCodeStreamClosed, "DATA on a closed stream")
	case s == nil:
		if h.length == 0 {
			err = c.nonProgress("empty DATA frames")
		}
		return false, err
	case s.is(recvEnd):
		return c.streamError(ev, s, ErrCodeStreamClosed, "DATA after END_STREAM")
	case !c.takeWindow(s, h.length):
		return c.streamError(ev, s, ErrCodeFlowControl, "more DATA than the stream's window lets in")
	}
	c.reading = s
	if !h.has(FlagPadded) {
		return c.body(ev, s, h.length, 0)
	}
	if h.length == 0 {
		return false, c.fail(ErrCodeFrameSize, "a padded frame without the length of its padding")
	}
	c.phase = phasePad
	return false, nil
}

// padded takes the length of the padding.
func (c *Conn) padded(ev *Event, pad uint8) (ok bool, err error) {
	s, length := c.reading, c.frame.length
	if uint32(pad) >= length {
		return false, c.fail(ErrCodeProtocol, "padding longer than its frame")
	}
	c.left = length - 1
	c.Consumed(s, 1+int(pad)) // nobody reads it
	return c.body(ev, s, length-1-uint32(pad), uint32(pad))
}

// body takes how much DATA carries.
func (c *Conn) body(ev *Event, s *Stream, n, pad uint32) (ok bool, err error) {
	end := c.frame.has(FlagEndStream)
	c.phase = phaseSkip // of c.left, when there is nothing to be read
	if s.is(closed) {   // it was reset by us since the frame began
		return false, nil
	}
	if reason := s.misfit(c.cfg.Role, n, end); reason != "" {
		return c.streamError(ev, s, ErrCodeProtocol, reason)
	}
	switch {
	case n > 0:
		c.phase, c.left, c.pad = phaseData, n, pad
		return false, nil
	case end:
		c.ended(s, recvEnd)
		*ev = Event{Kind: KindData, Stream: s, End: true}
		return true, nil
	}
	return false, c.nonProgress("empty DATA frames")
}

// misfit says why DATA of n bytes does not fit to the head.
func (s *Stream) misfit(role Role, n uint32, end bool) string {
	if role == RoleClient {
		switch {
		case !s.is(headCame):
			return "DATA before the response's head"
		case s.is(noBody) && n > 0:
			return "a body of a response that has none"
		}
	}
	if s.body < 0 {
		return ""
	}
	if int64(n) > s.body {
		return "more DATA than content-length says"
	}
	if s.body -= int64(n); end && s.body > 0 {
		return "less DATA than content-length says"
	}
	return ""
}

// data takes a piece of what DATA carries.
func (c *Conn) data(ev *Event, p []byte) (ok bool) {
	s := c.reading
	end := false
	if c.left -= uint32(len(p)); c.left == 0 {
		end = c.frame.has(FlagEndStream)
		c.phase, c.left = phaseHeader, c.pad
		c.reading = nil
		if c.pad > 0 {
			c.phase = phaseSkip
		}
	}
	if s.is(closed) { // it was reset by us since the frame began
		return false
	}
	if end {
		c.ended(s, recvEnd)
	}
	ev.Kind, ev.Stream, ev.Data, ev.End = KindData, s, p, end
	return true
}
