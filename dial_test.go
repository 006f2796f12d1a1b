package websocket_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/rawserver"
)

// S0.7: a URL is enough. H-C7: frames in the same segment as the 101 are
// delivered. S0.12: the header of the answer is there.
func TestDial(t *testing.T) {
	addr := requestServer(t, func(r *http.Request) string {
		return switching(r, "X-Served-By: test\r\nSet-Cookie: a=b\r\n") + greeting + "\x82\x01!" + "\x81"
	})
	for _, scheme := range []string{"ws://", "http://", "WS://"} {
		c, err := websocket.Dial(within(t), scheme+addr+"/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Header().Get("X-Served-By") != "test" || c.Header().Get("Set-Cookie") != "a=b" || c.HTTPVersion() != 1 || c.Subprotocol() != "" {
			t.Errorf("header %v, HTTP version %d, subprotocol %q", c.Header(), c.HTTPVersion(), c.Subprotocol())
		}
		if c.RemoteAddr().String() != addr {
			t.Errorf("remote address %v, want %v", c.RemoteAddr(), addr)
		}
		for _, want := range []string{"hi", "!"} {
			if _, p, err := c.Read(within(t)); err != nil || string(p) != want {
				t.Errorf("read %q, %v; want %q", p, err, want)
			}
		}
		c.CloseNow()
	}
}

// H-C7: as many bytes as there may be.
func TestDialEarlyBytes(t *testing.T) {
	const n = 5000
	addr := requestServer(t, func(r *http.Request) string {
		return switching(r, "") + strings.Repeat(greeting, n)
	})
	c, err := websocket.Dial(within(t), "ws://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for i := range n {
		if _, p, err := c.Read(within(t)); err != nil || string(p) != "hi" {
			t.Fatalf("message %d: %q, %v", i, p, err)
		}
	}
}

