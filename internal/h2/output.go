package h2

import (
	"encoding/binary"

	"github.com/lariat-go/websocket/internal/bufpool"
)

const (
	// mostStaged is how much Write stages.
	mostStaged = 64 << 10
	// firstStage is the least room the staging buffer begins with.
	firstStage = 4 << 10
)

func readUint32(p []byte) uint32 { return binary.BigEndian.Uint32(p) }

func appendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

// room makes room for n bytes among the control frames, which overtake
// everything else.
func (c *Conn) room(n int) { c.ctl = bufpool.Grow(c.ctl, n) }

// stage makes room for n bytes among what keeps its order.
func (c *Conn) stage(n int) {
	switch {
	case c.out == nil:
		n = max(n, firstStage)
	case c.sent > 0 && cap(c.out)-len(c.out) < n:
		c.out = c.out[:copy(c.out, c.out[c.sent:])]
		c.sent = 0
	}
	c.out = bufpool.Grow(c.out, n)
}

// control queues a WINDOW_UPDATE.
func (c *Conn) control(h frameHeader, v uint32) {
	c.room(headerLen + 4)
	c.ctl = appendUint32(appendHeader(c.ctl, h), v)
	c.traceSent(FrameInfo{Type: h.typ, Stream: h.stream, Length: 4, Value: v})
}

// sendable reports why nothing can be sent on s.
func (c *Conn) sendable(s *Stream) error {
	switch {
	case c.err != nil:
		return c.err
	case s.flags&(sendEnd|queuedEnd) != 0:
		return ErrStreamDone
	case !s.is(headSent):
		return errHeadOrder
	}
	return nil
}

// Write stages what of p and then tail can be sent now, in as few DATA frames
// as can be, and returns how many bytes that is: 0 when others wait in the
// queue, windows are closed or opened by little at a time (whoever queues what
// is left is helped by Retry then), or enough is staged already. With end, the
// last frame ends our direction, if all of it was taken (an empty p and tail:
// an empty DATA frame).
func (c *Conn) Write(s *Stream, p, tail []byte, end bool) (n int, err error) {
	if err := c.sendable(s); err != nil {
		return 0, err
	}
	total := len(p) + len(tail)
	if total == 0 {
		if end && len(s.queue) == 0 {
			c.stageData(s, nil, nil, true)
		}
		return 0, nil
	}
	staged := len(c.out) - c.sent
	if staged >= mostStaged || len(s.queue) > 0 || c.ready.head != nil && c.canSend() {
		return 0, nil
	}
	n = c.allowance(s, total)
	if n == 0 {
		return 0, nil
	}
	n = min(n, max(mostStaged-staged, frameSize))
	s.stuck = 0
	end = end && n == total
	if n < len(p) {
		p = p[:n]
	}
	c.stageData(s, p, tail[:n-len(p)], end)
	return n, nil
}

// stageData stages p and tail, which the windows allow.
func (c *Conn) stageData(s *Stream, p, tail []byte, end bool) {
	left := len(p) + len(tail)
	s.sendWindow -= int32(left)
	c.sendWindow -= int32(left)
	c.stage(left + headerLen*(left/frameSize+1))
	for {
		n := min(left, frameSize)
		left -= n
		c.out = c.appendDataHeader(c.out, s, n, end && left == 0)
		k := copy(c.out[len(c.out):len(c.out)+n], p)
		copy(c.out[len(c.out)+k:len(c.out)+n], tail)
		c.out = c.out[:len(c.out)+n]
		p, tail = p[k:], tail[n-k:]
		if left == 0 {
			break
		}
	}
	if end {
		c.ended(s, sendEnd)
	}
}

func (c *Conn) appendDataHeader(dst []byte, s *Stream, n int, end bool) []byte {
	h := frameHeader{length: uint32(n), typ: FrameData, stream: s.ID}
	if end {
		h.flags = FlagEndStream
	}
	c.progress(n)
	c.traceSent(FrameInfo{Type: FrameData, Flags: h.flags, Stream: s.ID, Length: h.length})
	return appendHeader(dst, h)
}

// HasOutput reports whether Output would give something.
func (c *Conn) HasOutput() bool {
	return len(c.ctl) > 0 || len(c.out) > 0 || c.connUpdate > 0 || c.canSend()
}

// Staged returns how many bytes Write has staged that Output has not given.
func (c *Conn) Staged() int { return len(c.out) - c.sent }

