package wstest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// DefaultPipeBuffer is the number of bytes under way in each direction of a
// [Pipe] before a write waits.
const DefaultPipeBuffer = 64 << 10

// PipeOptions are the settings of [Pipe]. A nil pointer and the zero value
// mean the defaults.
type PipeOptions struct {
	// Buffer is how many bytes each direction holds before a write waits for
	// the other end to read. Default [DefaultPipeBuffer].
	Buffer int

	// ResetUnread makes Close behave as TCP does while received bytes are
	// unread: the other end sees a reset, and what it has not read itself is
	// lost. Default: it reads what there is and then the end of the stream.
	ResetUnread bool
}

// Pipe returns the two ends of a connection in memory. Other than with
// [net.Pipe] a write returns once its bytes are under way, as long as there is
// room for them.
//
// All blocking is of a kind that [testing/synctest] knows, and all time comes
// from the time package, so that a pipe made in a bubble lives on the bubble's
// clock.
func Pipe(o *PipeOptions) (a, b *PipeConn) {
	if o == nil {
		o = new(PipeOptions)
	}
	size := o.Buffer
	if size <= 0 {
		size = DefaultPipeBuffer
	}
	l := &link{resetUnread: o.ResetUnread}
	l.moved.L = &l.mu
	l.half[0].q.max = size
	l.half[1].q.max = size
	a = &PipeConn{l: l, in: &l.half[1], out: &l.half[0], addr: "a", peer: "b"}
	b = &PipeConn{l: l, in: &l.half[0], out: &l.half[1], addr: "b", peer: "a"}
	return a, b
}

// link is what the two ends share. Everything in it, and in the ends, is
// guarded by mu; moved is told of each change.
type link struct {
	mu          sync.Mutex
	moved       sync.Cond
	half        [2]half
	cut         bool
	stalled     bool
	resetUnread bool
}

// half is one direction.
type half struct {
	q       ring
	ended   bool // the writing end sends no more
	closed  bool // the reading end takes no more
	writing bool // a write is under way; others wait, so that none interleave
}

// PipeConn is one end of a [Pipe]: a [net.Conn] that also has the optional
// methods of a websocket.Stream. To test without those, wrap it in
// struct{ net.Conn }. Its methods may be called from any goroutine.
type PipeConn struct {
	l          *link
	in, out    *half
	addr, peer pipeAddr
	closed     bool
	chunk      int
	rd, wd     deadline
	stats      Stats
}

// Stats counts what one end did. Calls that failed before a byte moved are not
// counted.
type Stats struct {
	Read    int64 // bytes
	Reads   int   // calls of Read
	Written int64 // bytes
	Writes  int   // calls of Write and Writev
}

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return "pipe:" + string(a) }

// Read reads what has come, at least one byte unless p is empty.
func (c *PipeConn) Read(p []byte) (int, error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if err := c.waitRead(len(p) == 0); err != nil {
		return 0, c.opError("read", err)
	}
	if c.chunk > 0 && len(p) > c.chunk {
		p = p[:c.chunk]
	}
	n := c.in.q.get(p)
	c.stats.Reads++
	c.stats.Read += int64(n)
	c.l.moved.Broadcast()
	return n, nil
}

// WaitRead blocks until Read would not. The error is that of the deadline or
// of a closed connection; the end of the stream is left for Read to tell.
func (c *PipeConn) WaitRead() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if err := c.waitRead(false); err != nil && err != io.EOF {
		return c.opError("read", err)
	}
	return nil
}

// waitRead returns nil when there is something to read, or when there need not
// be.
func (c *PipeConn) waitRead(empty bool) error {
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case c.rd.passed():
			return os.ErrDeadlineExceeded
		case c.l.cut:
			return os.NewSyscallError("read", syscall.ECONNRESET)
		case empty, c.in.q.n > 0 && !c.l.stalled:
			return nil
		case c.in.ended && c.in.q.n == 0 && !c.l.stalled:
			return io.EOF
		}
		c.l.moved.Wait()
	}
}

// Write sends p. It returns when all of it is under way or, with the number of
// bytes that are, at an error.
func (c *PipeConn) Write(p []byte) (int, error) { return c.write(p, nil) }

// Writev sends hdr and payload in one piece, as one call of Write would.
func (c *PipeConn) Writev(hdr, payload []byte) (int, error) { return c.write(hdr, payload) }

