package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// opener opens sessions whose requests go another way, and whose sockets echo.
type opener struct {
	fail  error
	proxy http.RoundTripper
	last  *sessionOf
}

func (o *opener) Open(_ context.Context, addr string, c *tls.Config) (client.Session, error) {
	if o.fail != nil {
		return nil, o.fail
	}
	if c.ServerName == "" {
		return nil, errors.New("no ServerName")
	}
	o.last = &sessionOf{RoundTripper: o.proxy, done: make(chan struct{})}
	return o.last, nil
}

type sessionOf struct {
	http.RoundTripper
	once sync.Once
	done chan struct{}
}

func (s *sessionOf) Upgrade(_ context.Context, r *handshake.Request) (*client.Answer, error) {
	here, there := wstest.Pipe(nil)
	if r.Method != http.MethodConnect || r.Protocol != "websocket" || r.Major != 3 {
		return nil, errors.New("no extended CONNECT")
	}
	if r.Path == "/refuse" {
		there.Write([]byte("members only"))
		there.Close()
		return &client.Answer{Status: http.StatusForbidden, Header: http.Header{}, Stream: here}, nil
	}
	go wstest.Echo(websocket.NewConn(there, protocol.RoleServer, &handshake.Result{HTTPVersion: 3}, nil))
	return &client.Answer{Status: http.StatusOK, Header: http.Header{}, Stream: here}, nil
}

func (s *sessionOf) Drain() { s.Close() }

func (s *sessionOf) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

func (s *sessionOf) Done() <-chan struct{} { return s.done }
func (s *sessionOf) Err() error            { return nil }
func (s *sessionOf) LocalAddr() net.Addr   { return &net.UDPAddr{} }
func (s *sessionOf) RemoteAddr() net.Addr  { return &net.UDPAddr{} }
func (s *sessionOf) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{ServerName: "x"}
}

// C3: a third protocol has the same requests and sockets.
func TestOpener(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		p, _ := io.ReadAll(r.Body)
		w.Write(p)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Sum"))
	}))
	defer srv.Close()
	o := &opener{proxy: srv.Client().Transport}
	c, err := client.Open(srv.URL, &client.Options{Protocols: []client.Protocol{client.HTTP3}, HTTP3: o})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", struct{ io.Reader }{bytes.NewReader(make([]byte, 100_000))})
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sum": {"abc"}}
	res, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	p, err := io.ReadAll(res.Body)
	if err != nil || len(p) != 100_000 || res.Trailer.Get("X-Sum") != "abc" || res.TLS == nil {
		t.Errorf("%d bytes, %v, trailer %v", len(p), err, res.Trailer)
	}
	s, err := c.Upgrade(t.Context(), "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.HTTPVersion() != 3 {
		t.Errorf("HTTP/%d", s.HTTPVersion())
	}
	echo(t, s, "over a third protocol")
	_, err = c.Upgrade(t.Context(), "/refuse", nil)
	if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || he.Status != 403 || string(he.Body) != "members only" {
		t.Errorf("refusal: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.RoundTrip(req.WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// An opener that fails leaves the other protocols, if there are any.
func TestOpenerFails(t *testing.T) {
	srv := httptest.NewTLSServer(site())
	defer srv.Close()
	o := &opener{fail: errors.New("no UDP here")}
	c, err := client.Open(srv.URL, &client.Options{
		Protocols: []client.Protocol{client.HTTP3, client.HTTP1}, HTTP3: o,
		TLSConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p, err := c.AwaitUp(t.Context()); err != nil || p != client.HTTP1 {
		t.Errorf("%v, %v", p, err)
	}
	only, err := client.Open(srv.URL, &client.Options{Protocols: []client.Protocol{client.HTTP3}, HTTP3: o, Retry: -1})
	if err != nil {
		t.Fatal(err)
	}
	if e := gaveUp(t, only); !errors.Is(e, o.fail) {
		t.Errorf("%v, want %v", e, o.fail)
	}
}
