package reconnect

import (
	"context"
	"errors"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/option"
)

// Write sends a message. p is not changed and may be used again as soon as Write
// returns.
//
// While there is a connection, and nothing in the outbox, it is
// [websocket.Conn.Write], and a nil error means that the connection has taken
// the message. While there is none, and when the connection turns out to be lost
// before it has taken the whole message, it depends on [Options].WhileDown:
// Refuse returns an error that matches [ErrDown], Queue puts the message into the
// outbox, Drop drops and counts it.
//
// Behind messages that wait in the outbox, others wait as well, so that the order
// is kept. When the outbox is full and there is a connection, Write waits for
// room, as long as ctx lives; otherwise, and in a callback, which would wait for
// itself, the error is [ErrOutboxFull]. The end of ctx never takes back what is
// in the outbox.
//
// What OnConnect writes goes to the new connection at once and never into the
// outbox.
func (c *Client) Write(ctx context.Context, t websocket.MessageType, p []byte) error {
	_, err := c.Send(ctx, t, p)
	return err
}

// Send is [Client.Write] for use with acknowledgements. It returns the number of
// the message, for [Client.Ack]: they are given from 1 on, in the order in which
// messages are sent. With Outbox.Acknowledge every message goes through the
// outbox, and Send returns as soon as it is in there. Without, and in OnConnect,
// the number is 0.
func (c *Client) Send(ctx context.Context, t websocket.MessageType, p []byte) (seq uint64, err error) {
	switch {
	case ctx == nil:
		return 0, option.ErrNoContext
	case t != websocket.MessageText && t != websocket.MessageBinary:
		return 0, &websocket.OptionError{Field: "MessageType", Value: t, Want: "MessageText or MessageBinary"}
	}
	c.mu.Lock()
	s, login := c.conn, false
	if c.state == Opening {
		login = c.inCallback()
	}
	switch {
	case c.state >= Closing:
		c.mu.Unlock()
		return 0, ErrClosed
	case login:
		c.mu.Unlock()
		return 0, c.give(ctx, s, t, p)
	case c.state == Up && !c.broken && !c.o.Outbox.Acknowledge && len(c.box.items) == 0:
		c.mu.Unlock()
		err := c.give(ctx, s, t, p)
		if err == nil || !errors.Is(err, ErrDown) {
			return 0, err
		}
		c.mu.Lock()
		c.breaks(s)
		if c.o.WhileDown == Refuse {
			c.mu.Unlock()
			return 0, err
		}
	}
	defer c.mu.Unlock()
	if c.o.WhileDown == Refuse {
		return 0, ErrDown
	}
	if err := c.valid(t, p); err != nil {
		return 0, err
	}
	if c.o.WhileDown == Drop {
		c.dropped++
		return 0, nil
	}
	seq, err = c.queue(ctx, t, p)
	if !c.o.Outbox.Acknowledge {
		seq = 0
	}
	return seq, err
}

// give writes a message to a connection. The error matches ErrDown when that has
// not taken it because it is lost, and is the caller's own fault otherwise.
func (c *Client) give(ctx context.Context, s *websocket.Conn, t websocket.MessageType, p []byte) error {
	err := s.Write(ctx, t, p)
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) || errors.Is(err, frame.ErrInvalidUTF8) {
		return err
	}
	return lost(err)
}

// valid judges a message as the connection would.
func (c *Client) valid(t websocket.MessageType, p []byte) error {
	if c.o.WebSocket.SkipUTF8 {
		return nil
	}
	m := websocket.Outgoing{Opcode: t, Data: p}
	return m.Check()
}

// queue puts a message into the outbox, as soon as there is room. c.mu is held,
// and released while waiting.
func (c *Client) queue(ctx context.Context, t websocket.MessageType, p []byte) (uint64, error) {
	for {
		switch {
		case c.state >= Closing:
			return 0, ErrClosed
		case c.box.fits(len(p)):
			seq := c.box.add(t, p)
			c.startPump()
			return seq, nil
		case c.state != Up || !c.box.could(len(p)) || c.inCallback():
			return 0, ErrOutboxFull
		}
		if err := c.await(ctx, "write"); err != nil {
			return 0, err
		}
	}
}

// The most that is handed to the connection in one go.
const (
	pumpBytes    = 64 << 10
	pumpMessages = 64
)

// startPump has what is in the outbox sent by a goroutine of its own, which ends
// when all of it is: meanwhile the client reads, so that two peers that write to
// each other both get on. c.mu is held.
func (c *Client) startPump() {
	if c.state == Up && !c.broken && !c.pumping && c.box.unsent() > 0 {
		c.pumping = true
		s := c.conn
		c.aux.Go(func() { c.pump(s) })
	}
}

// pump sends what is in the outbox.
func (c *Client) pump(s *websocket.Conn) {
	var batch []websocket.Outgoing
	most := pumpMessages
	if !c.o.Outbox.Acknowledge {
		// A batch that fails may have been sent in part, and then nobody knows
		// which messages the server has. Of one message it has nothing.
		most = 1
	}
	for {
		var to uint64
		c.mu.Lock()
		if c.conn == s {
			batch, to = c.box.next(batch[:0], pumpBytes, most)
		}
		if len(batch) == 0 || c.conn != s {
			c.pumping = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		err := s.WriteBatch(context.Background(), batch...)
		clear(batch)
		batch = batch[:0]
		c.mu.Lock()
		if err != nil {
			c.breaks(s)
			c.pumping = false
			c.mu.Unlock()
			return
		}
		c.box.handed(to)
		c.notify()
		c.mu.Unlock()
	}
}

// breaks says that a write to s has failed. The reader sees the end of s, and
// what came before it. c.mu is held.
func (c *Client) breaks(s *websocket.Conn) {
	if c.conn == s {
		c.broken = true
	}
}

// Ack says that the server has all messages up to the given number: they leave
// the outbox and are not sent again. Numbers that were acknowledged before change
// nothing, so a server may tell after a reconnect how far it has come, even when
// it knows less than before. The error for a number that was not sent yet is
// [ErrNotSent]. Without Outbox.Acknowledge every number is one.
func (c *Client) Ack(seq uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.o.Outbox.Acknowledge {
		return ErrNotSent
	}
	n, ok := c.box.acknowledge(seq)
	if !ok {
		return ErrNotSent
	}
	if n > 0 {
		c.acked += uint64(n)
		c.notify()
	}
	return nil
}
