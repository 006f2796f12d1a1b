package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
)

// tcpPair returns the two ends of a connection over loopback TCP.
func tcpPair(t testing.TB, client, server *websocket.ConnOptions) (c, s *websocket.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	sc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c = websocket.NewConn(cc, protocol.RoleClient, nil, client)
	s = websocket.NewConn(sc, protocol.RoleServer, nil, server)
	t.Cleanup(func() { c.CloseNow(); s.CloseNow() })
	return c, s
}

// echo answers every message until the connection ends.
func echo(c *websocket.Conn) error {
	var buf []byte
	for {
		t, p, err := c.Append(context.Background(), buf[:0])
		if err != nil {
			return err
		}
		buf = p
		if err := c.Write(context.Background(), t, p); err != nil {
			return err
		}
	}
}

// S0.18, S0.22: a message of any size comes back as it was sent.
func TestEcho(t *testing.T) { eachCarrier(t, testEcho) }

func testEcho(t *testing.T, pair pairFunc) {
	c, s := pair(nil, nil)
	done := make(chan error, 1)
	go func() { done <- echo(s) }()
	for _, n := range []int{0, 1, 125, 126, 4096, 65535, 65536, 200_000, 1 << 20} {
		want := bytes.Repeat([]byte("lariat."), n/7+1)[:n]
		if err := c.Write(t.Context(), websocket.MessageText, want); err != nil {
			t.Fatal(n, err)
		}
		typ, got, err := c.Read(t.Context())
		if err != nil || typ != websocket.MessageText || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %v, %d bytes, %v", n, typ, len(got), err)
		}
	}
	if err := c.Close(websocket.StatusGoingAway, "bye"); err != nil {
		t.Fatal(err)
	}
	err := <-done
	if !errors.Is(err, net.ErrClosed) || websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Fatal(err)
	}
}

// The budget: no allocation per message, reading into a buffer that is used
// again and writing.
func TestEchoAllocatesNothing(t *testing.T) {
	c, s := tcpPair(t, nil, nil)
	go echo(s)
	ctx := t.Context()
	msg := bytes.Repeat([]byte("x"), 128)
	buf := make([]byte, 0, 256)
	n := testing.AllocsPerRun(500, func() {
		if err := c.Write(ctx, websocket.MessageBinary, msg); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Append(ctx, buf); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 1 && !raceEnabled {
		t.Errorf("%v allocations per round trip, both ends together", n)
	}
}

func BenchmarkEcho(b *testing.B) {
	c, s := tcpPair(b, nil, nil)
	go echo(s)
	ctx := context.Background()
	msg := bytes.Repeat([]byte("x"), 128)
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(ctx, websocket.MessageBinary, msg)
		c.Append(ctx, buf)
	}
}

// The budget of an idle connection: a Conn stays in its size class.
func TestConnSize(t *testing.T) {
	if n := websocket.ConnSize; n > 448 {
		t.Errorf("a Conn has %d bytes, want 448 at most", n)
	}
}

// heap returns the bytes in use after a collection.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
