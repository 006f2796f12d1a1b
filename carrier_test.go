package websocket_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/internal/h2peer"
)

// carriers are the ways in which a connection is carried: a TCP connection of
// its own, or a stream of HTTP/2, both with TLS and without.
var carriers = []string{"h1", "h1+tls", "h2", "h2c"}

func overTLS(carrier string) bool   { return carrier == "h1+tls" || carrier == "h2" }
func overHTTP2(carrier string) bool { return strings.HasPrefix(carrier, "h2") }

// host is a server of WebSockets over a carrier.
type host struct {
	t       testing.TB
	carrier string
	http    *httptest.Server
	options *websocket.DialOptions // for clients

	mu    sync.Mutex
	conns map[*websocket.Conn]bool
	peer  *h2peer.Conn // for raw
}

// serveOver starts a server that calls handler for each connection. What is still
// open at the end of the test is dropped.
func serveOver(t testing.TB, carrier string, o *websocket.AcceptOptions, handler func(*websocket.Conn)) *host {
	t.Helper()
	h := &host{t: t, carrier: carrier, conns: make(map[*websocket.Conn]bool)}
	h.options = &websocket.DialOptions{TLSConfig: clientTLS()}
	var handlers sync.WaitGroup
	h.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			return // the client sees why
		}
		h.mu.Lock()
		h.conns[c] = true
		h.mu.Unlock()
		handler(c)
		c.Close(websocket.StatusNormalClosure, "")
		h.mu.Lock()
		delete(h.conns, c)
		h.mu.Unlock()
	}))
	if overHTTP2(carrier) {
		h.options.HTTP = websocket.HTTP2
		srv := h.http.Config
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
		if err := h2.ConfigureServer(srv, nil); err != nil {
			t.Fatal(err)
		}
		h.http.TLS = srv.TLSConfig.Clone()
	}
	if overTLS(carrier) {
		h.http.StartTLS()
	} else {
		h.http.Start()
	}
	t.Cleanup(func() {
		h.mu.Lock()
		for c := range h.conns {
			go c.CloseNow()
		}
		h.mu.Unlock()
		handlers.Wait()
		h.http.Close()
	})
	return h
}

// url is where Dial finds the server.
func (h *host) url() string { return "ws" + strings.TrimPrefix(h.http.URL, "http") }