// A refusal or a broken answer gives a *HandshakeError, in whatever pieces it
// comes, also when the server then holds the connection.
func TestDialRefused(t *testing.T) {
	// good is a right answer in which one thing is replaced.
	good := func(old, new string) func(r *http.Request) string {
		return func(r *http.Request) string {
			s := switching(r, "")
			if !strings.Contains(s, old) {
				panic(old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	raw := func(s string) func(*http.Request) string { return func(*http.Request) string { return s } }
	with := func(field string) func(r *http.Request) string {
		return func(r *http.Request) string { return switching(r, field+"\r\n") }
	}
	wrongCase := func(r *http.Request) string {
		return strings.Replace(switching(r, ""), acceptKey(r), strings.ToUpper(acceptKey(r)), 1)
	}
	zip := &websocket.DialOptions{ConnOptions: websocket.ConnOptions{Extensions: []extension.Extension{deflate.New(nil)}}}
	chat := &websocket.DialOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"chat", "mqtt"}}}

	for _, tt := range []struct {
		name   string
		answer func(r *http.Request) string
		o      *websocket.DialOptions
		status int
		body   string
		err    error
	}{
		{name: "H-C1 S0.13 400", answer: raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!"), status: 400, body: "no!", err: handshake.ErrStatus},
		{name: "H-C1 S0.14 503 chunked", answer: raw("HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n1\r\n!\r\n0\r\n\r\n"), status: 503, body: "no!", err: handshake.ErrStatus},
		{name: "H-C1 S1.8 404 without body", answer: raw("HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"), status: 404, err: handshake.ErrStatus},
		{name: "H-C1 200", answer: raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), status: 200, body: "ok", err: handshake.ErrStatus},
		{name: "H-C1 302 without follow", answer: raw("HTTP/1.1 302 x\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"), status: 302, err: handshake.ErrStatus},
		{name: "H-C1 204", answer: raw("HTTP/1.1 204 x\r\n\r\n"), status: 204, err: handshake.ErrStatus},
		{name: "two lengths", answer: raw("HTTP/1.1 400 x\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nno!"), status: 400, err: h1.ErrFraming},
		{name: "length and chunks", answer: raw("HTTP/1.1 400 x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nno!"), status: 400, err: h1.ErrFraming},
		{name: "malformed chunk", answer: raw("HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\nx"), status: 400, body: "no", err: h1.ErrMalformed},

		{name: "H-C2 no Upgrade", answer: good("Upgrade: websocket\r\n", ""), status: 101, err: handshake.ErrNotUpgrade},
		{name: "H-C2 wrong Upgrade", answer: good("websocket", "h2c"), status: 101, err: handshake.ErrNotUpgrade},
		{name: "H-C2 no Connection", answer: good("Connection: Upgrade\r\n", ""), status: 101, err: handshake.ErrNotUpgrade},
		{name: "H-C2 wrong Connection", answer: good("Connection: Upgrade", "Connection: close"), status: 101, err: handshake.ErrNotUpgrade},
		{name: "H-C2 no Accept", answer: good("Sec-WebSocket-Accept", "X"), status: 101, err: handshake.ErrAccept},
		{name: "H-C2 wrong Accept", answer: good("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x"), status: 101, err: handshake.ErrAccept},
		{name: "H-C2 Accept in another case", answer: wrongCase, status: 101, err: handshake.ErrAccept},
		{name: "H-C2 space before the colon", answer: good("Accept:", "Accept :"), err: h1.ErrMalformed},
		{name: "H-C2 two Accepts", answer: func(r *http.Request) string { return switching(r, "Sec-WebSocket-Accept: "+acceptKey(r)+"\r\n") }, status: 101, err: handshake.ErrAccept},

		{name: "H-C3 1,000 interim answers", answer: raw(strings.Repeat("HTTP/1.1 103 x\r\n\r\n", 1000)), err: h1.ErrLimit},

		{name: "H-C4 S0.11 subprotocol not asked", answer: with("Sec-WebSocket-Protocol: chat"), status: 101, err: handshake.ErrSubprotocol},
		{name: "H-C4 other subprotocol", answer: with("Sec-WebSocket-Protocol: soap"), o: chat, status: 101, err: handshake.ErrSubprotocol},
		{name: "H-C4 other case", answer: with("Sec-WebSocket-Protocol: Chat"), o: chat, status: 101, err: handshake.ErrSubprotocol},
		{name: "H-C4 two subprotocols", answer: with("Sec-WebSocket-Protocol: chat, mqtt"), o: chat, status: 101, err: handshake.ErrSubprotocol},
		{name: "H-C4 two subprotocol fields", answer: with("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat"), o: chat, status: 101, err: handshake.ErrSubprotocol},
		{name: "S0.11 no subprotocol", answer: with("X: y"), o: chat, status: 101, err: handshake.ErrSubprotocol},

		{name: "H-C5 extension not asked", answer: with("Sec-WebSocket-Extensions: permessage-deflate"), status: 101, err: handshake.ErrExtensions},
		{name: "H-C5 unknown parameter", answer: with("Sec-WebSocket-Extensions: permessage-deflate; x"), o: zip, status: 101, err: handshake.ErrExtensions},
		{name: "H-C5 duplicate parameter", answer: with("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_no_context_takeover"), o: zip, status: 101, err: handshake.ErrExtensions},
		{name: "H-C5 parameter with a value", answer: with("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover=1"), o: zip, status: 101, err: handshake.ErrExtensions},
		{name: "H-C8 server_max_window_bits 7", answer: with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7"), o: zip, status: 101, err: handshake.ErrExtensions},
		{name: "H-C8 server_max_window_bits 16", answer: with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16"), o: zip, status: 101, err: handshake.ErrExtensions},
		{name: "H-C8 server_max_window_bits 0", answer: with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=0"), o: zip, status: 101, err: handshake.ErrExtensions},
		{name: "H-C8 server_max_window_bits 8x", answer: with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8x"), o: zip, status: 101, err: handshake.ErrExtensions},

		{name: "H-C6 endless line", answer: raw("HTTP/1.1 101 x\r\nX: " + strings.Repeat("y", 100_000)), err: h1.ErrLimit},
		{name: "H-C6 40 KiB block", answer: raw("HTTP/1.1 101 x\r\n" + strings.Repeat("X: "+strings.Repeat("y", 997)+"\r\n", 40)), err: h1.ErrLimit},
		{name: "H-C6 200 fields", answer: raw("HTTP/1.1 101 x\r\n" + strings.Repeat("X: y\r\n", 200)), err: h1.ErrLimit},

		{name: "H-C9 server speaks first", answer: raw("220 mail.example.com ESMTP\r\n"), err: h1.ErrMalformed},
		{name: "H-C9 HTTP/2", answer: raw("\x00\x00\x12\x04\x00\x00\x00\x00\x00"), err: h1.ErrMalformed},
		{name: "H-C9 TLS alert", answer: raw("\x15\x03\x03\x00\x02\x02\x46"), err: h1.ErrMalformed},
		{name: "S0.15 HTTP/1.0 101", answer: good("HTTP/1.1", "HTTP/1.0"), status: 101, err: handshake.ErrHTTPVersion},
		{name: "S0.15 HTTP/2.0 101", answer: good("HTTP/1.1", "HTTP/2.0"), err: handshake.ErrHTTPVersion},
		{name: "bare LF", answer: good("\r\n", "\n"), err: h1.ErrMalformed},
		{name: "obs-fold", answer: good("Connection: ", "Connection:\r\n "), err: h1.ErrMalformed},
	} {
		whole := func(c net.Conn, s string) { io.WriteString(c, s) }
		bytewise := func(c net.Conn, s string) {
			for i := range min(len(s), 4<<10) {
				if _, err := io.WriteString(c, s[i:i+1]); err != nil {
					return
				}
			}
			if len(s) > 4<<10 {
				io.WriteString(c, s[4<<10:])
			}
		}
		for how, write := range map[string]func(net.Conn, string){"whole": whole, "bytes": bytewise} {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				t.Parallel()
				closed := make(chan struct{})
				addr := rawServer(t, func(c net.Conn) {
					defer close(closed)
					if r := readRequest(c); r != nil {
						write(c, tt.answer(r))
						io.Copy(io.Discard, c)
					}
				})
				c, err := websocket.Dial(within(t), "ws://"+addr, tt.o)
				if c != nil {
					c.CloseNow()
				}
				he, ok := errors.AsType[*websocket.HandshakeError](err)
				if !ok || !errors.Is(err, tt.err) || he.Status != tt.status || string(he.Body) != tt.body || he.Body == nil {
					t.Fatalf("error %v\n%+v\nwant status %d, body %q, %v", err, he, tt.status, tt.body, tt.err)
				}
				if !strings.HasPrefix(err.Error(), "websocket: ") || strings.Count(err.Error(), "websocket: ") > 2 || len(err.Error()) > 600 {
					t.Errorf("text of the error: %s", err)
				}
				<-closed // the client has closed the connection
			})
		}
	}
}

// H-C3: a few interim answers are passed over.
func TestDialInterim(t *testing.T) {
	addr := requestServer(t, func(r *http.Request) string {
		return strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 8) + greeter(r)
	})
	c, err := websocket.Dial(within(t), "ws://"+addr, nil)
	mustGreet(t, c, err)
}

// A server that closes before or while it answers.
func TestDialCutOff(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 101 Switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"} {
		addr := rawServer(t, func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, answer)
		})
		_, err := websocket.Dial(within(t), "ws://"+addr, nil)
		he, ok := errors.AsType[*websocket.HandshakeError](err)
		if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || he.Status != 0 || he.Body == nil {
			t.Errorf("after %q: %v", answer, err)
		}
	}
}

