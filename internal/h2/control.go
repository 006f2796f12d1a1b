package h2

// strayError is an error of a stream whatever its state: where it is not open
// there is nobody to be told. On an idle one it ends the connection, because
// RST_STREAM must not be sent there.
func (c *Conn) strayError(ev *Event, id uint32, code ErrCode, reason string) (ok bool, err error) {
	if s := c.lookup(id); s != nil {
		return c.streamError(ev, s, code, reason)
	}
	switch c.fateOf(id) {
	case fateIdle:
		return false, c.fail(code, reason)
	case fateIgnored:
	default:
		c.stageReset(id, code)
	}
	return false, c.wrong(reason)
}

// onPriority takes PRIORITY (RFC 9113, section 6.3), which means nothing any
// more but has to be right.
func (c *Conn) onPriority(ev *Event, h *frameHeader, p []byte) (ok bool, err error) {
	c.traceReceived(h, FrameInfo{})
	if readUint32(p)&maxStream == h.stream {
		return c.strayError(ev, h.stream, ErrCodeProtocol, "a stream that depends on itself")
	}
	return false, c.update("PRIORITY frames")
}

// onReset takes RST_STREAM (RFC 9113, section 6.4). A server counts them: to
// open and reset costs a client nothing.
func (c *Conn) onReset(ev *Event, h *frameHeader, code ErrCode) (ok bool, err error) {
	c.traceReceived(h, FrameInfo{Code: code})
	s := c.lookup(h.stream)
	if s == nil && c.fateOf(h.stream) == fateIdle {
		return false, c.fail(ErrCodeProtocol, "RST_STREAM on an idle stream")
	}
	if s == nil {
		c.gone.end(h.stream) // whoever of the two was first: the peer sends nothing more
	}
	if c.cfg.Role == RoleServer {
		if err := c.spend(&c.budget.resets, c.cfg.Resets, "streams reset"); err != nil {
			return false, err
		}
	} else if s == nil {
		return false, c.nonProgress("RST_STREAM frames")
	}
	if s == nil {
		return false, nil
	}
	c.gone.end(s.ID)
	c.close(s)
	*ev = Event{Kind: KindReset, Stream: s, Err: &StreamError{Stream: s.ID, Code: code, Remote: true}}
	return true, nil
}

// onPing takes PING (RFC 9113, section 6.7).
func (c *Conn) onPing(ev *Event, h *frameHeader, data [8]byte) (ok bool, err error) {
	c.traceReceived(h, FrameInfo{})
	if !h.has(FlagAck) {
		if err := c.nonProgress("PING frames"); err != nil {
			return false, err
		}
		c.ping(FlagAck, data)
		return false, c.reply()
	}
	if c.pings == 0 {
		return false, c.nonProgress("answers to no PING")
	}
	c.pings--
	if c.drain == draining && string(data[:]) == drainPing {
		c.drainLast()
		return false, nil
	}
	*ev = Event{Kind: KindPong, Ping: data}
	return true, nil
}

// Ping sends a PING.
func (c *Conn) Ping(data [8]byte) {
	if c.err != nil {
		return
	}
	c.pings++
	c.ping(0, data)
}

func (c *Conn) ping(flags uint8, data [8]byte) {
	c.room(headerLen + 8)
	c.ctl = append(appendHeader(c.ctl, frameHeader{length: 8, typ: FramePing, flags: flags}), data[:]...)
	c.traceSent(FrameInfo{Type: FramePing, Flags: flags, Length: 8})
}
