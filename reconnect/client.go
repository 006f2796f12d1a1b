package reconnect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

// Client is a connection that is made again whenever it is lost. It is made by
// [Start] and ends with [Client.Close], with the context of Start, or when its
// options or callbacks say that there is to be no other connection.
//
// Any number of goroutines may call its methods. It has one goroutine of its
// own, which connects, reads and calls the callbacks.
type Client struct {
	o    *Options
	cb   Callbacks
	pull *puller         // nil with callbacks
	ctx  context.Context // of attempts, with the values of Start's; it does not end

	unwatch func() bool    // of the context of Start; nil: that never ends
	leaving sync.WaitGroup // its end, while that may come
	aux     sync.WaitGroup // goroutines that belong to the connection

	// Owned by the goroutine of run.
	url     string
	header  http.Header
	waits   int          // since the last connection that was healthy
	began   time.Time    // when the last attempt began, then when the connection did
	carrier *client.Conn // below the connection; nil over HTTP/1.1

	loop    atomic.Uint64 // the number of the goroutine of run
	turns   atomic.Uint32 // odd while OnMessage runs
	stopped atomic.Bool   // no message is wanted any more

	mu      sync.Mutex
	state   State
	changed chan struct{}   // closed when a waiter should look again; nil: nobody waits
	done    chan struct{}   // nil: nobody asked
	conn    *websocket.Conn // while Opening or Up, and while it is closed
	broken  bool            // a write to it failed: it is lost, and its reader will see
	pumping bool            // the outbox is being sent
	probing bool            // a ping is under way
	kicked  bool            // there is reason to try at once
	box     outbox
	cancel  context.CancelFunc // of the attempt that is under way
	alarm   *time.Timer
	seen    int64 // wall clock at the last look, in Unix nanoseconds
	lostBy  error // why the client itself gave the connection up
	err     error

	// For Info.
	target   string
	sent     http.Header
	since    time.Time
	next     time.Time
	attempt  int
	attempts int
	connects int
	last     error
	acked    uint64
	dropped  uint64
}

// Start begins to connect to a URL that begins with ws, wss, http or https, and
// returns at once. cb may be nil: messages are then pulled by [Client.Messages].
// Nil options mean all defaults.
//
// The end of ctx closes the connection with 1001 and ends the client. The error
// is an [*websocket.OptionError], and nothing has happened then. Everything else
// is told by the callbacks and [Client.Err].
//
// The caller must end the client with [Client.Close], [Client.CloseNow] or ctx.
func Start(ctx context.Context, url string, cb Callbacks, o *Options) (*Client, error) {
	if ctx == nil {
		return nil, option.ErrNoContext
	}
	own, err := settings(url, o)
	if err != nil {
		return nil, err
	}
	c := &Client{o: own, cb: cb, url: url, header: own.Header, box: outbox{limits: &own.Outbox}, since: time.Now()}
	if cb == nil {
		c.cb, c.pull = NopCallbacks{}, &puller{make(chan websocket.Message), make(chan struct{})}
	}
	c.ctx = context.WithoutCancel(ctx)
	c.watch()
	if ctx.Done() != nil {
		c.leaving.Add(1)
		c.unwatch = context.AfterFunc(ctx, func() { c.leave(ctx) })
	}
	go c.run()
	return c, nil
}

// leave ends the client because ctx has ended.
func (c *Client) leave(ctx context.Context) {
	defer c.leaving.Done()
	if s, first := c.beginClose(fmt.Errorf("websocket: client ended: %w", context.Cause(ctx))); first && s != nil {
		s.Close(websocket.StatusGoingAway, "")
	}
}

// Close ends the client: the connection, if there is one, is closed by a closing
// handshake with this code and reason, an attempt or a wait is broken off, and
// no other connection is made. Close waits until all that is over, the goroutine
// of the client included, and for a callback that runs: CloseTimeout at most for
// the closing handshake, and as long again for the rest. Called by a callback, it
// only sends the close frame.
//
// The error matches [ErrUnsent] when messages were left in the outbox, or is the
// one of the closing handshake ([websocket.Conn.Close]), of which a code that
// cannot be sent is refused before anything happens. When the client has ended
// before, Close does nothing.
func (c *Client) Close(code websocket.StatusCode, reason string) error {
	frame := websocket.CloseFrame(code, reason)
	if err := frame.Check(); err != nil {
		return fmt.Errorf("websocket: Close(%d): %w", code, err)
	}
	s, _ := c.beginClose(nil)
	if c.inCallback() {
		// The loop reads what the peer has to say about it, afterwards.
		if s != nil {
			return c.sendClose(s, frame)
		}
		return nil
	}
	var err error
	if s != nil {
		err = s.Close(code, reason)
	}
	c.awaitEnd()
	return errors.Join(c.unsent(), err)
}

