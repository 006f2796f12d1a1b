package websocket

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// writeBoth writes p and then tail, with one system call.
func writeBoth(fd int, p, tail []byte) (int, error) {
	if len(tail) == 0 {
		return syscall.Write(fd, p)
	}
	if len(p) == 0 {
		return syscall.Write(fd, tail)
	}
	both := [2][]byte{p, tail}
	return unix.Writev(fd, both[:])
}
