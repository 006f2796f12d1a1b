package stream

import "golang.org/x/sys/unix"

func (s *socket) unsent() (n int) {
	s.raw.Control(func(fd uintptr) {
		n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	})
	return n
}
