package interop_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/lariat-go/websocket"
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
					})
				})
			}
		}
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
