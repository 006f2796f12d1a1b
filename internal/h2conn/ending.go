package h2conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
)

const (
	lingerTime  = time.Second
	drainTime   = 5 * time.Second // for the answer to the first GOAWAY
	lingerLimit = 64 << 10        // read and dropped after the end
)

// errOrderly is the end of a connection that was drained or that the peer closed
// between frames, with nothing left open.
var errOrderly = fmt.Errorf("websocket: HTTP/2 connection: %w", net.ErrClosed)

// ended deals with the end of what the peer sends. c.mu is held.
func (c *Conn) ended(err error) {
	if c.over {
		c.closeSocket()
		return
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = c.m.EOF()
		if err == nil && c.streams == nil {
			err = errOrderly
		} else if err == nil {
			err = io.ErrUnexpectedEOF
		}
	}
	c.fail(err)
}

// conclude ends the connection when what the machine has queued, a GOAWAY, has
// left. c.mu is held, and released while writing.
func (c *Conn) conclude(err error) {
	if c.over || c.err != nil {
		return
	}
	c.endStreams(err)
	c.stopping, c.held = true, false
	c.linger = time.AfterFunc(lingerTime, func() {
		c.mu.Lock()
		c.fail(err)
		c.unlock()
	})
	c.flush(false)
	if !c.flushing {
		c.finish(err)
	}
}

// fail ends the connection: whatever is still to be written is not. c.mu is held.
func (c *Conn) fail(err error) {
	if c.end(err) {
		c.closeSocket()
	}
}

// finish ends the connection in order: our direction first, and the rest when the
// peer has ended its own, or in a second. Closing a socket with unread bytes
// would make the kernel take back what was sent last. c.mu is held.
func (c *Conn) finish(err error) {
	if !c.end(err) {
		return
	}
	if c.linger != nil {
		c.linger.Stop()
	}
	c.linger = time.AfterFunc(lingerTime, func() {
		c.mu.Lock()
		c.closeSocket()
		c.unlock()
	})
	if c.polled != nil {
		c.polled.closeWrite()
		return
	}
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok {
		go cw.CloseWrite() // TLS writes for it
	}
}

// end tells everybody that the connection is over. It reports whether that is
// news. c.mu is held.
func (c *Conn) end(err error) bool {
	if c.over {
		return false
	}
	c.over = true
	c.endStreams(err)
	c.stopTimers()
	close(c.done)
	c.admit()
	return true
}

// closeSocket closes what carries the connection, without waiting for anything.
// c.mu is held.
func (c *Conn) closeSocket() {
	if c.closed {
		return
	}
	c.closed = true
	if c.linger != nil {
		c.linger.Stop()
	}
	if c.polled != nil {
		c.polled.close()
		return
	}
	if t, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		go func() { // it says goodbye where it can
			cut := time.AfterFunc(lingerTime, func() { t.NetConn().Close() })
			c.nc.Close()
			cut.Stop()
			close(c.shut)
		}()
		return
	}
	c.nc.Close()
	close(c.shut)
}

// endStreams ends every stream because of err. c.mu is held.
func (c *Conn) endStreams(err error) {
	if c.err == nil {
		c.err = err
	}
	for c.streams != nil {
		c.streams.fail(c.err)
	}
}

// Drain ends the connection when the streams there are have ended; new ones are
// not taken (RFC 9113, section 6.8).
func (c *Conn) Drain() {
	c.mu.Lock()
	defer c.unlock()
	if c.over || c.stopping {
		return
	}
	c.stopping = true
	c.m.Drain()
	c.drainTimer = time.AfterFunc(drainTime, c.drainOver)
	for s := c.streams; s != nil; s = s.next {
		if s.onDrain != nil {
			go s.onDrain()
			s.onDrain = nil
		}
	}
	c.flush(false)
	c.checkDrained()
}

// drainOver goes on with a connection whose peer does not answer while it is
// drained: new streams are ignored from now on. Without streams, it is closed.
func (c *Conn) drainOver() {
	c.mu.Lock()
	defer c.unlock()
	switch {
	case c.over:
	case c.m.Idle():
		c.fail(errOrderly)
	default:
		c.m.DrainNow()
		c.flush(false)
	}
}

// checkDrained closes a connection that is to be closed and has nothing left to
// do. c.mu is held.
func (c *Conn) checkDrained() {
	if !c.over && !c.flushing && c.m.Drained() && !c.m.HasOutput() {
		c.finish(errOrderly)
	}
}

// Close ends the connection at once, with a GOAWAY if that leaves.
func (c *Conn) Close() error {
	c.Fail(h2.ErrCodeNo, "")
	return nil
}

// Fail ends the connection at once, with a GOAWAY if that leaves.
func (c *Conn) Fail(code h2.ErrCode, reason string) {
	c.mu.Lock()
	defer c.unlock()
	if c.over {
		return
	}
	var err error = c.m.Fail(code, reason)
	if code == h2.ErrCodeNo {
		err = errOrderly
	}
	c.conclude(err)
}
