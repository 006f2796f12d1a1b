package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
)

// gate is a way to a server on which the bytes of the client stay in the kernel
// while it is shut.
type gate struct {
	l  net.Listener
	to string

	mu     sync.Mutex
	opened chan struct{} // closed while it is open
	conns  []net.Conn
	wg     sync.WaitGroup
}

// newGate opens a gate to the server at an address. Its kernel takes few bytes
// that nobody reads.
func newGate(t *testing.T, to string) *gate {
	t.Helper()
	small := func(_, _ string, rc syscall.RawConn) (err error) {
		rc.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		return err
	}
	l, err := (&net.ListenConfig{Control: small}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{l: l, to: to, opened: make(chan struct{})}
	close(g.opened)
	g.wg.Go(g.serve)
	t.Cleanup(func() {
		l.Close()
		g.open()
		g.cut()
		g.wg.Wait()
	})
	return g
}

func (g *gate) serve() {
	for {
		client, err := g.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", g.to)
		if err != nil {
			client.Close()
			continue
		}
		g.mu.Lock()
		g.conns = append(g.conns, client, server)
		g.mu.Unlock()
		g.wg.Go(func() {
			io.Copy(client, server)
			client.Close()
		})
		g.wg.Go(func() {
			io.Copy(server, gated{g, client})
			server.Close()
		})
	}
}

// gated is a connection that is read only while the gate is open.
type gated struct {
	g *gate
	net.Conn
}

func (c gated) Read(p []byte) (int, error) {
	c.g.mu.Lock()
	opened := c.g.opened
	c.g.mu.Unlock()
	<-opened
	return c.Conn.Read(p[:min(len(p), 4096)])
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.opened:
	default:
		close(g.opened)
	}
}

// cut resets the connections.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	g.conns = nil
}

// dialGate opens a connection through a gate to a server that reads all.
func dialGate(t *testing.T, carrier string) (*websocket.Conn, *gate) {
	t.Helper()
	h := serveOver(t, carrier, nil, func(c *websocket.Conn) {
		for {
			if _, _, err := c.Read(context.Background()); err != nil {
				return
			}
		}
	})
	g := newGate(t, h.http.Listener.Addr().String())
	h.options.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", g.l.Addr().String())
	}
	return h.dial(t, nil), g
}

// Flush returns when the peer's kernel has what was written before, over TCP and
// TLS, on a socket and on a stream of HTTP/2. The end of its context does no harm.
func TestFlush(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			c, g := dialGate(t, carrier)
			if err := c.Flush(ctx); err != nil {
				t.Fatalf("with nothing written: %v", err)
			}
			g.shut()
			if err := c.Write(ctx, websocket.MessageBinary, make([]byte, 40<<10)); err != nil {
				t.Fatal(err)
			}
			tired := errors.New("tired")
			short, stop := context.WithTimeoutCause(ctx, 100*time.Millisecond, tired)
			defer stop()
			if err := c.Flush(short); !errors.Is(err, tired) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("while the peer's kernel has no room: %v", err)
			}
			flushed := async(func() error { return c.Flush(ctx) })
			g.open()
			if err := <-flushed; err != nil {
				t.Fatalf("with room: %v", err)
			}
			if err := c.Write(ctx, websocket.MessageText, []byte("more")); err != nil {
				t.Errorf("Write after Flush: %v", err)
			}
			if err := c.Flush(ctx); err != nil {
				t.Errorf("the last Flush: %v", err)
			}
			c.Close(websocket.StatusNormalClosure, "")
			closeErrorOf(t, c.Flush(ctx))
		})
	}
}

// Flush does not wait for what is written after it was called, however much that
// is.
func TestFlushUnderLoad(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			c, _ := dialGate(t, carrier)
			busy, stop := context.WithCancel(ctx)
			var writers sync.WaitGroup
			for range 4 {
				writers.Go(func() {
					for busy.Err() == nil {
						c.Write(ctx, websocket.MessageBinary, make([]byte, 16<<10))
					}
				})
			}
			for range 5 {
				if err := c.Flush(ctx); err != nil {
					t.Errorf("Flush: %v", err)
				}
			}
			stop()
			writers.Wait()
		})
	}
}

// A connection that is lost with something not acknowledged is an error, also
// where nobody reads to find out.
func TestFlushOfALostConnection(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			c, g := dialGate(t, carrier)
			g.shut()
			if err := c.Write(ctx, websocket.MessageBinary, make([]byte, 40<<10)); err != nil {
				t.Fatal(err)
			}
			flushed := async(func() error { return c.Flush(ctx) })
			g.cut()
			if err := <-flushed; err == nil || ctx.Err() != nil {
				t.Errorf("Flush: %v", err)
			}
		})
	}
}
