package websocket

import (
	"context"
	"iter"
	"slices"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// Read returns the next message. The bytes belong to the caller. It is
// [Conn.Append] to nothing; see there.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	return c.Append(ctx, nil)
}

// Append waits for the next message and appends it to dst. With a dst that is
// used again, it allocates nothing once dst is large enough.
//
// When ctx ends, the error wraps its cause, and nothing is lost: what had come
// of a message is kept, and the next call goes on from there. The end of the
// connection is a [*CloseError], which tells who closed with which code, or what
// went wrong; all later calls return it as well.
func (c *Conn) Append(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	return c.appendMessage(ctx, dst, slices.Grow, false)
}

// ReadBatch waits for the next message and appends it to dst, together with
// all others that the same read of the transport brought in whole. It is the
// way to read at high rates: answer to all of them with one
// [Conn.WriteBatch].
//
// The Data of the messages is valid until the next call of any read method.
// Contexts and errors are those of [Conn.Append]; messages that came before an
// error are returned first, and the error by the next call.
func (c *Conn) ReadBatch(ctx context.Context, dst []Message) ([]Message, error) {
	if err := c.beginRead(ctx); err != nil {
		return dst, err
	}
	c.batching = true
	dst, err := c.appendBatch(ctx, dst)
	c.lent = true
	c.endRead()
	return dst, err
}

// Messages returns an iterator over the messages to come. It ends with the
// connection: a clean ending, which is a close frame with 1000, 1001 or no code,
// ends the loop; any other error is yielded last, and so is the end of ctx.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			t, p, err := c.Read(ctx)
			if err != nil {
				if !cleanEnding(err) {
					yield(Message{}, err)
				}
				return
			}
			if !yield(Message{t, p}, nil) {
				return
			}
		}
	}
}

// States of Conn.reading.
const (
	readFree    = iota
	readHeld    // a goroutine reads
	readAwaited // and Close waits for it to stop
	readClosing // Close reads
)

// beginRead takes the right to read, and lets go of what the last read lent.
func (c *Conn) beginRead(ctx context.Context) error {
	if ctx == nil {
		return option.ErrNoContext
	}
	if !c.reading.CompareAndSwap(readFree, readHeld) {
		return c.beginLate(ctx)
	}
	// Before the end is seen not to have come, others may be giving back.
	if c.ended.Load() || c.loose != nil {
		return c.beginLoose()
	}
	c.lent = false
	return nil
}

// beginLate is for one who finds the right to read taken. When Close has it,
// all that is left to be seen is the end.
func (c *Conn) beginLate(ctx context.Context) error {
	for {
		c.mu.Lock()
		state, changed, ended, err := c.reading.Load(), c.change(), c.ended.Load(), c.ending()
		c.mu.Unlock()
		switch {
		case ended:
			return err
		case state != readClosing:
			return ErrConcurrentRead
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return stream.ContextError(ctx, "read")
		}
	}
}

