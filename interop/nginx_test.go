package interop_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

// nginxConfig is a proxy as its manual describes one for WebSockets, with TLS
// in front. It listens on a unix socket, so no port has to be found for it.
const nginxConfig = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr notice;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	map $http_upgrade $connection_upgrade {
		default upgrade;
		'' close;
	}
	server {
		listen unix:%[1]s/socket ssl http2;
		ssl_certificate %[1]s/cert.pem;
		ssl_certificate_key %[1]s/key.pem;
		location / {
			proxy_pass http://%[2]s;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			proxy_set_header Host $http_host;
		}
	}
}
`

// nginx is a proxy in front of a server of ours.
type nginx struct {
	socket string         // path of its unix socket
	roots  *x509.CertPool // that know its certificate, made for example.com
}

func startNginx(t *testing.T, backend *server) *nginx {
	t.Helper()
	program := needDaemon(t, "nginx")
	// Not t.TempDir, whose paths may be too long for a socket.
	dir, err := os.MkdirTemp("", "nginx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	n := &nginx{socket: filepath.Join(dir, "socket"), roots: x509.NewCertPool()}
	cert := testCertificate(t)
	n.roots.AddCert(cert.Leaf)
	certificate, key := asPEM(t, cert)
	for name, text := range map[string]string{
		"nginx.conf": fmt.Sprintf(nginxConfig, dir, backend.Listener.Addr()),
		"cert.pem":   certificate,
		"key.pem":    key,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	p.endBySignal()
	p.awaitListener("unix", n.socket)
	return n
}

// testCertificate is the one that httptest uses.
func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	cert := s.TLS.Certificates[0]
	if cert.Leaf == nil {
		var err error
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			t.Fatal(err)
		}
	}
	return cert
}

func (n *nginx) dial(t *testing.T, check string, h http.Header) (*websocket.Conn, error) {
	t.Helper()
	o := &websocket.DialOptions{Header: h, Unix: n.socket, TLSConfig: &tls.Config{RootCAs: n.roots}}
	o.Subprotocols = []string{"echo"}
	o.Extensions = []extension.Extension{deflate.New(nil)}
	return websocket.Dial(t.Context(), "wss://example.com/?"+check, o)
}

// Our client and our server with nginx between them: TLS to the proxy, the
// upgrade passed through.
func TestNginx(t *testing.T) {
	t.Parallel()
	s := newServer(t, false, false, websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
		Extensions: []extension.Extension{deflate.New(nil)},
	}}, nil)
	n := startNginx(t, s)

	t.Run("messages", func(t *testing.T) { testThrough(t, n.dial, s) })
	t.Run("server closes", func(t *testing.T) { testServerCloses(t, n.dial, s, "https://example.com") })
	t.Run("cut", func(t *testing.T) { testCut(t, n.dial) })
	t.Run("wrong Origin", func(t *testing.T) { testWrongOrigin(t, n.dial) })
	t.Run("server gone", func(t *testing.T) {
		s.Close()
		_, err := n.dial(t, "gone", nil)
		refusal, ok := errors.AsType[*websocket.HandshakeError](err)
		if !ok || refusal.Status != http.StatusBadGateway || !bytes.Contains(refusal.Body, []byte("nginx")) {
			t.Errorf("no server behind the proxy: %v", err)
		}
	})
}

// dialFunc opens a socket through a proxy. The check is in the URL's query.
type dialFunc func(t *testing.T, check string, h http.Header) (*websocket.Conn, error)

func testServerCloses(t *testing.T, dial dialFunc, s *server, origin string) {
	c, err := dial(t, "closes", http.Header{"Origin": {origin}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("close 4001 from behind")); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Read(t.Context())
	end, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || describe(end.Received) != "4001 from behind" || !end.RemoteFirst {
		t.Errorf("the end is %v", err)
	}
	s.wantEnding(t, "closes", 4001)
}

func testCut(t *testing.T, dial dialFunc) {
	c, err := dial(t, "cut", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("terminate")); err != nil {
		t.Fatal(err)
	}
	if _, _, err = c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusAbnormalClosure {
		t.Errorf("the end is %v", err)
	}
}

func testWrongOrigin(t *testing.T, dial dialFunc) {
	_, err := dial(t, "origin", http.Header{"Origin": {"https://elsewhere.example"}})
	refusal, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok || refusal.Status != http.StatusForbidden {
		t.Errorf("wrong Origin: %v", err)
	}
}

func testThrough(t *testing.T, dial dialFunc, s *server) *websocket.Conn {
	c, err := dial(t, "messages", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Extensions()) != 1 || c.Subprotocol() != "echo" {
		t.Errorf("agreed on %v, %q", c.Extensions(), c.Subprotocol())
	}
	for _, m := range []websocket.Message{
		{Type: websocket.MessageText, Data: []byte("κόσμε 🌍")},
		{Type: websocket.MessageBinary, Data: octets(65_536)},
		{Type: websocket.MessageBinary, Data: octets(1 << 20)},
		{Type: websocket.MessageText, Data: bytes.Repeat([]byte("m"), 1<<20)},
	} {
		done := make(chan error, 1)
		go func() { done <- c.Write(t.Context(), m.Type, m.Data) }()
		typ, p, err := c.Read(t.Context())
		if err != nil || typ != m.Type || !bytes.Equal(p, m.Data) {
			t.Fatalf("%d bytes of %v: read %d bytes of %v, %v", len(m.Data), m.Type, len(p), typ, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(4000, "through the proxy"); err != nil {
		t.Errorf("Close: %v", err)
	}
	s.wantEnding(t, "messages", 4000)
	return c
}
