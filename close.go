package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// Close closes the connection by the closing handshake (RFC 6455, section 7):
// what is queued is written, a close frame is sent, the peer's is awaited, and
// the transport is closed. Messages that come meanwhile are given to a reader
// that is there, and dropped otherwise. All of it is bounded by CloseTimeout.
//
// The result is nil when the handshake was completed, whoever began it, and
// otherwise a [*CloseError]. Any number of goroutines may call Close: one close
// frame is sent, and all of them wait for the end. Code 0 without a reason
// sends a close frame without a code. A code that must not be sent, as 1005, or
// a reason of more than 123 bytes or that is not UTF-8, is refused before
// anything is sent.
func (c *Conn) Close(code StatusCode, reason string) error {
	cl, err := sendable(code, reason)
	if err != nil {
		return fmt.Errorf("websocket: Close(%d): %w", code, err)
	}
	c.mu.Lock()
	if c.err == nil {
		c.queueClose(cl)
	}
	if !c.ended.Load() {
		c.startCloseTimer(c.conf.closeTimeout)
	}
	c.finishWriting()
	c.mu.Unlock()
	c.awaitEnd()
	c.awaitStream()
	return c.closeResult()
}

// sendable returns what a close frame asked for by the user says.
func sendable(code StatusCode, reason string) (protocol.Close, error) {
	switch {
	case code == StatusNoStatusRcvd:
		return protocol.Close{}, frame.ErrCloseStatus
	case code == 0 && reason == "":
		code = StatusNoStatusRcvd // what a frame without a code is read as
	}
	_, err := frame.AppendClose(nil, code, reason)
	return protocol.Close{Code: code, Reason: reason}, err
}

// CloseNow drops the connection without a closing handshake. What a peer sees
// of it is 1006. It returns nil.
func (c *Conn) CloseNow() error {
	c.drop(errCloseNow)
	c.awaitStream()
	return nil
}

// awaitStream waits until a stream that is lent by the handler of net/http is not
// in use any more, whoever closes it. For others it does nothing.
func (c *Conn) awaitStream() {
	if d, ok := c.s.Unwrap().(interface{ Done() <-chan struct{} }); ok {
		<-d.Done()
	}
}

// CloseRead reads on behalf of a program that wants no messages, so that pings
// are answered and the peer's close is seen. A message that comes all the same
// ends the connection with 1008. The context returned ends with the connection,
// with the [*CloseError] as its cause, and the connection is closed when ctx
// ends. No read method may be called beside it, nor CloseRead again.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _, err := c.Reader(ctx)
		if err == nil {
			err = c.Close(StatusPolicyViolation, "no messages are expected")
			if err == nil {
				err = c.closeError()
			}
		} else if ctx.Err() != nil {
			c.Close(StatusGoingAway, "")
		}
		cancel(err)
	}()
	return ctx
}

// closeResult is the ending as Close reports it. The connection has ended.
func (c *Conn) closeResult() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.flushing { // it counts what did not leave
		changed := c.change()
		c.mu.Unlock()
		<-changed
		c.mu.Lock()
	}
	err := c.ending()
	ce, ok := errors.AsType[*CloseError](err)
	switch {
	case ok && ce.Sent != nil && ce.Received != nil && ce.Cause == nil:
		return nil
	case c.extra != nil && c.extra.unsent > 0:
		return fmt.Errorf("websocket: %d bytes were not sent: %w", c.extra.unsent, err)
	}
	return err
}

// awaitEnd waits until the connection has ended. Where nobody reads, it reads
// itself.
func (c *Conn) awaitEnd() {
	for !c.ended.Load() {
		if c.reading.CompareAndSwap(readFree, readClosing) {
			c.keepLent()
			for !c.ended.Load() {
				if _, err := c.next(context.Background()); err != nil {
					break
				}
			}
			c.endRead()
			continue
		}
		c.mu.Lock()
		changed := c.change()
		c.reading.CompareAndSwap(readHeld, readAwaited)
		state := c.reading.Load() // whoever leaves it tells of it, except from readHeld
		wait := (state == readAwaited || state == readClosing) && !c.ended.Load()
		c.mu.Unlock()
		if wait {
			<-changed
		}
	}
}

// finishWriting waits until everything queued is written, or cannot be. c.mu
// is held, and released while waiting.
func (c *Conn) finishWriting() {
	for !c.ended.Load() {
		if !c.flushing {
			if len(c.out) == 0 {
				return
			}
			c.flush(context.Background(), false)
			c.mu.Lock()
			continue
		}
		changed := c.change()
		c.mu.Unlock()
		<-changed
		c.mu.Lock()
	}
}

// closeReceived answers the peer's close frame and ends the connection. A
// server closes the transport at once; a client gives the server a second to
// do it first (RFC 6455, section 7.1.1).
func (c *Conn) closeReceived(cl protocol.Close) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more().closing.Received(cl)
	c.sayGoodbye()
	if h, ok := c.s.Unwrap().(halfCloser); ok && !c.ended.Load() {
		c.mu.Unlock()
		h.CloseWrite() // unless it went with the close frame
		c.mu.Lock()
	}
	if c.conf.role == protocol.RoleClient && !c.ended.Load() {
		c.linger()
	}
	c.endLocked(false)
	return c.ending()
}

