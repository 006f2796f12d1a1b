package reconnect

import (
	"context"
	"errors"
	"time"

	"github.com/lariat-go/websocket"
)

// Timers stand still while a machine sleeps, and so do those of keepalives: a
// laptop that wakes up after a night has a connection that looks alive and is
// not, or goes on with a wait that was over hours ago. The alarm looks at the
// wall clock every few seconds. When it has moved on by much more than that, the
// machine slept, the process was stopped, or somebody set the clock: then the
// connection is pinged at once, or the next attempt made at once. Neither harms
// where it was in vain, and nothing else goes by the wall clock.
const (
	alarmPeriod  = 5 * time.Second
	alarmGap     = 10 * time.Second // more than a busy machine is late
	probeTimeout = 5 * time.Second
)

func wallClock() time.Time { return time.Now().Round(0) }

// watch begins to look for gaps in time.
func (c *Client) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = c.o.clock().UnixNano()
	c.alarm = time.AfterFunc(alarmPeriod, c.look)
}

// look looks for a gap since the last look.
func (c *Client) look() {
	now := c.o.clock().UnixNano()
	c.mu.Lock()
	passed := time.Duration(now - c.seen)
	c.seen = now
	if c.state != Closed {
		c.alarm.Reset(alarmPeriod)
	}
	c.mu.Unlock()
	if passed >= alarmPeriod+alarmGap {
		c.Kick()
	}
}

// Kick is a hint that the network may have changed, as when a laptop wakes up or
// an interface comes up: a wait ends, though no two attempts begin within
// MinWait; a connection is sent a ping, and given up with [ErrAsleep] when there
// is no answer within 5 s. When an attempt is under way and fails, the next one
// follows at once. It returns immediately.
func (c *Client) Kick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state >= Closing:
	case c.conn == nil:
		c.kicked = true
		c.notify()
	case !c.probing:
		c.probing = true
		s := c.conn
		c.aux.Go(func() { c.probe(s) })
	}
}

// probe pings the peer and gives the connection up when no answer comes, except
// while callbacks keep the answer from being read.
func (c *Client) probe(s *websocket.Conn) {
	turn := c.turns.Load()
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	_, err := s.Ping(ctx)
	cancel()
	dead := errors.Is(err, context.DeadlineExceeded) && turn%2 == 0 && turn == c.turns.Load()
	c.mu.Lock()
	c.probing = false
	dead = dead && c.conn == s && c.state != Opening
	if dead {
		c.lostBy = ErrAsleep
	}
	c.mu.Unlock()
	if dead {
		s.CloseNow()
	}
}
