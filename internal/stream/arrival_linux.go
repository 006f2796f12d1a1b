package stream

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpClose is the state of a socket that neither sends nor receives any more, in
// the kernel's tcp_states.h.
const tcpClose = 7

// acknowledged tells of the bytes the kernel has for c now. Later ones are told
// apart from them by the count of what was acknowledged in all.
func acknowledged(c *net.TCPConn) func() (bool, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return unknown
	}
	var until uint64
	marked := false
	return func() (bool, error) {
		unsent, info, err := tcpState(raw)
		switch {
		case err != nil:
			return false, err
		case unsent == 0:
			return true, nil
		case !marked:
			marked, until = true, info.Bytes_acked+uint64(unsent)
		case info.Bytes_acked >= until:
			return true, nil
		}
		if info.State == tcpClose {
			return false, fmt.Errorf("the connection was lost with %d bytes not acknowledged: %w", unsent, syscall.ECONNRESET)
		}
		return false, nil
	}
}

// tcpState returns how many bytes are not acknowledged, 0 where the kernel can't
// tell, and what else is known, which is looked at later: a count may have grown
// since.
func tcpState(raw syscall.RawConn) (unsent int, info *unix.TCPInfo, err error) {
	info = new(unix.TCPInfo)
	err = raw.Control(func(fd uintptr) {
		unsent, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		if unsent == 0 {
			return
		}
		if i, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			info = i
		}
	})
	return unsent, info, err
}