// violated fails the connection because of what the peer sent (RFC 6455,
// section 7.1.7): it sends a close frame, ends its own direction, and reads for
// a moment what the peer still sends, because closing a socket with unread
// bytes would make the kernel take back the close frame.
func (c *Conn) violated(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Load() {
		return c.ending()
	}
	c.more().closing.Fail(err)
	c.sayGoodbye()
	if !c.ended.Load() {
		if cw, ok := c.s.Unwrap().(interface{ CloseWrite() error }); ok {
			c.startCloseTimer(c.conf.closeTimeout)
			c.mu.Unlock()
			cw.CloseWrite() // TLS writes for it, and may have to wait
			c.mu.Lock()
		}
	}
	if !c.ended.Load() {
		c.linger()
	}
	c.endLocked(false)
	return c.ending()
}

// sayGoodbye sends the close frame that is owed, if any, and waits until
// everything is written. c.mu is held, and released while waiting.
func (c *Conn) sayGoodbye() {
	if c.ended.Load() {
		return
	}
	reply, owed := c.more().closing.Reply()
	switch {
	case owed && c.err == nil:
		c.queueClose(reply)
	case owed:
		c.extra.closing.Fail(c.err) // a write failed before: there is no way to answer
	}
	if !c.flushing {
		// Most often this is all.
		c.flushing = true
		c.flushOthers()
		c.mu.Lock()
	}
	if c.flushing {
		c.startCloseTimer(c.conf.closeTimeout)
		c.finishWriting()
	}
}

// linger reads and drops until the peer ends its direction, for a second and
// 64 KiB at most. The caller holds the right to read. c.mu is held, and
// released while waiting.
func (c *Conn) linger() {
	c.stopCloseTimer()
	c.startCloseTimer(lingerTime)
	c.mu.Unlock()
	c.readWatch.clear(c.s, reads)
	for n := 0; n < lingerLimit; {
		b, err := c.s.ReadBorrow(minReadBits)
		if err != nil {
			break
		}
		n += len(b)
		bufpool.Put(b)
	}
	c.mu.Lock()
}

// drop ends the connection at once because of cause.
func (c *Conn) drop(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended.Load() {
		c.more().closing.Fail(cause)
		c.endLocked(true)
	}
}

// startCloseTimer bounds the closing handshake, unless a bound is set already.
// c.mu is held.
func (c *Conn) startCloseTimer(d time.Duration) {
	x := c.more()
	if d > 0 && x.closeTimer == nil {
		x.closeTimer = time.AfterFunc(d, c.closeTimedOut)
	}
}

// stopCloseTimer takes the bound away. c.mu is held.
func (c *Conn) stopCloseTimer() {
	if x := c.extra; x != nil && x.closeTimer != nil {
		x.closeTimer.Stop()
		x.closeTimer = nil
	}
}

func (c *Conn) closeTimedOut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Load() || c.extra.closeTimer == nil {
		return
	}
	if c.more().closing.State() != protocol.StateClosed {
		c.more().closing.Fail(ErrCloseTimeout)
	}
	c.endLocked(true)
}

// endLocked closes the transport and tells everybody. hard is for a transport
// that must not be given time to say goodbye. c.mu is held, and released for
// a moment.
func (c *Conn) endLocked(hard bool) {
	if c.ended.Load() {
		return
	}
	c.err = c.extra.closing.Err()
	c.ended.Store(true)
	c.stopCloseTimer()
	c.stopKeepAlive()
	c.notify()
	if !c.flushing {
		c.unsent(0)
	}
	ended := c.err
	c.mu.Unlock()
	if hard {
		c.abort()
	} else {
		c.s.Close()
	}
	if f := c.conf.onEnd; f != nil {
		ce, _ := errors.AsType[*CloseError](ended)
		f(ce)
	}
	c.mu.Lock()
	c.cleanUp()
}

// abort closes the transport without a goodbye: not TLS's, and not HTTP/2's.
func (c *Conn) abort() {
	if t, ok := c.s.Unwrap().(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
		return
	}
	stream.Cancel(c.s, int(c.conf.version))
	c.s.Close()
}

// cleanUp gives back what the connection holds, once it has ended and nobody
// reads or writes any more. c.mu is held.
func (c *Conn) cleanUp() {
	if c.cleaned || !c.ended.Load() || c.flushing || c.reading.Load() != readFree {
		return
	}
	c.cleaned = true
	c.unsent(0)
	c.readWatch.clear(c.s, reads)
	c.writeWatch.clear(c.s, writes)
	if c.hasPart() {
		bufpool.Put(c.loose.part)
		c.loose.part, c.loose.partType = nil, 0
	}
	c.leaveLent()
	c.dropBuf()
	c.recv.Close()
	if c.conf.codec != nil {
		c.conf.codec.Close()
	}
}