// S0.14: the body of a refusal is bounded.
func TestDialRefusalBody(t *testing.T) {
	addr := requestServer(t, func(*http.Request) string {
		return "HTTP/1.1 403 Forbidden\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000)
	})
	for _, tt := range []struct {
		limit int64
		want  int
	}{
		{0, websocket.DefaultMaxRefusalBody},
		{1, 1},
		{10, 10},
		{100_000, 100_000},
		{-1, 200_000},
	} {
		_, err := websocket.Dial(within(t), "ws://"+addr, &websocket.DialOptions{MaxRefusalBody: tt.limit})
		he, ok := errors.AsType[*websocket.HandshakeError](err)
		if !ok || len(he.Body) != tt.want {
			t.Errorf("MaxRefusalBody %d: %v, body of %d bytes, want %d", tt.limit, err, len(he.Body), tt.want)
		}
	}
	// Until the connection ends.
	addr = rawServer(t, func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, "HTTP/1.0 500 x\r\n\r\noh, ")
		io.WriteString(c, "no")
	})
	_, err := websocket.Dial(within(t), "ws://"+addr, nil)
	if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || string(he.Body) != "oh, no" {
		t.Errorf("until close: %v", err)
	}
}

// What the request looks like. S0.8: Gun's "sets all necessary headers", more
// are allowed.
func TestDialRequest(t *testing.T) {
	requests := make(chan *http.Request, 1)
	addr := requestServer(t, func(r *http.Request) string {
		requests <- r
		return switching(r, "Sec-WebSocket-Protocol: mychat\r\n") + greeting
	})
	traced := make(chan string, 2)
	c, err := websocket.Dial(within(t), "ws://me:se%3Acret@"+addr+"/a%20b?q=1", &websocket.DialOptions{
		// S1.5: the raw header counts as Subprotocols.
		Header: http.Header{"sec-websocket-protocol": {"mychat"}, "X-Token": {"t"}},
		ConnOptions: websocket.ConnOptions{Trace: &websocket.Trace{
			Request: func(method, target string, h http.Header) {
				traced <- method + " " + target + " " + h.Get("Host") + " " + h.Get("X-Token")
			},
			Response: func(status int, h http.Header) { traced <- http.StatusText(status) + " " + h.Get("Upgrade") },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Subprotocol() != "mychat" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	mustGreet(t, c, nil)
	r := <-requests
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	if err != nil || len(key) != 16 {
		t.Errorf("key %q", r.Header.Get("Sec-WebSocket-Key"))
	}
	r.Header.Del("Sec-WebSocket-Key")
	want := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Protocol": {"mychat"}, "X-Token": {"t"},
		// H-C11: user and password.
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("me:se:cret"))},
	}
	for k := range want {
		if !slices.Equal(r.Header[k], want[k]) {
			t.Errorf("%s: %q, want %q", k, r.Header[k], want[k])
		}
	}
	if len(r.Header) != len(want) || r.RequestURI != "/a%20b?q=1" || r.Host != addr || r.Method != "GET" || r.Proto != "HTTP/1.1" {
		t.Errorf("%s %s %s, Host %s, header %v", r.Method, r.RequestURI, r.Proto, r.Host, r.Header)
	}
	if a, b := <-traced, <-traced; a != "GET /a%20b?q=1 "+addr+" t" || b != "Switching Protocols websocket" {
		t.Errorf("traced %q, %q", a, b)
	}
}

// The whole request leaves in one write.
func TestDialOneWrite(t *testing.T) {
	addr := requestServer(t, greeter)
	var w *countingConn
	c, err := websocket.Dial(within(t), "ws://"+addr, &websocket.DialOptions{
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			w = &countingConn{Conn: c}
			return w, err
		},
	})
	mustGreet(t, c, err)
	if w.writes != 1 {
		t.Errorf("%d writes, want 1", w.writes)
	}
}

