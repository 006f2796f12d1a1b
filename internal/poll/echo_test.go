//go:build linux

package poll_test

import (
	"io"
	"net"
	"os"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/poll"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// pair returns a descriptor and the net.Conn at its other end.
func pair(t testing.TB) (fd int, peer *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "peer")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return fds[0], c.(*net.UnixConn)
}

// tcpPair returns both ends of a TCP connection.
func tcpPair(t testing.TB) (c, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	d.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { d.Close(); a.Close() })
	return a.(*net.TCPConn), d.(*net.TCPConn)
}

func newPoller(t testing.TB, workers int) *poll.Poller {
	t.Helper()
	p, err := poll.New(&poll.Options{Workers: workers, Buffer: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// source is a Source made of functions. Its Desc is closed at the end of the
// test, if it is not before.
type source struct {
	d       poll.Desc
	ready   func(w *poll.Worker, ev poll.Events)
	overdue func()
}

func (s *source) Ready(w *poll.Worker, ev poll.Events) { s.ready(w, ev) }

func (s *source) Overdue() {
	if s.overdue != nil {
		s.overdue()
	}
}

func (s *source) add(t testing.TB, p *poll.Poller, fd int) {
	t.Helper()
	if err := p.Add(&s.d, fd, s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.d.Close() })
}

// receive waits for a value.
func receive[T any](t testing.TB, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("still waiting for %s", what)
	}
	return v
}

// echo sends back what comes, which its peer takes at once. It closes its Desc
// at the end, and done then.
type echo struct {
	mu   sync.Mutex // nobody blocks here, but a takeover may come all the same
	d    poll.Desc
	done chan error
}

func (e *echo) Overdue() {}

func (e *echo) Ready(w *poll.Worker, ev poll.Events) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := w.Buffer()
	for {
		n, err := e.d.Read(b)
		if n > 0 {
			e.d.Write(b[:n], nil)
			if n < len(b) && ev&poll.HangUp == 0 {
				return // there is nothing more: that would be another event
			}
		}
		if err == poll.ErrAgain {
			return
		}
		if err != nil {
			if e.d.Close() == nil && e.done != nil {
				e.done <- err
			}
			return
		}
	}
}

func TestEcho(t *testing.T) {
	p := newPoller(t, 0)
	c, peer := tcpPair(t)
	fd, err := poll.Take(c)
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{done: make(chan error, 1)}
	if err := p.Add(&e.d, fd, e); err != nil {
		t.Fatal(err)
	}
	if c.RemoteAddr().String() != peer.LocalAddr().String() {
		t.Errorf("the address of the connection that was taken over is %v, want %v", c.RemoteAddr(), peer.LocalAddr())
	}
	buf := make([]byte, 5)
	for range 1000 {
		if _, err := peer.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(peer, buf); err != nil || string(buf) != "hello" {
			t.Fatalf("%q, %v", buf, err)
		}
	}
	peer.CloseWrite()
	if n, err := peer.Read(buf); err != io.EOF {
		t.Errorf("%d, %v; want io.EOF", n, err)
	}
	if err := receive(t, e.done, "the end"); err != io.EOF {
		t.Errorf("%v, want io.EOF", err)
	}
}

func TestSizeOfDesc(t *testing.T) {
	if n := reflect.TypeFor[poll.Desc]().Size(); n > 40 {
		t.Errorf("a Desc has %d bytes, of which every idle session has one; want at most 40", n)
	}
}

func TestTakeOfClosed(t *testing.T) {
	c, _ := tcpPair(t)
	c.Close()
	if fd, err := poll.Take(c); err == nil {
		t.Errorf("took %d from a closed connection", fd)
	}
}