// CloseNow ends the client at once, and drops the connection without a closing
// handshake. Like [Client.Close] it waits for the end, for CloseTimeout at most,
// but not when a callback calls it. It returns nil.
func (c *Client) CloseNow() error {
	s, _ := c.beginClose(nil)
	if s != nil {
		s.CloseNow()
	}
	if !c.inCallback() {
		c.awaitEnd()
	}
	return nil
}

// beginClose has the client end, with this Err. It returns the connection that
// is to be closed, nil for none, and whether this call was the first.
func (c *Client) beginClose(err error) (s *websocket.Conn, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Closed {
		return nil, false
	}
	if first = c.state != Closing; first {
		if c.err == nil { // else it was about to end by itself
			c.err = err
		}
		c.stop()
	}
	return c.conn, first
}

// stop ends attempts and waits, and has nobody wait for messages. c.mu is held.
func (c *Client) stop() {
	c.set(Closing)
	c.stopped.Store(true)
	if c.cancel != nil {
		c.cancel()
	}
	if c.pull != nil {
		close(c.pull.quit)
	}
}

// sendClose begins the closing handshake of s and does not wait for its end.
func (c *Client) sendClose(s *websocket.Conn, frame websocket.Outgoing) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if d := c.o.WebSocket.CloseTimeout; d > 0 {
		ctx, cancel = context.WithTimeout(ctx, d)
	}
	defer cancel()
	return s.WriteBatch(ctx, frame)
}

// awaitEnd waits for the end of the goroutine, unless a callback holds it up.
func (c *Client) awaitEnd() {
	var late <-chan time.Time
	if d := c.o.WebSocket.CloseTimeout; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-c.Done():
	case <-late:
	}
}

// unsent returns the error for what is left in the outbox.
func (c *Client) unsent() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.box.items); n > 0 {
		return fmt.Errorf("%w: there are %d", ErrUnsent, n)
	}
	return nil
}

// Done returns a channel that is closed when the client has ended and its
// goroutine is gone.
func (c *Client) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.state == Closed {
			close(c.done)
		}
	}
	return c.done
}

// Err returns why the client has ended; nil while it has not, and when
// [Client.Close] or [Client.CloseNow] ended it. It wraps
//
//   - the [*websocket.CloseError] of the last connection, when there was to be
//     none after it,
//   - a [*client.GaveUpError] when connecting failed for good,
//   - the cause of the context of Start,
//   - a [*PanicError].
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Closed {
		return nil
	}
	return c.err
}

// Wait waits until the client has ended and returns [Client.Err]. It fits
// errgroup: g.Go(c.Wait).
func (c *Client) Wait() error {
	<-c.Done()
	return c.Err()
}

// AwaitUp waits until there is a connection and OnConnect has returned. The
// error is that of ctx, or of a client that ends before ([ErrClosed], and
// [Client.Err] when there is one).
func (c *Client) AwaitUp(ctx context.Context) error {
	if ctx == nil {
		return option.ErrNoContext
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.state != Up || c.broken {
		switch {
		case c.state >= Closing && c.err != nil:
			return &because{ErrClosed, "websocket: the client has ended", c.err}
		case c.state >= Closing:
			return ErrClosed
		}
		if err := c.await(ctx, "wait for the connection"); err != nil {
			return err
		}
	}
	return nil
}

// Conn returns the connection, nil while there is none. It is for what the
// client does not have, as pings, and for reading in OnConnect. What is written
// to it goes past the outbox. To close it ends the client, unless
// [Options].AfterLocalClose is set.
func (c *Client) Conn() *websocket.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// set changes the state and wakes who waits. c.mu is held.
func (c *Client) set(s State) {
	c.state = s
	c.since, c.next = time.Now(), time.Time{}
	c.notify()
}

// notify wakes all who wait for a change. c.mu is held.
func (c *Client) notify() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// await waits for a change, or the end of ctx, which is told as that of what. c.mu
// is held, and released while waiting.
func (c *Client) await(ctx context.Context, what string) error {
	changed := c.change()
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return stream.ContextError(ctx, what)
	}
}

// change returns the channel that is closed at the next change. c.mu is held.
func (c *Client) change() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}