// countingConn counts what is written before the answer is there.
type countingConn struct {
	net.Conn
	writes, reads int
}

func (c *countingConn) Write(p []byte) (int, error) {
	if c.reads == 0 {
		c.writes++
	}
	return c.Conn.Write(p)
}

func (c *countingConn) Read(p []byte) (int, error) {
	c.reads++
	return c.Conn.Read(p)
}

// Options that cannot be used are found before anything happens. S3.3: the URL
// is required.
func TestDialOptionErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		url   string
		o     websocket.DialOptions
		field string
	}{
		{name: "no URL", field: "URL"},
		{name: "other scheme", url: "ftp://h/", field: "URL"},
		{name: "no scheme", url: "example.com/chat", field: "URL"},
		{name: "no host", url: "ws:///x", field: "URL"},
		{name: "H-C11 fragment", url: "ws://h/#x", field: "URL"},
		{name: "H-C11 empty fragment", url: "ws://h/#", field: "URL"},
		{name: "H-C11 port not a number", url: "ws://h:x/", field: "URL"},
		{name: "H-C11 port 0", url: "ws://h:0/", field: "URL"},
		{name: "H-C11 port 65536", url: "ws://h:65536/", field: "URL"},
		{name: "H-C11 bare port 65536", url: "h:65536", field: "URL"},
		{name: "H-C11 CR LF", url: "ws://h/\r\nX: y", field: "URL"},
		{name: "H-C11 space", url: "ws://h/a b", field: "URL"},
		{name: "H-C11 space in the host", url: "ws://h h/", field: "URL"},
		{name: "H-C11 IDN", url: "ws://bücher.example/", field: "URL"},
		{name: "HTTP/3", o: websocket.DialOptions{HTTP: websocket.HTTP3}, field: "HTTP"},
		{name: "no HTTP version", o: websocket.DialOptions{HTTP: 7}, field: "HTTP"},
		{name: "6 redirects", o: websocket.DialOptions{MaxRedirects: 6}, field: "MaxRedirects"},
		{name: "-1 redirects", o: websocket.DialOptions{MaxRedirects: -1}, field: "MaxRedirects"},
		{name: "NUL in Unix", o: websocket.DialOptions{Unix: "a\x00b"}, field: "Unix"},
		{name: "S0.8 key", o: websocket.DialOptions{Header: http.Header{"Sec-WebSocket-Key": {"x"}}}, field: "Header"},
		{name: "S0.8 upgrade", o: websocket.DialOptions{Header: http.Header{"Upgrade": {"x"}}}, field: "Header"},
		{name: "CR LF in a value", o: websocket.DialOptions{Header: http.Header{"X": {"y\r\nZ: z"}}}, field: "Header"},
		{name: "CR LF in a name", o: websocket.DialOptions{Header: http.Header{"X: y\r\nZ": {"z"}}}, field: "Header"},
		{name: "two Hosts", o: websocket.DialOptions{Header: http.Header{"Host": {"a", "b"}}}, field: "Header"},
		{name: "subprotocol", o: websocket.DialOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"a b"}}}, field: "Subprotocols"},
		{name: "S1.5 subprotocols disagree", o: websocket.DialOptions{Header: http.Header{"Sec-WebSocket-Protocol": {"a"}}, ConnOptions: websocket.ConnOptions{Subprotocols: []string{"b"}}}, field: "Subprotocols"},
		{name: "nil extension", o: websocket.DialOptions{ConnOptions: websocket.ConnOptions{Extensions: []extension.Extension{nil}}}, field: "Extensions"},
		{name: "deflate level", o: websocket.DialOptions{ConnOptions: websocket.ConnOptions{Extensions: []extension.Extension{deflate.New(&deflate.Options{Level: 99})}}}, field: "Level"},
		{name: "proxy scheme", o: websocket.DialOptions{Proxy: proxyURL("ftp://h")}, field: "Proxy"},
		{name: "proxy without host", o: websocket.DialOptions{Proxy: proxyURL("http:///x")}, field: "Proxy"},
		{name: "proxy port", o: websocket.DialOptions{Proxy: proxyURL("http://h:70000")}, field: "Proxy"},
		{name: "proxy error", o: websocket.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("no") }}, field: "Proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.NetDial = func(_ context.Context, network, addr string) (net.Conn, error) {
				t.Errorf("connects to %s %s", network, addr)
				return nil, errors.New("connected")
			}
			if tt.field != "URL" {
				tt.url = "ws://h/"
			}
			c, err := websocket.Dial(within(t), tt.url, &tt.o)
			oe, ok := errors.AsType[*websocket.OptionError](err)
			if c != nil || !ok || oe.Field != tt.field {
				t.Fatalf("error %v, want an option error for %s", err, tt.field)
			}
			if errors.Is(err, handshake.ErrURL) != (tt.field == "URL") {
				t.Errorf("error %v", err)
			}
			if !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("text %q", err)
			}
		})
	}
	var none context.Context
	if _, err := websocket.Dial(none, "ws://h/", nil); err == nil {
		t.Error("no error without a context")
	}
}

