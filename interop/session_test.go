package interop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

// route is how package client gets to a server that echoes on sockets with the
// subprotocol "echo", and answers requests with their method and path, or with
// their body.
type route struct {
	addr    string // as client.Open takes it
	options client.Options
	body1   int // so long a body it echoes over HTTP/1.1; 0: any
}

// pages answers requests as the peers do.
func pages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.Method == http.MethodPost {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.Copy(w, r.Body)
			return
		}
		fmt.Fprintf(w, "%s %s\n", r.Method, r.URL.Path)
	})
}

// session is a connection of package client.
type session struct {
	*client.Conn
	t   *testing.T
	ctx context.Context
	url string

	body string // of a request
}

// open connects, by a version of HTTP.
func (r *route) open(t *testing.T, version client.Protocol) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	o := r.options
	o.Protocols = []client.Protocol{version}
	o.WebSocket.Extensions = []extension.Extension{deflate.New(&deflate.Options{Threshold: -1})}
	c, err := client.Open(r.addr, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if got, err := c.AwaitUp(ctx); err != nil || got != version {
		t.Fatalf("up: %v, %v; want %v", got, err, version)
	}
	size := 300_000
	if version == client.HTTP1 && r.body1 > 0 {
		size = r.body1
	}
	return &session{c, t, ctx, "http" + strings.TrimPrefix(r.addr, "ws"), string(octets(size))}
}

// request makes a request and wants this body of the response.
func (s *session) request(method, path, body, want string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	a, err := s.RoundTrip(r)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
		return
	}
	got, err := io.ReadAll(a.Body)
	_ = a.Body.Close()
	if err != nil || a.StatusCode != http.StatusOK || string(got) != want {
		s.t.Errorf("%s %s: %s %.100q (%d bytes), %v", method, path, a.Status, got, len(got), err)
	}
}

// requests makes some requests.
func (s *session) requests() {
	s.t.Helper()
	s.request(http.MethodGet, "/first", "", "GET /first\n")
	s.request(http.MethodPost, "/echo", s.body, s.body)
	s.request(http.MethodGet, "/second", "", "GET /second\n")
}

// upgrade opens a socket.
func (s *session) upgrade(path string) *websocket.Conn {
	s.t.Helper()
	k, err := s.Upgrade(s.ctx, path, &client.UpgradeOptions{Subprotocols: []client.Subprotocol{{Name: "other"}, {Name: "echo"}}})
	if err != nil {
		s.t.Fatal(err)
	}
	if k.Subprotocol() != "echo" || len(k.Extensions()) != 1 {
		s.t.Errorf("agreed on %q, %v", k.Subprotocol(), k.Extensions())
	}
	return k
}

// echo sends messages and wants them back.
func (s *session) echo(k *websocket.Conn) {
	s.t.Helper()
	for _, n := range []int{0, 5, 70_000} {
		want := octets(n)
		if err := k.Write(s.ctx, websocket.MessageBinary, want); err != nil {
			s.t.Error(err)
			return
		}
		if typ, p, err := k.Read(s.ctx); err != nil || typ != websocket.MessageBinary || !bytes.Equal(p, want) {
			s.t.Errorf("read %d bytes of %v, %v; want %d", len(p), typ, err, n)
			return
		}
	}
}

// test1 has requests on a connection of HTTP/1.1 until a socket takes it. S0.6
// S0.17
func (r *route) test1(t *testing.T) {
	s := r.open(t, client.HTTP1)
	s.requests()
	k := s.upgrade("/after")
	s.echo(k)
	if _, err := s.RoundTrip(s.get("/late")); !errors.Is(err, client.ErrUpgraded) {
		t.Errorf("a request while there is a socket: %v", err)
	}
	if ups := s.Info().Ups; ups != 1 {
		t.Errorf("%d connections were made", ups)
	}
	if err := k.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
	select {
	case <-s.Done():
		if err := s.Err(); err != nil {
			t.Errorf("Err: %v", err)
		}
	case <-s.ctx.Done():
		t.Error("the connection is not over with its socket")
	}
}

