package websocket

import (
	"context"
	"fmt"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

// Write sends a message in one frame. Text must be UTF-8, or nothing is sent
// and the error is [frame.ErrInvalidUTF8]. p is not changed and may be used
// again as soon as Write returns.
//
// A nil error means that the message was handed to the transport, or, while
// another goroutine was writing, that it was left in order for that goroutine
// to write: up to 64 KiB wait so, and a Write that finds no room waits itself.
// As long as it waits, the end of ctx cancels it without harm. When ctx ends
// in the middle of a frame, the connection is lost ([ErrHalfWritten]), and so it
// is before the first byte when the frame is compressed or shares its write with
// others. ctx has no power over what was left to others, but WriteTimeout has.
func (c *Conn) Write(ctx context.Context, t MessageType, p []byte) error {
	c.mu.Lock()
	if err := c.awaitTurn(ctx, len(p)); err != nil {
		c.mu.Unlock()
		return err
	}
	return c.writeMessage(ctx, t, p)
}

// WriteBatch sends messages, pings and close frames in their order, with one
// flush for all of them. What comes after a close frame is dropped. Nothing is
// sent when an item is not valid: the error says which. For the rest it is like
// [Conn.Write].
func (c *Conn) WriteBatch(ctx context.Context, b ...Outgoing) error {
	size, err := c.checkBatch(b)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if err := c.awaitTurn(ctx, size); err != nil {
		c.mu.Unlock()
		return err
	}
	start := len(c.out)
	c.out = bufpool.Grow(c.out, min(size, batchLimit))
	for i := range b {
		o := &b[i]
		if large := len(o.Data) > copyLimit && !o.NoCompress; large || len(c.out) > batchLimit {
			if large {
				err = c.writeMessage(ctx, o.Opcode, o.Data)
			} else {
				err = c.flush(ctx, start == 0)
			}
			if err != nil {
				return err
			}
			c.mu.Lock()
			if err := c.awaitTurn(ctx, len(o.Data)); err != nil {
				c.mu.Unlock()
				return err
			}
			start = len(c.out)
			c.out = bufpool.Grow(c.out, copyLimit)
			if large {
				continue
			}
		}
		if err := c.queue(o); err != nil {
			c.out = c.out[:start]
			c.dropEmptyOut()
			c.mu.Unlock()
			return fmt.Errorf("websocket: item %d of the batch: %w", i, err)
		}
		if o.Opcode == frame.OpClose {
			break
		}
	}
	return c.flush(ctx, start == 0 && c.err == nil) // a close frame can't be taken back
}

// checkBatch judges the items of a batch and returns how many bytes they take.
// Text is left to the Sender where what was queued can still be taken back.
func (c *Conn) checkBatch(b []Outgoing) (size int, err error) {
	final := c.conf.codec != nil
	for i := range b {
		size += len(b[i].Data) + frame.MaxHeaderSize
		final = final || len(b[i].Data) > copyLimit
	}
	final = final || size > batchLimit
	for i := range b {
		if b[i].Opcode == frame.OpBinary || b[i].Opcode == frame.OpText && !final {
			continue
		}
		if err := b[i].check(final && !c.conf.skipUTF8); err != nil {
			return 0, fmt.Errorf("websocket: item %d of the batch: %w", i, err)
		}
	}
	return size, nil
}

// WritePrepared sends a prepared message. On a server the frame is built once
// for all connections with the same compression settings.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	if m == nil {
		return &OptionError{Field: "Prepared", Value: m, Want: "a message made by NewPrepared"}
	}
	c.mu.Lock()
	if err := c.awaitTurn(ctx, len(m.data)); err != nil {
		c.mu.Unlock()
		return err
	}
	f, err := c.preparedFrame(m)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	if f == nil { // this connection has to build its own
		return c.writeMessage(ctx, m.opcode, m.data)
	}
	own := len(c.out) == 0
	if c.flushing || len(f) <= copyLimit {
		c.out = append(bufpool.Grow(c.out, len(f)), f...)
		return c.flush(ctx, own)
	}
	return c.flushWith(ctx, f, own)
}

// preparedFrame returns the frame of m that connections share, nil when c has to
// build its own. c.mu is held.
func (c *Conn) preparedFrame(m *Prepared) ([]byte, error) {
	if c.conf.role != protocol.RoleServer || c.conf.traced {
		return nil, nil
	}
	return m.Frame(&c.send, c.conf.codec)
}

// writeMessage sends one message. c.mu is held, and is released.
func (c *Conn) writeMessage(ctx context.Context, t MessageType, p []byte) error {
	own := len(c.out) == 0
	if len(p) > copyLimit && !c.flushing {
		out, ok, err := c.send.AppendMessageHeader(bufpool.Grow(c.out, frame.MaxHeaderSize), t, p)
		c.out = out
		if ok && err == nil {
			return c.flushWith(ctx, p, own)
		}
	}
	out, err := c.send.AppendMessage(bufpool.Grow(c.out, len(p)+frame.MaxHeaderSize), t, p)
	c.out = out
	if err != nil {
		c.dropEmptyOut()
		c.mu.Unlock()
		return err
	}
	return c.flush(ctx, own)
}

// queue appends one checked item to what is written next. c.mu is held.
func (c *Conn) queue(o *Outgoing) (err error) {
	switch {
	case o.Opcode == frame.OpClose:
		cl, _ := sendable(o.Code, o.Reason) // it was checked
		c.startCloseTimer(c.conf.closeTimeout)
		return c.queueClose(cl)
	case o.Opcode.IsControl():
		c.out, err = c.send.AppendControl(c.out, o.Opcode, o.Data)
	case o.NoCompress && c.send.Coding():
		c.send.SetCoding(false)
		c.out, err = c.send.AppendMessage(c.out, o.Opcode, o.Data)
		c.send.SetCoding(true)
	default:
		c.out, err = c.send.AppendMessage(c.out, o.Opcode, o.Data)
	}
	return err
}

// dropEmptyOut gives back a buffer that was borrowed in vain. c.mu is held.
func (c *Conn) dropEmptyOut() {
	if c.out != nil && len(c.out) == 0 {
		bufpool.Put(c.out)
		c.out = nil
	}
}
