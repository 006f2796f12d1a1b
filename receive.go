package websocket

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// next returns the next piece of a data message. On its way it answers pings
// and takes part in the closing handshake. The piece is valid until the next
// call.
func (c *Conn) next(ctx context.Context) (protocol.Event, error) {
	for {
		n, ev, ok, err := c.recv.Next(c.buf[c.off:])
		c.off += n
		switch {
		case err != nil:
			return ev, c.violated(err)
		case !ok:
			err = c.fill(ctx)
		case c.wanted(&ev):
			return ev, nil
		default:
			err = c.control(&ev)
		}
		if err != nil {
			return ev, err
		}
	}
}

// wanted reports whether an event is for the one who reads messages.
func (c *Conn) wanted(ev *protocol.Event) bool {
	return ev.Kind == protocol.EventData && !c.skip
}

// fill waits for the peer and reads into a buffer. Everything read before has
// been worked through; its buffer is given back before the wait.
func (c *Conn) fill(ctx context.Context) error {
	c.dropBuf()
	if l := c.loose; l != nil && l.closing != nil {
		cl := *l.closing
		l.closing = nil
		return c.closeReceived(cl)
	}
	for late := 0; ; {
		if err := c.beforeWait(ctx); err != nil {
			return err
		}
		buf, err := c.s.ReadBorrow(c.sizeBits)
		c.waiting.Store(false)
		if len(buf) > 0 {
			c.received.Add(1)
			c.buf, c.off = buf, 0
			c.adapt(len(buf), cap(buf))
			return nil
		}
		if err != nil {
			if err = c.readError(ctx, err, late); err != nil {
				return err
			}
			late++
		}
	}
}

// readInto is fill for memory of the caller's.
func (c *Conn) readInto(ctx context.Context, p []byte) (int, error) {
	c.dropBuf()
	for late := 0; ; {
		if err := c.beforeWait(ctx); err != nil {
			return 0, err
		}
		n, err := c.s.Read(p)
		c.waiting.Store(false)
		if n > 0 {
			c.received.Add(1)
			return n, nil
		}
		if err != nil {
			if err = c.readError(ctx, err, late); err != nil {
				return 0, err
			}
			late++
		}
	}
}

// beforeWait sends what the reader owes and ties the transport to ctx.
func (c *Conn) beforeWait(ctx context.Context) error {
	if c.owesFlush {
		c.owesFlush = false
		c.flushAside()
	}
	if err := c.readWatch.set(ctx, c.s, reads); err != nil {
		return err
	}
	c.waiting.Store(true)
	return nil
}

// readError judges an error of the transport. It returns nil when there was
// none in truth: a deadline of a context that is used no longer. late counts how
// often that was so, for a transport that does not get over a deadline.
func (c *Conn) readError(ctx context.Context, err error, late int) error {
	if stream.IsTimeout(err) {
		if err := stream.ContextError(ctx, "read"); err != nil {
			return err
		}
		if !c.ended.Load() && late < maxLate {
			c.s.SetReadDeadline(time.Time{})
			// The context may have ended, and set its deadline, before that.
			return stream.ContextError(ctx, "read")
		}
	}
	c.mu.Lock()
	if !c.ended.Load() {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		c.more().closing.EOF(err)
		c.endLocked(false)
	}
	err = c.ending()
	c.mu.Unlock()
	return err
}

// adapt sizes the next read buffer: twice as large after a read that filled
// this one, half as large after some in a row that left most of it empty.
func (c *Conn) adapt(n, size int) {
	most := uint8(maxReadBits)
	if c.batching {
		most = maxBatchBits
	}
	switch {
	case n == size:
		c.small = 0
		if c.sizeBits < most {
			c.sizeBits++
		}
	case n >= size/8 || c.sizeBits == minReadBits:
		c.small = 0
	default:
		if c.small++; c.small == smallReads {
			c.small = 0
			c.sizeBits--
		}
	}
}

func (c *Conn) dropBuf() {
	if c.buf != nil {
		bufpool.Put(c.buf)
		c.buf, c.off = nil, 0
	}
}

// control deals with an event that is not for the one who reads messages. The
// error is the ending of the connection, after a close frame.
func (c *Conn) control(ev *protocol.Event) error {
	switch ev.Kind {
	case protocol.EventPing:
		c.refillControls()
		if c.conf.onPing != nil {
			c.conf.onPing(ev.Data)
		}
		c.queuePong(ev.Data)
	case protocol.EventPong:
		c.refillControls()
		if c.conf.onPong != nil {
			c.conf.onPong(ev.Data)
		}
		c.answered(ev.Data)
	case protocol.EventData:
		c.skip = !ev.Final // a message that is not wanted ends
	case protocol.EventClose:
		return c.closeReceived(protocol.Close{Code: ev.Code, Reason: ev.Reason})
	}
	return nil
}

// refillControls grants the peer new control frames for the time that passed:
// half a burst for each second.
func (c *Conn) refillControls() {
	now := time.Now()
	c.mu.Lock()
	x := c.more()
	since := x.refilled
	if since.IsZero() || c.recv.RefillAfter(int64(now.Sub(since))) {
		x.refilled = now
	}
	c.mu.Unlock()
}
