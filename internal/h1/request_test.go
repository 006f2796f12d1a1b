package h1_test

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"testing"

	"github.com/lariat-go/websocket/internal/h1"
)

func TestAppendRequest(t *testing.T) {
	got, err := h1.AppendRequest([]byte("before "), &h1.Request{
		Method: "GET", Target: "/chat?x=%20y", Host: "example.com:8080",
		Header: http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
			"X": {"a", " b\xe9\tc\t", ""},
		},
	})
	const want = "before GET /chat?x=%20y HTTP/1.1\r\nHost: example.com:8080\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUpgrade: websocket\r\nX: a\r\nX: b\xe9\tc\r\nX: \r\n\r\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%q\nwant\n%q", err, got, want)
	}
}

// H-C11: nothing that is handed in can end a line or begin another.
func TestAppendRequestInjection(t *testing.T) {
	for name, change := range map[string]func(*h1.Request){
		"method with CRLF":      func(r *h1.Request) { r.Method = "GET / HTTP/1.1\r\nX: y\r\n\r\nGET" },
		"method empty":          func(r *h1.Request) { r.Method = "" },
		"method with space":     func(r *h1.Request) { r.Method = "G T" },
		"target with CRLF":      func(r *h1.Request) { r.Target = "/\r\nX: y" },
		"target with space":     func(r *h1.Request) { r.Target = "/a b" },
		"target not ASCII":      func(r *h1.Request) { r.Target = "/é" },
		"target empty":          func(r *h1.Request) { r.Target = "" },
		"host with LF":          func(r *h1.Request) { r.Host = "a\nb" },
		"host empty":            func(r *h1.Request) { r.Host = "" },
		"host in the header":    func(r *h1.Request) { r.Header.Set("Host", "other") },
		"host in small letters": func(r *h1.Request) { r.Header["host"] = []string{"other"} },
		"name with colon":       func(r *h1.Request) { r.Header["X:"] = []string{"y"} },
		"name with CRLF":        func(r *h1.Request) { r.Header["X\r\nY"] = []string{"y"} },
		"name empty":            func(r *h1.Request) { r.Header[""] = []string{"y"} },
		"value with CR":         func(r *h1.Request) { r.Header.Set("X", "y\rz") },
		"value with LF":         func(r *h1.Request) { r.Header.Set("X", "y\nz") },
		"value with NUL":        func(r *h1.Request) { r.Header.Set("X", "y\x00z") },
		"value with DEL":        func(r *h1.Request) { r.Header.Set("X", "y\x7f") },
	} {
		r := &h1.Request{Method: "GET", Target: "/", Host: "h", Header: http.Header{}}
		change(r)
		if got, err := h1.AppendRequest([]byte("b"), r); !errors.Is(err, h1.ErrField) || string(got) != "b" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// What is accepted is read by net/http as it was meant.
func FuzzAppendRequest(f *testing.F) {
	f.Add("GET", "/", "h", "X", "y")
	f.Add("CONNECT", "example.com:443", "example.com:443", "proxy-authorization", "Basic eA==")
	f.Add("GET", "/\r\n", "h", "X", "y\r\nZ: z")
	f.Fuzz(func(t *testing.T, method, target, host, name, value string) {
		r := &h1.Request{Method: method, Target: target, Host: host, Header: http.Header{name: {value}}}
		b, err := h1.AppendRequest(nil, r)
		if err != nil {
			return
		}
		if bytes.Count(b, []byte("\n")) != 4 || bytes.Count(b, []byte("\r")) != 4 {
			t.Fatalf("lines in %q", b)
		}
		in := bufio.NewReader(bytes.NewReader(b))
		got, err := http.ReadRequest(in)
		if err != nil {
			return // net/http looks into the target and some fields
		}
		if got.Method != method || got.RequestURI != target || in.Buffered() != 0 && got.ContentLength == 0 && got.TransferEncoding == nil {
			t.Fatalf("%q read as %q %q", b, got.Method, got.RequestURI)
		}
	})
}

// RFC 9112, sections 6 and 7.1: what says how long a body is, and chunks.
func TestAppendBody(t *testing.T) {
	r := &h1.Request{Method: "POST", Target: "/", Host: "h", Header: http.Header{"X": {"y"}}}
	for _, tt := range []struct {
		f    h1.Framing
		want string
	}{
		{h1.Framing{}, ""},
		{h1.Framing{Kind: h1.Length}, "Content-Length: 0\r\n"},
		{h1.Framing{Kind: h1.Length, Length: 1 << 40}, "Content-Length: 1099511627776\r\n"},
		{h1.Framing{Kind: h1.Chunked}, "Transfer-Encoding: chunked\r\n"},
	} {
		r.Body = tt.f
		got, err := h1.AppendRequest(nil, r)
		if want := "POST / HTTP/1.1\r\nHost: h\r\n" + tt.want + "X: y\r\n\r\n"; string(got) != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	got, err := h1.AppendLastChunk(h1.AppendChunk([]byte("before "), bytes.Repeat([]byte("x"), 26)), http.Header{"B": {"2"}, "A": {"1"}})
	if want := "before 1a\r\nxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n0\r\nA: 1\r\nB: 2\r\n\r\n"; string(got) != want || err != nil {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for name, value := range map[string]string{"A": "b\r\nc: d", "a b": "c", "": "x"} {
		if got, err := h1.AppendLastChunk([]byte("x"), http.Header{name: {value}}); string(got) != "x" || !errors.Is(err, h1.ErrField) {
			t.Errorf("%q: %q: %q, %v", name, value, got, err)
		}
	}
}
