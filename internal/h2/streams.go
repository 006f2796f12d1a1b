package h2

// What a Stream remembers of its state (RFC 9113, section 5.1).
const (
	recvEnd    = 1 << iota // the peer's direction has ended
	sendEnd                // and ours
	closed                 // both, or there was a RST_STREAM
	released               // nobody works for it any more
	headSent               // the request, or the final response
	headCame               // likewise from the peer
	noBody                 // the response has none: to HEAD, and 204 and 304
	methodHEAD             // of our request
	methodCONNECT
	queuedEnd // the queue ends our direction
	inReady   // on the list of those that can send
	inStuck   // on the list of those that wait for more window
)

// Stream is one stream of a Conn. Owner is the user's.
type Stream struct {
	ID    uint32
	flags uint16

	sendWindow int32 // what the peer takes; negative after a smaller INITIAL_WINDOW_SIZE
	recvWindow int32 // what the peer may send
	consumed   int32 // read, and not yet told

	Owner any

	body  int64  // what is left of content-length; -1: not known
	queue []byte // what waits to be sent
	stuck int64  // since when the window is too small to be used, plus 1; 0: it is not

	prev, next *Stream // on a list
}

func (s *Stream) is(flag uint16) bool { return s.flags&flag != 0 }

// lookup returns the open stream of an id, or nil.
func (c *Conn) lookup(id uint32) *Stream {
	if s := c.latest; s != nil && s.ID == id {
		return s
	}
	s := c.streams[id]
	if s != nil {
		c.latest = s
	}
	return s
}

func (c *Conn) newStream(id uint32) *Stream {
	s := &Stream{ID: id, sendWindow: c.peer.window, recvWindow: int32(c.cfg.StreamWindow), body: -1}
	if c.streams == nil {
		c.streams = make(map[uint32]*Stream)
	}
	c.streams[id] = s
	c.latest = s
	c.occupied++
	return s
}

// ended takes the end of a direction, and closes s with the second.
func (c *Conn) ended(s *Stream, dir uint16) {
	s.flags |= dir
	if s.flags&(recvEnd|sendEnd) == recvEnd|sendEnd {
		c.gone.end(s.ID)
		c.close(s)
	}
}

// close forgets s.
func (c *Conn) close(s *Stream) {
	s.flags |= closed | recvEnd | sendEnd
	c.unlist(s)
	s.queue = nil
	delete(c.streams, s.ID)
	if c.latest == s {
		c.latest = nil
	}
	if c.cfg.Role == RoleClient || s.is(released) {
		c.occupied--
	}
}

// Release says that nobody works for s any more (server).
func (c *Conn) Release(s *Stream) {
	if s.is(released) {
		return
	}
	s.flags |= released
	if s.is(closed) && c.cfg.Role == RoleServer {
		c.occupied--
	}
}

// Reset ends s with RST_STREAM; what is queued on it is dropped.
func (c *Conn) Reset(s *Stream, code ErrCode) {
	if s.is(closed) || c.err != nil {
		return
	}
	c.close(s)
	c.stageReset(s.ID, code)
	c.replies++ // looked at with the next request
}

// stageReset sends RST_STREAM. What the peer sent before it knew is ignored.
func (c *Conn) stageReset(id uint32, code ErrCode) {
	c.gone.reset(id)
	c.stage(headerLen + 4)
	c.out = appendUint32(appendHeader(c.out, frameHeader{length: 4, typ: FrameRSTStream, stream: id}), uint32(code))
	c.traceSent(FrameInfo{Type: FrameRSTStream, Stream: id, Length: 4, Code: code})
}

// streamError resets s because of what the peer sent.
func (c *Conn) streamError(ev *Event, s *Stream, code ErrCode, reason string) (ok bool, err error) {
	c.close(s)
	c.stageReset(s.ID, code)
	if err := c.wrong(reason); err != nil {
		return false, err
	}
	*ev = Event{Kind: KindReset, Stream: s, Err: &StreamError{Stream: s.ID, Code: code, Reason: reason}}
	return true, nil
}

// wrong counts a reset that the peer caused.
func (c *Conn) wrong(reason string) error {
	if err := c.reply(); err != nil {
		return err
	}
	return c.spend(&c.budget.ownResets, c.cfg.OwnResets, "streams that had to be reset, the last of them for "+reason)
}

// fate is what became of a stream that is not open.
type fate uint8

const (
	fateIdle    fate = iota // it never was
	fateEnded               // both directions have ended, or the peer reset it
	fateOlder               // one or the other, longer ago, or it was skipped
	fateIgnored             // we reset it, and what was on its way is ignored
)

// fateOf says what became of a stream that is not open.
func (c *Conn) fateOf(id uint32) fate {
	if id&1 == 0 || c.cfg.Role == RoleServer && id > c.lastPeer || c.cfg.Role == RoleClient && id >= c.nextID {
		return fateIdle
	}
	return c.gone.fate(id)
}

// gone remembers the streams that ended lately.
type gone struct {
	resets *[64]uint32 // those we reset; nil before the first
	ends   [4]uint32   // the others
	older  uint32      // of those that fell out of resets, the highest
	r, e   uint8
}

func (g *gone) end(id uint32) {
	g.ends[g.e%4] = id
	g.e++
}

func (g *gone) reset(id uint32) {
	if g.resets == nil {
		g.resets = new([64]uint32)
	}
	p := &g.resets[g.r%64]
	g.older = max(g.older, *p)
	*p = id
	g.r++
}

func (g *gone) fate(id uint32) fate {
	for _, e := range g.ends {
		if e == id {
			return fateEnded
		}
	}
	// Of what is older than the oldest it can't be told any more.
	if id <= g.older {
		return fateIgnored
	}
	if g.resets != nil {
		for _, r := range g.resets {
			if r == id {
				return fateIgnored
			}
		}
	}
	return fateOlder
}