func (c *PipeConn) write(p, q []byte) (n int, err error) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	for {
		if err := c.writable(); err != nil {
			return 0, c.opError("write", err)
		}
		if !c.out.writing {
			break
		}
		c.l.moved.Wait()
	}
	c.out.writing = true
	for _, p := range [2][]byte{p, q} {
		for len(p) > 0 && err == nil {
			k := c.out.q.put(p)
			n += k
			p = p[k:]
			if k > 0 {
				c.l.moved.Broadcast()
			} else {
				c.l.moved.Wait()
			}
			if len(p) > 0 {
				err = c.writable()
			}
		}
	}
	c.out.writing = false
	c.l.moved.Broadcast()
	if n > 0 || err == nil {
		c.stats.Writes++
		c.stats.Written += int64(n)
	}
	if err != nil {
		return n, c.opError("write", err)
	}
	return n, nil
}

func (c *PipeConn) writable() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.wd.passed():
		return os.ErrDeadlineExceeded
	case c.l.cut:
		return os.NewSyscallError("write", syscall.ECONNRESET)
	case c.out.ended, c.out.closed && !c.l.stalled:
		return os.NewSyscallError("write", syscall.EPIPE)
	}
	return nil
}

// CloseWrite ends the sending direction: the other end reads what is under way
// and then io.EOF, and can still send.
func (c *PipeConn) CloseWrite() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.out.ended = true
	c.l.moved.Broadcast()
	return nil
}

// Close closes both directions. What was written before can still be read by
// the other end, whose own writes fail from now on.
func (c *PipeConn) Close() error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.rd.stop()
	c.wd.stop()
	c.out.ended = true
	c.in.closed = true
	if c.l.resetUnread && c.in.q.n > 0 {
		c.l.reset()
	}
	c.in.q.drop()
	c.l.moved.Broadcast()
	return nil
}

// Abort cuts the connection, as [PipeConn.Cut], and closes this end. The code
// is not used.
func (c *PipeConn) Abort(uint32) {
	c.Cut()
	_ = c.Close() // a second Close does no harm
}

// Cut breaks the connection as a TCP reset does: what is under way is lost,
// and every call of both ends, also one that waits, fails with ECONNRESET.
func (c *PipeConn) Cut() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.reset()
}

func (l *link) reset() {
	l.cut = true
	l.half[0].q.drop()
	l.half[1].q.drop()
	l.moved.Broadcast()
}

// Stall stops the network, in both directions, without a sign to either end:
// what is written fills the buffers and goes no further, and nothing more,
// not even the end of the stream, is seen, until Resume.
func (c *PipeConn) Stall() { c.setStalled(true) }

// Resume ends what Stall began.
func (c *PipeConn) Resume() { c.setStalled(false) }

func (c *PipeConn) setStalled(v bool) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.stalled = v
	c.l.moved.Broadcast()
}

// Chunk lets each Read of this end return n bytes at the most, as if the other
// end had sent so few at a time. 0 means as many as there are.
func (c *PipeConn) Chunk(n int) {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.chunk = n
}

// Stats returns the counts so far.
func (c *PipeConn) Stats() Stats {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.stats
}

// Unread returns how many bytes wait to be read by this end.
func (c *PipeConn) Unread() int {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.in.q.n
}

// LocalAddr returns an address of the network "pipe".
func (c *PipeConn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr returns an address of the network "pipe".
func (c *PipeConn) RemoteAddr() net.Addr { return c.peer }

// SetDeadline sets both deadlines.
func (c *PipeConn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.rd, &c.wd) }

// SetReadDeadline sets when Read and WaitRead fail, also one that waits.
func (c *PipeConn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.rd) }

// SetWriteDeadline sets when Write and Writev fail, also one that waits.
func (c *PipeConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.wd) }

func (c *PipeConn) setDeadline(t time.Time, ds ...*deadline) error {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	for _, d := range ds {
		d.set(t, c.l)
	}
	c.l.moved.Broadcast()
	return nil
}

// opError dresses err as a net.Conn does; io.EOF stays bare.
func (c *PipeConn) opError(op string, err error) error {
	if err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "pipe", Source: c.addr, Addr: c.peer, Err: err}
}

// deadline is one deadline of an end, guarded by the link's mutex.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// set moves the deadline. The timer only wakes those who wait: whether the
// deadline has passed, passed decides.
func (d *deadline) set(t time.Time, l *link) {
	d.stop()
	if t.IsZero() {
		return
	}
	now := time.Now()
	wait := t.Sub(now)
	d.at = now.Add(wait) // on the monotonic clock, as the timer is
	switch {
	case wait <= 0:
	case d.timer == nil:
		d.timer = time.AfterFunc(wait, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.moved.Broadcast()
		})
	default:
		d.timer.Reset(wait)
	}
}

func (d *deadline) stop() {
	d.at = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
