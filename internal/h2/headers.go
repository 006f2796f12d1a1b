package h2

// blockFor is what a header block is for.
type blockFor uint8

const (
	forHead     blockFor = iota // a request, a response
	forTrailers                 // the end of one
	forNothing                  // nobody: only the state of the compression is kept
	forError                    // an error of the stream
)

// headerBlock is the header block being received.
type headerBlock struct {
	id     uint32 // 0: none
	use    blockFor
	end    bool    // END_STREAM
	s      *Stream // nil for a request, and when the stream is gone
	code   ErrCode // of forError
	reason string
}

// onHeaders takes HEADERS (RFC 9113, section 6.2).
func (c *Conn) onHeaders(ev *Event, h *frameHeader, p []byte) (ok bool, err error) {
	c.traceReceived(h, FrameInfo{})
	p, code, reason := unpad(h, p)
	if code != 0 {
		return false, c.fail(code, reason)
	}
	c.block = headerBlock{id: h.stream, end: h.has(FlagEndStream)}
	itself := false
	if h.has(FlagPriority) {
		if len(p) < 5 {
			return false, c.fail(ErrCodeFrameSize, "HEADERS without the priority it should have")
		}
		itself = readUint32(p)&maxStream == h.stream
		p = p[5:]
	}
	if err := c.place(&c.block); err != nil {
		return false, err
	}
	if itself && c.block.use != forNothing {
		// RFC 7540, section 5.3.1.
		c.block.use, c.block.code, c.block.reason = forError, ErrCodeProtocol, "a stream that depends on itself"
	}
	mode := modeDiscard
	switch {
	case c.block.use == forTrailers:
		mode = modeTrailers
	case c.block.use == forHead && c.cfg.Role == RoleServer:
		mode = modeRequest
	case c.block.use == forHead:
		mode = modeResponse
	}
	c.dec.begin(mode)
	return c.fragment(ev, h, p)
}

// onContinuation takes CONTINUATION (RFC 9113, section 6.10).
func (c *Conn) onContinuation(ev *Event, h *frameHeader, p []byte) (ok bool, err error) {
	c.traceReceived(h, FrameInfo{})
	if len(p) == 0 && !h.has(FlagEndHeaders) {
		return false, c.fail(ErrCodeEnhanceYourCalm, "an empty CONTINUATION without END_HEADERS")
	}
	return c.fragment(ev, h, p)
}

// place says what a header block is for.
func (c *Conn) place(b *headerBlock) error {
	b.s = c.lookup(b.id)
	if b.s == nil {
		return c.placeNew(b)
	}
	s := b.s
	switch {
	case s.is(recvEnd):
		b.use, b.code, b.reason = forError, ErrCodeStreamClosed, "HEADERS after END_STREAM"
	case !s.is(headCame):
		b.use = forHead
	case !b.end:
		b.use, b.code, b.reason = forError, ErrCodeProtocol, "trailers without END_STREAM"
	case s.body > 0:
		b.use, b.code, b.reason = forError, ErrCodeProtocol, "less DATA than content-length says"
	default:
		b.use = forTrailers
	}
	return nil
}

// placeNew is place for a stream that is not open.
func (c *Conn) placeNew(b *headerBlock) error {
	server := c.cfg.Role == RoleServer
	switch f := c.fateOf(b.id); {
	case f == fateIdle && (!server || b.id&1 == 0):
		return c.fail(ErrCodeProtocol, "HEADERS on a stream that the peer can't open")
	case f == fateEnded:
		return c.fail(ErrCodeStreamClosed, "HEADERS on a closed stream")
	case f == fateOlder && server:
		return c.fail(ErrCodeProtocol, "a new stream below one there was")
	case f == fateOlder:
		return c.fail(ErrCodeStreamClosed, "HEADERS on a closed stream")
	case f == fateIgnored:
		b.use = forNothing
		return c.nonProgress("HEADERS frames on streams that are over")
	}
	c.lastPeer = b.id
	switch {
	case c.crowded():
		return c.fail(ErrCodeEnhanceYourCalm, "too many requests that are reset, and that is not read")
	case c.drain == drained:
		// RFC 9113, section 6.8: ignored. The client knows that it has to try
		// elsewhere.
		b.use = forNothing
		c.gone.reset(b.id)
		return c.nonProgress("requests after GOAWAY")
	case c.occupied >= int(c.cfg.MaxStreams), c.goneAway:
		b.use, b.code = forError, ErrCodeRefusedStream
		return nil
	}
	c.progress(0)
	b.use = forHead
	return nil
}

