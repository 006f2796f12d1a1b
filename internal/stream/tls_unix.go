//go:build unix

package stream

import (
	"crypto/tls"
	"sync"
	"syscall"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// tlsSocket waits on the socket under a tls.Conn, so that no buffer is held
// meanwhile. What the tls.Conn has read ahead must be taken first: a Read with
// a deadline that has passed gives it without touching the socket, and
// crypto/tls goes on after a timeout of Read as if nothing had happened.
type tlsSocket struct {
	*tls.Conn
	raw    syscall.RawConn
	onRead func(fd uintptr) bool
	errno  error // what onRead was told: a socket tells it once
	tlsRoom

	mu       sync.Mutex // guards the deadline, which is moved away for a moment
	deadline time.Time
}

func newTLSSocket(c *tls.Conn, raw syscall.RawConn) *tlsSocket {
	s := &tlsSocket{Conn: c, raw: raw}
	s.onRead = s.readable
	return s
}

func (s *tlsSocket) Unwrap() any { return s.Conn }

func (s *tlsSocket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	return s.Conn.SetReadDeadline(t)
}

func (s *tlsSocket) ReadBorrow(sizeBits uint8) ([]byte, error) {
	buf, err := s.readAhead(sizeBits)
	if !IsTimeout(err) {
		return buf, err
	}
	if err := s.raw.Read(s.onRead); err != nil {
		return nil, err
	}
	if err := s.errno; err != nil {
		s.errno = nil
		return nil, opError(s.Conn, "read", err)
	}
	return borrow(s.Conn, sizeBits)
}

// readAhead returns what the tls.Conn holds already, or a timeout.
func (s *tlsSocket) readAhead(sizeBits uint8) ([]byte, error) {
	s.mu.Lock()
	s.Conn.SetReadDeadline(past)
	s.mu.Unlock()
	buf, err := borrow(s.Conn, sizeBits)
	s.mu.Lock()
	s.Conn.SetReadDeadline(s.deadline)
	s.mu.Unlock()
	return buf, err
}

// readable reports whether the socket has something to read, or the end. It
// looks each time: an edge that crypto/tls has used up does not come again.
func (s *tlsSocket) readable(fd uintptr) bool {
	p := bufpool.Get(1)
	defer bufpool.Put(p)
	for {
		_, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK)
		switch err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			s.errno = err
			return true
		}
	}
}
