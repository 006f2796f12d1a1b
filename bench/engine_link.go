//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// link is one connection: TCP, or TLS over it, with one WebSocket on it or, over
// HTTP/2, several.
type link struct {
	id       int
	sock     *socket
	tls      *tls.Conn // nil: none
	session  *session  // nil: HTTP/1.1
	wires    []*wire
	writable bool // waits for the socket to be writable
}

// connect opens a connection for n WebSockets.
func (e *engine) connect(to netip.AddrPort, n int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	l := &link{id: len(e.links), sock: &socket{fd: fd, blocking: true}}
	e.links = append(e.links, l)
	for range n {
		w := &wire{link: l, inflate: &inflator{takeover: e.spec.mode == modeTakeover}}
		if !e.ring.chain {
			w.start = len(e.wires) % e.ring.n
			w.next = w.start
		}
		l.wires, e.wires = append(l.wires, w), append(e.wires, w)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return err
	}
	if e.spec.tls {
		l.tls = tls.Client(l.sock, e.spec.tlsConfig())
		if err := l.tls.Handshake(); err != nil {
			return err
		}
		if got := l.tls.ConnectionState().NegotiatedProtocol; e.spec.h2 && got != "h2" {
			return fmt.Errorf("the server chose the protocol %q, not h2", got)
		}
	}
	if !e.spec.raw && !e.spec.h2 {
		if err := e.upgrade(l); err != nil {
			return err
		}
	}
	if e.spec.mode == modeBroadcast {
		if err := e.ping(fd); err != nil {
			return err
		}
	}
	l.sock.blocking = false
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := unix.EpollCtl(e.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.id)}); err != nil {
		return err
	}
	if e.spec.h2 {
		return e.openSession(l)
	}
	return nil
}

func (e *engine) upgrade(l *link) error {
	var c io.ReadWriter = l.sock
	if l.tls != nil {
		c = l.tls
	}
	if _, err := c.Write(upgradeRequest(e.spec.addr, e.spec.mode, e.spec.tls)); err != nil {
		return err
	}
	var head []byte
	for !bytes.Contains(head, []byte("\r\n\r\n")) {
		n, err := c.Read(e.buf[:4096])
		if err != nil || len(head) > 16<<10 {
			return fmt.Errorf("no answer to the upgrade: %w (%.200q)", err, head)
		}
		head = append(head, e.buf[:n]...)
	}
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		return errors.New("the server spoke before it was spoken to")
	}
	_, err := checkUpgrade(head, e.spec.mode)
	return err
}

// ping sends a ping and waits for the answer, which shows that the server has
// come to reading from this connection and so counts it among the receivers.
func (e *engine) ping(fd int) error {
	p := appendFrame(nil, finBit|opPing, [4]byte{}, nil)
	if _, err := unix.Write(fd, p); err != nil {
		return err
	}
	want := []byte{finBit | opPong, 0}
	if e.spec.raw {
		want = p
	}
	n, err := unix.Read(fd, e.buf[:64])
	if err != nil {
		return err
	}
	if !bytes.Equal(e.buf[:n], want) {
		return fmt.Errorf("a ping was answered with %x", e.buf[:n])
	}
	return nil
}

// put gives the socket, which has nothing else to write, p. Without TLS it
// writes from p itself.
func (l *link) put(p []byte) error {
	if l.tls == nil {
		l.sock.rest = p
		return nil
	}
	_, err := l.tls.Write(p)
	return err
}

// socket is a TCP connection as crypto/tls has it. It reads what the engine has
// read, and keeps what is to be written until the engine writes it, but for the
// handshake, when it reads and writes by itself.
type socket struct {
	fd       int
	blocking bool
	in       []byte // not read yet
	own      []byte // what Write was given
	rest     []byte // of own, or of other memory, what the socket has not taken yet
}

// errNoMore says that all that was read has been looked at. Being temporary, it
// does not keep crypto/tls from going on later.
var errNoMore net.Error = noMore{}

type noMore struct{}

func (noMore) Error() string   { return "nothing to read" }
func (noMore) Timeout() bool   { return true }
func (noMore) Temporary() bool { return true }

func (s *socket) Read(p []byte) (int, error) {
	if !s.blocking {
		if len(s.in) == 0 {
			return 0, errNoMore
		}
		n := copy(p, s.in)
		s.in = s.in[n:]
		return n, nil
	}
	n, err := unix.Read(s.fd, p)
	for err == unix.EINTR {
		n, err = unix.Read(s.fd, p)
	}
	if err == nil && n == 0 {
		return 0, io.EOF
	}
	return max(0, n), err
}

func (s *socket) Write(p []byte) (int, error) {
	if len(s.rest) == 0 {
		s.own = s.own[:0]
	}
	at := len(s.own) - len(s.rest)
	s.own = append(s.own, p...)
	s.rest = s.own[at:]
	if s.blocking {
		if _, err := s.drain(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// drain writes as much as the socket takes; full says that this was not all.
func (s *socket) drain() (full bool, err error) {
	for len(s.rest) > 0 {
		n, err := unix.Write(s.fd, s.rest)
		if err == unix.EAGAIN {
			return true, nil
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, err
		}
		s.rest = s.rest[n:]
	}
	return false, nil
}

func (s *socket) Close() error                     { return unix.Close(s.fd) }
func (s *socket) LocalAddr() net.Addr              { return nil }
func (s *socket) RemoteAddr() net.Addr             { return nil }
func (s *socket) SetDeadline(time.Time) error      { return errors.ErrUnsupported }
func (s *socket) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (s *socket) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }
