package interop_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
)

// hops are the proxies that a client has to pass by itself.
func hops() []hopKind {
	https := func(t *testing.T, wantsPassword bool) *hop { return startSquid(t, wantsPassword).behindTLS(t) }
	return []hopKind{{"tinyproxy", startTinyproxy}, {"squid", startSquid}, {"squid over TLS", https}, {"microsocks", startMicrosocks}}
}

type hopKind struct {
	name  string
	start func(t *testing.T, wantsPassword bool) *hop
}

// target is a server of ours, and how a client gets to it.
type target struct {
	*server
	version websocket.HTTPVersion
	secure  bool
}

func targets() []target {
	return []target{
		{version: websocket.HTTP1},
		{version: websocket.HTTP1, secure: true},
		{version: websocket.HTTP2},
		{version: websocket.HTTP2, secure: true},
	}
}

func (g *target) String() string {
	return fmt.Sprintf("HTTP %d%s", g.version, scheme(g.secure))
}

// start starts the server.
func (g *target) start(t *testing.T) {
	t.Helper()
	g.server = newHTTP2Server(t, g.secure, false, takeover(), http.FileServer(http.Dir("testdata")))
}

// addr is host:port, as proxies name it.
func (g *target) addr() string { return g.Listener.Addr().String() }

// roots know the certificates of the server, and of the proxies on the way.
func (g *target) roots(ways ...*hop) *tls.Config {
	roots := x509.NewCertPool()
	if g.secure {
		roots.AddCert(g.Certificate())
	}
	for _, h := range ways {
		if h.roots != nil {
			roots = h.roots // the one that all servers of the tests have
		}
	}
	return &tls.Config{RootCAs: roots}
}

// Our client through tinyproxy, squid and microsocks, with and without a password, to
// servers with and without TLS, over HTTP/1.1 and HTTP/2. H-C13
func TestTunnels(t *testing.T) {
	peers(t)
	for _, kind := range hops() {
		for _, wantsPassword := range []bool{false, true} {
			name := kind.name
			if wantsPassword {
				name += " with a password"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h := kind.start(t, wantsPassword)
				for _, g := range targets() {
					t.Run(g.String(), func(t *testing.T) {
						g.start(t)
						dial := func(t *testing.T, check string, header http.Header) (*websocket.Conn, error) {
							return g.dial(t, h, h.url(), check, header)
						}
						if c := testThrough(t, dial, g.server); c.HTTPVersion() != int(g.version) {
							t.Errorf("opened over HTTP/%d", c.HTTPVersion())
						}
						testCut(t, dial)
						h.wantPassed(t, g.addr())
					})
				}
				if wantsPassword {
					t.Run("wrong password", h.testWrongPassword)
				}
				t.Run("nobody there", h.testNobody)
			})
		}
	}
}

// dial opens a socket through a proxy.
func (g *target) dial(t *testing.T, h *hop, way *url.URL, check string, header http.Header) (*websocket.Conn, error) {
	t.Helper()
	o := &websocket.DialOptions{Header: header, HTTP: g.version, Proxy: http.ProxyURL(way), TLSConfig: g.roots(h)}
	o.Subprotocols = []string{"echo"}
	accepted := takeover()
	o.Extensions = accepted.Extensions
	return websocket.Dial(t.Context(), g.address()+"?"+check, o)
}

// testWrongPassword wants a proxy that refuses to be told from a server that
// does, and the server to hear of nothing.
func (h *hop) testWrongPassword(t *testing.T) {
	g := target{version: websocket.HTTP1}
	g.start(t)
	for _, user := range []*url.Userinfo{nil, url.UserPassword("carol", "other"), url.User("carol")} {
		_, err := g.dial(t, h, h.as(user), "password", nil)
		refusal, ok := errors.AsType[*websocket.DialError](err)
		if !ok || refusal.Step != websocket.StepProxy || refusal.Addr != h.addr {
			t.Errorf("as %v: %v", user, err)
			continue
		}
		if h.scheme == "socks5" {
			continue // which has no status
		}
		status, challenge := http.StatusProxyAuthRequired, "Proxy-Authenticate"
		if user != nil && h.mismatch == http.StatusUnauthorized {
			status, challenge = h.mismatch, "WWW-Authenticate"
		}
		if refusal.Status != status || !strings.HasPrefix(refusal.Header.Get(challenge), "Basic") {
			t.Errorf("as %v: status %d, header %v", user, refusal.Status, refusal.Header)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) != 0 {
		t.Errorf("the server saw %v", g.requests)
	}
}

// testNobody asks for a server that is not there.
func (h *hop) testNobody(t *testing.T) {
	g := target{version: websocket.HTTP1}
	g.start(t)
	g.Close()
	_, err := g.dial(t, h, h.url(), "nobody", nil)
	refusal, ok := errors.AsType[*websocket.DialError](err)
	if !ok || refusal.Step != websocket.StepProxy || refusal.Addr != h.addr || h.scheme != "socks5" && refusal.Status < 500 {
		t.Errorf("nobody there: %v", err)
	}
}
