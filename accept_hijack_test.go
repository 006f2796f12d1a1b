package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
)

// unwrapping hides the writer but for its Unwrap method.
type unwrapping struct{ http.ResponseWriter }

func (w unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// counting counts the bytes of bodies, and passes Hijack on by itself.
type counting struct {
	http.ResponseWriter
	n *int
}

func (w counting) Write(p []byte) (int, error) {
	*w.n += len(p)
	return w.ResponseWriter.Write(p)
}

func (w counting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.ResponseWriter.(http.Hijacker).Hijack()
}

// Middleware that wraps the writer.
func TestAcceptWrappers(t *testing.T) {
	wrap := func(f func(http.ResponseWriter) http.ResponseWriter) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(f(w), r) })
		}
	}
	n := 0
	for name, mw := range map[string]func(http.Handler) http.Handler{
		"Unwrap":       wrap(func(w http.ResponseWriter) http.ResponseWriter { return unwrapping{unwrapping{w}} }),
		"counts bytes": wrap(func(w http.ResponseWriter) http.ResponseWriter { return counting{w, &n} }),
		"both":         wrap(func(w http.ResponseWriter) http.ResponseWriter { return unwrapping{counting{w, &n}} }),
	} {
		t.Run(name, func(t *testing.T) {
			a := newAcceptor(t, nil, mw)
			conn := a.dial(t)
			if resp, _ := conn.do(t, head(getRoot)+string(maskedText("early"))); resp.StatusCode != 101 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			conn.expectText(t, "early")
			conn.expectEcho(t, "hello")
		})
	}
	refused := func(t *testing.T, mw func(http.Handler) http.Handler, want ...string) {
		t.Helper()
		closed := 0
		o := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Extensions: []extension.Extension{countingExtension{&closed}}}}
		a := newAcceptor(t, o, mw)
		conn := a.dial(t)
		resp, body := conn.do(t, head(getRoot, "Sec-WebSocket-Extensions: x-count"))
		if resp.StatusCode != 501 || !resp.Close || len(body) == 0 || len(body) > 128 {
			t.Errorf("status %d, %q", resp.StatusCode, body)
		}
		err := a.err(t)
		var he *websocket.HandshakeError
		if !errors.Is(err, handshake.ErrNotHijackable) || !errors.As(err, &he) || he.Status != 501 {
			t.Errorf("error %v", err)
		}
		for _, s := range want {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("error text %q lacks %q", err, s)
			}
		}
		if closed != 1 {
			t.Errorf("the codec was closed %d times", closed)
		}
	}
	// Its writer has no Unwrap method, so that a handler that is late can't
	// write any more. That can't be undone from here, only explained.
	t.Run("H-S9 http.TimeoutHandler", func(t *testing.T) {
		refused(t, func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "late") }, "timeoutWriter", "http.TimeoutHandler", "Unwrap")
	})
	t.Run("H-S9 no Hijack", func(t *testing.T) {
		refused(t, wrap(func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} }), "Unwrap")
	})
	t.Run("H-S9 Hijack fails", func(t *testing.T) {
		refused(t, wrap(func(w http.ResponseWriter) http.ResponseWriter { return failing{w} }), "out of luck")
	})
	t.Run("hijacked before", func(t *testing.T) {
		hijacked := make(chan net.Conn, 1)
		a := newAcceptor(t, nil, wrap(func(w http.ResponseWriter) http.ResponseWriter {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
			}
			hijacked <- c
			return w
		}))
		conn := a.dial(t)
		if _, err := io.WriteString(conn, head(getRoot)); err != nil {
			t.Fatal(err)
		}
		if err := a.err(t); !errors.Is(err, handshake.ErrNotHijackable) || !errors.Is(err, http.ErrHijacked) {
			t.Errorf("error %v", err)
		}
		(<-hijacked).Close()
		conn.expectEOF(t)
	})
}

type failing struct{ http.ResponseWriter }

func (failing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("out of luck")
}

// countingExtension counts the codecs that were closed.
type countingExtension struct{ closed *int }

func (countingExtension) Name() string             { return "x-count" }
func (countingExtension) Offer() []extension.Offer { return []extension.Offer{{Name: "x-count"}} }
func (x countingExtension) Accept(o extension.Offer) (extension.Offer, extension.Codec, bool) {
	return o, countingCodec(x), true
}

func (x countingExtension) Confirm(extension.Offer) (extension.Codec, error) {
	return countingCodec(x), nil
}

type countingCodec struct{ closed *int }

func (countingCodec) RSV() frame.RSV { return frame.RSV1 }
func (countingCodec) Encode(dst, p []byte, _ *extension.Message) ([]byte, error) {
	return append(dst, p...), nil
}

func (countingCodec) Decode(dst, p []byte, _ *extension.Message) ([]byte, error) {
	return append(dst, p...), nil
}
func (c countingCodec) Close() { *c.closed++ }

