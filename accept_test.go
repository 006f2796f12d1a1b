package websocket_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
)

// acceptor is an http.Server that accepts and echoes.
type acceptor struct {
	addr string
	errs chan error // what Accept returned, of each request
}

// newAcceptor starts one; wrap, when it is not nil, is the middleware.
func newAcceptor(t testing.TB, o *websocket.AcceptOptions, wrap func(http.Handler) http.Handler) *acceptor {
	t.Helper()
	a := &acceptor{errs: make(chan error, 100)}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, o)
		a.errs <- err
		if err != nil {
			return
		}
		defer c.CloseNow()
		_ = echo(c)
	})
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ReadHeaderTimeout = websocket.DefaultReadHeaderTimeout
	srv.Config.MaxHeaderBytes = websocket.DefaultMaxHeaderBytes
	srv.Config.ErrorLog = discardLog()
	srv.Start()
	t.Cleanup(srv.Close)
	a.addr = srv.Listener.Addr().String()
	return a
}

// err returns what the next call of Accept to return has returned.
func (a *acceptor) err(t testing.TB) error {
	t.Helper()
	select {
	case err := <-a.errs:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("Accept was not called, or does not return")
		return nil
	}
}

// rawClient is a client of bytes.
type rawClient struct {
	net.Conn
	r *bufio.Reader
}

func (a *acceptor) dial(t testing.TB) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	return &rawClient{nc, bufio.NewReader(nc)}
}

// do sends bytes and reads one answer with its body.
func (c *rawClient) do(t testing.TB, raw string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := ""
	if resp.StatusCode != http.StatusSwitchingProtocols {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	resp.Body.Close()
	return resp, body
}

// expectEOF wants the server to close, and nothing before it does.
func (c *rawClient) expectEOF(t testing.TB) {
	t.Helper()
	if b, err := io.ReadAll(c.r); len(b) > 0 || isTimeout(err) {
		t.Errorf("after the answer came %q, %v; want the end", b, err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// expectEcho wants a text message to come back.
func (c *rawClient) expectEcho(t testing.TB, text string) {
	t.Helper()
	c.sendText(t, text)
	c.expectText(t, text)
}

func (c *rawClient) sendText(t testing.TB, text string) {
	t.Helper()
	if _, err := c.Write(maskedText(text)); err != nil {
		t.Fatal(err)
	}
}

func (c *rawClient) expectText(t testing.TB, text string) {
	t.Helper()
	want := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText, Length: int64(len(text))}, []byte(text))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.r, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("frame %q, %v; want %q", got, err, want)
	}
}

func maskedText(text string) []byte {
	return frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Mask: frame.Mask{1, 2, 3, 4}, Length: int64(len(text))}, []byte(text))
}