// dial opens a connection to the server.
func (h *host) dial(t testing.TB, o *websocket.ConnOptions) *websocket.Conn {
	t.Helper()
	d := *h.options
	if o != nil {
		d.ConnOptions = *o
	}
	c, err := websocket.Dial(context.Background(), h.url(), &d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// stream opens a stream of HTTP/2 by hand; all of them share a connection.
func (h *host) stream(fields ...string) *h2peer.Stream {
	h.t.Helper()
	h.mu.Lock()
	if h.peer == nil {
		cfg := h.options.TLSConfig
		if !overTLS(h.carrier) {
			cfg = nil
		}
		h.peer = h2peer.Dial(h.t, h.http.Listener.Addr().String(), cfg, nil)
	}
	h.mu.Unlock()
	return h.peer.Open("/echo", fields...)
}

// raw does a client's opening handshake by hand.
func (h *host) raw(t testing.TB, offer string) net.Conn {
	t.Helper()
	addr := h.http.Listener.Addr().String()
	if overHTTP2(h.carrier) {
		var fields []string
		if offer != "" {
			fields = []string{"sec-websocket-extensions", offer}
		}
		s := h.stream(fields...)
		if got := s.Field("sec-websocket-extensions"); (got != "") != (offer != "") {
			t.Fatalf("extensions %q were agreed of %q", got, offer)
		}
		return s
	}
	var nc net.Conn
	var err error
	if h.carrier == "h1+tls" {
		nc, err = tls.Dial("tcp", addr, h.options.TLSConfig)
	} else {
		nc, err = net.Dial("tcp", addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return upgradeRaw(t, nc, addr, offer)
}

// bufferedConn is a connection of which some was read already.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (c *bufferedConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// upgradeRaw does a client's opening handshake of HTTP/1.1 on nc.
func upgradeRaw(t testing.TB, nc net.Conn, addr, offer string) net.Conn {
	t.Helper()
	req := "GET /echo HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + rawKey + "\r\n"
	if offer != "" {
		req += "Sec-WebSocket-Extensions: " + offer + "\r\n"
	}
	nc.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(nc, req+"\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != acceptFor(rawKey) {
		t.Fatalf("the opening handshake: %v, %+v", err, resp)
	}
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); (got != "") != (offer != "") {
		t.Fatalf("extensions %q were agreed of %q", got, offer)
	}
	nc.SetDeadline(time.Time{})
	return &bufferedConn{nc, r}
}

// dialer connects clients over a carrier to a server that is played by hand.
type dialer struct {
	t       testing.TB
	carrier string
	options websocket.DialOptions
	url     string
	l       net.Listener
	tls     *tls.Config  // of the server
	peer    *h2peer.Conn // over HTTP/2, all streams share it
}

func newDialer(t testing.TB, carrier string, o *websocket.ConnOptions) *dialer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &dialer{t: t, carrier: carrier, l: l, url: "ws://" + l.Addr().String()}
	d.options.TLSConfig = clientTLS()
	if o != nil {
		d.options.ConnOptions = *o
	}
	if overTLS(carrier) {
		d.url = "wss://" + l.Addr().String()
		cert := httptest.NewTLSServer(nil)
		cert.Close()
		d.tls = cert.TLS.Clone()
		d.tls.NextProtos = []string{"http/1.1"}
		if carrier == "h2" {
			d.tls.NextProtos = []string{"h2"}
		}
	}
	if overHTTP2(carrier) {
		pool := new(websocket.Pool)
		t.Cleanup(func() { pool.Close() })
		d.options.HTTP, d.options.Pool = websocket.HTTP2, pool
	}
	return d
}

// clientTLS is for servers of net/http/httptest. Handshakes are cheap after the
// first.
func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
}

// dial calls use with a Conn that is dialed, and returns the stream or connection
// at the other end. When the test ends, the other end is closed, and use must
// return.
func (d *dialer) dial(t testing.TB, answer string, use func(*websocket.Conn)) net.Conn {
	t.Helper()
	done := async(func() error {
		c, err := websocket.Dial(context.Background(), d.url, &d.options)
		if err != nil {
			return err
		}
		defer c.CloseNow()
		use(c)
		return nil
	})
	nc := d.accept(t, answer)
	t.Cleanup(func() {
		nc.Close()
		if err := <-done; err != nil {
			t.Errorf("Dial: %v", err)
		}
	})
	return nc
}

// accept does the server's part of an opening handshake.
func (d *dialer) accept(t testing.TB, answer string) (nc net.Conn) {
	t.Helper()
	if d.peer == nil {
		var err error
		if nc, err = d.l.Accept(); err != nil {
			t.Fatal(err)
		}
		if d.tls != nil {
			nc = tls.Server(nc, d.tls)
		}
	}
	if !overHTTP2(d.carrier) {
		return acceptRaw(t, nc, answer)
	}
	if d.peer == nil {
		d.peer = h2peer.New(d.t, nc, &h2peer.Options{Server: true})
	}
	s := d.peer.Accept()
	fields := []string(nil)
	if answer != "" {
		fields = []string{"sec-websocket-extensions", answer}
	}
	s.Respond("200", fields...)
	return s
}

// acceptRaw does a server's opening handshake of HTTP/1.1 by hand.
func acceptRaw(t testing.TB, nc net.Conn, answer string) net.Conn {
	t.Helper()
	nc.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(nc)
	req, err := http.ReadRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	resp := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptFor(req.Header.Get("Sec-WebSocket-Key")) + "\r\n"
	if answer != "" {
		resp += "Sec-WebSocket-Extensions: " + answer + "\r\n"
	}
	if _, err := io.WriteString(nc, resp+"\r\n"); err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Time{})
	return &bufferedConn{nc, r}
}

// pairFunc returns the two ends of a new connection.
type pairFunc func(client, server *websocket.ConnOptions) (c, s *websocket.Conn)

// eachCarrier runs a test with connections over every carrier.
func eachCarrier(t *testing.T, f func(t *testing.T, pair pairFunc)) {
	t.Helper()
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			f(t, func(client, server *websocket.ConnOptions) (c, s *websocket.Conn) {
				return carriedPair(t, carrier, client, server)
			})
		})
	}
}

// carriedPair returns the two ends of a connection over a carrier.
func carriedPair(t testing.TB, carrier string, client, server *websocket.ConnOptions) (c, s *websocket.Conn) {
	t.Helper()
	o := &websocket.AcceptOptions{}
	if server != nil {
		o.ConnOptions = *server
	}
	accepted, over := make(chan *websocket.Conn, 1), make(chan struct{})
	h := serveOver(t, carrier, o, func(c *websocket.Conn) {
		accepted <- c
		<-over
	})
	t.Cleanup(func() { close(over) })
	c = h.dial(t, client)
	s = <-accepted
	t.Cleanup(func() { s.CloseNow() })
	return c, s
}

// TestCarriers: a connection says by what it is carried.
func TestCarriers(t *testing.T) {
	for _, carrier := range carriers {
		t.Run(carrier, func(t *testing.T) {
			c, s := carriedPair(t, carrier, nil, nil)
			version := 1
			if overHTTP2(carrier) {
				version = 2
			}
			if c.HTTPVersion() != version || s.HTTPVersion() != version {
				t.Errorf("HTTP/%d and HTTP/%d", c.HTTPVersion(), s.HTTPVersion())
			}
			if c.LocalAddr().String() != s.RemoteAddr().String() || c.RemoteAddr().String() != s.LocalAddr().String() {
				t.Errorf("addresses %v to %v, %v to %v", c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr())
			}
			done := async(func() error { return echo(s) })
			if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(t.Context()); err != nil || string(p) != "hello" {
				t.Errorf("%q, %v", p, err)
			}
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
			if err := <-done; websocket.CloseStatus(err) != websocket.StatusNormalClosure || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Error(err)
			}
		})
	}
}
