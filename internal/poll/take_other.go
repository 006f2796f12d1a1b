//go:build !linux

package poll

import "net"

// Take gives [ErrUnsupported], and leaves c as it is.
func Take(*net.TCPConn) (fd int, err error) { return -1, ErrUnsupported }