// Output appends up to limit bytes of what is to be sent: control frames first,
// then heads and data in their order, then what is queued, streams in turn. It
// is more only where the control frames, or a single header block or frame are.
func (c *Conn) Output(dst []byte, limit int) []byte {
	start := len(dst)
	if c.connUpdate > 0 {
		c.control(frameHeader{length: 4, typ: FrameWindowUpdate}, c.connUpdate)
		c.recvWindow += int64(c.connUpdate)
		c.connUpdate = 0
	}
	if len(c.ctl) > 0 {
		dst = append(dst, c.ctl...)
		bufpool.Put(c.ctl)
		c.ctl = nil
	}
	if len(c.out) > 0 {
		n := stagedFrames(c.out[c.sent:], limit-(len(dst)-start), len(dst) == start)
		dst = append(dst, c.out[c.sent:c.sent+n]...)
		if c.sent += n; c.sent < len(c.out) {
			return dst
		}
		bufpool.Put(c.out)
		c.out, c.sent = nil, 0
	}
	c.replies = 0
	for more := true; more && c.canSend(); {
		dst, more = c.sendQueued(dst, limit-(len(dst)-start), len(dst) == start)
	}
	return dst
}

// Take is Output in a buffer of bufpool, which the caller gives back: that in
// which it was staged, where it can be.
func (c *Conn) Take(limit int) []byte {
	if c.connUpdate > 0 || len(c.ctl) > 0 || len(c.out) == 0 || c.sent > 0 || len(c.out) > limit+frameSize {
		size := limit
		if !c.canSend() {
			size = min(limit, headerLen+4+len(c.ctl)+c.Staged())
		}
		return c.Output(bufpool.Get(size)[:0], limit)
	}
	dst := c.out
	c.out, c.replies = nil, 0
	for more := true; more && c.canSend(); {
		dst, more = c.sendQueued(dst, min(limit, cap(dst))-len(dst), false)
	}
	return dst
}

// stagedFrames returns how many bytes of p are the frames that fit into limit,
// or if need be the first. Header blocks are not torn apart.
func stagedFrames(p []byte, limit int, need bool) (n int) {
	if len(p) <= limit {
		return len(p)
	}
	for end := 0; ; n = end {
		for {
			h := parseHeader(p[end:])
			end += headerLen + int(h.length)
			if h.typ != FrameHeaders && h.typ != FrameContinuation || h.has(FlagEndHeaders) {
				break
			}
		}
		if end > limit && (n > 0 || !need) {
			return n
		}
		if end >= limit {
			return end
		}
	}
}

// sendQueued appends a DATA frame of the first stream that can send, and puts
// the stream behind the others. Only a long queue is cut where limit ends.
func (c *Conn) sendQueued(dst []byte, limit int, need bool) (_ []byte, more bool) {
	s := c.ready.head
	n := min(c.allowance(s, len(s.queue)), frameSize)
	if headerLen+n > limit && !need {
		if n < frameSize || limit < headerLen+leastData {
			return dst, false
		}
		n = limit - headerLen
	}
	c.unlist(s)
	s.stuck = 0
	s.sendWindow -= int32(n)
	c.sendWindow -= int32(n)
	last := n == len(s.queue)
	end := last && s.is(queuedEnd)
	dst = append(c.appendDataHeader(dst, s, n, end), s.queue[:n]...)
	if !last {
		s.queue = s.queue[n:]
		c.enlist(s)
		return dst, true
	}
	s.queue = nil
	c.emptied(s)
	if end {
		c.ended(s, sendEnd)
	}
	return dst, true
}

// dropOutput drops all but the control frames.
func (c *Conn) dropOutput() {
	bufpool.Put(c.out)
	c.out, c.sent, c.connUpdate = nil, 0, 0
	for _, l := range []*list{&c.ready, &c.stuck} {
		for l.head != nil {
			s := l.head
			c.unlist(s)
		}
	}
}

func (c *Conn) traceSent(f FrameInfo) {
	if c.cfg.OnFrame != nil {
		f.Sent = true
		c.cfg.OnFrame(f)
	}
}

func (c *Conn) traceReceived(h *frameHeader, f FrameInfo) {
	if c.cfg.OnFrame != nil {
		f.Type, f.Flags, f.Stream, f.Length = h.typ, h.flags, h.stream, h.length
		c.cfg.OnFrame(f)
	}
}
