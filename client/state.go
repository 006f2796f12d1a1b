package client

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

// State is what a Conn is doing.
type State uint8

// The states.
const (
	Connecting State = iota // an attempt is under way
	Waiting                 // for the time of the next attempt
	Connected               // requests and upgrades can be made
	Taken                   // over HTTP/1.1, by a socket
	Closing                 // by Shutdown
	Over                    // for good
)

// String returns the state in lower case.
func (s State) String() string {
	return [...]string{"connecting", "waiting", "connected", "taken", "closing", "over"}[s]
}

// Info is what [Conn.Info] tells.
type Info struct {
	State       State
	Addr        string // host:port, or the path of a unix socket
	Secure      bool
	Proxies     []string // without their passwords
	Protocol    Protocol // the last one; 0 before the first Up
	LocalAddr   net.Addr // while connected
	RemoteAddr  net.Addr // while connected; of the first proxy if there is one
	TLS         *tls.ConnectionState
	Ups         int       // how often it was connected
	Since       time.Time // of the connection there is, or of the last one
	Attempt     int       // the number of the last attempt, counted anew after a connection that lived
	RetriesLeft int
	Open        []Ref // requests and sockets under way
	Err         error // why the last attempt failed or the last connection was lost
}

// Info tells what the connection is doing. It never waits.
func (c *Conn) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := Info{
		State: c.state, Addr: c.addr(), Secure: c.target.Secure, Protocol: c.protocol, Ups: c.ups, Since: c.since,
		Attempt: c.attempts, RetriesLeft: c.left, Err: c.last,
	}
	for _, p := range c.target.Proxies {
		i.Proxies = append(i.Proxies, p.Scheme+"://"+p.Addr())
	}
	i.Open = c.refs()
	if l := c.link; l != nil && (c.state == Connected || c.state == Taken || c.state == Closing) {
		i.LocalAddr, i.RemoteAddr, i.TLS = l.LocalAddr(), l.RemoteAddr(), l.TLS()
	}
	return i
}

func (c *Conn) addr() string {
	if c.o.Unix != "" {
		return c.o.Unix
	}
	return c.target.Addr()
}

// set changes the state and wakes who waits for that. c.mu is held.
func (c *Conn) set(s State) {
	c.state = s
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// change returns the channel that is closed at the next change of state. c.mu is
// held.
func (c *Conn) change() <-chan struct{} {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// await waits until the connection is up and returns its session, or why that
// will not be. A session that the caller has no more use for is not it.
func (c *Conn) await(ctx context.Context, not session) (session, error) {
	if ctx == nil {
		return nil, option.ErrNoContext
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch c.state {
		case Connected:
			if c.session != not {
				return c.session, nil
			}
		case Taken:
			return nil, ErrUpgraded
		case Closing, Over:
			if c.err != nil {
				return nil, c.err
			}
			return nil, ErrClosed
		}
		changed := c.change()
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		c.mu.Lock()
		if ctx.Err() != nil {
			return nil, stream.ContextError(ctx, "waiting for the connection")
		}
	}
}

// AwaitUp waits until the connection is up and returns what it speaks; also
// when it carries a socket. The error wraps the cause of ctx, whose end does no
// harm, or is that of a Conn that is over, a [*GaveUpError] or [ErrClosed].
func (c *Conn) AwaitUp(ctx context.Context) (Protocol, error) {
	_, err := c.await(ctx, nil)
	if err != nil && err != ErrUpgraded {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.protocol, nil
}
