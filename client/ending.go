package client

import (
	"errors"
	"net"
	"sync/atomic"

	"github.com/lariat-go/websocket"
)

// ending waits for the end of a socket. It is what a socket keeps of its Conn.
type ending struct {
	c     atomic.Pointer[Conn] // nil: the socket is its user's alone
	flow  *flow
	s     session // nil over HTTP/1.1
	users func(*websocket.CloseError)

	known bool                  // to all; guarded by the Conn's mu
	end   *websocket.CloseError // that came before; guarded by the Conn's mu
}

func newEnding(u *upgrade, s session) *ending {
	e := &ending{flow: u.flow, users: u.o.OnEnd}
	e.c.Store(u.c)
	if s.protocol() != HTTP1 {
		e.s = s
	}
	return e
}

// ended deals with the end of the socket. It does not wait.
func (e *ending) ended(end *websocket.CloseError) {
	if e.users != nil {
		e.users(end)
	}
	c := e.c.Load()
	if c == nil {
		return
	}
	c.mu.Lock()
	if e.c.Load() == nil { // a moment ago
		c.mu.Unlock()
		return
	}
	e.end = end
	known, f := e.known, e.flow
	c.mu.Unlock()
	switch {
	case orderly(end):
		c.finish(f, nil)
	case e.s != nil:
		c.finish(f, e.s)
	}
	if known && e.s == nil {
		go c.rejoin(end, local(end))
	}
}

// noted says that the socket is known to all, so that its end may be, too; there
// is nothing to be told of one that came too late.
func (e *ending) noted(c *Conn, here bool) {
	c.mu.Lock()
	e.known = here
	end := e.end
	c.mu.Unlock()
	if here && end != nil && e.s == nil {
		go c.rejoin(end, local(end))
	}
}

// Detach ends the Conn and leaves the socket that has taken its connection, over
// HTTP/1.1, to its user alone: the socket lives on and keeps nothing of the Conn.
// It is for programs that need the Conn to get a socket and no longer, and hold
// many. The owner, if there is one, gets a Down without an error.
//
// It reports whether it did. It does nothing when no socket has the connection,
// when an owner or a handler gets what comes on it, and when the Conn is about
// to end.
func (c *Conn) Detach() bool {
	c.mu.Lock()
	if c.state != Taken || c.pumps > 0 {
		c.mu.Unlock()
		return false
	}
	for f := c.flows; f != nil; f = f.next {
		if e := f.ending; e != nil {
			if e.end != nil || !e.known {
				c.mu.Unlock()
				return false // rejoin goes on, or Upgrade has not returned yet
			}
			e.c.Store(nil)
			e.flow = nil
			f.socket, f.ending = nil, nil
			c.remove(f)
		}
	}
	c.set(Closing)
	c.mu.Unlock()
	c.down(nil)
	return true
}

// local reports whether this end wanted the end of a socket.
func local(e *websocket.CloseError) bool {
	switch {
	case e == nil:
		return false
	case e.Cause == nil || errors.Is(e.Cause, websocket.ErrCloseTimeout):
		return !e.RemoteFirst
	}
	return errors.Is(e.Cause, net.ErrClosed)
}

// orderly reports whether a socket ended by a closing handshake: it was killed by
// nobody then.
func orderly(err error) bool {
	e, ok := errors.AsType[*websocket.CloseError](err)
	return ok && e.Cause == nil
}
