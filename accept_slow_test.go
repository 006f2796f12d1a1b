package websocket_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/wstest"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func dialTLS(t testing.TB, srv *httptest.Server) (net.Conn, error) {
	t.Helper()
	return tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"})
}

// pipeListener accepts the far ends of pipes.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *pipeListener) dial() net.Conn {
	near, far := wstest.Pipe(nil)
	l.conns <- far
	return near
}

// inBubble serves Accept on the bubble's clock, with the server settings that
// Accept's documentation gives.
func inBubble(t *testing.T, f func(t *testing.T, l *pipeListener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		srv := &http.Server{
			ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout,
			MaxHeaderBytes:    websocket.DefaultMaxHeaderBytes,
			ErrorLog:          discardLog(),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				_ = echo(c)
			}),
		}
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		f(t, l)
		srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// H-S19, H-S24: a client that is slow to send its header. net/http closes at
// ReadHeaderTimeout and sends no 408.
func TestAcceptSlowHeader(t *testing.T) {
	hello := []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03}
	cases := map[string]struct {
		piece  []byte
		every  time.Duration
		times  int // 0: until it fails
		answer string
	}{
		"H-S19 one byte in 250 ms": {[]byte("a"), 250 * time.Millisecond, 0, ""},
		"H-S19 one line in 300 ms": {[]byte("X: a\r\n"), 300 * time.Millisecond, 0, ""},
		"H-S24 a TLS ClientHello":  {hello, time.Millisecond, 1, "HTTP/1.1 400 "}, // half a line is a bad one
		"nothing at all":           {nil, time.Millisecond, 1, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, l *pipeListener) {
				start := time.Now()
				nc := l.dial()
				defer nc.Close()
				if strings.HasPrefix(name, "H-S19") {
					if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nX: "); err != nil {
						t.Fatal(err)
					}
				}
				closed := make(chan struct{})
				go func() {
					defer close(closed)
					b, _ := io.ReadAll(nc)
					if !strings.HasPrefix(string(b), c.answer) || c.answer == "" && len(b) > 0 {
						t.Errorf("answer %q", b)
					}
				}()
				tick := time.NewTicker(c.every)
				defer tick.Stop()
				for n := 0; ; n++ {
					select {
					case <-closed:
						if d := time.Since(start); d < 4500*time.Millisecond || d > 5500*time.Millisecond {
							t.Errorf("closed after %v", d)
						}
						return
					case <-tick.C:
						if c.times == 0 || n < c.times {
							_, _ = nc.Write(c.piece)
						}
					}
				}
			})
		})
	}
}

// The header's time limit is not the connection's.
func TestAcceptedConnHasNoDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, l *pipeListener) {
		nc := l.dial()
		defer nc.Close()
		c := &rawClient{nc, bufio.NewReader(nc)}
		if resp, _ := c.do(t, head(getRoot)); resp.StatusCode != 101 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		for range 3 {
			<-time.After(time.Hour)
			c.expectEcho(t, "still here")
		}
	})
}

// H-S24: 10 MB of zeros or noise, then the next client.
func TestAcceptGarbage(t *testing.T) {
	a := newAcceptor(t, nil, nil)
	noise := make([]byte, 10<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, p := range map[string][]byte{"zeros": make([]byte, 10<<20), "noise": noise, "no end of a line": bytes.Repeat([]byte("a"), 10<<20)} {
		t.Run(name, func(t *testing.T) {
			conn := a.dial(t)
			n, err := conn.Write(p)
			if err == nil {
				_, err = io.Copy(io.Discard, conn.r)
			}
			if isTimeout(err) {
				t.Errorf("not closed after %d bytes: %v", n, err)
			}
			next := a.dial(t)
			if resp, _ := next.do(t, head(getRoot)); resp.StatusCode != 101 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			next.expectEcho(t, "hello")
		})
	}
}
