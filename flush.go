package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// How writing works: frames are appended to c.out under c.mu. Whoever finds
// nobody flushing takes c.out and writes it, without the lock; what others
// append meanwhile is written afterwards. So one system call carries what many
// goroutines had to say, and nobody waits for a lock that is held over I/O.

// awaitTurn waits until a message of n bytes may be queued: no fragmented
// message is open and there is room. c.mu is held, and released while waiting.
func (c *Conn) awaitTurn(ctx context.Context, n int) error {
	if ctx == nil {
		return option.ErrNoContext
	}
	if c.err == nil && c.mayBegin(n) && ctx.Done() == nil {
		return nil
	}
	return c.await(ctx, n, (*Conn).mayBegin)
}

// mayBegin reports whether a new message of n bytes may be queued. One that
// is waiting for an empty queue is not kept waiting by smaller ones. c.mu is
// held.
func (c *Conn) mayBegin(n int) bool {
	if x := c.extra; x != nil && (x.writer != nil || x.large > 0 && n <= highWater) {
		return false
	}
	return c.hasRoom(n)
}

// hasRoom reports whether n bytes more may be queued. When nobody is flushing,
// they are written at once. c.mu is held.
func (c *Conn) hasRoom(n int) bool { return !c.flushing || len(c.out)+n <= highWater }

// await waits until n bytes may be queued, as ready tells, as long as ctx lives
// and writing is possible. c.mu is held, and released while waiting.
func (c *Conn) await(ctx context.Context, n int, ready func(*Conn, int) bool) error {
	done := ctx.Done()
	counted := false // in extra.large
	for {
		err := c.err
		if err == nil && done != nil {
			select {
			case <-done:
				err = stream.ContextError(ctx, "write")
			default:
			}
		}
		if err != nil || ready(c, n) {
			if counted {
				c.extra.large--
				c.notify()
			}
			return err
		}
		if n > highWater && !counted {
			counted = true
			c.more().large++
		}
		changed := c.change()
		c.mu.Unlock()
		select {
		case <-changed:
		case <-done:
		}
		c.mu.Lock()
	}
}

// flush writes what is queued, or leaves it to the goroutine that is flushing.
// own says that all of it is the caller's. c.mu is held, and is released.
func (c *Conn) flush(ctx context.Context, own bool) error {
	if c.flushing || len(c.out) == 0 {
		c.dropEmptyOut()
		c.mu.Unlock()
		return nil
	}
	return c.flushWith(ctx, nil, own)
}

// flushWith writes what is queued and then tail. Nobody is flushing. c.mu is
// held, and is released.
func (c *Conn) flushWith(ctx context.Context, tail []byte, own bool) error {
	batch := c.takeOut()
	c.flushing = true
	c.mu.Unlock()
	total := len(batch) + len(tail)
	n, err := c.s.TryWrite(batch, tail)
	if err == nil && n < total {
		n, err = c.transmit(ctx, batch, tail, n)
	}
	bufpool.Put(batch)
	c.mu.Lock()
	if err != nil {
		err = c.writeFailed(ctx, err, total-n, own && n == 0 && !c.send.Coding())
	}
	if len(c.out) > 0 {
		c.flushOthers()
	} else {
		c.endFlush()
	}
	return err
}

// takeOut takes what is to be written. c.mu is held.
func (c *Conn) takeOut() []byte {
	if x := c.extra; x != nil && x.pong != nil {
		if c.err == nil {
			c.out, _ = c.send.AppendControl(bufpool.Grow(c.out, len(x.pong)+frame.MaxHeaderSize), frame.OpPong, x.pong)
		}
		x.pong = nil
	}
	batch := c.out
	c.out = nil
	if c.extra != nil {
		c.extra.batches++
	}
	if c.err == protocol.ErrCloseSent && len(batch) > 0 && c.extra.closing.State() == protocol.StateClosed {
		// It ends with a close frame that has no answer.
		if e, ok := c.s.Unwrap().(halfCloser); ok {
			e.EndAfter(len(batch))
		}
	}
	return batch
}