// H-S29: the limit of handshakes under way, at it and above it.
func TestAcceptPending(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	slow := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				w = waiting{w, entered, release}
			}
			next.ServeHTTP(w, r)
		})
	}
	a := newAcceptor(t, &websocket.AcceptOptions{MaxPendingHandshakes: 2}, slow)
	first := a.dial(t)
	if _, err := io.WriteString(first, head("GET /slow HTTP/1.1")); err != nil {
		t.Fatal(err)
	}
	<-entered
	second := a.dial(t)
	if resp, _ := second.do(t, head(getRoot)); resp.StatusCode != 101 {
		t.Errorf("at the limit: status %d", resp.StatusCode)
	}
	if err := a.err(t); err != nil {
		t.Error(err)
	}
	other := a.dial(t)
	if _, err := io.WriteString(other, head("GET /slow HTTP/1.1")); err != nil {
		t.Fatal(err)
	}
	<-entered
	third := a.dial(t)
	resp, body := third.do(t, head(getRoot))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !resp.Close || len(body) == 0 || len(body) > 128 {
		t.Errorf("above the limit: status %d, header %q, body %q", resp.StatusCode, resp.Header, body)
	}
	third.expectEOF(t)
	if err := a.err(t); !errors.Is(err, handshake.ErrBusy) {
		t.Errorf("error %v", err)
	}
	close(release)
	for _, c := range []*rawClient{first, other} {
		if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 101 {
			t.Errorf("%v, %v", resp, err)
		}
		c.expectEcho(t, "hello")
	}
	fourth := a.dial(t)
	if resp, _ := fourth.do(t, head(getRoot)); resp.StatusCode != 101 {
		t.Errorf("after that: status %d", resp.StatusCode)
	}
}

// waiting makes the hijack wait.
type waiting struct {
	http.ResponseWriter
	entered, release chan struct{}
}

func (w waiting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.entered <- struct{}{}
	<-w.release
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// H-S28: a panic in the user's code closes that connection, and none else.
// net/http catches it, logs it and sends nothing.
func TestAcceptPanic(t *testing.T) {
	o := &websocket.AcceptOptions{MaxPendingHandshakes: 2}
	o.Trace = &websocket.Trace{Request: func(_, target string, _ http.Header) {
		if target == "/panic" {
			panic("in a callback")
		}
	}}
	a := newAcceptor(t, o, nil)
	untouched := a.dial(t)
	if resp, _ := untouched.do(t, head(getRoot)); resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	for range 5 { // more than may be pending
		conn := a.dial(t)
		if _, err := io.WriteString(conn, head("GET /panic HTTP/1.1")); err != nil {
			t.Fatal(err)
		}
		conn.expectEOF(t)
	}
	untouched.expectEcho(t, "hello")
	conn := a.dial(t)
	if resp, _ := conn.do(t, head(getRoot)); resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
}

// A client that is gone, and one that takes no answer.
func TestAcceptWriteFails(t *testing.T) {
	for name, c := range map[string]struct {
		conn net.Conn
		want error
	}{
		"gone":        {brokenConn{}, net.ErrClosed},
		"takes none":  {newStuckConn(), context.DeadlineExceeded},
		"half of one": {&halfConn{stuckConn: newStuckConn()}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			closed := 0
			o := &websocket.AcceptOptions{HandshakeTimeout: time.Millisecond}
			o.Extensions = []extension.Extension{countingExtension{&closed}}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header = http.Header{
				"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
				"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Extensions": {"x-count"},
			}
			_, err := websocket.Accept(handing{httptest.NewRecorder(), c.conn}, r, o)
			var he *websocket.HandshakeError
			if !errors.As(err, &he) || he.Status != 101 || !errors.Is(err, c.want) && !isTimeout(err) || closed != 1 {
				t.Errorf("error %v, codec closed %d times", err, closed)
			}
		})
	}
}

// handing gives away a connection with no buffers at all, which is allowed to
// no http.Hijacker and happens.
type handing struct {
	http.ResponseWriter
	c net.Conn
}

func (h handing) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.c, nil, nil }

type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (brokenConn) Close() error                     { return nil }
func (brokenConn) SetDeadline(time.Time) error      { return nil }
func (brokenConn) SetWriteDeadline(time.Time) error { return nil }

// stuckConn is one end of a pipe nobody reads.
type stuckConn struct{ net.Conn }

func newStuckConn() stuckConn {
	c, _ := net.Pipe()
	return stuckConn{c}
}

type halfConn struct {
	stuckConn
	once bool
}

func (c *halfConn) Write(p []byte) (int, error) {
	if c.once {
		return c.stuckConn.Write(p)
	}
	c.once = true
	n, err := c.stuckConn.Write(p[len(p)/2:])
	return len(p)/2 + n, err
}
