package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/rawserver"
)

// realServers are servers of package h2 that echo, with TLS and without.
func realServers(t *testing.T, handler http.HandlerFunc) (plain, secure string, client *tls.Config) {
	t.Helper()
	server, client := certificate(t)
	srv := &http.Server{Handler: handler, TLSConfig: server, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, nil); err != nil {
		t.Fatal(err)
	}
	pl, sl := rawserver.Listen(t), rawserver.Listen(t)
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(pl) })
	wg.Go(func() { srv.ServeTLS(sl, "", "") })
	t.Cleanup(func() {
		srv.Close()
		wg.Wait()
	})
	return pl.Addr().String(), sl.Addr().String(), client
}

// greetHandler accepts, greets, and waits for the end.
func greetHandler(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
		Subprotocols: []string{"b"}, Extensions: []extension.Extension{deflate.New(nil)},
	}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.Write(r.Context(), websocket.MessageText, []byte("hi"))
	c.Read(r.Context())
}

// Every kind of proxy, and a unix socket, on the way to HTTP/2.
func TestDialHTTP2Proxy(t *testing.T) {
	plain, secure, client := realServers(t, greetHandler)
	server, _ := certificate(t)
	targets := make(chan string, 2)
	for name, proxy := range map[string]string{
		"http":   "http://u:p@" + rawServer(t, connectProxy("u:p", targets)),
		"https":  "https://" + rawserver.Serve(t, tls.NewListener(rawserver.Listen(t), server), connectProxy("", targets)),
		"socks5": "socks5://" + rawServer(t, socksProxy("", targets)),
	} {
		for _, to := range []string{"ws://" + plain, "wss://" + secure} {
			t.Run(name+" "+to[:3], func(t *testing.T) {
				var pool websocket.Pool
				defer pool.Close()
				o := &websocket.DialOptions{HTTP: websocket.HTTP2, TLSConfig: client, Proxy: proxyURL(proxy)}
				for range 2 {
					c, err := websocket.Dial(within(t), to, o)
					if err == nil && c.HTTPVersion() != 2 {
						t.Errorf("HTTP/%d", c.HTTPVersion())
					}
					mustGreet(t, c, err)
					<-targets
					o.Pool = &pool
				}
				c, err := websocket.Dial(within(t), to, o)
				mustGreet(t, c, err)
				select {
				case <-targets:
					t.Error("the pool connected again")
				default:
				}
			})
		}
	}
	t.Run("unix", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		rawserver.Serve(t, l, func(c net.Conn) {
			to, err := net.Dial("tcp", plain)
			if err == nil {
				relay(c, to)
			}
		})
		c, err := websocket.Dial(within(t), "ws://app.example/", &websocket.DialOptions{HTTP: websocket.HTTP2, Unix: path})
		mustGreet(t, c, err)
	})
}