// beginLoose is the less common part of beginRead.
func (c *Conn) beginLoose() error {
	ended := c.ended.Load()
	if ended {
		// The buffers may be given back by somebody else at this moment.
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	c.lent = false
	if l := c.loose; l != nil {
		for _, b := range l.batch {
			bufpool.Put(b)
		}
		l.batch = l.batch[:0]
		if l.reader != nil {
			c.skip = !l.reader.final
			l.reader = nil
		}
		if l.partType == 0 && cap(l.batch) == 0 && l.closing == nil {
			c.loose = nil
		}
	}
	if !ended {
		return nil
	}
	c.dropBuf()
	c.leaveRead()
	return c.ending()
}

// leaveLent lets go of what the last batch lies in, for good. Its reader may
// still look at it.
func (c *Conn) leaveLent() {
	if !c.lent {
		return
	}
	bufpool.Leave(c.buf)
	c.buf, c.off = nil, 0
	if c.loose != nil {
		for _, b := range c.loose.batch {
			bufpool.Leave(b)
		}
		c.loose.batch = nil
	}
}

// keepLent lets the last batch have what it lies in, and goes on with a copy of
// what was not worked through. The caller has the right to read.
func (c *Conn) keepLent() {
	if !c.lent {
		return
	}
	var rest []byte
	if c.off < len(c.buf) {
		rest = append(bufpool.Get(len(c.buf) - c.off)[:0], c.buf[c.off:]...)
	}
	c.leaveLent()
	c.lent = false
	c.buf = rest
}

// endRead gives the right to read back, and sends what the reader owes.
func (c *Conn) endRead() {
	if c.owesFlush {
		c.owesFlush = false
		c.flushAside()
	}
	if c.reading.Swap(readFree) != readHeld || c.ended.Load() {
		// From here on somebody else may have the right.
		c.mu.Lock()
		c.notify()
		c.cleanUp()
		c.mu.Unlock()
	}
}

// leaveRead is endRead for one who holds c.mu.
func (c *Conn) leaveRead() {
	c.reading.Store(readFree)
	c.notify()
	c.cleanUp()
}

// closeError returns how the connection ended. It is only asked for after the
// end.
func (c *Conn) closeError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending()
}

// loosen returns the loose part of the read side.
func (c *Conn) loosen() *loose {
	if c.loose == nil {
		c.loose = &loose{}
	}
	return c.loose
}

// hasPart reports whether a message is kept that was cut short.
func (c *Conn) hasPart() bool { return c.loose != nil && c.loose.partType != 0 }

// appendMessage appends the next message to dst. grow makes room; held says
// that the caller has the right to read. It waits not far down from the user's
// call, since a stack that has grown is all that a waiting connection holds.
func (c *Conn) appendMessage(ctx context.Context, dst []byte, grow growFunc, held bool) (t MessageType, _ []byte, err error) {
	if !held {
		if err := c.beginRead(ctx); err != nil {
			return 0, dst, err
		}
	}
	start := len(dst)
	if c.hasPart() {
		t, dst = c.takePart(dst, grow)
	}
	var final bool
	for {
		t, dst, final, err = c.takeMessage(t, dst, grow)
		if err != nil || final {
			break
		}
		if t != 0 && c.large() {
			dst, final, err = c.appendDirect(ctx, dst, start, grow)
		} else {
			err = c.fill(ctx)
		}
		if err != nil || final {
			break
		}
	}
	if err != nil {
		if t != 0 && !c.ended.Load() {
			c.keepPart(t, dst[start:])
		}
		t, dst = 0, dst[:start]
	}
	if !held {
		if c.off == len(c.buf) {
			c.dropBuf() // the program may take its time with the message
		}
		c.endRead()
	}
	return t, dst, err
}

// takeMessage appends to dst what the read buffer holds of a message. t is its
// type, as far as it is known. It never waits.
func (c *Conn) takeMessage(t MessageType, dst []byte, grow growFunc) (_ MessageType, _ []byte, final bool, err error) {
	for {
		n, ev, ok, err := c.recv.Next(c.buf[c.off:])
		c.off += n
		switch {
		case err != nil:
			return t, dst, false, c.violated(err)
		case !ok:
			return t, dst, false, nil
		case c.wanted(&ev):
			t, dst = ev.Opcode, append(grow(dst, len(ev.Data)), ev.Data...)
			if ev.Final {
				return t, dst, true, nil
			}
		default:
			if err := c.control(&ev); err != nil {
				return t, dst, false, err
			}
		}
	}
}

// growFunc returns p with room for n more bytes.
type growFunc func(p []byte, n int) []byte

