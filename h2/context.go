package h2

import (
	"context"
	"slices"
	"sync"

	"github.com/lariat-go/websocket/internal/h2conn"
)

// requestContext is the context of a request: it ends when the stream is reset,
// the connection is lost or the handler has returned, and with that of the
// connection. For a handler that never looks at it, it costs nothing.
type requestContext struct {
	context.Context // of the connection
	s               *h2conn.Stream

	mu    sync.Mutex
	done  chan struct{} // made when somebody asks for it
	err   error
	stop  func() bool // ends the watch over the connection's context
	after []*func()   // to be called at the end
}

// Done returns a channel that is closed when the context ends.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	if c.done != nil {
		defer c.mu.Unlock()
		return c.done
	}
	done := make(chan struct{})
	c.done = done
	if c.err != nil {
		close(done)
		c.mu.Unlock()
		return done
	}
	if c.Context.Done() != nil {
		c.stop = context.AfterFunc(c.Context, func() { c.cancel(c.Context.Err()) })
	}
	c.mu.Unlock()
	c.s.OnGone(c.gone)
	return done
}

func (c *requestContext) gone() { c.cancel(context.Canceled) }

// Err returns why the context has ended, nil while it has not.
func (c *requestContext) Err() error {
	c.mu.Lock()
	err, watched := c.err, c.done != nil
	c.mu.Unlock()
	if err != nil || watched {
		return err
	}
	if err := c.Context.Err(); err != nil {
		c.cancel(err)
	} else if c.s.Err() != nil {
		c.cancel(context.Canceled)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc is what package context uses for contexts made of this one; without
// it, each would start a goroutine.
func (c *requestContext) AfterFunc(f func()) (stop func() bool) {
	c.Done() // from now on, the end is watched for
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		f()
		return func() bool { return false }
	}
	defer c.mu.Unlock()
	c.after = append(c.after, &f)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := len(c.after)
		c.after = slices.DeleteFunc(c.after, func(g *func()) bool { return g == &f })
		return len(c.after) < n
	}
}

// cancel ends the context.
func (c *requestContext) cancel(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	after, stop := c.after, c.stop
	c.after, c.stop = nil, nil
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
	for _, f := range after {
		(*f)()
	}
}
