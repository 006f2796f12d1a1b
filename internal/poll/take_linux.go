package poll

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Take takes a connection out of Go's netpoller: it duplicates the descriptor
// and closes c, which ends nothing, for the duplicate keeps the connection. The
// result is for [Poller.Add], or to be closed. When Take fails, c is as before.
// Nobody may read from or write to c meanwhile; its addresses can be asked for
// afterwards as well.
func Take(c *net.TCPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var errno error
	err = raw.Control(func(old uintptr) {
		fd, errno = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = os.NewSyscallError("fcntl", errno)
	}
	if err != nil {
		return -1, err
	}
	c.Close()
	return fd, nil
}