// appendDirect reads the rest of a large frame straight into dst, as far as it
// is plain payload that does not fit the read buffer. dst grows with what has
// come, never with what was announced.
func (c *Conn) appendDirect(ctx context.Context, dst []byte, start int, grow growFunc) (_ []byte, final bool, err error) {
	for c.large() {
		rest, _ := c.recv.Payload()
		if room := int64(cap(dst) - len(dst)); room < min(rest, minDirect) {
			dst = grow(dst, int(min(rest, max(int64(len(dst)-start), minDirect))))
		}
		room := dst[len(dst):cap(dst)]
		room = room[:min(rest, int64(len(room)))]
		n, err := c.readInto(ctx, room)
		if err != nil {
			return dst, false, err
		}
		_, ev, _, err := c.recv.Next(room[:n])
		if err != nil {
			return dst, false, c.violated(err)
		}
		dst = dst[:len(dst)+n]
		if ev.Final {
			return dst, true, nil
		}
	}
	return dst, false, nil
}

// large reports whether the rest of the current frame is better read to where
// it is wanted than through a read buffer.
func (c *Conn) large() bool {
	rest, coded := c.recv.Payload()
	return !coded && rest > int64(1)<<c.sizeBits
}

// keepPart keeps what has come of a message until somebody reads again.
func (c *Conn) keepPart(t MessageType, p []byte) {
	l := c.loosen()
	l.partType = t
	l.part = append(bufpool.Get(len(p))[:0], p...)
}

// takePart appends what was kept of a message to dst.
func (c *Conn) takePart(dst []byte, grow growFunc) (MessageType, []byte) {
	l := c.loose
	t := l.partType
	dst = append(grow(dst, len(l.part)), l.part...)
	bufpool.Put(l.part)
	l.part, l.partType = nil, 0
	return t, dst
}

// appendBatch appends the messages that one read of the transport brings.
// Those that lie whole in the read buffer stay there; others are put together
// in buffers of their own, which the next call gives back.
func (c *Conn) appendBatch(ctx context.Context, dst []Message) ([]Message, error) {
	start := len(dst)
	for {
		var err error
		if dst, err = c.takeWhole(dst, start); err != nil || len(dst) > start {
			return dst, err
		}
		if !c.hasPart() {
			if err = c.fill(ctx); err != nil {
				return dst, err
			}
			continue
		}
		t, p, err := c.appendMessage(ctx, bufpool.Get(minDirect)[:0], bufpool.Grow, true)
		c.loose.batch = append(c.loose.batch, p)
		if err != nil {
			return dst, err
		}
		dst = append(dst, Message{t, p})
		if c.off == len(c.buf) {
			return dst, nil
		}
	}
}

// takeWhole appends what the read buffer holds of whole messages, and stops at
// one that is not. dst[start:] are those of this batch. When there are any, the
// end of the connection is left to the next read, so that they can be answered
// before it.
func (c *Conn) takeWhole(dst []Message, start int) ([]Message, error) {
	for !c.hasPart() {
		n, ev, ok, err := c.recv.Next(c.buf[c.off:])
		c.off += n
		switch {
		case ok && ev.First && ev.Final && c.conf.codec == nil && c.wanted(&ev):
			dst = append(dst, Message{ev.Opcode, ev.Data})
		case err != nil && len(dst) > start:
			return dst, nil // it comes again, when these are answered
		case err != nil:
			return dst, c.violated(err)
		case !ok:
			return dst, nil
		case ev.Kind == protocol.EventClose && len(dst) > start:
			c.loosen().closing = &protocol.Close{Code: ev.Code, Reason: ev.Reason}
			return dst, nil
		case !c.wanted(&ev):
			if err := c.control(&ev); err != nil {
				return dst, err
			}
		case ev.First && ev.Final:
			p := append(bufpool.Get(len(ev.Data))[:0], ev.Data...)
			c.loosen().batch = append(c.loose.batch, p)
			dst = append(dst, Message{ev.Opcode, p})
		default:
			c.keepPart(ev.Opcode, ev.Data)
		}
	}
	return dst, nil
}
