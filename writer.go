package websocket

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
)

// Writer returns a writer for one message, which is sent in fragments as it is
// written and ends with Close. A message of less than 16 KiB leaves in one
// frame. Other messages wait until Close; control frames do not.
//
// The writer is used under ctx. When ctx ends before Close, the message is
// abandoned: without harm as long as nothing of it left, otherwise the
// connection is lost with [ErrWriterAbandoned], because the message can be
// neither ended nor taken back.
func (c *Conn) Writer(ctx context.Context, t MessageType) (io.WriteCloser, error) {
	if t != MessageText && t != MessageBinary {
		return nil, &OptionError{Field: "MessageType", Value: t, Want: "MessageText or MessageBinary"}
	}
	w := &messageWriter{c: c, ctx: ctx, opcode: t}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.awaitTurn(ctx, 0); err != nil {
		return nil, err
	}
	c.more().writer = w
	w.mu.Lock() // ctx may end at this moment
	defer w.mu.Unlock()
	w.stop = context.AfterFunc(ctx, w.abandon)
	return w, nil
}

// messageWriter collects what is written and sends it in fragments.
type messageWriter struct {
	c      *Conn
	ctx    context.Context
	opcode MessageType
	stop   func() bool

	mu   sync.Mutex // held over I/O, so that two calls don't mix
	buf  []byte     // borrowed
	open bool       // a fragment was queued
	err  error      // why nothing more can be written
}

// fragmentSize is how much of a message is collected for one frame.
const fragmentSize = 16 << 10

func (w *messageWriter) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(p) > 0 && w.err == nil {
		if w.buf == nil {
			w.buf = bufpool.Get(fragmentSize)[:0]
		}
		m := min(len(p), fragmentSize-len(w.buf))
		w.buf = append(w.buf, p[:m]...)
		p, n = p[m:], n+m
		if len(w.buf) == fragmentSize && len(p) > 0 {
			w.send(false)
		}
	}
	return n, w.err
}

// Close sends the last fragment.
func (w *messageWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.send(true)
	err := w.err
	if err == nil {
		w.end(ErrWriterClosed)
	}
	return err
}

// send queues what was collected and flushes. w.mu is held.
func (w *messageWriter) send(final bool) {
	c := w.c
	c.mu.Lock()
	err := c.await(w.ctx, len(w.buf), (*Conn).hasRoom)
	if err == nil {
		own := len(c.out) == 0
		c.out = bufpool.Grow(c.out, len(w.buf)+frame.MaxHeaderSize)
		whole := final && !w.open
		if whole {
			c.out, err = c.send.AppendMessage(c.out, w.opcode, w.buf)
		} else {
			c.out, err = c.send.AppendFragment(c.out, w.opcode, w.buf, final)
		}
		if err == nil {
			w.open = !final
			w.buf = w.buf[:0]
			err = c.flush(w.ctx, own && whole)
			c.mu.Lock()
		}
		c.dropEmptyOut()
	}
	c.mu.Unlock()
	if err != nil {
		w.fail(err)
	}
}

// fail ends the message before its end. Where the connection is about to end
// anyway, it does so in its own way. w.mu is held.
func (w *messageWriter) fail(err error) {
	w.c.mu.Lock()
	lives := w.c.err == nil
	w.c.mu.Unlock()
	if w.open && lives {
		err = fmt.Errorf("%w: %w", ErrWriterAbandoned, err)
		w.c.drop(err)
	}
	w.end(err)
}

// end gives everything back. w.mu is held.
func (w *messageWriter) end(err error) {
	w.err = err
	w.stop()
	if w.buf != nil {
		bufpool.Put(w.buf)
		w.buf = nil
	}
	c := w.c
	c.mu.Lock()
	if c.extra.writer == w {
		c.extra.writer = nil
		c.notify()
	}
	c.mu.Unlock()
}

// abandon runs when the context ends.
func (w *messageWriter) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.fail(stream.ContextError(w.ctx, "write"))
	}
}
