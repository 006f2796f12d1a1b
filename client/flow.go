package client

import (
	"context"
	"slices"

	"github.com/lariat-go/websocket"
)

// flow is a request or a socket under way, in a list of the Conn's.
type flow struct {
	ref        Ref
	up         bool // it is on the connection there is; else it waits for one
	tells      bool // the owner is told of what comes of it
	pumps      bool // and down waits for that
	handled    bool // by a handler, for which Close does not wait: it may have called it
	socket     *websocket.Conn
	ending     *ending            // of a socket
	cancel     context.CancelFunc // of a request made by Request
	prev, next *flow
	listed     bool
}

// begin notes a request or socket that begins.
func (c *Conn) begin(cancel context.CancelFunc) *flow {
	f := &flow{cancel: cancel, listed: true}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastRef++
	f.ref = c.lastRef
	if f.next = c.flows; f.next != nil {
		f.next.prev = f
	}
	c.flows = f
	return f
}

// finish notes that it has ended. When it ended with its connection s, or by
// Close, down will name it among those that were killed.
func (c *Conn) finish(f *flow, s session) {
	over := s != nil && s.over()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == nil || !over && !c.hurried {
		c.remove(f)
	}
}

// remove takes f out of the list. c.mu is held.
func (c *Conn) remove(f *flow) {
	if !f.listed {
		return
	}
	f.listed = false
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		c.flows = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// carry notes that a request or socket is on s, or about to be.
func (c *Conn) carry(f *flow, s session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.up = c.session == s
	if f.up && f.tells && !f.pumps {
		f.pumps = true
		c.pumps++
	}
}

// drop notes that it is not on a connection any more, and that the owner was
// told of what came of it there.
func (c *Conn) drop(f *flow) {
	c.mu.Lock()
	f.up = false
	c.mu.Unlock()
	c.settle(f)
}

// settle notes that the owner was told of what came of it.
func (c *Conn) settle(f *flow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.pumps {
		f.pumps = false
		if c.pumps--; f.handled {
			c.handlers--
		}
		c.hush()
	}
}

// hush has those look again who wait for what the owner is told. c.mu is held.
func (c *Conn) hush() {
	if c.quiet != nil {
		close(c.quiet)
		c.quiet = nil
	}
}

// awaitPumps waits until the owner was told of all that came on the connection;
// after a Close, without what is in the hands of handlers.
func (c *Conn) awaitPumps() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.pumps > 0 && !(c.hurried && c.pumps == c.handlers) {
		if c.quiet == nil {
			c.quiet = make(chan struct{})
		}
		quiet := c.quiet
		c.mu.Unlock()
		<-quiet
		c.mu.Lock()
	}
}

// carries reports whether something is under way on the connection there is.
func (c *Conn) carries() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := c.flows; f != nil; f = f.next {
		if f.up {
			return true
		}
	}
	return false
}

// killed returns what was on the connection when that ended. The rest waits for
// the next one.
func (c *Conn) killed() []Ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	refs := []Ref{}
	for f := c.flows; f != nil; {
		next := f.next
		if f.up {
			refs = append(refs, f.ref)
			c.remove(f)
		}
		f = next
	}
	slices.Sort(refs)
	return refs
}

// refs returns what is under way. c.mu is held.
func (c *Conn) refs() (list []Ref) {
	for f := c.flows; f != nil; f = f.next {
		list = append(list, f.ref)
	}
	slices.Sort(list)
	return list
}

// sockets returns those that are open. c.mu is held.
func (c *Conn) sockets() (list []*websocket.Conn) {
	for f := c.flows; f != nil; f = f.next {
		if f.socket != nil {
			list = append(list, f.socket)
		}
	}
	return list
}

// Cancel gives up a request made by [Conn.Request]. Over HTTP/1.1 that ends the
// connection, unless the response is nearly there.
func (c *Conn) Cancel(r Ref) {
	c.mu.Lock()
	var cancel context.CancelFunc
	for f := c.flows; f != nil; f = f.next {
		if f.ref == r {
			cancel = f.cancel
		}
	}
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}
