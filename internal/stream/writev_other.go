//go:build unix && !linux

package stream

import "syscall"

// writeBoth writes p, or tail when p is empty.
func writeBoth(fd int, p, tail []byte) (int, error) {
	if len(p) == 0 {
		p = tail
	}
	return syscall.Write(fd, p)
}
