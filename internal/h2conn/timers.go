package h2conn

import (
	"errors"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
)

// ErrPreface is why a connection was closed whose peer did not begin to speak
// HTTP/2 in time.
var ErrPreface = errors.New("websocket: the peer did not begin to speak HTTP/2 in time")

// ErrPingTimeout is why a connection was given up whose peer was silent.
var ErrPingTimeout = errors.New("websocket: the peer of an HTTP/2 connection has not answered a PING")

// dribble is how long queued data waits for a window that is worth a frame.
const dribble = 50 * time.Millisecond

// startTimers starts what runs from the beginning. c.mu is held.
func (c *Conn) startTimers() {
	if d := c.o.HandshakeTimeout; d > 0 {
		c.shake = time.AfterFunc(d, c.shakeOver)
	}
	if d := c.o.IdleTimeout; d > 0 {
		c.idle = time.AfterFunc(d, c.idleOver)
	}
	if d := c.o.PingInterval; d > 0 {
		c.keep = time.AfterFunc(d, c.keepAlive)
	}
}

// stopTimers stops all of them. c.mu is held.
func (c *Conn) stopTimers() {
	for _, t := range []*time.Timer{c.idle, c.shake, c.retry, c.keep, c.drainTimer} {
		if t != nil {
			t.Stop()
		}
	}
}

func (c *Conn) shakeOver() {
	c.mu.Lock()
	settled, acked := c.m.Settled(), c.acked
	switch {
	case !settled:
		c.fail(ErrPreface)
		c.unlock()
	case !acked:
		c.unlock()
		c.Fail(h2.ErrCodeSettingsTimeout, "SETTINGS were not acknowledged")
	default:
		c.unlock()
	}
}

func (c *Conn) idleOver() {
	c.mu.Lock()
	idle := c.m.Idle()
	c.unlock()
	if idle {
		c.Drain()
	}
}

// keepAlive looks whether the peer is silent.
func (c *Conn) keepAlive() {
	c.mu.Lock()
	defer c.unlock()
	silent := time.Since(c.heard)
	switch {
	case c.over:
		return
	case silent >= c.o.PingInterval+c.o.PingTimeout:
		c.fail(ErrPingTimeout)
		return
	case silent >= c.o.PingInterval:
		c.pingSeq++
		c.m.Ping(pingData(c.pingSeq))
		c.flush(false)
		c.keep.Reset(c.o.PingInterval + c.o.PingTimeout - silent)
	default:
		c.keep.Reset(c.o.PingInterval - silent)
	}
}

// again has queued data looked at in a while. c.mu is held.
func (c *Conn) again() {
	if c.retry == nil {
		c.retry = time.AfterFunc(dribble, func() {
			c.mu.Lock()
			if !c.over {
				c.m.SetTime(int64(time.Since(c.start)))
				c.flush(false)
			}
			c.unlock()
		})
		return
	}
	c.retry.Reset(dribble)
}

// tellActive tells Active, and the idle timer, whether there are streams.
func (c *Conn) tellActive() {
	if c.o.Active == nil && c.o.IdleTimeout == 0 {
		return
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	c.mu.Lock()
	active := !c.m.Idle() && !c.over
	changed := active != c.told
	c.told = active
	if changed && c.idle != nil && !c.over {
		if active {
			c.idle.Stop()
		} else {
			c.idle.Reset(c.o.IdleTimeout)
		}
	}
	c.mu.Unlock()
	if changed && c.o.Active != nil {
		c.o.Active(active)
	}
}
