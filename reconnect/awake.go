package reconnect

import (
	"context"
	"errors"
	"sync"
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

// alarm looks for gaps in time.
type alarm struct {
	mu      sync.Mutex
	timer   *time.Timer // nil: stopped
	seen    time.Time
	probing bool // owned by Client.mu
}

func wallClock() time.Time { return time.Now().Round(0) }

func (a *alarm) start(c *Client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = c.o.clock()
	a.timer = time.AfterFunc(alarmPeriod, func() {
		if a.look(c.o.clock()) {
			c.Kick()
		}
	})
}

// look reports whether there was a gap since the last look.
func (a *alarm) look(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil {
		return false
	}
	passed := now.Sub(a.seen)
	a.seen = now
	a.timer.Reset(alarmPeriod)
	return passed >= alarmPeriod+alarmGap
}

func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer.Stop()
	a.timer = nil
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
		select {
		case c.wake <- struct{}{}:
		default:
		}
	case !c.awake.probing:
		c.awake.probing = true
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
	c.awake.probing = false
	dead = dead && c.conn == s && c.state != Opening
	if dead {
		c.lostBy = ErrAsleep
	}
	c.mu.Unlock()
	if dead {
		s.CloseNow()
	}
}