// fragment takes a part of a header block, and carries out the last.
func (c *Conn) fragment(ev *Event, h *frameHeader, p []byte) (ok bool, err error) {
	if err := c.dec.write(p); err != nil {
		return false, c.failWith(err)
	}
	if !h.has(FlagEndHeaders) {
		return false, nil
	}
	b := c.block
	c.block = headerBlock{}
	head, bad, err := c.dec.finish()
	if err != nil {
		return false, c.failWith(err)
	}
	if b.s != nil && b.s.is(closed) { // it was reset by us since the block began
		return false, nil
	}
	if bad != "" {
		b.use, b.code, b.reason = forError, ErrCodeProtocol, bad
	}
	switch {
	case b.use == forNothing:
		return false, nil
	case b.use == forError && b.s != nil:
		return c.streamError(ev, b.s, b.code, b.reason)
	case b.use == forError:
		return false, c.refuse(&b)
	case b.use == forTrailers:
		c.ended(b.s, recvEnd)
		*ev = Event{Kind: KindTrailers, Stream: b.s, Head: head, End: true}
		return true, nil
	case b.s != nil:
		return c.response(ev, &b, head)
	}
	return c.request(ev, &b, head)
}

// refuse resets a stream nobody knows of.
func (c *Conn) refuse(b *headerBlock) error {
	c.stageReset(b.id, b.code)
	if b.code != ErrCodeRefusedStream {
		return c.wrong(b.reason)
	}
	if err := c.reply(); err != nil {
		return err
	}
	return c.nonProgress("streams beyond MAX_CONCURRENT_STREAMS")
}

// request opens a stream with a request.
func (c *Conn) request(ev *Event, b *headerBlock, h *Head) (ok bool, err error) {
	if b.end && h.ContentLength > 0 && h.Method != "CONNECT" {
		b.code, b.reason = ErrCodeProtocol, "less DATA than content-length says"
		return false, c.refuse(b)
	}
	s := c.newStream(b.id)
	s.flags |= headCame
	if h.Method != "CONNECT" { // a content-length says nothing there
		s.body = h.ContentLength
	}
	if b.end {
		s.flags |= recvEnd
	}
	*ev = Event{Kind: KindHead, Stream: s, Head: h, End: b.end}
	return true, nil
}

// response takes a response's head (RFC 9113, section 8.1).
func (c *Conn) response(ev *Event, b *headerBlock, h *Head) (ok bool, err error) {
	s := b.s
	if h.Status < 200 {
		if b.end {
			return c.streamError(ev, s, ErrCodeProtocol, "an interim response with END_STREAM")
		}
		if err := c.nonProgress("interim responses"); err != nil {
			return false, err
		}
		*ev = Event{Kind: KindHead, Stream: s, Head: h}
		return true, nil
	}
	s.flags |= headCame
	connect := s.is(methodCONNECT) && h.Status < 300
	switch {
	case s.is(methodHEAD), h.Status == 204, h.Status == 304:
		s.flags |= noBody
	case !connect:
		s.body = h.ContentLength
	}
	if b.end {
		if s.body > 0 {
			return c.streamError(ev, s, ErrCodeProtocol, "less DATA than content-length says")
		}
		c.ended(s, recvEnd)
	}
	*ev = Event{Kind: KindHead, Stream: s, Head: h, End: b.end}
	return true, nil
}
