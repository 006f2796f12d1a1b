package reconnect

import (
	"context"
	"errors"

	"github.com/lariat-go/websocket/internal/option"
)

// Flush waits until nothing of what was written so far is on this side any more:
// the outbox is empty, and the kernel of the peer has acknowledged what the
// connection was given, where that can be told ([websocket.Conn.Flush]). With
// Outbox.Acknowledge it waits until all messages were acknowledged by
// [Client.Ack].
//
// With a Queue it waits through reconnects. The error matches [ErrDown] when the
// connection was lost before it had given away what it had taken: those messages
// may be lost. So it is while there is no connection and no Queue. It matches
// [ErrClosed] when the client has ended with messages in the outbox, and otherwise
// wraps the cause of ctx. A callback that would wait for its own return gets an
// error instead.
func (c *Client) Flush(ctx context.Context) error {
	if ctx == nil {
		return option.ErrNoContext
	}
	c.mu.Lock()
	for len(c.box.items) > 0 {
		if c.state >= Closing {
			c.mu.Unlock()
			return ErrClosed
		}
		if (c.o.Outbox.Acknowledge || c.state != Up) && c.inCallback() {
			c.mu.Unlock()
			return errInCallback
		}
		if err := c.await(ctx, "flush"); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	s := c.conn
	c.mu.Unlock()
	switch {
	case c.o.Outbox.Acknowledge:
		return nil
	case s == nil && c.o.WhileDown == Queue:
		return nil
	case s == nil:
		return ErrDown
	}
	err := s.Flush(ctx)
	if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		return lost(err)
	}
	return err
}
