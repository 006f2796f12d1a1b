package stream

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// writeBoth writes p and then tail, with one system call.
func writeBoth(fd int, p, tail []byte) (int, error) {
	if len(p) > 0 && len(tail) > 0 {
		return writev(fd, p, tail)
	}
	if len(p) == 0 {
		p = tail
	}
	return syscall.Write(fd, p)
}

// writev has a frame of its own, which most writes do without: the stack of a
// connection that never needed it stays small.
//
//go:noinline
func writev(fd int, p, tail []byte) (int, error) {
	both := [2][]byte{p, tail}
	return unix.Writev(fd, both[:])
}
