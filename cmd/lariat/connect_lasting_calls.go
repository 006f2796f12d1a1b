package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// say tells people what happens to the connection.
func (l *lasting) say(c colour, format string, args ...any) {
	if !l.json {
		l.note("%s", l.errPaint(c, printable(fmt.Sprintf(format, args...))))
	}
}

// OnConnect tells of a connection, and of what waited for it.
func (l *lasting) OnConnect(c *reconnect.Client, _ http.Header) {
	<-l.ready
	l.ups++
	l.mu.Lock()
	l.gap = make(chan struct{})
	l.mu.Unlock()
	text := "connected to " + l.url
	if conn := c.Conn(); conn != nil {
		e := openOf(l.url, conn)
		_ = l.event("open", e)
		text += " over " + e.HTTP
	}
	switch {
	case l.ups > 1:
		text = strings.Replace(text, "connected", "connected again", 1)
	case l.pretty:
		text += "; /help lists what can be typed, Ctrl-D closes"
	}
	l.say(green, "%s", text)
	l.delivery.connected(c)
	go l.flushed()
	if l.ups == 1 {
		close(l.started)
	}
}

// OnMessage prints a message.
func (l *lasting) OnMessage(c *reconnect.Client, m websocket.Message) {
	l.delivery.answered(l.ctx, c)
	done, err := l.take(m.Type, m.Data)
	if err != nil {
		l.giveUp(asFailure(err))
		return
	}
	if done {
		select {
		case <-l.met:
		default:
			close(l.met)
		}
	}
}

// OnDisconnect tells how a connection has ended. Whether there is another
// attempt, waits tells.
func (l *lasting) OnDisconnect(_ *reconnect.Client, err error, wait time.Duration) {
	l.lost = wait >= 0
	var ce *websocket.CloseError
	if !errors.As(err, &ce) {
		return
	}
	_ = l.event("close", closeOf(ce))
	if wait < 0 && (l.pretty || l.flags.verbose) {
		l.say(dim, "%s", closedText(ce))
	}
}

// waits tells why there is no connection, and when the next attempt comes.
func (l *lasting) waits(wait time.Duration, attempt int, err error) {
	<-l.ready
	what, text, again := "not connected", attemptText(err), ""
	if l.lost {
		what, text = "lost", strings.TrimPrefix(text, "connection lost ")
		_ = l.event("down", &downEvent{Error: text, Wait: ms(wait)})
		if n := l.client.Info().Queued; n > 0 {
			l.waiting.Store(int64(n))
			again = fmt.Sprintf("; %s may not have arrived, and will be sent again", count(int64(n), "line"))
		}
	} else {
		_ = l.event("attempt_failed", &attemptFailedEvent{N: attempt, Error: text, Wait: ms(wait)})
	}
	l.lost = false
	l.mu.Lock()
	select {
	case <-l.gap:
	default:
		close(l.gap)
	}
	l.mu.Unlock()
	l.say(yellow, "%s: %s%s; next attempt %s (attempt %d)", what, text, again, inTime(wait), attempt+1)
}

// attemptText says why there is no connection, in the words that matter.
func attemptText(err error) string {
	if ce, ok := errors.AsType[*websocket.CloseError](err); ok && ce.Received != nil {
		return closedText(ce)
	}
	dial, isDial := errors.AsType[*websocket.DialError](err)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && isDial {
		return "lookup of " + dns.Name + ": " + dns.Err
	}
	op, isOp := errors.AsType[*net.OpError](err)
	if isDial && isOp && dial.Step == websocket.StepConnect {
		reason := op.Err
		if system, ok := errors.AsType[*os.SyscallError](reason); ok {
			reason = system.Err
		}
		return "connect to " + dial.Addr + ": " + reason.Error()
	}
	return plainError(err)
}

// inTime writes a wait as people say it.
func inTime(d time.Duration) string {
	switch {
	case d < 50*time.Millisecond:
		return "at once"
	case d < 10*time.Second:
		return fmt.Sprintf("in %.1fs", d.Seconds())
	}
	return "in " + d.Round(time.Second).String()
}

// OnClose leaves what to do to the policy, unless this end closes.
func (l *lasting) OnClose(c *reconnect.Client, _ websocket.StatusCode, _ string) reconnect.Next {
	return l.ended(c)
}

// OnError leaves what to do to the policy, unless this end closes.
func (l *lasting) OnError(c *reconnect.Client, _ error) reconnect.Next { return l.ended(c) }

// ended is called when a connection has: what is known to have arrived is not
// sent again.
func (l *lasting) ended(c *reconnect.Client) reconnect.Next {
	if l.flags.outbox > 0 {
		l.delivery.prove(c, 0)
	}
	return l.next()
}

// OnConnectError leaves what to do to the policy, unless this end closes, or the
// server speaks another version of HTTP than the one that is wanted.
func (l *lasting) OnConnectError(_ *reconnect.Client, err error, _ int) reconnect.Next {
	if versionFailure("", err) != nil {
		return reconnect.Stop()
	}
	return l.next()
}

func (l *lasting) next() reconnect.Next {
	if l.closing.Load() {
		return reconnect.Stop()
	}
	return reconnect.Next{}
}
