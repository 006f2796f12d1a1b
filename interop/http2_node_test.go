package interop_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
)

// Node's http2 with the framing of npm ws as a server, for our client over
// HTTP/2: with TLS, and with prior knowledge. S2.8 S2.9
func TestNodeHTTP2Server(t *testing.T) {
	node := needNode(t, "ws")
	for _, setting := range settings() {
		for _, secure := range []bool{false, true} {
			if secure && setting.name != "takeover" {
				continue
			}
			for _, version := range []websocket.HTTPVersion{websocket.HTTP2, websocket.HTTPAuto} {
				if version == websocket.HTTPAuto && !secure {
					continue // it takes HTTP/1.1 then
				}
				name := setting.name + scheme(secure)
				if version == websocket.HTTPAuto {
					name += " auto"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					o := setting.forWS("perMessageDeflate")
					o["origin"] = "http://good.example"
					http2, url := map[string]any{}, "ws"
					roots := x509.NewCertPool()
					if secure {
						cert := testCertificate(t)
						roots.AddCert(cert.Leaf)
						http2["cert"], http2["key"] = asPEM(t, cert)
						url = "wss"
					}
					o["http2"] = http2
					testClientBy(t, start(t, node, "peers/server.mjs", asJSON(t, o)), setting, url, func(o *websocket.DialOptions) {
						o.HTTP = version
						o.TLSConfig = &tls.Config{RootCAs: roots}
					}, traits{})
				})
			}
		}
	}
}

// Node's http2 without extended CONNECT, and HTTP/1.1 on the same port: HTTPAuto
// finds the way, and a Pool remembers it; HTTP2 fails with the reason. S2.10 C3
func TestNodeHTTP2Fallback(t *testing.T) {
	t.Parallel()
	node := needNode(t, "ws")
	cert := testCertificate(t)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	certificate, key := asPEM(t, cert)
	server := start(t, node, "peers/server.mjs", asJSON(t, map[string]any{"http2": map[string]any{
		"cert": certificate, "key": key, "settings": map[string]any{"enableConnectProtocol": false},
	}}))
	var e event
	server.next(&e)
	url := fmt.Sprintf("wss://127.0.0.1:%d/", e.Port)
	pool := new(websocket.Pool)
	defer pool.Close()
	o := &websocket.DialOptions{HTTP: websocket.HTTPAuto, TLSConfig: &tls.Config{RootCAs: roots}}
	for _, o.Pool = range []*websocket.Pool{nil, pool, pool} {
		c, err := websocket.Dial(t.Context(), url, o)
		if err != nil {
			t.Fatal(err)
		}
		if c.HTTPVersion() != 1 {
			t.Errorf("opened over HTTP/%d", c.HTTPVersion())
		}
		if err := c.Write(t.Context(), websocket.MessageText, []byte("Hello")); err != nil {
			t.Fatal(err)
		}
		wantText(t, t.Context(), c, "Hello")
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	o.HTTP, o.Pool = websocket.HTTP2, nil
	if _, err := websocket.Dial(t.Context(), url, o); !errors.Is(err, handshake.ErrExtendedConnectDisabled) {
		t.Errorf("HTTP2: %v", err)
	}
}

// 50 sockets of ours on one connection to Node. S2.11
func TestNodeHTTP2Pool(t *testing.T) {
	t.Parallel()
	node := needNode(t, "ws")
	server := start(t, node, "peers/server.mjs", asJSON(t, map[string]any{"http2": map[string]any{
		"settings": map[string]any{"maxConcurrentStreams": 40},
	}}))
	var e event
	server.next(&e)
	url := fmt.Sprintf("ws://127.0.0.1:%d/", e.Port)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pool := new(websocket.Pool)
	defer pool.Close()
	o := &websocket.DialOptions{HTTP: websocket.HTTP2, Pool: pool}
	// Ten more than the server takes at once: they wait until others have ended.
	var group sync.WaitGroup
	var mu sync.Mutex
	locals := make(map[string]bool)
	for i := range 50 {
		group.Go(func() {
			c, err := websocket.Dial(ctx, url, o)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseNow()
			text := fmt.Sprintf("socket %d", i)
			if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				t.Error(err)
				return
			}
			if _, p, err := c.Read(ctx); err != nil || string(p) != text {
				t.Errorf("read %q, %v; want %q", p, err, text)
			}
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			locals[c.LocalAddr().String()] = true
		})
	}
	group.Wait()
	if len(locals) != 1 {
		t.Errorf("%d connections were made", len(locals))
	}
}

// The WebSocket of undici as a client over HTTP/2, which insists on
// Sec-WebSocket-Accept.
func TestUndici(t *testing.T) {
	node := needNode(t, "undici")
	for _, handled := range []bool{false, true} {
		for _, compressed := range []bool{false, true} {
			if handled && !compressed {
				continue
			}
			name, options := "plain", websocket.AcceptOptions{}
			if compressed {
				name, options = "deflate", takeover()
			}
			t.Run(engine(handled)+name, func(t *testing.T) {
				t.Parallel()
				s := newHTTP2Server(t, true, handled, options, nil)
				runChecks(t, node, "peers/undici.mjs", asJSON(t, map[string]any{
					"socket":  s.address(),
					"deflate": compressed,
				}))
				s.wantOneSession(t, 100)
				if handled {
					s.wantKinds(t)
				}
			})
		}
	}
}

// asPEM returns a certificate and its key.
func asPEM(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