// head builds a request: a good one, in which fields given as "Name: value"
// replace those of the same name or, as "Name", remove them.
func head(line string, fields ...string) string {
	lines := []string{
		"Host: example.com", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
	}
	for _, f := range fields {
		name, _, ok := strings.Cut(f, ":")
		keep := lines[:0:0]
		for _, l := range lines {
			if !strings.HasPrefix(l, name+":") {
				keep = append(keep, l)
			}
		}
		if lines = keep; ok {
			lines = append(lines, strings.Split(f, "\n")...)
		}
	}
	return line + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

const getRoot = "GET / HTTP/1.1"

// The rows of bad requests over net/http. netHTTP marks those that never reach
// Accept: there net/http answers, and the rule is whatever it does.
func TestAcceptRefuses(t *testing.T) {
	cases := []struct {
		name    string
		raw     string
		status  int
		kind    error
		header  string // one that must be there
		netHTTP bool
	}{
		{name: "H-S1 POST", raw: head("POST / HTTP/1.1"), status: 405, kind: handshake.ErrMethod, header: "Allow: GET"},
		{name: "H-S1 HEAD", raw: head("HEAD / HTTP/1.1"), status: 405, kind: handshake.ErrMethod, header: "Allow: GET"},
		{name: "H-S2 HTTP/1.0", raw: head("GET / HTTP/1.0"), status: 505, kind: handshake.ErrHTTPVersion},
		{name: "H-S2 HTTP/2.0", raw: head("GET / HTTP/2.0"), status: 505, netHTTP: true},
		{name: "H-S3 no Host", raw: head(getRoot, "Host"), status: 400, netHTTP: true},
		{name: "H-S3 two Hosts", raw: head(getRoot, "Host: a\nHost: a"), status: 400, netHTTP: true},
		{name: "H-S3 Host with a bad port", raw: head(getRoot, "Host: a:b"), status: 400, kind: handshake.ErrHost},
		{name: "H-S3 Host with userinfo", raw: head(getRoot, "Host: u@a"), status: 400, netHTTP: true},
		{name: "H-S4 no Upgrade", raw: head(getRoot, "Upgrade"), status: 426, kind: handshake.ErrNotUpgrade, header: "Upgrade: websocket"},
		{name: "H-S4 h2c", raw: head(getRoot, "Upgrade: h2c"), status: 426, kind: handshake.ErrNotUpgrade, header: "Upgrade: websocket"},
		{name: "H-S4 no Connection", raw: head(getRoot, "Connection"), status: 426, kind: handshake.ErrNotUpgrade, header: "Upgrade: websocket"},
		{name: "H-S5 no version", raw: head(getRoot, "Sec-WebSocket-Version"), status: 426, kind: handshake.ErrVersion, header: "Sec-WebSocket-Version: 13"},
		{name: "H-S5 version 8", raw: head(getRoot, "Sec-WebSocket-Version: 8"), status: 426, kind: handshake.ErrVersion, header: "Sec-WebSocket-Version: 13"},
		{name: "H-S5 two versions", raw: head(getRoot, "Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 8"), status: 400, kind: handshake.ErrVersion},
		{name: "H-S6 Content-Length", raw: head(getRoot, "Content-Length: 3") + "abc", status: 400, kind: handshake.ErrBody},
		{name: "H-S6 Transfer-Encoding", raw: head(getRoot, "Transfer-Encoding: chunked") + "0\r\n\r\n", status: 400, kind: handshake.ErrBody},
		{name: "H-S6 both", raw: head(getRoot, "Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n", status: 400, kind: handshake.ErrBody},
		{name: "H-S7 two keys", raw: head(getRoot, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), status: 400, kind: handshake.ErrKey},
		{name: "H-S8 no key", raw: head(getRoot, "Sec-WebSocket-Key"), status: 400, kind: handshake.ErrKey},
		{name: "H-S8 a bad key", raw: head(getRoot, "Sec-WebSocket-Key: x"), status: 400, kind: handshake.ErrKey},
		{name: "H-S10 space before the colon", raw: head(getRoot, "X : a"), status: 400, netHTTP: true},
		{name: "H-S10 NUL in a value", raw: head(getRoot, "X: a\x00b"), status: 400, netHTTP: true},
		{name: "H-S10 CTL in a value", raw: head(getRoot, "X: a\x01b"), status: 400, netHTTP: true},
		{name: "H-S10 CR in a value", raw: head(getRoot, "X: a\rb"), status: 400, netHTTP: true},
		{name: "H-S11 a line of 40 KiB (RFC: 414)", raw: head("GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1"), status: 431, netHTTP: true},
		{name: "H-S11 a header of 40 KiB", raw: head(getRoot, "X: "+strings.Repeat("a", 40<<10)), status: 431, netHTTP: true},
		{name: "H-S13 another host", raw: head(getRoot, "Origin: http://evil.example"), status: 403, kind: handshake.ErrOrigin},
		{name: "H-S13 null", raw: head(getRoot, "Origin: null"), status: 403, kind: handshake.ErrOrigin},
		{name: "H-S13 userinfo", raw: head(getRoot, "Origin: http://example.com@evil"), status: 403, kind: handshake.ErrOrigin},
		{name: "H-S13 two Origins", raw: head(getRoot, "Origin: http://example.com\nOrigin: http://example.com"), status: 403, kind: handshake.ErrOrigin},
		{name: "H-S14 another port", raw: head(getRoot, "Origin: http://example.com:81"), status: 403, kind: handshake.ErrOrigin},
		{name: "H-S15 no token", raw: head(getRoot, "Sec-WebSocket-Protocol: a b"), status: 400, kind: handshake.ErrSubprotocol},
		{name: "H-S15 empty element", raw: head(getRoot, "Sec-WebSocket-Protocol: a,,b"), status: 400, kind: handshake.ErrSubprotocol},
		{name: "H-S15 duplicate", raw: head(getRoot, "Sec-WebSocket-Protocol: a, a"), status: 400, kind: handshake.ErrSubprotocol},
		{name: "H-S16 malformed", raw: head(getRoot, "Sec-WebSocket-Extensions: permessage-deflate; ="), status: 400, kind: handshake.ErrExtensions},
		{name: "H-S17 30 KiB of commas in Protocol", raw: head(getRoot, "Sec-WebSocket-Protocol: "+strings.Repeat(",", 30<<10)), status: 400, kind: handshake.ErrSubprotocol},
		{name: "H-S17 30 KiB of backslashes in Extensions", raw: head(getRoot, "Sec-WebSocket-Extensions: "+strings.Repeat(`\`, 30<<10)), status: 400, kind: handshake.ErrExtensions},
		{name: "H-S20 5,000 headers", raw: head(getRoot, "X: abcdefgh"+strings.Repeat("\nX: abcdefgh", 5000)), status: 431, netHTTP: true},
		{name: "H-S20 10,000 cookies", raw: head(getRoot, "Cookie: a=b"+strings.Repeat("\nCookie: a=b", 10000)), status: 431, netHTTP: true},
		{name: "H-S21 Host [::1", raw: head(getRoot, "Host: [::1"), status: 400, kind: handshake.ErrHost},
		{name: "H-S21 Host :", raw: head(getRoot, "Host: :"), status: 400, kind: handshake.ErrHost},
		{name: "H-S21 Host of 300 characters", raw: head(getRoot, "Host: "+strings.Repeat("a", 300)), status: 400, kind: handshake.ErrHost},
		{name: "H-S23 control characters in front", raw: "\x01\x02" + head(getRoot), status: 400, netHTTP: true},
		{name: "H-S23 empty lines in front", raw: strings.Repeat("\r\n", 6) + head(getRoot), status: 400, netHTTP: true},
		{name: "H-S24 random bytes with a line in them", raw: "\xde\xad\xbe\xef\r\n\r\n", status: 400, netHTTP: true},
		{name: "H-S26 absolute-form, other Host", raw: head("GET http://evil.example/ HTTP/1.1"), status: 400, kind: handshake.ErrTarget},
		{name: "H-S26 ..", raw: head("GET /a/../b HTTP/1.1"), status: 400, kind: handshake.ErrTarget},
		{name: "H-S26 a plain GET with ..", raw: "GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", status: 400, kind: handshake.ErrTarget},
	}
	a := newAcceptor(t, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"chat"}}}, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := a.dial(t)
			sent := make(chan struct{})
			go func() { // an answer may come before all was sent
				defer close(sent)
				_, _ = io.WriteString(conn, c.raw)
			}()
			var method http.Request
			method.Method, _, _ = strings.Cut(c.raw, " ")
			resp, err := http.ReadResponse(conn.r, &method)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
			if c.netHTTP {
				conn.Close()
				<-sent
				return
			}
			<-sent
			body, err := io.ReadAll(resp.Body)
			if err != nil || len(body) > 128 || (len(body) == 0) != (method.Method == "HEAD") {
				t.Errorf("body %q, %v", body, err)
			}
			if name, value, _ := strings.Cut(c.header, ": "); c.header != "" && resp.Header.Get(name) != value {
				t.Errorf("header %q, want %s", resp.Header, c.header)
			}
			if !resp.Close {
				t.Error("no Connection: close")
			}
			conn.expectEOF(t)
			var he *websocket.HandshakeError
			if err := a.err(t); !errors.Is(err, c.kind) || !errors.As(err, &he) || he.Status != c.status || string(he.Body) != string(body) && method.Method != "HEAD" {
				t.Errorf("error %v", err)
			}
		})
	}
	if n := len(a.errs); n > 0 {
		t.Errorf("%d requests came through that net/http should have answered", n)
	}
	// The server still serves.
	conn := a.dial(t)
	if resp, _ := conn.do(t, head(getRoot)); resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	conn.expectEcho(t, "still here")
}

// What must be let through, or what net/http lets through although the row for
// a server of our own says otherwise.
func TestAcceptTakes(t *testing.T) {
	a := newAcceptor(t, &websocket.AcceptOptions{
		ConnOptions: websocket.ConnOptions{Subprotocols: []string{"superchat", "chat"}, Extensions: []extension.Extension{deflate.New(nil)}},
		Origins:     []string{"https://app.example"},
	}, nil)
	none := "Sec-WebSocket-Extensions: "
	for _, c := range []struct{ name, raw, header string }{
		{"the smallest request", head(getRoot), none},
		{"H-S4 lists", head(getRoot, "Upgrade: h2c, WebSocket", "Connection: keep-alive, upgrade"), none},
		{"H-S10 bare LF, which net/http takes", strings.ReplaceAll(head(getRoot), "\r\n", "\n"), none},
		{"H-S10 a folded line, which net/http takes", head(getRoot, "X: a\n b"), none},
		{"H-S11 200 fields, which net/http takes", head(getRoot, "X: a"+strings.Repeat("\nX: a", 200)), none},
		{"H-S11 a header of 30 KiB", head(getRoot, "X: "+strings.Repeat("a", 30<<10)), none},
		{"H-S13 a listed origin", head(getRoot, "Origin: https://app.example"), none},
		{"H-S14 the same origin", head(getRoot, "Origin: http://example.com"), none},
		{"H-S15 the server's choice", head(getRoot, "Sec-WebSocket-Protocol: chat, superchat"), "Sec-WebSocket-Protocol: superchat"},
		{"H-S15 no choice", head(getRoot, "Sec-WebSocket-Protocol: mqtt"), "Sec-WebSocket-Protocol: "},
		{
			"H-S16 bad offers and a good one", head(getRoot, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7, "+
				"permessage-deflate; server_max_window_bits=16, permessage-deflate; server_max_window_bits=08, permessage-deflate; what, "+
				"permessage-deflate; server_no_context_takeover; server_no_context_takeover\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"9\""),
			"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
		},
		{"H-S16 nothing but bad ones", head(getRoot, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=17"), none},
		{"H-S17 30 KiB of spaces", head(getRoot, "Sec-WebSocket-Protocol: "+strings.Repeat(" ", 30<<10)+"chat"), "Sec-WebSocket-Protocol: chat"},
		{"H-S18 odd names", head(getRoot, "Sec-WebSocket-Extensions: constructor, __proto__, "+strings.Repeat("a", 4000)), none},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := a.dial(t)
			resp, _ := conn.do(t, c.raw)
			if err := a.err(t); err != nil || resp.StatusCode != 101 {
				t.Fatalf("status %d, %v", resp.StatusCode, err)
			}
			name, value, _ := strings.Cut(c.header, ": ")
			if got := resp.Header.Get(name); !sameParams(got, value) {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
			conn.expectEcho(t, "hello")
		})
	}
}

// sameParams compares without regard to the order of parameters.
func sameParams(a, b string) bool {
	as, bs := strings.Split(a, "; "), strings.Split(b, "; ")
	for _, p := range as {
		if !strings.Contains("; "+b+";", "; "+p+";") {
			return false
		}
	}
	return len(as) == len(bs)
}

// H-S22: one byte at a time, 30,000 of them.
func TestAcceptByteByByte(t *testing.T) {
	a := newAcceptor(t, nil, nil)
	conn := a.dial(t)
	raw := head(getRoot, "X: "+strings.Repeat("a", 30_000))
	go func() {
		for i := range len(raw) - 1 {
			if _, err := io.WriteString(conn, raw[i:i+1]); err != nil {
				return
			}
		}
		_, _ = io.WriteString(conn, raw[len(raw)-1:])
	}()
	resp, err := http.ReadResponse(conn.r, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	conn.expectEcho(t, "hello")
}

// H-S12: frames in the same segment as the request.
func TestAcceptEarlyData(t *testing.T) {
	early := string(maskedText("one")) + string(maskedText("two"))
	t.Run("kept", func(t *testing.T) {
		a := newAcceptor(t, nil, nil)
		conn := a.dial(t)
		if resp, _ := conn.do(t, head(getRoot)+early); resp.StatusCode != 101 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		conn.expectText(t, "one")
		conn.expectText(t, "two")
		conn.expectEcho(t, "three")
	})
	t.Run("kept, half a frame", func(t *testing.T) {
		a := newAcceptor(t, nil, nil)
		conn := a.dial(t)
		if resp, _ := conn.do(t, head(getRoot)+early[:5]); resp.StatusCode != 101 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		if _, err := io.WriteString(conn, early[5:]); err != nil {
			t.Fatal(err)
		}
		conn.expectText(t, "one")
		conn.expectText(t, "two")
	})
	t.Run("dropped with a refusal", func(t *testing.T) {
		a := newAcceptor(t, nil, nil)
		conn := a.dial(t)
		if resp, _ := conn.do(t, head(getRoot, "Origin: null")+early); resp.StatusCode != 403 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		conn.expectEOF(t)
	})
	t.Run("RejectEarlyData", func(t *testing.T) {
		a := newAcceptor(t, &websocket.AcceptOptions{RejectEarlyData: true}, nil)
		conn := a.dial(t)
		resp, body := conn.do(t, head(getRoot)+early)
		if resp.StatusCode != 400 || !resp.Close || len(body) > 128 || !strings.Contains(body, "Wait") {
			t.Fatalf("status %d, %q", resp.StatusCode, body)
		}
		conn.expectEOF(t)
		var he *websocket.HandshakeError
		if err := a.err(t); !errors.Is(err, handshake.ErrEarlyData) || !errors.As(err, &he) || he.Status != 400 {
			t.Errorf("error %v", err)
		}
		conn = a.dial(t)
		if resp, _ := conn.do(t, head(getRoot)); resp.StatusCode != 101 {
			t.Fatalf("without early data: status %d", resp.StatusCode)
		}
		conn.expectEcho(t, "hello")
	})
}

// H-S15, H-S27: what is wrong with the options, or with headers set before.
func TestAcceptOptionErrors(t *testing.T) {
	for _, c := range []struct {
		name, field string
		o           websocket.AcceptOptions
		set         http.Header
	}{
		{name: "H-S27 CR in a value", field: "Header", o: websocket.AcceptOptions{Header: http.Header{"X": {"a\rb"}}}},
		{name: "H-S27 LF in a value", field: "Header", o: websocket.AcceptOptions{Header: http.Header{"X": {"a\nSet-Cookie: a=b"}}}},
		{name: "H-S27 NUL in a value", field: "Header", o: websocket.AcceptOptions{Header: http.Header{"X": {"a\x00b"}}}},
		{name: "H-S27 a reserved name", field: "Header", o: websocket.AcceptOptions{Header: http.Header{"Sec-Websocket-Protocol": {"a"}}}},
		{name: "H-S27 a word about the connection", field: "Header", o: websocket.AcceptOptions{Header: http.Header{"Connection": {"close"}}}},
		{name: "H-S27 LF in a value set on w", field: "Header", set: http.Header{"X-Evil": {"a\nb"}}},
		{name: "H-S27 a reserved name set on w", field: "Header", set: http.Header{"Sec-Websocket-Accept": {"a"}}},
		{name: "H-S15 a subprotocol that is no token", field: "Subprotocols", o: websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"a\r\nb"}}}},
		{name: "H-S13 an origin that is none", field: "Origins", o: websocket.AcceptOptions{Origins: []string{"example.com"}}},
		{name: "a nil extension", field: "Extensions", o: websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Extensions: []extension.Extension{nil}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAcceptor(t, &c.o, setHeader(c.set))
			conn := a.dial(t)
			resp, body := conn.do(t, head(getRoot))
			if resp.StatusCode != 500 || !resp.Close || resp.Header.Get("X-Evil") != "" || resp.Header.Get("Sec-Websocket-Accept") != "" || len(body) > 128 {
				t.Errorf("status %d, header %q, body %q", resp.StatusCode, resp.Header, body)
			}
			var oe *websocket.OptionError
			if err := a.err(t); !errors.As(err, &oe) || oe.Field != c.field {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("nothing to answer", func(t *testing.T) {
		var oe *websocket.OptionError
		if _, err := websocket.Accept(nil, nil, nil); !errors.As(err, &oe) {
			t.Errorf("error %v", err)
		}
	})
}

func setHeader(h http.Header) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for k, v := range h {
				w.Header()[k] = v
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Headers of the options and of middleware are sent with the answer that
// accepts; what middleware tells net/http about the body is not.
func TestAcceptHeader(t *testing.T) {
	a := newAcceptor(t, &websocket.AcceptOptions{Header: http.Header{"Set-Cookie": {"b=2"}, "x-two": {"2"}}},
		setHeader(http.Header{"Set-Cookie": {"a=1"}, "X-One": {"1"}, "Connection": {"keep-alive"}, "Content-Length": {"7"}, "Trailer": {"X"}, http.TrailerPrefix + "X": {"a"}}))
	conn := a.dial(t)
	resp, _ := conn.do(t, head(getRoot))
	h := resp.Header
	if resp.StatusCode != 101 || fmt.Sprint(h["Set-Cookie"]) != "[a=1 b=2]" || h.Get("X-One") != "1" || h.Get("X-Two") != "2" ||
		fmt.Sprint(h["Connection"]) != "[Upgrade]" || h.Get("Content-Length") != "" || h.Get("Trailer") != "" || len(h) != 6 {
		t.Errorf("status %d, header %q", resp.StatusCode, h)
	}
	conn.expectEcho(t, "hello")
	conn = a.dial(t)
	if resp, body := conn.do(t, head(getRoot, "Upgrade")); resp.StatusCode != 426 || resp.Header.Get("X-One") != "1" || body == "" {
		t.Errorf("a refusal: status %d, header %q, body %q", resp.StatusCode, resp.Header, body)
	}
}

// H-S14: the scheme is known over TLS.
func TestAcceptTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		_ = echo(c)
	}))
	defer srv.Close()
	for origin, want := range map[string]int{"https://example.com": 101, "http://example.com": 403} {
		c, err := dialTLS(t, srv)
		if err != nil {
			t.Fatal(err)
		}
		conn := &rawClient{c, bufio.NewReader(c)}
		if resp, _ := conn.do(t, head(getRoot, "Origin: "+origin)); resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", origin, resp.StatusCode, want)
		} else if want == 101 {
			conn.expectEcho(t, "hello")
		}
		c.Close()
	}
}

// Trace is told of both ways.
func TestAcceptTrace(t *testing.T) {
	told := make(chan string, 10)
	o := &websocket.AcceptOptions{}
	o.Trace = &websocket.Trace{
		Request:  func(method, target string, h http.Header) { told <- method + " " + target + " " + h.Get("Upgrade") },
		Response: func(status int, h http.Header) { told <- fmt.Sprint(status, " ", h.Get("Upgrade")) },
	}
	a := newAcceptor(t, o, nil)
	a.dial(t).do(t, head("GET /a HTTP/1.1"))
	a.dial(t).do(t, head("GET /b HTTP/1.1", "Upgrade: h2c"))
	for _, want := range []string{"GET /a websocket", "101 websocket", "GET /b h2c", "426 websocket"} {
		if got := <-told; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// The client library meets the server library.
func TestAcceptDial(t *testing.T) {
	a := newAcceptor(t, &websocket.AcceptOptions{
		ConnOptions: websocket.ConnOptions{Subprotocols: []string{"chat"}, Extensions: []extension.Extension{deflate.New(nil)}},
		Header:      http.Header{"X-Server": {"lariat"}},
	}, nil)
	c, err := websocket.Dial(t.Context(), "ws://"+a.addr+"/chat", &websocket.DialOptions{
		ConnOptions: websocket.ConnOptions{Subprotocols: []string{"other", "chat"}, Extensions: []extension.Extension{deflate.New(nil)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if c.Subprotocol() != "chat" || len(c.Extensions()) != 1 || c.HTTPVersion() != 1 || c.Header().Get("X-Server") != "lariat" {
		t.Errorf("%q %v HTTP/%d %q", c.Subprotocol(), c.Extensions(), c.HTTPVersion(), c.Header())
	}
	want := strings.Repeat("hello ", 1000)
	if err := c.Write(t.Context(), websocket.MessageText, []byte(want)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != want {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

// BenchmarkAccept is a request, its answer, and the end of the connection.
func BenchmarkAccept(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		c.CloseNow()
	}))
	defer srv.Close()
	request := []byte(head(getRoot))
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = c.Read(buf)
		}
		c.Close()
	}
}

// What Accept would refuse of its options is known before the first request.
func TestAcceptOptionsValidate(t *testing.T) {
	var none *websocket.AcceptOptions
	if err := none.Validate(); err != nil {
		t.Error(err)
	}
	good := &websocket.AcceptOptions{Origins: []string{"https://app.example.com"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	var oe *websocket.OptionError
	bad := &websocket.AcceptOptions{Header: http.Header{"X-Bad": {"a\r\nb"}}}
	if err := bad.Validate(); !errors.As(err, &oe) {
		t.Errorf("%v", err)
	}
}
