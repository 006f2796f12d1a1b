//go:build unix

package server

import "syscall"

// defaultMaxSessions is 80 % of the descriptors the process may open, negative
// where that can't be told.
func defaultMaxSessions() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil || l.Cur <= 0 {
		return -1
	}
	return max(int(min(uint64(l.Cur), 1<<31-1)/10*8), 1)
}
