package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// H-C11 and injection: nothing that a user passes on can begin another line, or
// another request; all of it is refused before it is sent.
func TestAttackInjection(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t.Errorf("the server got %s %s %v", r.Method, r.URL, r.Header)
		}))
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}})
		up(t, c)
		for _, h := range []http.Header{
			{"A": {"b\r\nC: d"}},
			{"A": {"b\nC: d"}},
			{"A": {"b\rC: d"}},
			{"A": {"b\x00"}},
			{"A\r\nC": {"d"}},
			{"A:": {"b"}},
			{"A ": {"b"}},
			{" A": {"b"}},
			{"": {"b"}},
			{"Content-Length": {"5"}},
			{"content-length": {"5"}},
			{"Transfer-Encoding": {"chunked"}},
			{"transfer-encoding": {"chunked"}},
			{"Connection": {"close"}},
			{"Upgrade": {"h2c"}},
			{"Sec-WebSocket-Key": {"abc"}},
			{"Sec-Websocket-Version": {"8"}},
			{"Sec-WebSocket-Extensions": {"x"}},
			{"Sec-WebSocket-Accept": {"x"}},
			{"Host": {"a\r\nB: c"}},
			{"Host": {"a", "b"}},
			{"Host": {"user@a"}},
			{"Sec-WebSocket-Protocol": {"a b"}},
			{":path": {"/evil"}},
			{"TE": {"trailers, chunked"}},
			{"Trailer": {"Content-Length"}},
			{"Keep-Alive": {"300"}},
			{"Proxy-Connection": {"keep-alive"}},
		} {
			if _, err := c.Upgrade(t.Context(), "/", &client.UpgradeOptions{Header: h}); !isOptionError(err) {
				t.Errorf("Upgrade with %q: %v", h, err)
			}
		}
		for _, path := range []string{"", "a", "/a b", "/a\r\nB: c", "/a HTTP/1.1\r\nB: c", "/\x00", "/#f", "//\r\n", "http://evil/", "*", "/\u00e9\r\n"} {
			if _, err := c.Upgrade(t.Context(), path, nil); !isOptionError(err) {
				t.Errorf("Upgrade of %q: %v", path, err)
			}
		}
		for _, name := range []string{"", "a b", "a,b", "a\r\nb", "a\x00", "\u00e9", "a;b"} {
			if _, err := c.Upgrade(t.Context(), "/", &client.UpgradeOptions{Subprotocols: []client.Subprotocol{{Name: name}}}); !isOptionError(err) {
				t.Errorf("subprotocol %q: %v", name, err)
			}
		}
		get := func(change func(r *http.Request)) error {
			r, err := http.NewRequestWithContext(t.Context(), "GET", "/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			change(r)
			res, err := c.RoundTrip(r)
			if err == nil {
				res.Body.Close()
			}
			return err
		}
		for name, change := range map[string]func(r *http.Request){
			"method":           func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nA: b\r\n\r\nGET" },
			"host":             func(r *http.Request) { r.Host = "a\r\nB: c" },
			"host with a user": func(r *http.Request) { r.Host = "user@a" },
			"host with a path": func(r *http.Request) { r.Host = "a/b" },
			"opaque":           func(r *http.Request) { r.URL.Opaque = "/a HTTP/1.1\r\nA: b" },
			"opaque origin":    func(r *http.Request) { r.URL.Opaque = "//evil.example/a" },
			"query":            func(r *http.Request) { r.URL.RawQuery = "a=b HTTP/1.1\r\nA: b" },
			"value":            func(r *http.Request) { r.Header["A"] = []string{"b\r\nC: d"} },
			"name":             func(r *http.Request) { r.Header["A\r\nB"] = []string{"c"} },
			"name with colon":  func(r *http.Request) { r.Header["A:"] = []string{"c"} },
			"pseudo":           func(r *http.Request) { r.Header[":authority"] = []string{"evil"} },
			"trailer": func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), -1
				r.Trailer = http.Header{"Content-Length": {"4"}}
			},
			"other scheme":   func(r *http.Request) { r.URL.Scheme, r.URL.Host = "https", "192.0.2.1" },
			"other host":     func(r *http.Request) { r.URL.Scheme, r.URL.Host = "http", "evil.example" },
			"without scheme": func(r *http.Request) { r.URL.Host = "evil.example" },
		} {
			if err := get(change); err == nil {
				t.Errorf("request with bad %s was sent", name)
			}
		}
		if p == client.HTTP1 {
			if err := get(func(r *http.Request) { r.Header.Set("Upgrade", "websocket"); r.Header.Set("Connection", "Upgrade") }); err == nil {
				t.Error("an upgrade by RoundTrip")
			}
		}
	})
}

func isOptionError(err error) bool {
	_, ok := errors.AsType[*websocket.OptionError](err)
	return ok
}

// Passwords stand in no error, event or Info.
func TestAttackSecrets(t *testing.T) {
	const secret = "s3cr3t"
	for _, addr := range []string{
		"ws://user:" + secret + "@exa mple.com",
		"ws://user:" + secret + "@example.com/path",
		"ws://user:" + secret + "@example.com:99999",
		"ftp://user:" + secret + "@example.com",
		"ws://user:" + secret + "@example.com/#f",
		"ws://user:" + secret + "\x01@example.com/",
		"ws://user:" + secret + "%zz@example.com/",
		"user:" + secret + "@:80",
		"user:" + secret + "@example.com:http",
	} {
		if _, err := client.Open(addr, nil); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Open(%q): %v", addr, err)
		}
	}
	for _, proxy := range []string{
		"http://user:" + secret + "@exa mple.com",
		"gopher://user:" + secret + "@example.com",
		"http://user:" + secret + "@example.com:99999",
		"http://user:" + secret + "%zz@example.com",
		"socks5://user:" + secret + "@",
	} {
		if _, err := client.Open("example.com:80", &client.Options{Proxies: []client.Proxy{{URL: proxy}}}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("proxy %q: %v", proxy, err)
		}
	}
	for _, scheme := range []string{"http", "socks5"} {
		synctest.Test(t, func(t *testing.T) {
			ln := newVillain(t, func(v *villain) { v.say("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") })
			var trace strings.Builder
			var mu sync.Mutex
			c, err := client.Open("ws://user:"+secret+"@192.0.2.1", &client.Options{
				Dial: ln.Dial, Retry: -1, Proxies: []client.Proxy{{URL: scheme + "://user:" + secret + "@192.0.2.2"}},
				TraceTo: writerFunc(func(p []byte) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					return trace.Write(p)
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			e := gaveUp(t, c)
			mu.Lock()
			defer mu.Unlock()
			if all := fmt.Sprintf("%v %+v %s", e, c.Info(), trace.String()); strings.Contains(all, secret) {
				t.Errorf("%s: %s", scheme, all)
			}
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
