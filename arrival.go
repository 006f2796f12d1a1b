package websocket

import (
	"context"
	"fmt"
	"time"

	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// How often Flush looks whether the peer has acknowledged: soon at first.
const (
	firstLook = time.Millisecond
	lastLook  = 50 * time.Millisecond
)

// Flush waits until everything that was written before has left this process
// and, on Linux over TCP, was acknowledged by the kernel of the peer, or of the
// proxy in between. So it survives the end of this process, but the peer's
// program need not have seen it. Over other transports Flush waits until it is
// written. Of a message that is being written in pieces, what its writer still
// holds is not concerned.
//
// The error is that of ctx, whose end does no harm, or why the bytes can not
// arrive any more: a [*CloseError] where the connection has ended. Any number of
// goroutines may call it beside other methods; what is written later is not
// waited for.
func (c *Conn) Flush(ctx context.Context) error {
	if ctx == nil {
		return option.ErrNoContext
	}
	if err := c.awaitWritten(ctx); err != nil {
		return err
	}
	arrived := stream.Arrival(c.s)
	if ok, err := arrived(); ok && err == nil {
		return nil
	}
	timer := time.NewTimer(firstLook)
	defer timer.Stop()
	for pause := firstLook; ; {
		select {
		case <-ctx.Done():
			return stream.ContextError(ctx, "flush")
		case <-timer.C:
		}
		ok, err := arrived()
		if ok {
			return nil
		}
		if lost := c.lost(); lost != nil {
			return lost
		}
		if err != nil {
			return fmt.Errorf("websocket: flush: %w", err)
		}
		pause = min(2*pause, lastLook)
		timer.Reset(pause)
	}
}

// awaitWritten waits until the transport has taken everything that was queued
// before.
func (c *Conn) awaitWritten(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.flushing && len(c.out) > 0 {
		c.flushing = true
		c.flushOthers() // an answer of the reader's that nobody writes yet
		c.mu.Lock()
	}
	if c.flushing {
		x := c.more()
		// The batch on its way is written when the next one is taken, and that
		// has the rest.
		need, begun := uint32(1), x.batches
		if len(c.out) > 0 {
			need = 2
		}
		for c.flushing && x.batches-begun < need && ctx.Err() == nil && c.lostLocked() == nil {
			changed := c.change()
			c.mu.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
			}
			c.mu.Lock()
		}
	}
	if err := c.lostLocked(); err != nil {
		return err
	}
	return stream.ContextError(ctx, "flush")
}

// lost returns why what was written can't arrive any more, nil if it may.
func (c *Conn) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lostLocked()
}

func (c *Conn) lostLocked() error {
	if c.err == protocol.ErrCloseSent {
		return c.ending()
	}
	return c.err
}
