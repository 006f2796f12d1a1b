//go:build unix

package stream_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
)

// eachSocket runs a test over TCP and over a unix socket.
func eachSocket(t *testing.T, f func(t *testing.T, a, b net.Conn)) {
	t.Run("tcp", func(t *testing.T) {
		a, b := pair(t, "tcp", "127.0.0.1:0")
		f(t, a, b)
	})
	t.Run("unix", func(t *testing.T) {
		dir, err := os.MkdirTemp("", "s") // the path of a socket is short
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		a, b := pair(t, "unix", filepath.Join(dir, "s"))
		f(t, a, b)
	})
}

// What has come is lent, whatever its size, and then the end is told, again and
// again.
func TestSocketReadBorrow(t *testing.T) {
	eachSocket(t, func(t *testing.T, a, b net.Conn) {
		tr := stream.New(a)
		if tr.Unwrap() != a {
			t.Errorf("Unwrap: %T", tr.Unwrap())
		}
		if _, err := io.WriteString(b, "one"); err != nil {
			t.Fatal(err)
		}
		borrow(t, tr, "one")
		big := bytes.Repeat([]byte("x"), 10_000)
		if _, err := b.Write(big); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(big); {
			p, err := tr.ReadBorrow(10)
			if err != nil || len(p) == 0 || len(p) > 1024 {
				t.Fatalf("%d bytes, %v", len(p), err)
			}
			n += len(p)
			bufpool.Put(p)
		}
		b.Close()
		for range 2 {
			if p, err := tr.ReadBorrow(12); p != nil || err != io.EOF {
				t.Errorf("at the end: %q, %v", p, err)
			}
		}
	})
}

// A wait holds no buffer, ends with the deadline, and harms nothing after it.
func TestSocketDeadline(t *testing.T) {
	eachSocket(t, func(t *testing.T, a, b net.Conn) {
		tr := stream.New(a)
		before := bufpool.Outstanding()
		tr.SetReadDeadline(time.Unix(1, 0))
		if p, err := tr.ReadBorrow(12); p != nil || !stream.IsTimeout(err) {
			t.Errorf("%q, %v", p, err)
		}
		if n := bufpool.Outstanding() - before; n != 0 {
			t.Errorf("%d buffers are held", n)
		}
		tr.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(b, "after"); err != nil {
			t.Fatal(err)
		}
		borrow(t, tr, "after")
	})
}

// TryWrite writes what the kernel takes, both slices in their order, and never
// waits.
func TestSocketTryWrite(t *testing.T) {
	eachSocket(t, func(t *testing.T, a, b net.Conn) {
		tr := stream.New(a)
		for _, s := range [][2]string{{"head", "tail"}, {"head", ""}, {"", "tail"}, {"", ""}} {
			want := s[0] + s[1]
			if n, err := tr.TryWrite([]byte(s[0]), []byte(s[1])); n != len(want) || err != nil {
				t.Errorf("%q: %d, %v", s, n, err)
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(b, got); err != nil || string(got) != want {
				t.Errorf("%q: %q, %v", s, got, err)
			}
		}
		p, tail := make([]byte, 5_001), bytes.Repeat([]byte("t"), 64<<20)
		for i := range p {
			p[i] = byte(i)
		}
		n, err := tr.TryWrite(p, tail)
		if err != nil || n < len(p) || n >= len(p)+len(tail) {
			t.Fatalf("%d of %d bytes, %v", n, len(p)+len(tail), err)
		}
		if m, err := tr.TryWrite(tail, nil); m != 0 || err != nil {
			t.Errorf("with a full socket: %d, %v", m, err)
		}
		got := make([]byte, n)
		if _, err := io.ReadFull(b, got); err != nil || !bytes.HasPrefix(got, p) || len(bytes.Trim(got[len(p):], "t")) > 0 {
			t.Errorf("not what was written, or %v", err)
		}

		// A deadline that somebody left behind is no error: nothing is waited for.
		tr.SetWriteDeadline(time.Unix(1, 0))
		if n, err := tr.TryWrite([]byte("late"), nil); n != 0 || err != nil {
			t.Errorf("after a deadline: %d, %v", n, err)
		}
	})
}

// Errors are those of the net package.
func TestSocketErrors(t *testing.T) {
	a, b := pair(t, "tcp", "127.0.0.1:0")
	tr := stream.New(a)
	b.(*net.TCPConn).SetLinger(0)
	b.Close() // a reset
	var oe *net.OpError
	if _, err := tr.ReadBorrow(12); !errors.As(err, &oe) || oe.Op != "read" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read of a reset connection: %v", err)
	}
	if n, err := tr.TryWrite([]byte("x"), nil); n != 0 || !errors.As(err, &oe) || oe.Op != "write" {
		t.Errorf("write to a reset connection: %d, %v", n, err)
	}
	tr.Close()
	if _, err := tr.ReadBorrow(12); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed one: %v", err)
	}
	if _, err := tr.TryWrite([]byte("x"), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write to a closed one: %v", err)
	}
}
