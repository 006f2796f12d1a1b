//go:build linux

package poll_test

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/lariat-go/websocket/internal/poll"
)

// pair returns a descriptor and the net.Conn at its other end.
func pair(t testing.TB) (fd int, peer net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "peer")
	defer f.Close()
	peer, err = net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return fds[0], peer
}

// echo sends back what comes.
type echo struct{ d poll.Desc }

func (e *echo) Overdue() {}

func (e *echo) Ready(w *poll.Worker, ev poll.Events) {
	b := w.Buffer()
	for {
		n, err := e.d.Read(b)
		if n > 0 {
			e.d.Write(b[:n], nil)
			if n < len(b) && ev&poll.HangUp == 0 {
				return
			}
		}
		if err == poll.ErrAgain {
			return
		}
		if err != nil {
			e.d.Close()
			return
		}
	}
}

func newPoller(t testing.TB, o *poll.Options) *poll.Poller {
	t.Helper()
	p, err := poll.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestEcho(t *testing.T) {
	p := newPoller(t, nil)
	fd, peer := pair(t)
	e := new(echo)
	if err := p.Add(&e.d, fd, e); err != nil {
		t.Fatal(err)
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
	peer.(*net.UnixConn).CloseWrite()
	if n, err := peer.Read(buf); err != io.EOF {
		t.Fatalf("%d, %v; want io.EOF", n, err)
	}
}
