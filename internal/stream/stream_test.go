package stream_test

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/internal/stream"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// pair returns two ends of a socket.
func pair(t *testing.T, network, addr string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err == nil {
		b, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	for _, c := range []net.Conn{a, b} {
		c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return a, b
}

// borrow wants the next ReadBorrow to return s.
func borrow(t *testing.T, tr stream.Transport, s string) {
	t.Helper()
	b, err := tr.ReadBorrow(12)
	if err != nil || string(b) != s || cap(b) != 4096 {
		t.Fatalf("ReadBorrow: %.20q with room for %d, %v; want %q", b, cap(b), err, s)
	}
	bufpool.Put(b)
}

// waiter is a Stream that can wait for its next byte.
type waiter struct {
	net.Conn
	err   error
	waits int
}

func (w *waiter) WaitRead() error { w.waits++; return w.err }

// other hides all methods but those of a Stream.
type other struct{ stream.Stream }

// A stream of which nothing is known is read as it is, and never written to
// without waiting.
func TestWrap(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	w := &waiter{Conn: a}
	go func() {
		for _, s := range []string{"one", "two"} {
			if _, err := io.WriteString(b, s); err != nil {
				t.Error(err)
			}
		}
		b.Close()
	}()
	tr := stream.Wrap(w)
	if tr.Unwrap() != w || stream.Wrap(tr) != tr {
		t.Errorf("Wrap: %T over %T", tr, tr.Unwrap())
	}
	borrow(t, tr, "one")
	if w.waits != 1 {
		t.Errorf("%d waits", w.waits)
	}
	if n, err := tr.TryWrite([]byte("x"), nil); n != 0 || err != nil {
		t.Errorf("TryWrite: %d, %v", n, err)
	}
	w.err = io.ErrUnexpectedEOF
	if p, err := tr.ReadBorrow(12); p != nil || err != w.err {
		t.Errorf("WaitRead's error: %q, %v", p, err)
	}
	hidden := stream.Wrap(other{a})
	borrow(t, hidden, "two")
	if p, err := hidden.ReadBorrow(12); p != nil || err != io.EOF {
		t.Errorf("at the end: %q, %v", p, err)
	}

	c, _ := pair(t, "tcp", "127.0.0.1:0")
	if tr := stream.Wrap(c); tr.Unwrap() != c {
		t.Errorf("a socket: %T over %T", tr, tr.Unwrap())
	}
}

func TestIsTimeout(t *testing.T) {
	for err, want := range map[error]bool{
		os.ErrDeadlineExceeded:                                true,
		&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}: true,
		&net.OpError{Op: "read", Err: syscall.ETIMEDOUT}:      false,
		io.EOF: false,
	} {
		if got := stream.IsTimeout(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	if stream.IsTimeout(nil) {
		t.Error("nil")
	}
}
