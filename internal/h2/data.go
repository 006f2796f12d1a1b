package h2

// onData takes the header of DATA (RFC 9113, section 6.1).
func (c *Conn) onData(h *frameHeader) (ev Event, ok bool, err error) {
	c.traceReceived(h, FrameInfo{})
	c.phase = phaseSkip
	s := c.lookup(h.stream)
	if s == nil && c.fateOf(h.stream) == fateIdle {
		return ev, false, c.fail(ErrCodeProtocol, "DATA on an idle stream")
	}
	if err := c.creditConn(h.length); err != nil {
		return ev, false, err
	}
	switch {
	case s == nil && c.fateOf(h.stream) != fateIgnored:
		return ev, false, c.fail(ErrCodeStreamClosed, "DATA on a closed stream")
	case s == nil:
		if h.length == 0 {
			err = c.nonProgress("empty DATA frames")
		}
		return ev, false, err
	case s.is(recvEnd):
		return c.streamError(s, ErrCodeStreamClosed, "DATA after END_STREAM")
	case !c.takeWindow(s, h.length):
		return c.streamError(s, ErrCodeFlowControl, "more DATA than the stream's window lets in")
	}
	c.reading = s
	if !h.has(FlagPadded) {
		return c.body(s, h.length, 0)
	}
	if h.length == 0 {
		return ev, false, c.fail(ErrCodeFrameSize, "a padded frame without the length of its padding")
	}
	c.phase = phasePad
	return ev, false, nil
}

// padded takes the length of the padding.
func (c *Conn) padded(pad uint8) (ev Event, ok bool, err error) {
	s, length := c.reading, c.frame.length
	if uint32(pad) >= length {
		return ev, false, c.fail(ErrCodeProtocol, "padding longer than its frame")
	}
	c.left = length - 1
	c.Consumed(s, 1+int(pad)) // nobody reads it
	return c.body(s, length-1-uint32(pad), uint32(pad))
}

// body takes how much DATA carries.
func (c *Conn) body(s *Stream, n, pad uint32) (ev Event, ok bool, err error) {
	end := c.frame.has(FlagEndStream)
	c.phase = phaseSkip // of c.left, when there is nothing to be read
	if s.is(closed) {   // it was reset by us since the frame began
		return ev, false, nil
	}
	if reason := s.misfit(c.cfg.Role, n, end); reason != "" {
		return c.streamError(s, ErrCodeProtocol, reason)
	}
	switch {
	case n > 0:
		c.phase, c.left, c.pad = phaseData, n, pad
		return ev, false, nil
	case end:
		c.ended(s, recvEnd)
		return Event{Kind: KindData, Stream: s, End: true}, true, nil
	}
	return ev, false, c.nonProgress("empty DATA frames")
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
func (c *Conn) data(p []byte) (ev Event, ok bool) {
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
		return ev, false
	}
	if end {
		c.ended(s, recvEnd)
	}
	return Event{Kind: KindData, Stream: s, Data: p, End: end}, true
}
