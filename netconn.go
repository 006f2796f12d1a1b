package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// NetConn makes a [net.Conn] of a connection: for protocols that want a stream
// of bytes. Each Write is one message of type t; a Read gives bytes of the
// messages that come, without regard to their borders, and io.EOF after a
// close frame with 1000, 1001 or no code. A message of the other type closes the
// connection with 1003. Close is [Conn.Close] with 1000.
//
// Deadlines never harm the connection: what had come is kept for the next
// Read, and a Write waits for room only, before anything of it is sent. The
// end of ctx drops the connection, as [Conn.CloseNow] does.
func NetConn(ctx context.Context, c *Conn, t MessageType) net.Conn {
	if ctx == nil {
		ctx = context.Background()
	}
	n := &netConn{c: c, t: t}
	n.stop = context.AfterFunc(ctx, func() { c.drop(context.Cause(ctx)) })
	return n
}

type netConn struct {
	c    *Conn
	t    MessageType
	stop func() bool

	readMu sync.Mutex // one reads at a time; the others wait
	reader *messageReader
	eof    bool

	read, write deadline
}

func (n *netConn) Read(p []byte) (int, error) {
	n.readMu.Lock()
	defer n.readMu.Unlock()
	for !n.eof {
		ctx := n.read.context()
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		m, err := n.readUnder(ctx, p)
		switch {
		case err == nil && (m > 0 || len(p) == 0):
			return m, nil
		case err == io.EOF:
			n.reader = nil
		case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			return 0, context.Cause(ctx)
		case cleanEnding(err):
			n.eof = true
		case err != nil:
			return 0, err
		}
	}
	return 0, io.EOF
}

// readUnder reads from the current message, or the next one.
func (n *netConn) readUnder(ctx context.Context, p []byte) (int, error) {
	if n.reader == nil {
		t, r, err := n.c.Reader(ctx)
		if err != nil {
			return 0, err
		}
		if t != n.t {
			n.c.Close(StatusUnsupportedData, "expected "+n.t.String()+" messages")
			return 0, fmt.Errorf("websocket: NetConn: %v message where %v was expected", t, n.t)
		}
		n.reader = r.(*messageReader)
	}
	n.reader.ctx = ctx
	return n.reader.Read(p)
}

func (n *netConn) Write(p []byte) (int, error) {
	ctx := n.write.context()
	if err := n.c.leave(ctx, n.t, p); err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, err
	}
	return len(p), nil
}

// leave queues a message without ever waiting for the transport: for room
// only.
func (c *Conn) leave(ctx context.Context, t MessageType, p []byte) error {
	c.mu.Lock()
	err := c.awaitTurn(ctx, len(p))
	if err == nil {
		c.out, err = c.send.AppendMessage(bufpool.Grow(c.out, len(p)+frame.MaxHeaderSize), t, p)
	}
	if err != nil || c.flushing {
		c.dropEmptyOut()
		c.mu.Unlock()
		return err
	}
	c.flushing = true
	c.flushOthers()
	return nil
}

func (n *netConn) Close() error {
	n.stop()
	n.read.end(net.ErrClosed)
	n.write.end(net.ErrClosed)
	return n.c.Close(StatusNormalClosure, "")
}

func (n *netConn) LocalAddr() net.Addr  { return addrOr(n.c.LocalAddr()) }
func (n *netConn) RemoteAddr() net.Addr { return addrOr(n.c.RemoteAddr()) }

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}

// unknownAddr stands in where the stream has no address.
type unknownAddr struct{}

func (unknownAddr) Network() string { return "websocket" }
func (unknownAddr) String() string  { return "unknown" }

func addrOr(a net.Addr) net.Addr {
	if a == nil {
		return unknownAddr{}
	}
	return a
}

// deadline is a time after which a context ends, and which can be moved.
type deadline struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	ended  bool
}

// context returns the context that ends at the deadline.
func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renew()
	return d.ctx
}

// renew makes a context when there is none. d.mu is held.
func (d *deadline) renew() {
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancelCause(context.Background())
	}
}

// set moves the deadline; the zero time takes it away.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return
	}
	late := d.timer != nil && !d.timer.Stop() // it ends the context any moment
	d.timer = nil
	if late || d.ctx != nil && d.ctx.Err() != nil {
		d.ctx = nil
	}
	d.renew()
	if t.IsZero() {
		return
	}
	cancel := d.cancel
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { cancel(os.ErrDeadlineExceeded) })
	} else {
		cancel(os.ErrDeadlineExceeded)
	}
}

// end ends the context for good.
func (d *deadline) end(cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.ctx == nil || d.ctx.Err() != nil {
		d.ctx = nil
		d.renew()
	}
	d.ended = true
	d.cancel(cause)
}
