package reconnect

import (
	"context"
	"iter"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

// Messages returns an iterator over the messages to come, of this connection and
// all later ones, for a client that was started without callbacks:
//
//	for m, err := range c.Messages(ctx) {
//
// The bytes of a message belong to the caller. Reading stops while nobody asks
// for the next one, but for one message that is read ahead; pings are not
// answered meanwhile, and the end of the connection is not seen. When several
// goroutines range, each message goes to one of them.
//
// The loop ends with the client: without an error after [Client.Close] or a close
// of the peer with 1000, 1001 or no code, and otherwise with [Client.Err] as the
// last thing. The end of ctx is yielded last as well, and harms nothing: another
// loop goes on from there. A client with callbacks yields an
// [*websocket.OptionError].
func (c *Client) Messages(ctx context.Context) iter.Seq2[websocket.Message, error] {
	return func(yield func(websocket.Message, error) bool) {
		if err := c.mayPull(ctx); err != nil {
			yield(websocket.Message{}, err)
			return
		}
		for {
			select {
			case m := <-c.pull.messages:
				if !yield(m, nil) {
					return
				}
			case <-ctx.Done():
				yield(websocket.Message{}, stream.ContextError(ctx, "read"))
				return
			case <-c.Done():
				if err := c.Err(); err != nil && !clean(err) {
					yield(websocket.Message{}, err)
				}
				return
			}
		}
	}
}

func (c *Client) mayPull(ctx context.Context) error {
	switch {
	case ctx == nil:
		return option.ErrNoContext
	case c.pull == nil:
		return errPull
	}
	return nil
}

// clean reports whether the peer closed because it was done.
func clean(err error) bool {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return true
	}
	return false
}

// puller hands messages to those who pull.
type puller struct {
	messages chan websocket.Message
	quit     chan struct{} // closed when nobody wants any more
}

// offer reads messages and hands each to whoever pulls, until the connection
// ends.
func (p *puller) offer(s *websocket.Conn) error {
	for {
		t, data, err := s.Read(context.Background())
		if err != nil {
			return err
		}
		select {
		case p.messages <- websocket.Message{Type: t, Data: data}:
		case <-p.quit:
		}
	}
}