// halfCloser is a stream of HTTP/2 or HTTP/3, on which the two directions end
// apart. Ours must not end with a close frame that asks for an answer: a browser
// that sees the end resets the stream instead of answering.
type halfCloser interface {
	EndAfter(n int) // with a byte that is still to be written
	CloseWrite() error
}

// flushOthers ends a flush: what others queued meanwhile is written as far as
// the transport takes it at once, and the rest is left to a goroutine that
// lives until it is written. c.mu is held, and is released.
func (c *Conn) flushOthers() {
	for rounds := 0; len(c.out) > 0 && !c.ended.Load(); rounds++ {
		batch := c.takeOut()
		c.notify()
		c.mu.Unlock()
		n, err := 0, error(nil)
		if rounds < 4 {
			n, err = c.s.TryWrite(batch, nil)
		}
		if err == nil && n < len(batch) {
			go c.flushRest(batch, n)
			return
		}
		bufpool.Put(batch)
		c.mu.Lock()
		if err != nil {
			c.writeFailed(context.Background(), err, len(batch)-n, false)
			break
		}
	}
	c.endFlush()
}

// flushRest writes batch[n:] and whatever is queued, until nothing is left.
func (c *Conn) flushRest(batch []byte, n int) {
	ctx := context.Background()
	for {
		m, err := c.write(ctx, batch[n:])
		unsent := len(batch) - n - m
		bufpool.Put(batch)
		c.mu.Lock()
		if err != nil {
			c.writeFailed(ctx, err, unsent, false)
		}
		if len(c.out) == 0 || c.ended.Load() || err != nil {
			c.endFlush()
			return
		}
		batch, n = c.takeOut(), 0
		c.notify()
		c.mu.Unlock()
	}
}

// endFlush gives the right to flush back. c.mu is held, and is released.
func (c *Conn) endFlush() {
	c.flushing = false
	c.notify()
	c.cleanUp()
	c.mu.Unlock()
}

// flushAside writes what the reader queued, without ever keeping the reader
// from reading.
func (c *Conn) flushAside() {
	c.mu.Lock()
	if c.flushing || len(c.out) == 0 || c.ended.Load() {
		c.mu.Unlock()
		return
	}
	c.flushing = true
	c.flushOthers()
}

