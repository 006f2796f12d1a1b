package websocket

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

// pingWaiter is a call of Ping that waits for its pong.
type pingWaiter struct {
	id   uint64
	sent time.Time
	rtt  chan time.Duration
}

// Ping sends a ping and waits for its pong; it returns the time between. Each
// ping has a payload of its own, so any number may be under way. The pong is
// seen by whoever reads: another goroutine must be in a read method, or
// [Conn.CloseRead] must have been called.
func (c *Conn) Ping(ctx context.Context) (rtt time.Duration, err error) {
	if ctx == nil {
		return 0, option.ErrNoContext
	}
	w := &pingWaiter{rtt: make(chan time.Duration, 1)}
	c.mu.Lock()
	if err := c.await(ctx, 0, (*Conn).hasRoom); err != nil {
		c.mu.Unlock()
		return 0, err
	}
	x := c.more()
	x.pingSeq++
	w.id, w.sent = x.pingSeq, time.Now()
	x.pings = append(x.pings, w)
	c.queuePing(binary.BigEndian.AppendUint64(nil, w.id))
	c.mu.Unlock()
	defer c.forget(w)
	c.flushAside() // the end of ctx must not cut the frame
	for {
		c.mu.Lock()
		changed, ended := c.change(), c.ended.Load()
		c.mu.Unlock()
		select {
		case rtt := <-w.rtt:
			return rtt, nil
		default:
		}
		if ended {
			return 0, c.closeError()
		}
		select {
		case rtt := <-w.rtt:
			return rtt, nil
		case <-changed:
		case <-ctx.Done():
			return 0, stream.ContextError(ctx, "ping")
		}
	}
}

// queuePing queues a ping. c.mu is held.
func (c *Conn) queuePing(payload []byte) {
	c.out = bufpool.Grow(c.out, len(payload)+frame.MaxHeaderSize)
	c.out, _ = c.send.AppendControl(c.out, frame.OpPing, payload)
}

func (c *Conn) forget(w *pingWaiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.extra.pings, w); i >= 0 {
		c.extra.pings = slices.Delete(c.extra.pings, i, i+1)
	}
}

// answered takes the payload of a pong. It answers the ping with that payload
// and all before it, since a peer may answer only the latest (RFC 6455,
// section 5.5.3).
func (c *Conn) answered(payload []byte) {
	if len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil || !slices.ContainsFunc(c.extra.pings, func(w *pingWaiter) bool { return w.id == id }) {
		return
	}
	now := time.Now()
	c.extra.pings = slices.DeleteFunc(c.extra.pings, func(w *pingWaiter) bool {
		if w.id > id {
			return false
		}
		w.rtt <- now.Sub(w.sent)
		return true
	})
}

// keepAlive looks eight times in each interval whether something was received:
// data moves a counter, not a timer.
type keepAlive struct {
	timer *time.Timer
	seen  uint32        // Conn.received at the last look
	quiet int           // looks without anything new
	asked bool          // a ping is under way, and was sent while somebody read
	left  time.Duration // until it must be answered
}

const looks = 8

func (c *Conn) startKeepAlive() {
	k := &keepAlive{}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more().keepAlive = k
	look := c.conf.keepAlive.Interval / looks
	// The first look comes early by chance, so that connections opened
	// together don't ping together.
	k.timer = time.AfterFunc(look-rand.N(look/2+1), c.lookAlive)
}

// stopKeepAlive ends it. c.mu is held.
func (c *Conn) stopKeepAlive() {
	if c.extra != nil && c.extra.keepAlive != nil {
		c.extra.keepAlive.timer.Stop()
	}
}

// lookAlive is one look.
func (c *Conn) lookAlive() {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	conf, k := c.conf.keepAlive, c.extra.keepAlive
	reads, waiting := c.received.Load(), c.waiting.Load()
	if reads != k.seen || k.asked && !waiting {
		k.seen, k.quiet, k.asked = reads, 0, false
	} else if k.asked && k.left <= 0 {
		c.mu.Unlock()
		if l := c.conf.logger; l != nil {
			l.Debug("websocket: keepalive failed", slog.Any("peer", c.RemoteAddr()), slog.Duration("timeout", conf.Timeout))
		}
		c.drop(ErrKeepAlive)
		return
	}
	wait := conf.Interval / looks
	if k.asked {
		// Looks go on, so that the silence after an answer counts from its
		// beginning.
	} else if k.quiet++; k.quiet >= looks {
		k.quiet = 0
		c.queuePing(nil)
		if waiting && conf.Timeout >= 0 {
			k.asked, k.left = true, option.OrDefault(conf.Timeout, conf.Interval)
		}
	}
	if k.asked {
		wait = min(wait, k.left)
		k.left -= wait
	}
	k.timer.Reset(wait)
	c.mu.Unlock()
	c.flushAside()
}
