package h2conn

import (
	"context"
	"errors"
	"slices"

	"github.com/lariat-go/websocket/internal/h2"
)

// waiter waits for a slot for a new stream.
type waiter struct {
	wake  chan struct{}
	woken bool // may try
}

// AwaitSettings waits for the peer's SETTINGS.
func (c *Conn) AwaitSettings(ctx context.Context) error {
	select {
	case <-c.settled:
		return nil
	default:
	}
	select {
	case <-c.settled:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ExtendedConnect reports whether the server allows extended CONNECT, which is
// known after [Conn.AwaitSettings] (RFC 8441, section 3).
func (c *Conn) ExtendedConnect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m.PeerExtendedConnect()
}

// Usable reports whether new streams may be opened at all, and whether one would
// not have to wait.
func (c *Conn) Usable() (usable, free bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.free()
	return n >= 0, n > 0 && !c.queued()
}

// queued reports whether somebody waits for a slot. c.mu is held.
func (c *Conn) queued() bool {
	return slices.ContainsFunc(c.opening, func(w *waiter) bool { return !w.woken })
}

// Open opens a stream. While the server takes no more, it waits as long as ctx
// lives, first come first served; without wait it returns [h2.ErrNoSlot] then.
// [h2.ErrGoingAway], and the error of a connection that is lost, say that
// another connection is needed.
func (c *Conn) Open(ctx context.Context, h *h2.Head, end, wait bool) (*Stream, error) {
	c.mu.Lock()
	defer c.unlock()
	var w *waiter
	for {
		if err := c.mayOpen(ctx); err != nil {
			c.leave(w)
			return nil, err
		}
		if w != nil && w.woken || w == nil && !c.queued() {
			m, err := c.m.Open(h, end)
			if err == nil {
				c.leave(w)
				s := c.newStream(m)
				s.outEnd = end
				c.room = c.free()
				c.flush(false)
				c.changed = true
				return s, nil
			}
			if !errors.Is(err, h2.ErrNoSlot) {
				c.leave(w)
				return nil, err
			}
		}
		if !wait {
			return nil, h2.ErrNoSlot
		}
		if w == nil {
			w = &waiter{}
			c.opening = append(c.opening, w)
		}
		w.wake, w.woken = make(chan struct{}), false
		c.mu.Unlock()
		select {
		case <-w.wake:
		case <-ctx.Done():
		}
		c.mu.Lock()
	}
}

func (c *Conn) mayOpen(ctx context.Context) error {
	switch {
	case c.err != nil:
		return c.err
	case c.stopping:
		return h2.ErrGoingAway
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// leave takes w out of those who wait, and lets the next one try. c.mu is held.
func (c *Conn) leave(w *waiter) {
	if w == nil {
		return
	}
	if i := slices.Index(c.opening, w); i >= 0 {
		c.opening = slices.Delete(c.opening, i, i+1)
	}
	c.admit()
}

// admit lets the first one who waits for a slot try; all of them when there will
// be none. c.mu is held.
func (c *Conn) admit() {
	if c.o.Room != nil {
		if free := c.free(); free != c.room {
			if free > c.room || free < 0 {
				c.later = append(c.later, c.o.Room)
			}
			c.room = free
		}
	}
	if len(c.opening) == 0 {
		return
	}
	all := c.free() < 0
	for _, w := range c.opening {
		if !w.woken {
			w.woken = true
			close(w.wake)
		}
		if !all {
			return
		}
	}
}

// free returns how many streams may be opened, -1 for never again. c.mu is held.
func (c *Conn) free() int {
	if c.over || c.err != nil || c.stopping || c.m.GoingAway() {
		return -1
	}
	return max(int(c.m.PeerMaxStreams())-c.m.Streams(), 0)
}
