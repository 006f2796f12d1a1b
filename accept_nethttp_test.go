package websocket_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/h2peer"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// xconnect has net/http's own HTTP/2 take extended CONNECT. It is read when a
// process starts.
const xconnect = "http2xconnect=1"

// TestAcceptNetHTTP runs the tests below, in a process with that setting.
func TestAcceptNetHTTP(t *testing.T) {
	if strings.Contains(os.Getenv("GODEBUG"), xconnect) {
		t.Run("Echo", testNetHTTPEcho)
		t.Run("Endings", testNetHTTPEndings)
		t.Run("Deadlines", testNetHTTPDeadlines)
		return
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAcceptNetHTTP$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "GODEBUG="+xconnect)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// netHTTP starts a server of net/http alone, and returns how to open streams to
// it by hand, and with Dial. handler is called for each connection; it returns
// when that has ended.
func netHTTP(t *testing.T, o *websocket.AcceptOptions, handler func(*websocket.Conn)) (open func() (*scripter, *h2peer.Stream), dial func() *websocket.Conn) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Handler", "here")
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		handler(c)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	var peer *h2peer.Conn
	pool := new(websocket.Pool)
	t.Cleanup(func() { pool.Close() })
	open = func() (*scripter, *h2peer.Stream) {
		t.Helper()
		if peer == nil {
			peer = h2peer.Dial(t, srv.Listener.Addr().String(), clientTLS(), nil)
		}
		s := peer.Open("/", "sec-websocket-key", rawKey)
		if got := s.Field("sec-websocket-accept"); got != acceptFor(rawKey) || s.Field("x-handler") != "here" {
			t.Errorf("Sec-WebSocket-Accept: %q, header %v", got, s.Fields())
		}
		return &scripter{wstest.NewPeer(t, s, protocol.RoleClient), true, false}, s
	}
	dial = func() *websocket.Conn {
		t.Helper()
		d := &websocket.DialOptions{HTTP: websocket.HTTP2, TLSConfig: clientTLS(), Pool: pool}
		c, err := websocket.Dial(t.Context(), "wss"+strings.TrimPrefix(srv.URL, "https"), d)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
	return open, dial
}

// S2.8: messages and closing handshakes over net/http's HTTP/2.
func testNetHTTPEcho(t *testing.T) {
	ended := make(chan error, 10)
	open, dial := netHTTP(t, nil, func(c *websocket.Conn) {
		if c.HTTPVersion() != 2 || c.RemoteAddr() == nil || c.LocalAddr() == nil {
			t.Errorf("HTTP/%d, %v, %v", c.HTTPVersion(), c.LocalAddr(), c.RemoteAddr())
		}
		ended <- echo(c)
	})
	p, s := open()
	big := []byte(letters(300_000))
	for range 3 {
		p.SendFrames(wstest.Text("hello"), wstest.Ping([]byte("p")))
		p.Expect(wstest.Text("hello"), wstest.Pong([]byte("p")))
		done := pour(p, wire(p, wstest.Binary(big)))
		p.Expect(wstest.Binary(big))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	p.SendFrames(wstest.Close(1000, ""))
	p.ExpectClose(1000)
	p.ExpectEOF()
	s.EndedWith()
	if ce := closeErrorOf(t, <-ended); ce.Code != 1000 || ce.Cause != nil {
		t.Errorf("%v", ce)
	}
	c := dial()
	if err := c.Write(t.Context(), websocket.MessageBinary, big); err != nil {
		t.Error(err)
	}
	if _, m, err := c.Read(t.Context()); err != nil || string(m) != string(big) {
		t.Errorf("%d bytes, %v", len(m), err)
	}
	if err := c.Close(4000, "done"); err != nil {
		t.Errorf("Close = %v", err)
	}
	if ce := closeErrorOf(t, <-ended); ce.Code != 4000 {
		t.Errorf("%v", ce)
	}
}

// How connections over it end, and that another on the same connection of HTTP/2
// does not notice.
func testNetHTTPEndings(t *testing.T) {
	conns, over := make(chan *websocket.Conn, 1), make(chan struct{})
	defer close(over)
	o := &websocket.AcceptOptions{}
	o.WriteTimeout = 100 * time.Millisecond
	open, _ := netHTTP(t, o, func(c *websocket.Conn) {
		conns <- c
		select {
		case <-c.CloseRead(context.Background()).Done():
		case <-over:
		}
	})
	sibling, _ := open()
	<-conns
	for name, tc := range map[string]struct {
		end  func(c *websocket.Conn, s *h2peer.Stream)
		code int
	}{
		"RST_STREAM CANCEL": {func(_ *websocket.Conn, s *h2peer.Stream) { s.Reset(http2.ErrCodeCancel) }, 8},
		"END_STREAM":        {func(_ *websocket.Conn, s *h2peer.Stream) { s.CloseWrite() }, -1},
		"CloseNow":          {func(c *websocket.Conn, _ *h2peer.Stream) { c.CloseNow() }, -1},
		"window never opened": {func(c *websocket.Conn, s *h2peer.Stream) {
			if err := c.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20)); !errors.Is(err, websocket.ErrWriteTimeout) {
				t.Errorf("Write = %v", err)
			}
			s.ResetWith()
		}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := open()
			c := <-conns
			tc.end(c, s)
			err := c.Close(websocket.StatusNormalClosure, "") // waits for the end
			ce := closeErrorOf(t, err)
			if ce.Code != websocket.StatusAbnormalClosure {
				t.Errorf("%v", err)
			}
			se, ok := errors.AsType[*websocket.HTTP2StreamError](err)
			if ok != (tc.code >= 0) || ok && (int(se.Code) != tc.code || !se.Remote) {
				t.Errorf("%v", err)
			}
			sibling.SendFrames(wstest.Ping([]byte("alive")))
			sibling.Expect(wstest.Pong([]byte("alive")))
		})
	}
	_, s := open()
	c := <-conns
	s.Conn().Close()
	if err := c.Close(websocket.StatusNormalClosure, ""); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("connection lost: %v", err)
	}
}

// A deadline that passes harms nothing, other than net/http's own.
func testNetHTTPDeadlines(t *testing.T) {
	timedOut := make(chan error, 1)
	open, _ := netHTTP(t, nil, func(c *websocket.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		_, _, err := c.Read(ctx)
		timedOut <- err
		echo(c)
	})
	p, _ := open()
	if err := <-timedOut; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read = %v", err)
	}
	p.SendFrames(wstest.Text("after"))
	p.Expect(wstest.Text("after"))
	p.SendFrames(wstest.Close(1000, ""))
	p.ExpectClose(1000)
	p.ExpectEOF()
}
