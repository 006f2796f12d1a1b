package poll

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// Conn is a net.Conn on a [Desc] that never waits, to lie under a tls.Conn: Read
// gives [ErrAgain] when nothing is there, and Write takes everything and keeps
// what the kernel does not.
//
// A tls.Conn on it can hold plaintext of which the kernel knows nothing: its
// owner reads from it until [ErrAgain] before it waits for an event. A Read of
// the tls.Conn may give bytes together with ErrAgain.
//
// Read and Event belong to one goroutine at a time; the other methods may be
// called from any.
type Conn struct {
	d             *Desc
	local, remote net.Addr

	closed  func() // see OnClose
	told    bool   // Event is called, so drained counts
	hangUp  bool   // and there may be an end behind the last bytes
	drained bool   // the last Read took everything that was there

	mu      sync.Mutex
	pending []byte   // written and not yet taken by the kernel
	other   net.Conn // after Become
}

// NewConn returns a Conn on d.
func NewConn(d *Desc, local, remote net.Addr) *Conn {
	return &Conn{d: d, local: local, remote: remote}
}

// Event tells c of what [Source.Ready] was called for. It need not be called;
// but where it always is, before anything is read, a Read after one that gave
// less than asked for is [ErrAgain] without a system call.
func (c *Conn) Event(ev Events) {
	c.told = true
	c.hangUp = c.hangUp || ev&HangUp != 0
	if ev&(Readable|HangUp) != 0 {
		c.drained = false
	}
}

// Read reads what is there; the errors are those of [Desc.Read].
func (c *Conn) Read(b []byte) (int, error) {
	if c.other != nil {
		return c.other.Read(b)
	}
	if c.drained {
		return 0, ErrAgain
	}
	n, err := c.d.Read(b)
	c.drained = c.told && !c.hangUp && n < len(b) && (err == nil || err == ErrAgain)
	return n, err
}

// Write writes b, or keeps what the kernel does not take for [Conn.Flush]. It
// fails only when the connection is broken.
func (c *Conn) Write(b []byte) (int, error) {
	if c.other != nil {
		return c.other.Write(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	if len(c.pending) == 0 {
		var err error
		if n, err = c.d.Write(b, nil); err != nil {
			return n, err
		}
	}
	c.pending = append(c.pending, b[n:]...)
	return len(b), nil
}

// Pending returns how many bytes were written and not taken by the kernel.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// Flush writes what is pending, as far as the kernel takes it.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return nil
	}
	n, err := c.d.Write(c.pending, nil)
	if n == len(c.pending) {
		c.pending = nil
		return err
	}
	c.pending = c.pending[n:]
	return err
}

// OnClose has Close call f, and do nothing by itself: for an owner who must
// know, since others have the tls.Conn as well. It is called before those get to
// know of c.
func (c *Conn) OnClose(f func()) { c.closed = f }

// Close is [Conn.Shut], unless there was an OnClose.
func (c *Conn) Close() error {
	switch {
	case c.other != nil:
		return c.other.Close()
	case c.closed != nil:
		c.closed()
		return nil
	}
	return c.Shut()
}

// Shut closes the Desc, and drops what is pending. A Write may go on meanwhile,
// a Read must not.
func (c *Conn) Shut() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = nil
	return c.d.Close()
}

// LocalAddr returns what was given to [NewConn].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns what was given to [NewConn].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Become makes c an ordinary connection: from now on all is done by other, which
// has the same peer. The Desc was released before, or never added, and nothing
// is pending. Nobody else may use c meanwhile.
func (c *Conn) Become(other net.Conn) { c.other = other }

// SyscallConn returns that of the connection c has become.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.other.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errClosed
}

// SetDeadline does nothing where no call waits: before Become.
func (c *Conn) SetDeadline(t time.Time) error {
	if c.other != nil {
		return c.other.SetDeadline(t)
	}
	return nil
}

// SetReadDeadline does nothing where no call waits: before Become.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.other != nil {
		return c.other.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline does nothing where no call waits: before Become.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.other != nil {
		return c.other.SetWriteDeadline(t)
	}
	return nil
}
