package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/internal/rawserver"
)

// serveTLS serves connections by f after TLS, for a client with the returned
// configuration.
func serveTLS(t *testing.T, protos []string, f func(c *tls.Conn)) (addr string, config *tls.Config) {
	t.Helper()
	lender := httptest.NewUnstartedServer(http.NotFoundHandler())
	lender.StartTLS()
	cert, roots := lender.TLS.Certificates[0], x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	lender.Close()
	addr = rawserver.Serve(t, rawserver.Listen(t), func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protos})
		if s.Handshake() == nil {
			f(s)
		}
	})
	return addr, &tls.Config{RootCAs: roots, ServerName: "example.com"}
}

// R14: over TLS too, Close waits for nobody: not for a server that reads nothing,
// with a goodbye that it will not take, nor for a request on its way.
func TestAttackTLSNeverReads(t *testing.T) {
	for _, p := range []client.Protocol{client.HTTP1, client.HTTP2} {
		t.Run(p.String(), func(t *testing.T) {
			stop := make(chan struct{})
			defer close(stop)
			addr, config := serveTLS(t, []string{"h2", "http/1.1"}, func(c *tls.Conn) {
				if p == client.HTTP2 {
					c.Write(frame2(settings2, 0, 0, nil))
					c.Write(frame2(window2, 0, 0, u32(1<<30)))
					c.Write(frame2(settings2, 0, 0, setting(4, 1<<30)))
				}
				<-stop
			})
			for _, end := range []string{"Close", "Shutdown", "cancel"} {
				c, err := client.Open(addr, &client.Options{
					Transport: client.TLS, TLSConfig: config, Protocols: []client.Protocol{p}, Retry: -1, ClosingTimeout: 100 * time.Millisecond,
				})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := c.AwaitUp(t.Context()); got != p || err != nil {
					t.Fatal(got, err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				failed := make(chan error, 1)
				begun := make(chan struct{})
				go func() {
					r, _ := http.NewRequestWithContext(ctx, "POST", "/", io.MultiReader(signal(begun), io.LimitReader(zeros{}, 1<<30)))
					_, err := c.RoundTrip(r)
					failed <- err
				}()
				<-begun
				start := time.Now()
				switch end {
				case "Close":
					c.Close()
				case "Shutdown":
					c.Shutdown(t.Context())
				case "cancel":
					cancel()
				}
				if err := <-failed; err == nil || time.Since(start) > 3*time.Second {
					t.Errorf("%s: %v after %v", end, err, time.Since(start))
				}
				c.Close()
				if d := time.Since(start); d > 3*time.Second {
					t.Errorf("%s took %v", end, d)
				}
				cancel()
			}
		})
	}
}

// signal is a reader of nothing that closes a channel.
func signal(c chan struct{}) io.Reader { return &signalling{c: c} }

type signalling struct {
	c    chan struct{}
	once sync.Once
}

func (s *signalling) Read([]byte) (int, error) {
	s.once.Do(func() { close(s.c) })
	return 0, io.EOF
}

// S0.4, H-C9: what a server chooses by ALPN is taken at its word, and only what was
// offered; what cannot work is not tried again.
func TestAttackALPN(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server []string
		offer  []client.Protocol
		want   client.Protocol
		fatal  error
	}{
		{"HTTP/1.1 only, and a server that likes HTTP/2", []string{"h2", "http/1.1"}, []client.Protocol{client.HTTP1}, client.HTTP1, nil},
		{"both", []string{"h2", "http/1.1"}, []client.Protocol{client.HTTP2, client.HTTP1}, client.HTTP2, nil},
		{"a server without ALPN", nil, []client.Protocol{client.HTTP2, client.HTTP1}, client.HTTP1, nil},
		{"a server without ALPN, HTTP/2 only", nil, []client.Protocol{client.HTTP2}, 0, websocket.ErrNoHTTP2},
		{"a server of HTTP/1.1, HTTP/2 only", []string{"http/1.1"}, []client.Protocol{client.HTTP2}, 0, websocket.ErrNoHTTP2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, config := serveTLS(t, tt.server, func(c *tls.Conn) { io.Copy(io.Discard, c) })
			c, err := client.Open("wss://"+addr, &client.Options{TLSConfig: config, Protocols: tt.offer})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got, err := c.AwaitUp(t.Context())
			if got != tt.want || (err != nil) != (tt.fatal != nil) {
				t.Fatalf("%v, %v", got, err)
			}
			if tt.fatal == nil {
				return
			}
			if e := gaveUp(t, c); !e.Fatal || e.Attempts != 1 || !errors.Is(e, tt.fatal) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// Required of R1 to R15: lives over TLS leave nothing behind either.
func TestAttackTLSLives(t *testing.T) {
	srv := httptest.NewUnstartedServer(echoing())
	srv.EnableHTTP2 = true
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetHTTP2(true)
	if err := h2.ConfigureServer(srv.Config, nil); err != nil {
		t.Fatal(err)
	}
	srv.TLS = srv.Config.TLSConfig
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	config := &tls.Config{RootCAs: roots, ServerName: "example.com"}
	var fds, goroutines int
	for i := range 60 {
		if i == 10 {
			fds, goroutines = inProcess()
		}
		p := client.HTTP1
		if i%2 == 1 {
			p = client.HTTP2
		}
		c, err := client.Open(srv.Listener.Addr().String(), &client.Options{Transport: client.TLS, TLSConfig: config, Protocols: []client.Protocol{p}})
		if err != nil {
			t.Fatal(err)
		}
		if i%5 != 0 {
			if body, err := get(t, c, "/a"); err != nil || body != "GET /a" {
				t.Fatal(body, err)
			}
			s, err := c.Upgrade(t.Context(), "/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			echo(t, s, "hello")
		}
		if i%3 == 0 {
			c.Close()
		} else {
			c.Shutdown(t.Context())
		}
	}
	awaitInProcess(t, fds, goroutines)
}
