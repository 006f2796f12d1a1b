//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lariat-go/websocket/httpconn"
)

// loop moves the bytes.
type loop struct {
	fd     int
	c      *httpconn.Conn
	in     []byte
	out    []byte // to be written
	id     httpconn.StreamID
	body   []byte           // to be sent on the stream id
	events []httpconn.Event // of the last Receive, not yet looked at
	err    error            // what comes after them
}

// next returns the next event, and waits for it.
func (l *loop) next() (httpconn.Event, error) {
	for len(l.events) == 0 {
		if l.err != nil {
			return httpconn.Event{}, l.err
		}
		if len(l.body) > 0 {
			n, err := l.c.Body(l.id, l.body)
			if err != nil {
				return httpconn.Event{}, err
			}
			l.body = l.body[n:] // what is left waits for the server's window
		}
		l.out = l.c.AppendOutput(l.out)
		want := int16(unix.POLLIN)
		if len(l.out) > 0 {
			want |= unix.POLLOUT
		}
		can, err := poll(l.fd, want)
		if err == nil && can&unix.POLLOUT != 0 {
			err = l.write()
		}
		if err == nil && can&^unix.POLLOUT != 0 {
			err = l.read()
		}
		if err != nil {
			return httpconn.Event{}, err
		}
	}
	ev := l.events[0]
	l.events = l.events[1:]
	return ev, nil
}

// read takes what came.
func (l *loop) read() error {
	n, err := unix.Read(l.fd, l.in)
	switch {
	case again(err):
		return nil
	case err != nil:
		return err
	case n > 0:
		l.events, l.err = l.c.Receive(l.in[:n])
	default:
		if l.events, l.err = l.c.ReceiveEOF(); l.err == nil {
			l.err = io.EOF
		}
	}
	return nil
}

func (l *loop) write() error {
	n, err := unix.Write(l.fd, l.out)
	switch {
	case again(err):
		return nil
	case err != nil:
		return err
	}
	l.out = l.out[:copy(l.out, l.out[n:])]
	return nil
}

// flush writes what is left.
func (l *loop) flush() error {
	for l.out = l.c.AppendOutput(l.out); len(l.out) > 0; {
		if _, err := poll(l.fd, unix.POLLOUT); err != nil {
			return err
		}
		if err := l.write(); err != nil {
			return err
		}
	}
	return nil
}

func again(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }

// patience is how long the server may take for anything.
const patience = 10 * time.Second

// poll waits until fd can do one of what is wanted, and returns what it can.
func poll(fd int, want int16) (can int16, err error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: want}}
	n, err := unix.Poll(fds, int(patience.Milliseconds()))
	for err == unix.EINTR {
		n, err = unix.Poll(fds, int(patience.Milliseconds()))
	}
	if err == nil && n == 0 {
		err = fmt.Errorf("nothing happened for %v", patience)
	}
	return fds[0].Revents, err
}

// connect opens a socket that does not block.
func connect(addr netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET6
	var to unix.Sockaddr = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	if addr.Addr().Is4() {
		family = unix.AF_INET
		to = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.Connect(fd, to)
	if err == unix.EINPROGRESS {
		if _, err = poll(fd, unix.POLLOUT); err == nil {
			var code int
			if code, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && code != 0 {
				err = unix.Errno(code)
			}
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connecting to %v: %w", addr, err)
	}
	return fd, nil
}