// transmit writes batch and then tail, of which n bytes have left already,
// however long the transport takes. It returns how many have left in the end.
func (c *Conn) transmit(ctx context.Context, batch, tail []byte, n int) (int, error) {
	if v, ok := c.s.Unwrap().(vectorWriter); ok && n == 0 && len(tail) > 0 {
		return c.writeVector(ctx, v, batch, tail)
	}
	if n == 0 && len(tail) > 0 {
		// The header shares a record or packet with the payload's beginning.
		m := max(min(len(tail), writeChunk-len(batch)), 0)
		batch = append(append(bufpool.Get(len(batch) + m)[:0], batch...), tail[:m]...)
		defer bufpool.Put(batch)
		tail = tail[m:]
	}
	if n < len(batch) {
		m, err := c.write(ctx, batch[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	m, err := c.write(ctx, tail[n-len(batch):])
	return n + m, err
}

// vectorWriter is a Stream that writes two slices in one piece.
type vectorWriter interface {
	Writev(hdr, payload []byte) (int, error)
}

// writeVector writes both slices in one piece, within WriteTimeout.
func (c *Conn) writeVector(ctx context.Context, v vectorWriter, hdr, payload []byte) (int, error) {
	if err := c.writeWatch.set(ctx, c.s, writes); err != nil {
		return 0, err
	}
	defer c.s.SetWriteDeadline(time.Time{})
	c.extendDeadline()
	if err := stream.ContextError(ctx, "write"); err != nil {
		return 0, err
	}
	n, err := v.Writev(hdr, payload)
	if !stream.IsTimeout(err) {
		return n, err
	}
	if n < progress {
		return n, c.writeTimeout(ctx)
	}
	return c.transmit(ctx, hdr, payload, n)
}

// extendDeadline gives the transport another WriteTimeout.
func (c *Conn) extendDeadline() {
	if t := c.conf.writeTimeout; t > 0 {
		c.s.SetWriteDeadline(time.Now().Add(t))
	}
}

// write writes p, however long the transport takes, under a deadline and under
// ctx.
func (c *Conn) write(ctx context.Context, p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.writeWatch.set(ctx, c.s, writes); err != nil {
		return 0, err
	}
	defer c.s.SetWriteDeadline(time.Time{})
	for n < len(p) {
		c.extendDeadline()
		// The context may have ended, and set its deadline, before that.
		if err := stream.ContextError(ctx, "write"); err != nil {
			return n, err
		}
		before := stream.Unsent(c.s)
		m, err := c.s.Write(p[n:min(n+writeChunk, len(p))])
		n += m
		if err == nil || stream.IsTimeout(err) && m+before-stream.Unsent(c.s) >= progress {
			continue
		}
		if stream.IsTimeout(err) {
			err = c.writeTimeout(ctx)
		}
		return n, err
	}
	return n, nil
}

// writeTimeout returns the error for a write that a deadline ended.
func (c *Conn) writeTimeout(ctx context.Context) error {
	err := stream.ContextError(ctx, "write")
	if err == nil {
		return ErrWriteTimeout
	}
	if _, ok := c.s.Unwrap().(*tls.Conn); ok {
		// Part of a record may have left, and crypto/tls sends nothing after it.
		return fmt.Errorf("%w: %w", ErrHalfWritten, err)
	}
	return err
}

// writeFailed judges an error of a write and returns what the writer is told.
// harmless says that nothing of the message left and that the connection can do
// without it. c.mu is held.
func (c *Conn) writeFailed(ctx context.Context, err error, unsent int, harmless bool) error {
	switch {
	case c.ended.Load():
		c.unsent(unsent)
		return c.ending()
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		switch half := errors.Is(err, ErrHalfWritten); {
		case harmless && !half:
			return err
		case !half:
			err = fmt.Errorf("%w: %w", ErrHalfWritten, err)
		}
		c.unsent(unsent)
		c.more().closing.Fail(err)
		c.endLocked(true)
		return err
	case errors.Is(err, ErrWriteTimeout):
		c.unsent(unsent)
		c.more().closing.Fail(err)
		c.endLocked(true)
		return c.ending()
	}
	// The peer takes no more. What it sent before may still be read, so the
	// ending is left to the reader.
	c.err = dial.During("websocket: write: ", err)
	c.unsent(unsent)
	return c.err
}

// unsent counts bytes that will never leave. c.mu is held.
func (c *Conn) unsent(n int) {
	if n += len(c.out); n > 0 {
		c.more().unsent += n
	}
	if c.out != nil {
		bufpool.Put(c.out)
		c.out = nil
	}
}

// queuePong answers a ping. While the peer takes nothing, answers are not
// heaped up: the latest is enough (RFC 6455, section 5.5.3).
func (c *Conn) queuePong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.flushing && len(c.out) >= pongRoom {
		c.flushing = true
		c.flushOthers()
		c.mu.Lock()
	}
	if c.err != nil {
		return
	}
	if c.flushing && len(c.out) >= pongRoom {
		x := c.more()
		x.pong = append(x.pong[:0], payload...)
		return
	}
	c.out = bufpool.Grow(c.out, len(payload)+frame.MaxHeaderSize)
	c.out, _ = c.send.AppendControl(c.out, frame.OpPong, payload)
	c.owesFlush = !c.flushing
}

// queueClose queues a close frame, after which nothing may be queued. c.mu is
// held.
func (c *Conn) queueClose(cl protocol.Close) error {
	out, err := c.send.AppendClose(bufpool.Grow(c.out, frame.MaxControlPayload+frame.MaxHeaderSize), cl.Code, cl.Reason)
	c.out = out
	if err != nil {
		return err
	}
	c.more().closing.Sent(cl)
	c.err = protocol.ErrCloseSent
	c.notify()
	return nil
}
