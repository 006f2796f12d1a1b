package poll

import (
	"net"
	"sync"
	"time"
)

// Conn is a net.Conn on a [Desc] that never waits, to lie under a tls.Conn: Read
// gives [ErrAgain] when nothing is there, and Write takes everything and keeps
// what the kernel does not.
type Conn struct {
	d             *Desc
	local, remote net.Addr

	mu      sync.Mutex
	pending []byte // written and not yet taken by the kernel
}

// NewConn returns a Conn on d.
func NewConn(d *Desc, local, remote net.Addr) *Conn {
	return &Conn{d: d, local: local, remote: remote}
}

// Read reads what is there; the errors are those of [Desc.Read].
func (c *Conn) Read(b []byte) (int, error) { return c.d.Read(b) }

// Write writes b, or keeps what the kernel does not take for [Conn.Flush]. It
// fails only when the connection is broken.
func (c *Conn) Write(b []byte) (int, error) {
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

// Close closes the Desc, and drops what is pending.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = nil
	return c.d.Close()
}

// LocalAddr returns what was given to [NewConn].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns what was given to [NewConn].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline does nothing: no call waits.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: no call waits.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: no call waits.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
