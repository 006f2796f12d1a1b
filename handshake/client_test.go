package handshake_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/option"
)

func TestURLs(t *testing.T) {
	cases := []struct {
		name, url        string
		host, port       string
		secure           bool
		authority, path  string
		wantInError      string
		mustNotBeInError string
	}{
		{name: "S0.7", url: "ws://example.com", host: "example.com", port: "80", authority: "example.com", path: "/"},
		{name: "S2.12 wss", url: "wss://example.com/chat", host: "example.com", port: "443", secure: true, authority: "example.com", path: "/chat"},
		{name: "S3.3 http", url: "http://example.com/", host: "example.com", port: "80", authority: "example.com", path: "/"},
		{name: "S3.3 https", url: "HTTPS://example.com/", host: "example.com", port: "443", secure: true, authority: "example.com", path: "/"},
		{name: "upper case", url: "WS://EXAMPLE.com/A", host: "example.com", port: "80", authority: "example.com", path: "/A"},
		{name: "a port", url: "ws://example.com:8080/", host: "example.com", port: "8080", authority: "example.com:8080", path: "/"},
		{name: "the default port", url: "wss://example.com:443/", host: "example.com", port: "443", secure: true, authority: "example.com", path: "/"},
		{name: "the other scheme's default port", url: "ws://example.com:443/", host: "example.com", port: "443", authority: "example.com:443", path: "/"},
		{name: "an empty port", url: "ws://example.com:/", host: "example.com", port: "80", authority: "example.com", path: "/"},
		{name: "a port with noughts in front", url: "ws://example.com:08080/", host: "example.com", port: "8080", authority: "example.com:8080", path: "/"},
		{name: "a query", url: "ws://example.com/a?b=c&d", host: "example.com", port: "80", authority: "example.com", path: "/a?b=c&d"},
		{name: "a query and no path", url: "ws://example.com?b", host: "example.com", port: "80", authority: "example.com", path: "/?b"},
		{name: "an empty query", url: "ws://example.com/?", host: "example.com", port: "80", authority: "example.com", path: "/?"},
		{name: "a path outside ASCII", url: "ws://example.com/\u00e9?\u00e9", host: "example.com", port: "80", authority: "example.com", path: "/%C3%A9?%C3%A9"},
		{name: "an encoded slash", url: "ws://example.com/a%2Fb", host: "example.com", port: "80", authority: "example.com", path: "/a%2Fb"},
		{name: "IPv4", url: "ws://127.0.0.1:1/", host: "127.0.0.1", port: "1", authority: "127.0.0.1:1", path: "/"},
		{name: "IPv6", url: "ws://[2001:DB8::1]/", host: "2001:db8::1", port: "80", authority: "[2001:db8::1]", path: "/"},
		{name: "H-C11 IPv6 zone", url: "ws://[fe80::1%25eth0]:8080/", host: "fe80::1%eth0", port: "8080", authority: "[fe80::1]:8080", path: "/"},
		{name: "an underscore", url: "ws://my_host/", host: "my_host", port: "80", authority: "my_host", path: "/"},
		{name: "punycode", url: "ws://xn--bcher-kva.example/", host: "xn--bcher-kva.example", port: "80", authority: "xn--bcher-kva.example", path: "/"},
		{name: "H-C11 IDN", url: "ws://b\u00fccher.example/", wantInError: "xn--"},
		{name: "H-C11 fragment", url: "ws://example.com/#a", wantInError: "%23"},
		{name: "H-C11 empty fragment", url: "ws://example.com/#", wantInError: "%23"},
		{name: "H-C11 CR", url: "ws://example.com/\r", wantInError: `'\r'`},
		{name: "H-C11 LF", url: "ws://example.com/?\n", wantInError: `'\n'`},
		{name: "H-C11 space", url: "ws://example.com/a b", wantInError: "percent-encoded"},
		{name: "H-C11 space in front", url: " ws://example.com/", wantInError: "percent-encoded"},
		{name: "H-C11 NUL", url: "ws://example.com/\x00", wantInError: `'\x00'`},
		{name: "H-C11 DEL", url: "ws://example.com/\x7f", wantInError: `'\x7f'`},
		{name: "H-C11 port 0", url: "ws://example.com:0/", wantInError: "1 to 65535"},
		{name: "H-C11 port 65536", url: "ws://example.com:65536/", wantInError: "1 to 65535"},
		{name: "H-C11 port of letters", url: "ws://example.com:http/", wantInError: "port"},
		{name: "H-C11 no host", url: "ws:///path", wantInError: "host"},
		{name: "H-C11 only a port", url: "ws://:80/", wantInError: "host"},
		{name: "H-C11 not an address", url: "ws://[1.2.3.4]/", wantInError: "host"},
		{name: "H-C11 an odd zone", url: "ws://[fe80::1%25a%20b]/", wantInError: "host"},
		{name: "H-C11 a zone on a name", url: "ws://[a%25b]/", wantInError: "host"},
		{name: "H-C11 a name that is too long", url: "ws://" + strings.Repeat("a", 256) + "/", wantInError: "host"},
		{name: "H-C11 another scheme", url: "ftp://example.com/", wantInError: `"ftp"`},
		{name: "H-C11 no scheme", url: "example.com/", wantInError: "ws://"},
		{name: "H-C11 host and port alone", url: "localhost:8080", wantInError: "ws://"},
		{name: "H-C11 nothing", url: "", wantInError: "ws://"},
		{name: "H-C11 no slashes", url: "ws:example.com", wantInError: "ws://"},
		{name: "H-C11 bad escape", url: "ws://user:secret@example.com/%zz", wantInError: "%zz", mustNotBeInError: "secret"},
		{name: "H-C11 a colon in the user", url: "ws://a%3Ab:c@example.com/", wantInError: "colon"},
		{name: "H-C11 a line break in the password", url: "ws://a:secret%0a@example.com/", wantInError: "control", mustNotBeInError: "secret"},
		{name: "H-C11 a line break in the user", url: "ws://a%0d:c@example.com/", wantInError: "control"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u, err := handshake.ParseURL(c.url)
			if c.wantInError != "" {
				var oe *option.Error
				if !errors.Is(err, handshake.ErrURL) || !errors.As(err, &oe) || oe.Field != "URL" || u != nil {
					t.Fatalf("URL %v and error %v", u, err)
				}
				if text := err.Error(); !strings.Contains(text, c.wantInError) || !strings.HasPrefix(text, "websocket: ") ||
					c.mustNotBeInError != "" && strings.Contains(text, c.mustNotBeInError) {
					t.Errorf("error text %q", text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			cl, err := handshake.NewClient(u, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := cl.Request(1)
			host, port := cl.HostPort()
			if host != c.host || port != c.port || cl.Secure() != c.secure || r.Authority != c.authority || r.Path != c.path {
				t.Errorf("%s port %s, secure %v; Host %q, path %q", host, port, cl.Secure(), r.Authority, r.Path)
			}
		})
	}
}

// URLs that were put together by hand.
func TestURLValues(t *testing.T) {
	for name, u := range map[string]*url.URL{
		"none":                  nil,
		"empty":                 {},
		"H-C11 fragment":        {Scheme: "ws", Host: "h", Fragment: "a"},
		"H-C11 raw fragment":    {Scheme: "ws", Host: "h", RawFragment: "a"},
		"H-C11 opaque":          {Scheme: "ws", Host: "h", Opaque: "a"},
		"H-C11 CR/LF in query":  {Scheme: "ws", Host: "h", RawQuery: "a\r\nb"},
		"H-C11 space in query":  {Scheme: "ws", Host: "h", RawQuery: "a b"},
		"H-C11 # in query":      {Scheme: "ws", Host: "h", RawQuery: "a#b"},
		"H-C11 CR/LF in host":   {Scheme: "ws", Host: "h\r\nX: 1"},
		"H-C11 slash in host":   {Scheme: "ws", Host: "h/x"},
		"H-C11 bracket in host": {Scheme: "ws", Host: "[::1"},
	} {
		if _, err := handshake.NewClient(u, nil); !errors.Is(err, handshake.ErrURL) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	c, err := handshake.NewClient(&url.URL{Scheme: "ws", Host: "h", Path: "a\r\nb c"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Request(1).Path; p != "/a%0D%0Ab%20c" {
		t.Errorf("path %q", p)
	}
}

func TestClientOptions(t *testing.T) {
	many := &testExtension{name: "x", offers: make([]extension.Offer, 16)}
	for i := range many.offers {
		many.offers[i].Name = "x"
	}
	cases := []struct {
		name, field string
		o           handshake.ClientOptions
	}{
		{"S0.8 Sec-WebSocket-Key", "Header", handshake.ClientOptions{Header: http.Header{"Sec-WebSocket-Key": {"a"}}}},
		{"S0.8 Sec-WebSocket-Version", "Header", handshake.ClientOptions{Header: http.Header{"sec-websocket-version": {"8"}}}},
		{"S0.8 Sec-WebSocket-Extensions", "Header", handshake.ClientOptions{Header: http.Header{"Sec-Websocket-Extensions": {"a"}}}},
		{"S0.8 Upgrade", "Header", handshake.ClientOptions{Header: http.Header{"Upgrade": {"h2c"}}}},
		{"S0.8 Connection", "Header", handshake.ClientOptions{Header: http.Header{"Connection": {"close"}}}},
		{"S0.8 Transfer-Encoding", "Header", handshake.ClientOptions{Header: http.Header{"Transfer-Encoding": {"chunked"}}}},
		{"S0.8 line break in a value", "Header", handshake.ClientOptions{Header: http.Header{"X": {"a\r\nY: b"}}}},
		{"S0.8 line break in a name", "Header", handshake.ClientOptions{Header: http.Header{"X: a\r\nY": {"b"}}}},
		{"S0.8 pseudo-header", "Header", handshake.ClientOptions{Header: http.Header{":path": {"/"}}}},
		{"S0.8 a Host that can't be", "Header", handshake.ClientOptions{Header: http.Header{"Host": {"a b"}}}},
		{"S0.8 two Hosts", "Header", handshake.ClientOptions{Header: http.Header{"Host": {"a", "b"}}}},
		{"S0.8 Host in two cases", "Header", handshake.ClientOptions{Header: http.Header{"Host": {"a"}, "host": {"a"}}}},
		{"S1.5 a raw list that is none", "Header", handshake.ClientOptions{Header: http.Header{"Sec-WebSocket-Protocol": {"a,,b"}}}},
		{"S1.5 ruling C6 both, and they disagree", "Subprotocols", handshake.ClientOptions{
			Header: http.Header{"Sec-WebSocket-Protocol": {"a, b"}}, Subprotocols: []string{"b", "a"},
		}},
		{"S1.5 a raw list with a duplicate", "Subprotocols", handshake.ClientOptions{Header: http.Header{"Sec-WebSocket-Protocol": {"a, a"}}}},
		{"S0.10 no token", "Subprotocols", handshake.ClientOptions{Subprotocols: []string{"a b"}}},
		{"S0.10 33 of them", "Subprotocols", handshake.ClientOptions{Subprotocols: numbers(33)}},
		{"S2.14 nil extension", "Extensions", handshake.ClientOptions{Extensions: []extension.Extension{nil}}},
		{"S2.14 offer that is no token", "Extensions", handshake.ClientOptions{Extensions: []extension.Extension{
			&testExtension{name: "x", offers: []extension.Offer{{Name: "x", Params: []extension.Param{{Name: "a b"}}}}},
		}}},
		{"S2.14 offer of another name", "Extensions", handshake.ClientOptions{Extensions: []extension.Extension{
			&testExtension{name: "x", offers: []extension.Offer{{Name: "y"}}},
		}}},
		{"S2.14 17 offers", "Extensions", handshake.ClientOptions{Extensions: []extension.Extension{many}}},
		{"a key that is none", "Key", handshake.ClientOptions{Key: "key"}},
	}
	u := &url.URL{Scheme: "ws", Host: "example.com"}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cl, err := handshake.NewClient(u, &c.o)
			var oe *option.Error
			if !errors.As(err, &oe) || oe.Field != c.field || cl != nil {
				t.Errorf("client %v and error %v, want one of %s", cl, err, c.field)
			}
		})
	}
	t.Run("S1.5 ruling C6 both, and they agree", func(t *testing.T) {
		cl, err := handshake.NewClient(u, &handshake.ClientOptions{
			Header: http.Header{"Sec-WebSocket-Protocol": {"a, b"}}, Subprotocols: []string{"a", "b"},
		})
		if err != nil || cl.Request(1).Header.Get("Sec-WebSocket-Protocol") != "a, b" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("options are copied", func(t *testing.T) {
		o := handshake.ClientOptions{Header: http.Header{"X": {"1"}}, Subprotocols: []string{"a"}}
		cl, err := handshake.NewClient(u, &o)
		if err != nil {
			t.Fatal(err)
		}
		o.Header["X"][0], o.Subprotocols[0] = "\r\n", "\r\n"
		r := cl.Request(1)
		r.Header["X"][0] = "3"
		if r = cl.Request(1); r.Header.Get("X") != "1" || r.Header.Get("Sec-WebSocket-Protocol") != "a" {
			t.Errorf("header %q", r.Header)
		}
	})
}

// A key is fresh for each connection, and Finish checks the last one.
func TestKeys(t *testing.T) {
	cl, err := handshake.NewClient(&url.URL{Scheme: "ws", Host: "example.com"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var first, last *handshake.Response
	for range 1000 {
		r := cl.Request(1)
		key := r.Header.Get("Sec-WebSocket-Key")
		if seen[key] || len(key) != 24 {
			t.Fatalf("key %q comes again", key)
		}
		seen[key] = true
		resp, _, err := new(handshake.Server).Answer(asHTTP(r))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = resp
		}
		last = resp
	}
	if _, err := cl.Finish(first.Status, first.Header); !errors.Is(err, handshake.ErrAccept) {
		t.Errorf("the first answer: error %v", err)
	}
	if _, err := cl.Finish(last.Status, last.Header); err != nil {
		t.Errorf("the last answer: %v", err)
	}
}

func TestErrorText(t *testing.T) {
	long := strings.Repeat("no\x00", 1000)
	for name, c := range map[string]struct {
		err  *handshake.Error
		want string
	}{
		"nothing known":         {&handshake.Error{Status: 400}, "websocket: opening handshake failed with status 400"},
		"a reason":              {&handshake.Error{Err: handshake.ErrHTTPVersion, Body: []byte("x")}, handshake.ErrHTTPVersion.Error()},
		"S0.14 what it says":    {&handshake.Error{Err: handshake.ErrStatus, Body: []byte("go away\n")}, `websocket: opening handshake refused; it says "go away"`},
		"64 bytes are enough":   {&handshake.Error{Err: handshake.ErrStatus, Body: []byte(long)}, fmt.Sprintf("websocket: opening handshake refused; it says %q", long[:64])},
		"H-C1 wrapped once":     {&handshake.Error{Err: fmt.Errorf("%w: x", handshake.ErrStatus), Body: []byte{}}, "websocket: opening handshake refused: x"},
		"option errors as well": {&handshake.Error{Err: &option.Error{Field: "F", Value: 1, Want: "2"}}, `websocket: option F is "1"; want 2`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if !errors.Is(c.err, c.err.Err) && c.err.Err != nil {
			t.Errorf("%s: not its reason", name)
		}
	}
}