// H-C11, S3.16: where a URL leads.
func TestDialAddress(t *testing.T) {
	stop := errors.New("stop")
	for in, want := range map[string]string{
		"ws://example.com":           "example.com:80",
		"wss://example.com/x":        "example.com:443",
		"http://EXAMPLE.com:8080":    "example.com:8080",
		"https://example.com:":       "example.com:443",
		"ws://[2001:db8::1]/":        "[2001:db8::1]:80",
		"ws://[fe80::1%25eth0]:1/":   "[fe80::1%eth0]:1",
		"ws://xn--bcher-kva.example": "xn--bcher-kva.example:80",
		"example.com:443":            "example.com:443",
		"example.com:443/chat":       "example.com:443",
		"example.com:8443/a:b":       "example.com:8443",
		"[::1]:9000":                 "[::1]:9000",
		"127.0.0.1:80":               "127.0.0.1:80",
	} {
		var got string
		_, err := websocket.Dial(within(t), in, &websocket.DialOptions{
			Proxy: func(r *http.Request) (*url.URL, error) {
				if secure := strings.HasPrefix(in, "wss") || strings.HasPrefix(in, "https") || strings.Contains(in, ":443"); secure != (r.URL.Scheme == "https") {
					t.Errorf("%s has the scheme %s", in, r.URL.Scheme)
				}
				return nil, nil
			},
			NetDial: func(_ context.Context, _, addr string) (net.Conn, error) {
				got = addr
				return nil, stop
			},
		})
		de, ok := errors.AsType[*websocket.DialError](err)
		if got != want || !errors.Is(err, stop) || !ok || de.Step != websocket.StepConnect || de.Addr != want {
			t.Errorf("%s: dials %s, want %s; error %v", in, got, want, err)
		}
	}
}

