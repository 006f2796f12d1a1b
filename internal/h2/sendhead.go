package h2

// Heads and trailers that are sent; headers.go takes those that come.

// Open opens a stream (client). ErrNoSlot, ErrGoingAway, ErrHeadTooLong.
func (c *Conn) Open(h *Head, end bool) (*Stream, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case c.goneAway || c.drain != notDraining || c.nextID > maxStream:
		return nil, ErrGoingAway
	case uint64(len(c.streams)) >= uint64(c.peer.maxStreams):
		return nil, ErrNoSlot
	case listSize(h) > uint64(c.peer.headerListSize):
		return nil, ErrHeadTooLong
	}
	s := c.newStream(c.nextID)
	c.nextID += 2
	s.flags |= headSent
	switch h.Method {
	case "HEAD":
		s.flags |= methodHEAD
	case "CONNECT":
		s.flags |= methodCONNECT
	}
	start := c.beginBlock(h, nil)
	c.out = c.enc.request(c.out, h)
	c.endBlock(s, start, end)
	return s, nil
}

// Respond sends a response's head (server), interim ones too.
func (c *Conn) Respond(s *Stream, h *Head, end bool) error {
	switch {
	case c.err != nil:
		return c.err
	case s.is(sendEnd):
		return ErrStreamDone
	case s.is(headSent):
		return errHeadOrder
	}
	if h.Status >= 200 {
		s.flags |= headSent
	}
	start := c.beginBlock(h, nil)
	c.out = c.enc.response(c.out, h)
	c.endBlock(s, start, end && h.Status >= 200)
	return nil
}

// Trailers sends trailers, which end our direction. Nothing may be queued on s.
func (c *Conn) Trailers(s *Stream, f []Field) error {
	if err := c.sendable(s); err != nil {
		return err
	}
	if len(s.queue) > 0 {
		return errQueued
	}
	if len(f) == 0 {
		c.stageData(s, nil, nil, true)
		return nil
	}
	start := c.beginBlock(&Head{}, f)
	c.out = c.enc.trailers(c.out, f)
	c.endBlock(s, start, true)
	return nil
}

// fieldOverhead is what SETTINGS_MAX_HEADER_LIST_SIZE counts for each field
// besides its name and value.
const fieldOverhead = 32

// listSize is the size of a request's header as SETTINGS_MAX_HEADER_LIST_SIZE
// counts it.
func listSize(h *Head) (n uint64) {
	pseudo := func(name, value string) {
		if value != "" {
			n += uint64(len(name) + len(value) + fieldOverhead)
		}
	}
	pseudo(":method", h.Method)
	pseudo(":scheme", h.Scheme)
	pseudo(":authority", h.Authority)
	pseudo(":path", h.Path)
	pseudo(":protocol", h.Protocol)
	return n + fieldsSize(h.Fields)
}

func fieldsSize(f []Field) (n uint64) {
	for i := range f {
		n += uint64(f[i].Size())
	}
	return n
}

// beginBlock leaves room for the header of HEADERS, and for a block of h and f
// however it is encoded.
func (c *Conn) beginBlock(h *Head, f []Field) (start int) {
	const status, length, resize = 64, 64, 16
	n := listSize(h) + fieldsSize(f) + status + length + resize
	c.stage(headerLen + int(n))
	start = len(c.out)
	c.out = appendHeader(c.out, frameHeader{})
	return start
}

// endBlock writes the headers of HEADERS, and of CONTINUATION where the block
// is longer than a frame (RFC 9113, section 4.3).
func (c *Conn) endBlock(s *Stream, start int, end bool) {
	h := frameHeader{typ: FrameHeaders, stream: s.ID}
	if end {
		h.flags = FlagEndStream
	}
	block := c.out[start+headerLen:]
	if len(block) > frameSize {
		block = append([]byte(nil), block...)
	}
	c.out = c.out[:start]
	for {
		n := min(len(block), frameSize)
		h.length = uint32(n)
		if n == len(block) {
			h.flags |= FlagEndHeaders
		}
		c.stage(headerLen + n)
		c.out = append(appendHeader(c.out, h), block[:n]...)
		c.traceSent(FrameInfo{Type: h.typ, Flags: h.flags, Stream: h.stream, Length: h.length})
		if block = block[n:]; len(block) == 0 {
			break
		}
		h.typ, h.flags = FrameContinuation, 0
	}
	if end {
		c.ended(s, sendEnd)
	}
}
