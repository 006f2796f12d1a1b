//go:build unix

package stream

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// platform returns a socket for a TCP or unix socket, a tlsSocket
// for TLS over one, and a plain for anything else.
func platform(c net.Conn) Transport {
	switch c := c.(type) {
	case *net.TCPConn:
		return newSocket(c, c)
	case *net.UnixConn:
		return newSocket(c, c)
	case *tls.Conn:
		if sc, ok := c.NetConn().(syscall.Conn); ok {
			if raw, err := sc.SyscallConn(); err == nil {
				return newTLSSocket(c, raw)
			}
		}
	}
	return plain{c}
}

// socket reads and writes a socket inside the callbacks of its RawConn.
// So a buffer is borrowed only when the kernel has something to put into it,
// and a write that the kernel takes at once needs no deadline.
type socket struct {
	net.Conn
	raw      syscall.RawConn
	onRead   func(fd uintptr) bool // made at the first read, so that others allocate nothing
	rbuf     []byte                // what onRead read
	errno    syscall.Errno         // or why not; 0 and no rbuf: the end
	sizeBits uint8                 // of the buffer to read into
}

func newSocket(c net.Conn, sc syscall.Conn) Transport {
	raw, err := sc.SyscallConn()
	if err != nil {
		return plain{c}
	}
	return &socket{Conn: c, raw: raw}
}

func (s *socket) Unwrap() any { return s.Conn }

func (s *socket) ReadBorrow(sizeBits uint8) ([]byte, error) {
	s.sizeBits = sizeBits
	if s.onRead == nil {
		s.onRead = s.readReady()
	}
	if err := s.raw.Read(s.onRead); err != nil {
		return nil, err
	}
	buf, errno := s.rbuf, s.errno
	s.rbuf, s.errno = nil, 0
	switch {
	case buf != nil:
		return buf, nil
	case errno == 0:
		return nil, io.EOF
	}
	return nil, opError(s, "read", errno)
}

// readReady returns the function that reads once and reports whether the wait
// is over. Go's poller tells of readiness by edges: what is there has to be
// read until the kernel has no more, or the next call would wait for an edge
// that has passed.
func (s *socket) readReady() func(fd uintptr) bool {
	return func(fd uintptr) bool {
		buf := bufpool.Get(1 << s.sizeBits)
		n, err := syscall.Read(int(fd), buf)
		for err == syscall.EINTR {
			n, err = syscall.Read(int(fd), buf)
		}
		if n > 0 {
			s.rbuf = buf[:n]
			return true
		}
		bufpool.Put(buf)
		s.errno, _ = err.(syscall.Errno)
		return err != syscall.EAGAIN
	}
}

func (s *socket) TryWrite(p, tail []byte) (int, error) {
	w := socketWrites.Get()
	w.p, w.tail, w.n = p, tail, 0
	err := s.raw.Write(w.write)
	n, errno := w.n, w.errno
	w.p, w.tail, w.errno = nil, nil, 0
	socketWrites.Put(w)
	switch {
	case errno != 0:
		return n, opError(s, "write", errno)
	case IsTimeout(err):
		return n, nil // a deadline that a context left behind: the caller sets its own
	}
	return n, err
}

// opError dresses err as the net package does.
func opError(c net.Conn, op string, err error) error {
	a := c.LocalAddr()
	return &net.OpError{Op: op, Net: a.Network(), Source: a, Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}

// socketWrite is a write under way.
type socketWrite struct {
	write   func(fd uintptr) bool
	p, tail []byte // what is still to be written
	n       int
	errno   syscall.Errno
}

var socketWrites = bufpool.Pool[*socketWrite]{New: newSocketWrite}

// newSocketWrite returns a write whose function writes until the kernel takes
// no more, and never waits.
func newSocketWrite() *socketWrite {
	w := new(socketWrite)
	w.write = func(fd uintptr) bool {
		for len(w.p)+len(w.tail) > 0 {
			n, err := writeBoth(int(fd), w.p, w.tail)
			if n > 0 {
				w.n += n
				m := min(n, len(w.p))
				w.p, w.tail = w.p[m:], w.tail[n-m:]
				continue
			}
			if err == syscall.EINTR {
				continue
			}
			if err != syscall.EAGAIN {
				w.errno, _ = err.(syscall.Errno)
			}
			return true
		}
		return true
	}
	return w
}
