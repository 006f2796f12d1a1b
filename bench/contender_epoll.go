//go:build linux

package main

import (
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// serveRawEpoll echoes bytes from one thread with one epoll and plain system
// calls: what a server without goroutines could get down to, if reading frames
// and answering them cost nothing.
func serveRawEpoll(ln net.Listener, _ mode) error {
	l := &epollEcho{buf: make([]byte, 256<<10), pend: make(map[int32][]byte)}
	var err error
	if l.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- l.loop() }()
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		if err := l.add(c.(*net.TCPConn)); err != nil {
			return err
		}
		select {
		case err := <-failed:
			return err
		default:
		}
	}
}

type epollEcho struct {
	epfd int
	buf  []byte
	pend map[int32][]byte // what a socket has not taken
}

// add takes the descriptor out of c.
func (l *epollEcho) add(c *net.TCPConn) error {
	defer c.Close()
	sc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var dup int
	var dupErr error
	err = sc.Control(func(fd uintptr) { dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err != nil {
		return err
	}
	if dupErr != nil {
		return dupErr
	}
	return unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, dup, &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(dup),
	})
}

func (l *epollEcho) loop() error {
	runtime.LockOSThread()
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(l.epfd, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, ev := range events[:n] {
			if !l.echo(ev.Fd, ev.Events) {
				delete(l.pend, ev.Fd)
				_ = unix.Close(int(ev.Fd))
			}
		}
	}
}

// echo does what the edge is about. A read that does not fill the buffer has
// taken everything, unless the end comes with it. While the peer takes nothing
// more, nothing more is read from it. echo reports whether the connection goes
// on.
func (l *epollEcho) echo(fd int32, events uint32) bool {
	if p, waiting := l.pend[fd]; waiting {
		n, ok := write(fd, p)
		if n < len(p) || !ok {
			l.pend[fd] = p[n:]
			return ok
		}
		delete(l.pend, fd)
		events |= unix.EPOLLRDHUP // what came meanwhile, the end too, has had its edge
	}
	if events&^unix.EPOLLOUT == 0 {
		return true
	}
	for {
		k, err := unix.Read(int(fd), l.buf)
		if err == unix.EAGAIN {
			return true
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return false
		}
		n, ok := write(fd, l.buf[:k])
		if !ok {
			return false
		}
		if n < k {
			// The end, if it is here too, is found when the rest is gone.
			l.pend[fd] = append([]byte(nil), l.buf[n:k]...)
			return true
		}
		if k < len(l.buf) && events&^(unix.EPOLLIN|unix.EPOLLOUT) == 0 {
			return true
		}
	}
}

// write writes what the socket takes.
func write(fd int32, p []byte) (n int, ok bool) {
	for n < len(p) {
		k, err := unix.Write(int(fd), p[n:])
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return n, true
		}
		if err != nil {
			return n, false
		}
		n += k
	}
	return n, true
}