// S3.5: cookies go out, and come in with a 101 and with a refusal.
func TestDialCookies(t *testing.T) {
	sent := make(chan string, 1)
	refuse := true
	addr := requestServer(t, func(r *http.Request) string {
		sent <- r.Header.Get("Cookie")
		if refuse {
			refuse = false
			return "HTTP/1.1 401 x\r\nSet-Cookie: session=1; Path=/\r\nSet-Cookie: hint=\"x\"; Path=/chat\r\nSet-Cookie: elsewhere=1; Path=/other\r\nSet-Cookie: tls=1; Secure\r\nContent-Length: 0\r\n\r\n"
		}
		return switching(r, "Set-Cookie: session=2; Path=/\r\n") + greeting
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &websocket.DialOptions{
		CookieJar: jar, Header: http.Header{"Cookie": {"mine=1"}}, Proxy: proxyURL(""),
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}
	const u = "ws://app.example/chat"
	if _, err := websocket.Dial(within(t), u, o); !errors.Is(err, handshake.ErrStatus) || <-sent != "mine=1" {
		t.Fatal(err)
	}
	for _, want := range []string{"session=1", "session=2"} {
		c, err := websocket.Dial(within(t), u, o)
		mustGreet(t, c, err)
		got := strings.Split(<-sent, "; ")
		slices.Sort(got)
		if !slices.Equal(got, []string{`hint="x"`, "mine=1", want}) {
			t.Errorf("cookies %q", got)
		}
	}
	if o.Header.Get("Cookie") != "mine=1" {
		t.Errorf("the caller's header was changed: %v", o.Header)
	}
}

// A cookie for https goes with wss.
func TestDialSecureCookie(t *testing.T) {
	server, client := certificate(t)
	sent := make(chan string, 1)
	addr := serveTLS(t, server, func(r *http.Request) string {
		sent <- r.Header.Get("Cookie")
		return greeter(r)
	})
	jar, _ := cookiejar.New(nil)
	jar.SetCookies(&url.URL{Scheme: "https", Host: addr}, []*http.Cookie{{Name: "a", Value: "b", Secure: true}})
	c, err := websocket.Dial(within(t), "wss://"+addr, &websocket.DialOptions{CookieJar: jar, TLSConfig: client})
	mustGreet(t, c, err)
	if got := <-sent; got != "a=b" {
		t.Errorf("cookies %q", got)
	}
}

// A unix socket, with the URL's host in the request and no proxy.
func TestDialUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	rawserver.Serve(t, l, func(c net.Conn) {
		if r := readRequest(c); r != nil && r.Host == "app.example" {
			io.WriteString(c, greeter(r))
			io.Copy(io.Discard, c)
		}
	})
	o := &websocket.DialOptions{Unix: path, Proxy: func(*http.Request) (*url.URL, error) {
		t.Error("asks for a proxy")
		return nil, nil
	}}
	c, err := websocket.Dial(within(t), "ws://app.example/", o)
	mustGreet(t, c, err)

	o.Unix = path + "x"
	_, err = websocket.Dial(within(t), "ws://app.example/", o)
	if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Addr != o.Unix || de.Step != websocket.StepConnect {
		t.Errorf("error %v", err)
	}
}

// Names have several addresses: the one that answers is found.
func TestDialName(t *testing.T) {
	addr := requestServer(t, greeter)
	_, port, _ := net.SplitHostPort(addr)
	c, err := websocket.Dial(within(t), "ws://localhost:"+port, &websocket.DialOptions{Proxy: proxyURL("")})
	mustGreet(t, c, err)
}

func TestDialNetDialReturnsNothing(t *testing.T) {
	_, err := websocket.Dial(within(t), "ws://h/", &websocket.DialOptions{
		NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, nil },
	})
	if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Step != websocket.StepConnect {
		t.Errorf("error %v", err)
	}
}

