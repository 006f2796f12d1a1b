package h2conn

import (
	"runtime"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
)

// How writing works: frames are staged in the machine under c.mu. Whoever finds
// nobody flushing takes what is staged and writes it, without the lock; what
// others stage meanwhile is written afterwards. So one system call carries what
// many streams have to say. Who must not wait, such as the goroutine that reads,
// leaves what the kernel does not take at once to a goroutine.

const (
	outputSize  = 64 << 10  // written at once
	flushRounds = 4         // of one goroutine, before it leaves the rest to another
	writePiece  = 16 << 10  // between two deadlines
	progress    = 1 << 10   // what the peer must take in WriteTimeout
	mostStaged  = 128 << 10 // before heads have to wait: twice what data may take
)

// flush writes what is to be written, unless somebody is doing that already.
// With wait, the caller can wait for the peer. c.mu is held, and released while
// writing.
func (c *Conn) flush(wait bool) {
	if c.flushing || c.held || c.over || !c.m.HasOutput() {
		c.checkRetry()
		return
	}
	c.flushing = true
	if !c.waitForOthers() {
		return
	}
	if c.polled != nil {
		c.polled.flush()
		return
	}
	for rounds := 0; ; rounds++ {
		buf := c.takeOutput()
		c.mu.Unlock()
		n, err := 0, error(nil)
		if rounds < flushRounds {
			n, err = c.t.TryWrite(buf, nil)
		}
		if err == nil && n < len(buf) {
			if !wait || rounds >= flushRounds {
				go c.flushRest(buf, n)
				c.mu.Lock()
				return
			}
			err = c.write(buf[n:])
		}
		bufpool.Put(buf)
		c.mu.Lock()
		if !c.more(err) {
			return
		}
	}
}

// waitForOthers lets those run first whom the last bytes from the peer have woken:
// what they have to say leaves with the rest. c.flushing was set by the caller,
// and is given back when the result is false. c.mu is held, and released for a
// moment.
func (c *Conn) waitForOthers() bool {
	if c.woken <= 1 || c.inReceive || c.inTurn {
		return true
	}
	c.woken = 0
	c.mu.Unlock()
	runtime.Gosched()
	c.mu.Lock()
	if !c.over && c.m.HasOutput() {
		return true
	}
	return c.more(nil)
}

// unstage writes what is staged so that there is room for more, also in the
// middle of a turn, and reports whether that was so. c.mu is held, and released
// while writing.
func (c *Conn) unstage() bool {
	if c.flushing || c.over || c.m.Staged() == 0 {
		return false
	}
	held, reader := c.held, c.reader
	c.held = false
	c.flush(false)
	c.held = held && c.inTurn && c.reader == reader
	return !c.flushing
}

// takeOutput takes what is to be written next. c.mu is held.
func (c *Conn) takeOutput() []byte {
	staged := c.m.Staged()
	buf := c.m.Take(outputSize)
	c.taken.batches++
	c.taken.staged += uint64(staged - c.m.Staged())
	for _, m := range c.m.Written() {
		if s := owner(m); s != nil {
			s.written()
		}
	}
	c.letIn()
	c.admit() // END_STREAM may have made room
	c.mayWriteMore()
	c.callSoon()
	return buf
}

// more reports whether there is more to be written after a write that ended with
// err; if not, nobody is flushing any more. c.mu is held.
func (c *Conn) more(err error) bool {
	if err != nil {
		c.fail(err)
	} else {
		c.written = c.taken
	}
	if !c.over && c.m.HasOutput() {
		return true
	}
	c.flushing = false
	if c.flushed != nil {
		close(c.flushed)
		c.flushed = nil
	}
	if c.stopping && !c.over && c.err != nil {
		c.finish(c.err)
	}
	c.checkDrained()
	c.checkRetry()
	return false
}

// flushRest writes buf[n:] and whatever else there is, until nothing is left.
func (c *Conn) flushRest(buf []byte, n int) {
	for {
		err := c.write(buf[n:])
		bufpool.Put(buf)
		c.mu.Lock()
		if !c.more(err) {
			c.unlock()
			return
		}
		buf, n = c.takeOutput(), 0
		c.unlock()
	}
}

// write writes p, however long the peer takes, as long as there is some progress.
func (c *Conn) write(p []byte) error {
	for len(p) > 0 {
		if c.o.WriteTimeout > 0 {
			c.nc.SetWriteDeadline(time.Now().Add(c.o.WriteTimeout))
		}
		before := stream.Unsent(c.t)
		n, err := c.t.Write(p[:min(len(p), writePiece)])
		p = p[n:]
		if err != nil && (!stream.IsTimeout(err) || n+before-stream.Unsent(c.t) < progress) {
			return err
		}
	}
	if c.o.WriteTimeout > 0 {
		c.nc.SetWriteDeadline(time.Time{})
	}
	return nil
}

// amount is how much was taken from the machine: how often, and how many bytes of
// what keeps its order.
type amount struct{ batches, staged uint64 }

// Arrival returns a function that reports whether what was written to s before has
// left for the kernel and, where that can be told, was acknowledged by the
// peer's one.
func (s *Stream) Arrival() func() (bool, error) {
	c := s.c
	c.mu.Lock()
	defer c.unlock()
	until := c.taken
	until.staged += uint64(c.m.Staged())
	c.flush(false)
	var arrived func() (bool, error)
	return func() (bool, error) {
		c.mu.Lock()
		left := c.written.batches >= until.batches && c.written.staged >= until.staged
		err, polled := s.err, c.polled != nil
		c.unlock()
		switch {
		case !left:
			return false, err
		case polled:
			return true, nil
		case arrived == nil:
			arrived = stream.Arrival(c.t)
		}
		return arrived()
	}
}

// checkRetry has data that waits for a larger window looked at again. c.mu is
// held.
func (c *Conn) checkRetry() {
	if !c.over && c.m.Retry() {
		c.again()
	}
}

// whenFlushed returns a channel that is closed when nobody is flushing any more.
// c.mu is held.
func (c *Conn) whenFlushed() <-chan struct{} {
	if c.flushed == nil {
		c.flushed = make(chan struct{})
	}
	return c.flushed
}
