package main

import (
	"context"
	"errors"
	"time"

	"github.com/lariat-go/websocket"
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
	if seq > 0 {
		l.last.Store(seq) // one goroutine sends
		l.nudge()
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
		l.say(dim, "queued (%s waiting)", count(int64(info.Unsent), "line"))
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
	if err := l.client.Flush(l.ctx); err != nil {
		return // it waits for another connection, or the end tells of it
	}
	if n := l.waiting.Swap(0); n > 0 {
		_ = l.event("sent", &sentEvent{Lines: int(n)})
		l.say(dim, "sent %s", count(n, "waiting line"))
	}
}

// nudge has what the server's kernel has acknowledged leave the outbox soon.
func (l *lasting) nudge() {
	select {
	case l.sent <- struct{}{}:
	default:
	}
}

// ackPause is how long a line that was written may not be in the outbox's count
// of those that were given away.
const ackPause = time.Millisecond

// acknowledge empties the outbox of what has arrived, until the end.
func (l *lasting) acknowledge() {
	for {
		select {
		case <-l.sent:
		case <-l.client.Done():
			return
		}
		for c := l.client.Conn(); c != nil && l.client.Info().Queued > 0; c = l.client.Conn() {
			if l.arrived(l.ctx, c) {
				continue
			}
			select {
			case <-time.After(ackPause):
			case <-l.client.Done():
				return
			}
		}
	}
}

// answered is called when a message has come: what it answers has arrived.
func (l *lasting) answered(client *reconnect.Client) {
	c := client.Conn()
	if l.flags.outbox == 0 || c == nil || client.Info().Queued == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, ackPause/10)
	defer cancel()
	l.arrived(ctx, c)
}

// arrived waits until what was given to c has arrived, and takes that out of the
// outbox. It reports whether there was anything.
func (l *lasting) arrived(ctx context.Context, c *websocket.Conn) bool {
	last := l.last.Load()
	info := l.client.Info()
	if last <= info.Acked+uint64(info.Unsent) {
		return false
	}
	if c.Flush(ctx) != nil || l.client.Conn() != c {
		return false
	}
	return l.client.Ack(last-uint64(info.Unsent)) == nil
}

// finish waits until there was a connection and what is in the outbox is sent.
func (l *lasting) finish() *failure {
	wait := max(flushWait, l.flags.linger)
	if info := l.client.Info(); info.Unsent > 0 && info.State != reconnect.Up {
		l.say(yellow, "end of input: %s %s %v to be sent; Ctrl-C gives up", count(int64(info.Unsent), "line"), plural(info.Unsent, "has", "have"), wait)
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
	case err == nil || l.ctx.Err() != nil:
		return nil
	case ctx.Err() == nil: // it has ended, and that tells why
		return nil
	}
	return fail(exitLost, "--linger 5m waits longer", "%s could not be sent within %v of the end of input", count(int64(l.client.Info().Unsent), "waiting line"), wait)
}
