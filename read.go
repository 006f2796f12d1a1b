package websocket

import (
	"context"
	"iter"
	"slices"

	"github.com/lariat-go/websocket/internal/bufpool"
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
// of a message is kept, and the next call goes on from there. Any other error
// is the end of the connection and is returned by all later calls as well: a
// [*CloseError], which tells who closed with which code, or what went wrong.
func (c *Conn) Append(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	if err := c.beginRead(); err != nil {
		return 0, dst, err
	}
	t, dst, err := c.appendMessage(ctx, dst, slices.Grow)
	c.endRead()
	return t, dst, err
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
	if err := c.beginRead(); err != nil {
		return dst, err
	}
	dst, err := c.appendBatch(ctx, dst)
	c.lent = true
	c.endRead()
	return dst, err
}

// Messages returns an iterator over the messages to come. It ends with the
// connection: a clean ending, 1000 or 1001, ends the loop; any other error is
// yielded last, and so is the end of ctx.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			t, p, err := c.Read(ctx)
			if err != nil {
				if code := CloseStatus(err); code != StatusNormalClosure && code != StatusGoingAway {
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
)

// beginRead takes the right to read.
func (c *Conn) beginRead() error {
	if !c.reading.CompareAndSwap(readFree, readHeld) {
		return ErrConcurrentRead
	}
	if c.ended.Load() {
		c.mu.Lock()
		c.lent = false
		c.dropBatch()
		c.dropBuf()
		c.mu.Unlock()
		c.endRead()
		return c.closeError()
	}
	if c.lent {
		c.lent = false
		c.dropBatch()
	}
	if c.reader != nil {
		c.skip = !c.reader.final
		c.reader = nil
	}
	return nil
}

// dropBatch gives back what the last batch was read into.
func (c *Conn) dropBatch() {
	for _, b := range c.batch {
		bufpool.Put(b)
	}
	c.batch = c.batch[:0]
}

// endRead gives the right to read back.
func (c *Conn) endRead() {
	awaited := c.reading.Swap(readFree) == readAwaited
	if awaited || c.ended.Load() {
		c.mu.Lock()
		c.notify()
		c.cleanUp()
		c.mu.Unlock()
	}
}

// closeError returns how the connection ended. It is only asked for after the
// end.
func (c *Conn) closeError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing.Err()
}

// appendMessage appends the next message to dst. grow makes room.
func (c *Conn) appendMessage(ctx context.Context, dst []byte, grow growFunc) (MessageType, []byte, error) {
	start := len(dst)
	t := MessageType(0)
	if c.partType != 0 {
		t, dst = c.partType, append(grow(dst, len(c.part)), c.part...)
		c.dropPart()
	}
	for {
		ev, err := c.next(ctx)
		if err == nil {
			t = ev.Opcode
			dst = append(grow(dst, len(ev.Data)), ev.Data...)
			final := ev.Final
			if !final && c.off == len(c.buf) {
				dst, final, err = c.appendDirect(ctx, dst, start, grow)
			}
			if final {
				return t, dst, nil
			}
		}
		if err != nil {
			if t != 0 && !c.ended.Load() {
				c.keepPart(t, dst[start:])
			}
			return 0, dst[:start], err
		}
	}
}

// growFunc returns p with room for n more bytes.
type growFunc func(p []byte, n int) []byte

// appendDirect reads the rest of a large frame straight into dst, as far as it
// is plain payload that does not fit the read buffer. dst grows with what has
// come, never with what was announced.
func (c *Conn) appendDirect(ctx context.Context, dst []byte, start int, grow growFunc) (_ []byte, final bool, err error) {
	for {
		rest, coded := c.recv.Payload()
		if coded || rest <= int64(1)<<c.sizeBits {
			return dst, false, nil
		}
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
}

// keepPart keeps what has come of a message until somebody reads again.
func (c *Conn) keepPart(t MessageType, p []byte) {
	c.partType = t
	c.part = append(bufpool.Get(len(p))[:0], p...)
}

func (c *Conn) dropPart() {
	if c.part != nil {
		bufpool.Put(c.part)
	}
	c.part, c.partType = nil, 0
}

// appendBatch appends the messages that one read of the transport brings.
// Those that lie whole in the read buffer stay there; others are put together
// in buffers of their own, which the next call gives back.
func (c *Conn) appendBatch(ctx context.Context, dst []Message) ([]Message, error) {
	start := len(dst)
	for {
		var err error
		if dst, err = c.takeWhole(dst); err != nil || len(dst) > start {
			if len(dst) > start {
				err = nil // it comes again
			}
			return dst, err
		}
		if c.partType == 0 {
			if err = c.fill(ctx); err != nil {
				return dst, err
			}
			continue
		}
		t, p, err := c.appendMessage(ctx, bufpool.Get(minDirect)[:0], bufpool.Grow)
		c.batch = append(c.batch, p)
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
// one that is not.
func (c *Conn) takeWhole(dst []Message) ([]Message, error) {
	for c.partType == 0 {
		n, ev, ok, err := c.recv.Next(c.buf[c.off:])
		c.off += n
		switch {
		case err != nil:
			return dst, c.violated(err)
		case !ok:
			return dst, nil
		case ev.Kind != protocol.EventData:
			if err := c.control(&ev); err != nil {
				return dst, err
			}
		case c.skip:
			c.skip = !ev.Final
		case ev.First && ev.Final && c.conf.codec == nil:
			dst = append(dst, Message{ev.Opcode, ev.Data})
		case ev.First && ev.Final:
			p := append(bufpool.Get(len(ev.Data))[:0], ev.Data...)
			c.batch = append(c.batch, p)
			dst = append(dst, Message{ev.Opcode, p})
		default:
			c.keepPart(ev.Opcode, ev.Data)
		}
	}
	return dst, nil
}
