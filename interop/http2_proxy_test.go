package interop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
)

// proxies are the HTTP/2 front ends, and by which versions of HTTP each talks to
// a server of ours when a WebSocket goes through. Apache has no HTTP/2 towards
// servers that carries one; it begins with 6 streams on a connection, and takes
// more as some of them end.
func proxies() []proxyKind {
	return []proxyKind{
		{"nghttpx", startNghttpx, []int{1, 2}, 50},
		{"haproxy", startHAProxy, []int{1, 2}, 50},
		{"apache", startApache, []int{1}, 5},
	}
}

type proxyKind struct {
	name  string
	start func(t *testing.T, backend *server, version int) *proxy
	back  []int
	many  int // sockets on a new connection
}

// behind starts a server of ours and the proxy in front of it.
func (k proxyKind) behind(t *testing.T, version int, handled bool) (*proxy, *server) {
	t.Helper()
	var s *server
	pages := http.FileServer(http.Dir("testdata"))
	if version == 1 {
		s = newServer(t, false, handled, takeover(), pages)
	} else {
		s = newHTTP2Server(t, false, handled, takeover(), pages)
	}
	return k.start(t, s, version), s
}

// Our client over HTTP/2, a proxy, and our server over HTTP/1.1 or HTTP/2.
func TestHTTP2Proxies(t *testing.T) {
	peers(t)
	for _, kind := range proxies() {
		for _, version := range kind.back {
			t.Run(fmt.Sprintf("%s to HTTP %d", kind.name, version), func(t *testing.T) {
				t.Parallel()
				p, s := kind.behind(t, version, false)
				t.Run("messages", func(t *testing.T) {
					c := testThrough(t, p.dial, s)
					if c.HTTPVersion() != 2 {
						t.Errorf("opened over HTTP/%d", c.HTTPVersion())
					}
				})
				t.Run("server closes", func(t *testing.T) { testServerCloses(t, p.dial, s, "https://"+p.addr) })
				t.Run("cut", func(t *testing.T) { testCut(t, p.dial) })
				t.Run("wrong Origin", func(t *testing.T) { testWrongOrigin(t, p.dial) })
				t.Run("auto", p.testAuto)
				t.Run("one connection", func(t *testing.T) { p.testShared(t, s, kind.many) })
				s.wantVersion(t, version)
			})
		}
	}
}

// wantVersion wants all WebSockets to have reached the server so.
func (s *server) wantVersion(t *testing.T, version int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.requests, func(r request) bool { return r.websocket && r.major != version }); i >= 0 {
		t.Errorf("%+v did not come over HTTP/%d", s.requests[i], version)
	}
}

func (p *proxy) options() *websocket.DialOptions {
	o := &websocket.DialOptions{HTTP: websocket.HTTP2, TLSConfig: &tls.Config{RootCAs: p.roots}}
	o.Subprotocols = []string{"echo"}
	accepted := takeover()
	o.Extensions = accepted.Extensions
	return o
}

func (p *proxy) dial(t *testing.T, check string, h http.Header) (*websocket.Conn, error) {
	t.Helper()
	o := p.options()
	o.Header = h
	return websocket.Dial(t.Context(), "wss://"+p.addr+"/?"+check, o)
}

// testAuto lets the client find out by which version it goes.
func (p *proxy) testAuto(t *testing.T) {
	o := p.options()
	o.HTTP = websocket.HTTPAuto
	c, err := websocket.Dial(t.Context(), "wss://"+p.addr+"/?auto", o)
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTPVersion() != 2 {
		t.Errorf("opened over HTTP/%d", c.HTTPVersion())
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// testShared puts n sockets and a request on one connection. S2.11
func (p *proxy) testShared(t *testing.T, s *server, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := p.options()
	pool := &websocket.Pool{Options: o}
	defer pool.Close()
	o.Pool = pool
	var conns []*websocket.Conn
	for i := range n {
		c, err := websocket.Dial(ctx, "wss://"+p.addr+"/?shared", o)
		if err != nil {
			t.Fatalf("socket %d: %v", i, err)
		}
		defer c.CloseNow()
		conns = append(conns, c)
	}
	locals := make(map[string]bool)
	for i, c := range conns {
		locals[c.LocalAddr().String()] = true
		if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "socket %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(locals) != 1 {
		t.Errorf("%d connections were made", len(locals))
	}
	for i, c := range conns {
		wantText(t, ctx, c, fmt.Sprintf("socket %d", i))
	}
	answer, err := (&http.Client{Transport: pool}).Get("https://" + p.addr + "/page.html")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 || !bytes.Contains(page, []byte("</html>")) {
		t.Errorf("the page: %s %s %q, %v", answer.Proto, answer.Status, page, err)
	}
	for _, c := range conns {
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	s.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.endings["shared"]; len(got) != n || slices.ContainsFunc(got, func(e *websocket.CloseError) bool { return e.Received == nil }) {
		t.Errorf("the server saw %d endings: %v", len(got), got)
	}
}

// Chromium through the proxies, over HTTP/2, to the latest HTTP they carry on.
func TestChromiumHTTP2Proxies(t *testing.T) {
	node := needNode(t, "playwright-core")
	browser := needProgram(t, "chromium")
	for _, kind := range proxies() {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			version := kind.back[len(kind.back)-1]
			p, s := kind.behind(t, version, true)
			runChecks(t, node, "peers/browser.mjs", asJSON(t, map[string]any{
				"browser":   browser,
				"profile":   t.TempDir(),
				"page":      "https://" + p.addr + "/page.html",
				"elsewhere": "https://" + strings.Replace(p.addr, "127.0.0.1", "localhost", 1) + "/page.html",
				"socket":    "wss://" + p.addr + "/",
				"deflate":   true,
				"status":    200,
				"protocol":  "h2",
				"count":     50,
			}))
			s.wantEndings(t, habits{cannotSendBadUTF8: true, badUTF8: websocket.StatusAbnormalClosure})
			s.wantVersion(t, version)
		})
	}
}

// nginx takes pages over HTTP/2 and no WebSockets: HTTPAuto goes by HTTP/1.1
// then, and HTTP2 fails with the reason. S2.10
func TestNginxHTTP2(t *testing.T) {
	t.Parallel()
	s := newServer(t, false, false, takeover(), http.FileServer(http.Dir("testdata")))
	n := startNginx(t, s)
	o := &websocket.DialOptions{Unix: n.socket, TLSConfig: &tls.Config{RootCAs: n.roots}, HTTP: websocket.HTTPAuto}
	o.Subprotocols = []string{"echo"}
	pool := &websocket.Pool{Options: o}
	defer pool.Close()
	for _, shared := range []bool{false, true, true} {
		if shared {
			o.Pool = pool
		}
		c, err := websocket.Dial(t.Context(), "wss://example.com/?auto", o)
		if err != nil {
			t.Fatal(err)
		}
		if c.HTTPVersion() != 1 {
			t.Errorf("opened over HTTP/%d", c.HTTPVersion())
		}
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	answer, err := (&http.Client{Transport: pool}).Get("https://example.com/page.html")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		t.Errorf("the page: %s %s", answer.Proto, answer.Status)
	}
	o.HTTP, o.Pool = websocket.HTTP2, nil
	if _, err := websocket.Dial(t.Context(), "wss://example.com/?explicit", o); !errors.Is(err, errDisabled) {
		t.Errorf("HTTP2: %v", err)
	}
}
