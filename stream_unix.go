//go:build unix

package websocket

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// platformStream returns a socketStream for a TCP or unix socket, a tlsStream
// for TLS over one, and a plainStream for anything else.
func platformStream(c net.Conn) Stream {
	switch c := c.(type) {
	case *net.TCPConn:
		return newSocketStream(c, c)
	case *net.UnixConn:
		return newSocketStream(c, c)
	case *tls.Conn:
		if sc, ok := c.NetConn().(syscall.Conn); ok {
			if raw, err := sc.SyscallConn(); err == nil {
				return newTLSStream(c, raw)
			}
		}
	}
	return plainStream{c}
}

// socketStream reads and writes a socket inside the callbacks of its RawConn.
// So a buffer is borrowed only when the kernel has something to put into it,
// and a write that the kernel takes at once needs no deadline.
type socketStream struct {
	net.Conn
	raw     syscall.RawConn
	onRead  func(fd uintptr) bool // the method value, made once
	onWrite func(fd uintptr) bool

	rbuf []byte // what onRead read, or room to read into
	size int
	rerr error

	wbuf []byte // what onWrite has still to write
	werr error
}

func newSocketStream(c net.Conn, sc syscall.Conn) Stream {
	raw, err := sc.SyscallConn()
	if err != nil {
		return plainStream{c}
	}
	s := &socketStream{Conn: c, raw: raw}
	s.onRead, s.onWrite = s.readReady(), s.writeReady()
	return s
}

func (s *socketStream) unwrap() any { return s.Conn }

func (s *socketStream) readBorrow(size int) ([]byte, error) {
	s.size = size
	if err := s.raw.Read(s.onRead); err != nil {
		return nil, err
	}
	buf, err := s.rbuf, s.rerr
	s.rbuf, s.rerr = nil, nil
	return buf, err
}

// readReady returns the function that reads once and reports whether the wait
// is over. Go's poller tells of readiness by edges: what is there has to be
// read until the kernel has no more, or the next call would wait for an edge
// that has passed.
func (s *socketStream) readReady() func(fd uintptr) bool {
	return func(fd uintptr) bool {
		buf := bufpool.Get(s.size)
		n, err := syscall.Read(int(fd), buf)
		for err == syscall.EINTR {
			n, err = syscall.Read(int(fd), buf)
		}
		if n > 0 {
			s.rbuf = buf[:n]
			return true
		}
		bufpool.Put(buf)
		if err == syscall.EAGAIN {
			return false
		}
		if err == nil {
			s.rerr = io.EOF
		} else {
			s.rerr = s.opError("read", err)
		}
		return true
	}
}

func (s *socketStream) tryWrite(p []byte) (int, error) {
	s.wbuf = p
	err := s.raw.Write(s.onWrite)
	n := len(p) - len(s.wbuf)
	if err == nil {
		err = s.werr
	}
	s.wbuf, s.werr = nil, nil
	if isTimeout(err) {
		err = nil // a deadline left behind by a context: the caller sets its own
	}
	return n, err
}

// writeReady returns the function that writes until the kernel takes no more,
// and never waits.
func (s *socketStream) writeReady() func(fd uintptr) bool {
	return func(fd uintptr) bool {
		for len(s.wbuf) > 0 {
			n, err := syscall.Write(int(fd), s.wbuf)
			switch {
			case n > 0:
				s.wbuf = s.wbuf[n:]
			case err == syscall.EINTR:
			case err == syscall.EAGAIN:
				return true
			default:
				s.werr = s.opError("write", err)
				return true
			}
		}
		return true
	}
}

func (s *socketStream) opError(op string, err error) error {
	a := s.LocalAddr()
	return &net.OpError{Op: op, Net: a.Network(), Source: a, Addr: s.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}