func (s *session) get(path string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// test2 has requests and sockets side by side on a connection of HTTP/2. S2.11
func (r *route) test2(t *testing.T) {
	s := r.open(t, client.HTTP2)
	s.requests()
	var sockets []*websocket.Conn
	for i := range 8 {
		sockets = append(sockets, s.upgrade(fmt.Sprintf("/socket-%d", i)))
	}
	var group sync.WaitGroup
	for _, k := range sockets {
		group.Go(func() { s.echo(k) })
		group.Go(s.requests)
	}
	group.Wait()
	if i := s.Info(); i.Ups != 1 || len(i.Open) != len(sockets) {
		t.Errorf("%d connections were made, %v is open", i.Ups, i.Open)
	}
	if err := sockets[0].Close(4000, "one of many"); err != nil {
		t.Errorf("Close: %v", err)
	}
	s.request(http.MethodGet, "/third", "", "GET /third\n")
	if err := s.Shutdown(s.ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for _, k := range sockets[1:] {
		_, _, err := k.Read(s.ctx)
		if end, ok := errors.AsType[*websocket.CloseError](err); !ok || end.Sent == nil || end.Sent.Code != websocket.StatusGoingAway || end.Received == nil {
			t.Errorf("the end is %v", err)
		}
	}
	if err := s.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
}

// test runs both.
func (r *route) test(t *testing.T) {
	t.Run("HTTP 1", r.test1)
	t.Run("HTTP 2", r.test2)
}

// Package client with servers of others': Node, and Cowboy, of which version 2.8
// may not read on after the long body of a request over HTTP/1.1.
func TestSessionServers(t *testing.T) {
	peers(t)
	cert := testCertificate(t)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	options := client.Options{TLSConfig: &tls.Config{RootCAs: roots}}
	at := func(p *process, scheme string) *route {
		var e event
		p.next(&e)
		return &route{addr: fmt.Sprintf("%s://127.0.0.1:%d", scheme, e.Port), options: options}
	}
	t.Run("Node wss", func(t *testing.T) {
		t.Parallel()
		certificate, key := asPEM(t, cert)
		at(start(t, needNode(t, "ws"), "peers/server.mjs", asJSON(t, map[string]any{
			"perMessageDeflate": true,
			"http2":             map[string]any{"cert": certificate, "key": key},
		})), "wss").test(t)
	})
	for _, secure := range []bool{false, true} {
		t.Run("Cowboy"+scheme(secure), func(t *testing.T) {
			t.Parallel()
			o := map[string]any{"compress": true}
			if secure {
				o["cert"], o["key"] = certificateFiles(t)
			}
			r := at(startCowboy(t, o), strings.TrimSpace(scheme(secure)))
			r.body1 = 1000
			r.test(t)
		})
	}
}

// Package client with a server of ours, and others' proxies in between, of which
// nginx carries sockets by HTTP/1.1 alone.
func TestSessionProxies(t *testing.T) {
	peers(t)
	for _, kind := range []struct {
		name  string
		start func(t *testing.T, backend *server, version int) *proxy
		back  int // the version of HTTP it speaks to the server
	}{
		{"nghttpx", startNghttpx, 2},
		{"haproxy", startHAProxy, 1}, // 2.6 stalls where bodies go both ways to a server of HTTP/2, whosever
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := newHTTP2Server(t, false, false, takeover(), pages())
			p := kind.start(t, s, kind.back)
			(&route{addr: "wss://" + p.addr, options: client.Options{TLSConfig: &tls.Config{RootCAs: p.roots}}}).test(t)
			s.wait(t)
		})
	}
	t.Run("nginx", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, false, false, takeover(), pages())
		n := startNginx(t, s)
		r := &route{addr: "wss://example.com", options: client.Options{Unix: n.socket, TLSConfig: &tls.Config{RootCAs: n.roots}}}
		t.Run("HTTP 1", r.test1)
		t.Run("HTTP 2", func(t *testing.T) {
			s := r.open(t, client.HTTP2)
			s.requests()
			_, err := s.Upgrade(s.ctx, "/", nil)
			if !errors.Is(err, errDisabled) {
				t.Errorf("Upgrade: %v", err)
			}
			s.requests()
		})
	})
}
