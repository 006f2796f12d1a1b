package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/reconnect"
)

// With an outbox a line stays in it until the kernel of the server's machine has
// acknowledged its bytes: that is what there is, where the server's program says
// nothing. So a line that was given to a connection which was dead already, and
// nobody knew, is sent again on the next one.

// Write sends a line, or has it wait.
func (l *lasting) Write(ctx context.Context, t websocket.MessageType, p []byte) error {
	was := l.client.Info().State
	seq, err := l.client.Send(ctx, t, p)
	if was == reconnect.Opening && errors.Is(err, reconnect.ErrDown) && l.client.AwaitUp(ctx) == nil {
		seq, err = l.client.Send(ctx, t, p) // there is a connection, and OnConnect is over
	}
	if seq > 0 {
		l.delivery.nudge()
	}
	switch {
	case errors.Is(err, reconnect.ErrDown):
		return errNotSent
	case errors.Is(err, reconnect.ErrOutboxFull):
		return errOutboxFull
	case err != nil || was == reconnect.Up:
		return err
	}
	info := l.client.Info()
	if info.Unsent > 0 {
		l.waiting.Add(1)
		_ = l.event("queued", &queuedEvent{Waiting: info.Unsent})
		if n := info.Unsent; l.pretty || n <= 10 || n&(n-1) == 0 { // a long file is no news
			l.say(dim, "queued (%s waiting)", count(int64(n), "line"))
		}
	}
	if info.State == reconnect.Up || info.State == reconnect.Opening {
		go l.flushed() // the one of OnConnect may have come too early
	}
	return nil
}

var (
	errNotSent    = errors.New("not sent: there is no connection; --outbox 100 would keep lines until there is one")
	errOutboxFull = errors.New("not sent: the outbox is full; --outbox N makes it larger")
)

// flushed tells when what waited is on its way.
func (l *lasting) flushed() {
	if err := l.client.Flush(l.ctx); err == nil {
		l.tellSent()
	} // else it waits for another connection, or the end tells of it
}

// tellSent tells that what waited is on its way, once. When it returns, it is
// told.
func (l *lasting) tellSent() {
	l.telling.Lock()
	defer l.telling.Unlock()
	if n := l.waiting.Swap(0); n > 0 {
		_ = l.event("sent", &sentEvent{Lines: int(n)})
		l.say(dim, "sent %s", count(n, "waiting line"))
	}
}

// delivery knows which lines have arrived: their bytes were acknowledged by the
// kernel at the other end of the connection.
type delivery struct {
	wake   chan struct{} // something was sent
	base   atomic.Uint64 // lines that had arrived when this connection began
	frames atomic.Uint64 // messages sent on it

	mu     sync.Mutex
	proven uint64 // number of the last line that has arrived
}

// trace counts the messages that are sent; t is who else is told of frames.
func (d *delivery) trace(t *websocket.Trace) *websocket.Trace {
	var own websocket.Trace
	if t != nil {
		own = *t
	}
	tell := own.Frame
	own.Frame = func(sent bool, h frame.Header) {
		if sent && h.Fin && !h.Opcode.IsControl() {
			d.frames.Add(1)
		}
		if tell != nil {
			tell(sent, h)
		}
	}
	return &own
}

// nudge has what has arrived leave the outbox soon.
func (d *delivery) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// connected begins to count for another connection, on which nothing was sent.
func (d *delivery) connected(client *reconnect.Client) {
	d.base.Store(client.Info().Acked)
	d.frames.Store(0)
	d.nudge()
}

// arrived waits until what was sent on c has arrived, and takes that out of the
// outbox. It reports whether there was anything new.
func (d *delivery) arrived(ctx context.Context, client *reconnect.Client, c *websocket.Conn) bool {
	n := d.base.Load() + d.frames.Load()
	d.mu.Lock()
	proven := d.proven
	d.mu.Unlock()
	if n > proven && (c.Flush(ctx) != nil || client.Conn() != c) {
		return false
	}
	d.prove(client, n)
	return n > proven
}

// prove notes that the lines up to n have arrived. The client may not know yet
// that it has sent the last of them; then a later call tells it.
func (d *delivery) prove(client *reconnect.Client, n uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.proven = max(d.proven, n)
	_ = client.Ack(d.proven)
}

// A line that was written is counted a moment later; what is answered has
// arrived, and few lines are worth waiting for that to be known.
const (
	ackPause = time.Millisecond
	ackWait  = 5 * time.Millisecond
	ackFew   = 4
)

// run empties the outbox of what has arrived, until the end.
func (d *delivery) run(ctx context.Context, client *reconnect.Client) {
	for {
		select {
		case <-d.wake:
		case <-client.Done():
			return
		}
		for c := client.Conn(); c != nil && client.Info().Queued > 0; c = client.Conn() {
			if d.arrived(ctx, client, c) {
				continue
			}
			select {
			case <-time.After(ackPause):
			case <-client.Done():
				return
			}
		}
	}
}

// answered is called when a message has come: what it answers has arrived.
func (d *delivery) answered(ctx context.Context, client *reconnect.Client) {
	queued := client.Info().Queued
	c := client.Conn()
	if c == nil || queued == 0 || queued > ackFew {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	d.arrived(ctx, client, c)
}

// finish waits until there was a connection and what is in the outbox is sent.
func (l *lasting) finish() *failure {
	wait := max(flushWait, l.flags.linger)
	if info := l.client.Info(); info.Unsent > 0 && info.State != reconnect.Up {
		l.say(yellow, "end of input: %s %s %v to be sent; Ctrl-C gives up", count(int64(info.Unsent), "line"), plural(info.Unsent, "has", "have"), wait)
		l.client.Kick() // there is no reason to wait any longer
	}
	ctx, cancel := context.WithTimeout(l.ctx, wait)
	defer cancel()
	select {
	case <-l.started:
	case <-l.client.Done():
		return nil
	case <-ctx.Done():
	}
	err := l.client.Flush(ctx)
	switch {
	case err == nil:
		l.tellSent() // before the end
		return nil
	case l.ctx.Err() != nil:
		return nil
	case ctx.Err() == nil: // it has ended, and that tells why
		return nil
	}
	return fail(exitLost, "--linger 5m waits longer", "%s could not be sent within %v of the end of input", count(int64(l.client.Info().Unsent), "waiting line"), wait)
}
