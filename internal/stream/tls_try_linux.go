package stream

import (
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"golang.org/x/sys/unix"
)

// maxRecord is the most plaintext a TLS record holds.
const maxRecord = 16 << 10

// tlsRoom is what TryWrite knows of the socket. It is owned by who writes, but
// for what its lock guards.
type tlsRoom struct {
	wmu       sync.Mutex // guards the two below
	wdeadline time.Time
	trying    bool // TryWrite is at it, which no deadline may disturb

	onRoom func(fd uintptr)
	unsent int  // bytes the peer has not acknowledged; negative: not known
	sndbuf int  // the size of the kernel's buffer, which only grows
	ready  bool // the TLS handshake is over
}

// SetWriteDeadline sets the deadline of Write. What TryWrite writes does not have
// to wait, so no deadline is to be met; and crypto/tls does not get over one that
// passes.
func (s *tlsSocket) SetWriteDeadline(t time.Time) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.wdeadline = t
	if s.trying {
		return nil
	}
	return s.Conn.SetWriteDeadline(t)
}

// try begins or ends a TryWrite.
func (s *tlsSocket) try(begins bool) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.trying = begins
	switch {
	case s.wdeadline.IsZero():
	case begins:
		s.Conn.SetWriteDeadline(time.Time{})
	default:
		s.Conn.SetWriteDeadline(s.wdeadline)
	}
}

// TryWrite writes as long as the kernel has room enough that a record can't have
// to wait: crypto/tls can't take a record back.
func (s *tlsSocket) TryWrite(p, tail []byte) (n int, err error) {
	if !s.ready {
		if s.ready = s.ConnectionState().HandshakeComplete; !s.ready {
			return 0, nil
		}
		s.onRoom = s.askRoom
	}
	if total := len(p) + len(tail); len(tail) > 0 && len(p) < maxRecord {
		// The header shares a record with the payload's beginning.
		m := min(total, maxRecord) - len(p)
		first := append(append(bufpool.Get(len(p) + m)[:0], p...), tail[:m]...)
		defer bufpool.Put(first)
		p, tail = first, tail[m:]
	}
	s.try(true)
	defer s.try(false)
	for _, b := range [2][]byte{p, tail} {
		for len(b) > 0 {
			rec := b[:min(len(b), maxRecord)]
			if !s.hasRoom(len(rec)) {
				return n, nil
			}
			m, err := s.Conn.Write(rec)
			if n, b = n+m, b[m:]; err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// hasRoom reports whether the kernel takes a record of n bytes at once. What
// waits in it may be many small packets, which take much more room than their
// bytes.
func (s *tlsSocket) hasRoom(n int) bool {
	if s.raw.Control(s.onRoom) != nil || s.unsent < 0 {
		return false
	}
	return 16*s.unsent+2*n+8<<10 <= s.sndbuf
}

func (s *tlsSocket) askRoom(fd uintptr) {
	s.unsent = -1
	if out, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
		s.unsent = out
	}
	if s.sndbuf == 0 || 16*s.unsent+64<<10 > s.sndbuf { // it may have grown
		s.sndbuf, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	}
}
