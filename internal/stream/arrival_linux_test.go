package stream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/stream"
)

// stuck returns two ends of a TCP connection, of which the second has little room
// for what nobody reads.
func stuck(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	small := func(_, _ string, rc syscall.RawConn) (err error) {
		rc.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return err
	}
	l, err := (&net.ListenConfig{Control: small}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close(); in.Close() })
	return out.(*net.TCPConn), in.(*net.TCPConn)
}

// answer asks until there is one.
func answer(t *testing.T, arrived func() (bool, error)) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := arrived(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("there is no answer")
		}
	}
}

// hidden is a connection under another one that says so.
type hidden struct{ net.Conn }

func (h hidden) NetConn() net.Conn { return h.Conn }

// What was written has arrived when the peer's kernel has it, and what comes
// after does not count.
func TestArrival(t *testing.T) {
	a, b := stuck(t)
	for name, tr := range map[string]stream.Transport{"socket": stream.New(a), "TLS": stream.New(tls.Client(a, &tls.Config{})), "hidden": stream.New(hidden{a})} {
		if ok, err := stream.Arrival(tr)(); !ok || err != nil {
			t.Errorf("%s, with nothing written: %v, %v", name, ok, err)
		}
	}
	a.Write(make([]byte, 40<<10))
	for name, tr := range map[string]stream.Transport{"socket": stream.New(a), "TLS": stream.New(tls.Client(a, &tls.Config{})), "hidden": stream.New(hidden{a})} {
		if ok, err := stream.Arrival(tr)(); ok || err != nil {
			t.Errorf("%s, with no room: %v, %v", name, ok, err)
		}
	}
	arrived := stream.Arrival(stream.New(a))
	arrived()
	a.Write(make([]byte, 40<<10)) // later
	io.CopyN(io.Discard, b, 40<<10)
	if err := answer(t, arrived); err != nil {
		t.Error(err)
	}
	later := stream.Arrival(stream.New(a))
	if ok, err := later(); ok || err != nil {
		t.Errorf("what came later: %v, %v", ok, err)
	}
	b.SetLinger(0)
	b.Close()
	if err := answer(t, later); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
	a.Close()
	if ok, err := later(); ok || err == nil {
		t.Errorf("of a closed socket: %v, %v", ok, err)
	}
}

// Where it can't be told, writing is arriving: nothing lies between the ends of a
// unix socket.
func TestArrivalUnknown(t *testing.T) {
	a, _ := pair(t, "unix", t.TempDir()+"/s")
	p, q := net.Pipe()
	defer p.Close()
	defer q.Close()
	a.Write(make([]byte, 100))
	for _, tr := range []stream.Transport{stream.New(a), stream.New(p), stream.Wrap(other{p})} {
		if ok, err := stream.Arrival(tr)(); !ok || err != nil {
			t.Errorf("%T: %v, %v", tr.Unwrap(), ok, err)
		}
	}
}