// S0.4: a server that prefers HTTP/2 gives HTTP/1.1, whatever the caller's
// configuration says.
func TestDialHTTP2Server(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		defer c.Close()
		io.WriteString(c, greeter(r))
		io.Copy(io.Discard, c)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	c, err := websocket.Dial(within(t), strings.Replace(s.URL, "https", "wss", 1), &websocket.DialOptions{TLSConfig: config})
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTPVersion() != 1 {
		t.Errorf("HTTP version %d", c.HTTPVersion())
	}
	mustGreet(t, c, nil)
	if !slices.Equal(config.NextProtos, []string{"h2", "http/1.1"}) {
		t.Errorf("the caller's configuration was changed: %q", config.NextProtos)
	}

	// One that does not speak HTTP/1.1 says so.
	server, client := certificate(t)
	server.NextProtos = []string{"other"}
	addr := serveTLS(t, server, greeter)
	_, err = websocket.Dial(within(t), "wss://"+addr, &websocket.DialOptions{TLSConfig: client})
	if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Step != websocket.StepTLS || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("error %v", err)
	}
}

// proxyURL is a Proxy option for a fixed URL, "" for none.
func proxyURL(s string) func(*http.Request) (*url.URL, error) {
	if s == "" {
		return func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return http.ProxyURL(u)
}
