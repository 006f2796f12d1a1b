package stream

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func (s *socket) unsent() int { return unsent(s.raw) }

func (s *tlsSocket) unsent() int { return unsent(s.raw) }

func unsent(raw syscall.RawConn) (n int) {
	raw.Control(func(fd uintptr) {
		n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	})
	return n
}