// S2.8, S2.14: subprotocols and extensions are agreed on as over HTTP/1.1.
func TestDialHTTP2Negotiates(t *testing.T) {
	_, secure, client := realServers(t, greetHandler)
	c, err := websocket.Dial(within(t), "wss://"+secure, &websocket.DialOptions{
		HTTP: websocket.HTTPAuto, TLSConfig: client,
		ConnOptions: websocket.ConnOptions{Subprotocols: []string{"a", "b"}, Extensions: []extension.Extension{deflate.New(nil)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTPVersion() != 2 || c.Subprotocol() != "b" || len(c.Extensions()) != 1 {
		t.Errorf("HTTP/%d, %q, %v", c.HTTPVersion(), c.Subprotocol(), c.Extensions())
	}
	mustGreet(t, c, nil)
}

// Options that cannot be used are found before anything is sent.
func TestDialHTTP2OptionErrors(t *testing.T) {
	s := servers(t)
	for name, edit := range map[string]func(*websocket.DialOptions){
		"header": func(o *websocket.DialOptions) { o.Header = http.Header{"A": {"b\r\n"}} },
		"proxy":  func(o *websocket.DialOptions) { o.Proxy = proxyURL("ftp://p") },
	} {
		o := s.options()
		edit(o)
		_, err := websocket.Dial(within(t), "ws://h/", o)
		if _, ok := errors.AsType[*websocket.OptionError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A pool remembers for ten minutes which servers want HTTP/1.1.
func TestPoolRemembers(t *testing.T) {
	secure := newSecureServers(t)
	plain2 := func(t *testing.T) func(net.Conn) {
		return secure.choosing(func(nc net.Conn) { newH2Peer(t, nc).drain() }, "h2")
	}
	for name, tt := range map[string]struct {
		first func(t *testing.T) []func(net.Conn)
		again int // connections of the Dial after ten minutes
	}{
		"ALPN": {func(*testing.T) []func(net.Conn) {
			return []func(net.Conn){secure.choosing(greets1, "http/1.1")}
		}, 1},
		"no setting": {func(t *testing.T) []func(net.Conn) {
			return []func(net.Conn){plain2(t), secure.choosing(greets1, "http/1.1")}
		}, 2},
		"405": {func(t *testing.T) []func(net.Conn) {
			return []func(net.Conn){secure.choosing(answers2(t, "405"), "h2"), secure.choosing(greets1, "http/1.1")}
		}, 2},
	} {
		bubble(t, name, func(t *testing.T) {
			var scripts []func(net.Conn)
			scripts = append(scripts, tt.first(t)...)
			scripts = append(scripts, secure.choosing(greets1, "http/1.1"), secure.choosing(greets1, "http/1.1"))
			scripts = append(scripts, tt.first(t)...)
			s := servers(t, scripts...)
			o := pooled(t, s, new(websocket.Pool))
			o.HTTP, o.TLSConfig = websocket.HTTPAuto, secure.client
			for i, want := range []int{tt.again, 1, 1, tt.again} {
				before := s.count()
				c, err := websocket.Dial(within(t), "wss://h/", o)
				mustGreet(t, c, err)
				if n := s.count() - before; n != want {
					t.Errorf("Dial %d made %d connections, want %d", i, n, want)
				}
				if i == 2 {
					time.Sleep(10*time.Minute + 1)
				}
			}
		})
	}
	bubble(t, "not a refusal that comes again", func(t *testing.T) {
		refuses1 := secure.choosing(func(nc net.Conn) {
			if readRequest(nc) != nil {
				io.WriteString(nc, "HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n")
			}
		}, "http/1.1")
		both := secure.choosing(func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			for r := p.request(); r != nil; r = p.request() {
				p.respond(r.stream, true, "400")
			}
		}, "h2")
		s := servers(t, both, refuses1, refuses1)
		o := pooled(t, s, new(websocket.Pool))
		o.HTTP, o.TLSConfig = websocket.HTTPAuto, secure.client
		for range 2 {
			_, err := websocket.Dial(within(t), "wss://h/", o)
			if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || he.Status != 400 {
				t.Errorf("error %v", err)
			}
		}
	})
}

// Sockets that are opened at the same time to a server of HTTP/1.1: one of them
// gets the connection on which that was found out.
func TestPoolHTTP1(t *testing.T) {
	secure := newSecureServers(t)
	bubble(t, "auto", func(t *testing.T) {
		http1 := secure.choosing(greets1, "http/1.1")
		s := servers(t, http1, http1, http1)
		o := pooled(t, s, new(websocket.Pool))
		o.HTTP, o.TLSConfig = websocket.HTTPAuto, secure.client
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				c, err := websocket.Dial(within(t), "wss://h/", o)
				if err != nil {
					t.Error(err)
					return
				}
				mustGreet(t, c, nil)
			})
		}
		wg.Wait()
	})
	bubble(t, "HTTP2 beside auto", func(t *testing.T) {
		// The server takes HTTP/2 when it is offered alone.
		prefers1 := func(protos ...string) func(net.Conn) {
			return func(nc net.Conn) {
				time.Sleep(time.Second)
				secure.choosing(func(c net.Conn) {
					if c.(*tls.Conn).ConnectionState().NegotiatedProtocol == "h2" {
						hosts(t)(c)
					} else {
						greets1(c)
					}
				}, protos...)(nc)
			}
		}
		s := servers(t, prefers1("http/1.1"), prefers1("h2"))
		auto := pooled(t, s, new(websocket.Pool))
		auto.HTTP, auto.TLSConfig = websocket.HTTPAuto, secure.client
		two := *auto
		two.HTTP = websocket.HTTP2
		first := async(func() error {
			c, err := websocket.Dial(t.Context(), "wss://h/", auto)
			if err == nil && c.HTTPVersion() != 1 {
				err = fmt.Errorf("HTTP/%d", c.HTTPVersion())
			}
			if err == nil {
				c.CloseNow()
			}
			return err
		})
		synctest.Wait()
		c, err := websocket.Dial(t.Context(), "wss://h/", &two)
		greeted(t, c, err)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
	bubble(t, "S2.10 HTTP2", func(t *testing.T) {
		s := servers(t, secure.choosing(func(nc net.Conn) {
			p := newH2Peer(t, nc)
			p.respond(p.request().stream, true, "204")
			p.drain()
		}, "h2"))
		o := pooled(t, s, new(websocket.Pool))
		o.TLSConfig = secure.client
		for range 2 {
			if _, err := websocket.Dial(within(t), "wss://h/", o); !errors.Is(err, handshake.ErrExtendedConnectDisabled) {
				t.Errorf("error %v", err)
			}
		}
		// For requests the connection is all right.
		requests := &websocket.DialOptions{NetDial: o.NetDial, Proxy: o.Proxy, TLSConfig: o.TLSConfig}
		o.Pool.Options = requests
		res, err := o.Pool.RoundTrip(newRequest(t, within(t), "GET", "https://h/", nil))
		if err != nil || res.StatusCode != 204 {
			t.Errorf("%v, %v", res, err)
		}
	})
	bubble(t, "unreachable", func(t *testing.T) {
		pool := new(websocket.Pool)
		defer pool.Close()
		_, err := websocket.Dial(within(t), "ws://h/", &websocket.DialOptions{
			HTTP: websocket.HTTP2, Pool: pool, Proxy: proxyURL(""),
			NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way") },
		})
		if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Step != websocket.StepConnect {
			t.Errorf("error %v", err)
		}
	})
}

// Servers that end each connection before it has carried anything.
func TestPoolNoLuck(t *testing.T) {
	bubble(t, "GOAWAY at once", func(t *testing.T) {
		script := func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			p.must(p.fr.WriteGoAway(0, http2.ErrCodeNo, nil))
			p.drain()
		}
		s := servers(t, script, script, script, script, script, script, script, script)
		_, err := websocket.Dial(within(t), "ws://h/", pooled(t, s, new(websocket.Pool)))
		if err == nil || s.count() > 4 {
			t.Errorf("%d connections, %v", s.count(), err)
		}
	})
}
