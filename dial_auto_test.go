package websocket_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
)

// secureServers are servers over TLS, which are to choose between what is
// offered by ALPN; offered gets what that is.
type secureServers struct {
	server, client *tls.Config
	mu             sync.Mutex
	offered        []string
}

func newSecureServers(t testing.TB) *secureServers {
	s := new(secureServers)
	s.server, s.client = certificate(t)
	s.client.ServerName = "example.com"
	return s
}

// choosing is a script behind a TLS handshake in which the server supports
// protos, none if there are none.
func (s *secureServers) choosing(script func(nc net.Conn), protos ...string) func(net.Conn) {
	return func(nc net.Conn) {
		c := s.server.Clone()
		c.NextProtos = protos
		c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.offered = append(s.offered, strings.Join(h.SupportedProtos, " "))
			return nil, nil
		}
		tc := tls.Server(nc, c)
		defer tc.Close()
		if tc.Handshake() == nil && script != nil {
			script(tc)
		}
	}
}

// greets1 is a greeter over HTTP/1.1.
func greets1(nc net.Conn) {
	if r := readRequest(nc); r != nil {
		io.WriteString(nc, greeter(r))
		io.Copy(io.Discard, nc)
	}
}

// answers2 answers a request over HTTP/2 with a status.
func answers2(t *testing.T, status string) func(net.Conn) {
	return func(nc net.Conn) {
		p := newH2Peer(t, nc, extended)
		if r := p.request(); r != nil {
			p.respond(r.stream, true, status)
		}
		p.drain()
	}
}

// C3, S2.10, H2-C1: HTTPAuto takes HTTP/2 where the server speaks it and allows
// extended CONNECT, and else HTTP/1.1.
func TestDialAuto(t *testing.T) {
	secure := newSecureServers(t)
	http1 := secure.choosing(greets1, "http/1.1")
	for _, tt := range []struct {
		name    string
		scripts func(t *testing.T) []func(net.Conn)
		version int
		offered []string
	}{
		{
			"HTTP/2", func(t *testing.T) []func(net.Conn) {
				return []func(net.Conn){secure.choosing(greets(t), "h2", "http/1.1")}
			}, 2, []string{"h2 http/1.1"},
		},
		{
			"HTTP/1.1 chosen: on the same connection", func(*testing.T) []func(net.Conn) {
				return []func(net.Conn){http1}
			}, 1, []string{"h2 http/1.1"},
		},
		{
			"nothing chosen", func(*testing.T) []func(net.Conn) {
				return []func(net.Conn){secure.choosing(greets1)}
			}, 1, []string{"h2 http/1.1"},
		},
		{
			"S2.10 no setting", func(t *testing.T) []func(net.Conn) {
				return []func(net.Conn){secure.choosing(func(nc net.Conn) { newH2Peer(t, nc).drain() }, "h2"), http1}
			}, 1, []string{"h2 http/1.1", "http/1.1"},
		},
		{
			"H2-C1 the setting is 0", func(t *testing.T) []func(net.Conn) {
				return []func(net.Conn){secure.choosing(func(nc net.Conn) {
					newH2Peer(t, nc, http2.Setting{ID: http2.SettingEnableConnectProtocol}).drain()
				}, "h2"), http1}
			}, 1, []string{"h2 http/1.1", "http/1.1"},
		},
		{
			"HTTP_1_1_REQUIRED", func(t *testing.T) []func(net.Conn) {
				return []func(net.Conn){secure.choosing(func(nc net.Conn) {
					p := newH2Peer(t, nc, extended)
					p.reset(p.request().stream, http2.ErrCodeHTTP11Required)
					p.drain()
				}, "h2"), http1}
			}, 1, []string{"h2 http/1.1", "http/1.1"},
		},
		{
			"HTTP_1_1_REQUIRED for the connection", func(t *testing.T) []func(net.Conn) {
				return []func(net.Conn){secure.choosing(func(nc net.Conn) {
					p := newH2Peer(t, nc, extended)
					p.request()
					p.must(p.fr.WriteGoAway(1, http2.ErrCodeHTTP11Required, nil))
				}, "h2"), http1}
			}, 1, []string{"h2 http/1.1", "http/1.1"},
		},
		{
			"REFUSED_STREAM again and again", func(t *testing.T) []func(net.Conn) {
				refuses := secure.choosing(func(nc net.Conn) {
					p := newH2Peer(t, nc, extended)
					p.reset(p.request().stream, http2.ErrCodeRefusedStream)
					p.drain()
				}, "h2")
				return append(slices.Repeat([]func(net.Conn){refuses}, 6), http1)
			}, 1, append(slices.Repeat([]string{"h2 http/1.1"}, 6), "http/1.1"),
		},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			secure.offered = nil
			s := servers(t, tt.scripts(t)...)
			o := s.options()
			o.HTTP, o.TLSConfig = websocket.HTTPAuto, secure.client
			c, err := websocket.Dial(within(t), "wss://h/", o)
			if err != nil {
				t.Fatal(err)
			}
			if c.HTTPVersion() != tt.version {
				t.Errorf("HTTP/%d, want %d", c.HTTPVersion(), tt.version)
			}
			mustGreet(t, c, nil)
			s.running.Wait()
			if fmt.Sprint(secure.offered) != fmt.Sprint(tt.offered) || s.count() != len(tt.offered) {
				t.Errorf("%d connections, offered %q, want %q", s.count(), secure.offered, tt.offered)
			}
		})
	}
	bubble(t, "over ws it is HTTP/1.1", func(t *testing.T) {
		s := servers(t, greets1)
		o := s.options()
		o.HTTP = websocket.HTTPAuto
		c, err := websocket.Dial(within(t), "ws://h/", o)
		if err != nil || c.HTTPVersion() != 1 {
			t.Fatalf("error %v", err)
		}
		mustGreet(t, c, nil)
	})
}

// Which refusals over HTTP/2 are followed by another attempt over HTTP/1.1.
func TestDialAutoRefusals(t *testing.T) {
	secure := newSecureServers(t)
	for status := 400; status < 600; status++ {
		if http.StatusText(status) == "" {
			continue
		}
		again := false
		switch status {
		case 400, 405, 421, 426, 501, 502, 505:
			again = true
		}
		synctest.Test(t, func(t *testing.T) {
			scripts := []func(net.Conn){secure.choosing(answers2(t, fmt.Sprint(status)), "h2")}
			if again {
				scripts = append(scripts, secure.choosing(greets1, "http/1.1"))
			}
			s := servers(t, scripts...)
			o := s.options()
			o.HTTP, o.TLSConfig = websocket.HTTPAuto, secure.client
			c, err := websocket.Dial(within(t), "wss://h/", o)
			if again {
				mustGreet(t, c, err)
				return
			}
			if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || he.Status != status {
				t.Errorf("status %d: %v", status, err)
			}
		})
	}
}

// When neither way leads to a connection, the answer over HTTP/1.1 counts, and
// without one the error has both.
func TestDialAutoFails(t *testing.T) {
	secure := newSecureServers(t)
	dial := func(t *testing.T, second func(net.Conn)) error {
		s := servers(t, secure.choosing(answers2(t, "405"), "h2"), second)
		o := s.options()
		o.HTTP, o.TLSConfig = websocket.HTTPAuto, secure.client
		_, err := websocket.Dial(within(t), "wss://h/", o)
		return err
	}
	bubble(t, "refused", func(t *testing.T) {
		err := dial(t, secure.choosing(func(nc net.Conn) {
			if readRequest(nc) != nil {
				io.WriteString(nc, "HTTP/1.1 403 x\r\nContent-Length: 2\r\n\r\nno")
			}
		}, "http/1.1"))
		if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || he.Status != 403 || string(he.Body) != "no" {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "not reached", func(t *testing.T) {
		err := dial(t, secure.choosing(nil, "other"))
		he, ok := errors.AsType[*websocket.HandshakeError](err)
		if _, both := errors.AsType[*websocket.DialError](err); !ok || !both || he.Status != 405 || !strings.Contains(err.Error(), "over HTTP/1.1: TLS") {
			t.Errorf("error %v", err)
		}
	})
}

// S2.10, S2.12, S2.13: HTTP2 over wss offers nothing else, and takes nothing
// else; the scheme is that of the URL.
func TestDialHTTP2TLS(t *testing.T) {
	secure := newSecureServers(t)
	bubble(t, "S2.12", func(t *testing.T) {
		secure.offered = nil
		s := servers(t, secure.choosing(func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			r := p.request()
			if r.fields[":scheme"] != "https" {
				t.Errorf("scheme %q", r.fields[":scheme"])
			}
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.drain()
		}, "http/1.1", "h2"))
		o := s.options()
		o.TLSConfig = secure.client
		c, err := websocket.Dial(within(t), "wss://h/", o)
		if err != nil || c.HTTPVersion() != 2 {
			t.Fatalf("error %v", err)
		}
		mustGreet(t, c, nil)
		s.running.Wait()
		if len(secure.offered) != 1 || secure.offered[0] != "h2" {
			t.Errorf("offered %q", secure.offered)
		}
	})
	for name, protos := range map[string][]string{"HTTP/1.1 only": {"http/1.1"}, "no ALPN": nil} {
		bubble(t, name, func(t *testing.T) {
			s := servers(t, secure.choosing(nil, protos...))
			o := s.options()
			o.TLSConfig = secure.client
			_, err := websocket.Dial(within(t), "wss://h/", o)
			if !errors.Is(err, websocket.ErrNoHTTP2) || !strings.Contains(err.Error(), "ALPN") && !strings.Contains(err.Error(), "application protocol") {
				t.Errorf("error %v", err)
			}
		})
	}
	bubble(t, "S2.10", func(t *testing.T) {
		s := servers(t, secure.choosing(func(nc net.Conn) { newH2Peer(t, nc).drain() }, "h2"))
		o := s.options()
		o.TLSConfig = secure.client
		start := time.Now()
		_, err := websocket.Dial(within(t), "wss://h/", o)
		if !errors.Is(err, handshake.ErrExtendedConnectDisabled) || time.Since(start) != 0 {
			t.Errorf("error %v", err)
		}
	})
}

// S2.10: a server of net/http, which speaks HTTP/2 and does not allow extended
// CONNECT.
func TestDialAutoNetHTTP(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(greetHandler))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	pool := new(websocket.Pool)
	defer pool.Close()
	o := &websocket.DialOptions{
		HTTP: websocket.HTTPAuto, Pool: pool, TLSConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig,
		ConnOptions: websocket.ConnOptions{Subprotocols: []string{"b"}},
	}
	for range 2 {
		c, err := websocket.Dial(within(t), srv.URL, o)
		if err != nil || c.HTTPVersion() != 1 {
			t.Fatalf("error %v", err)
		}
		mustGreet(t, c, nil)
	}
	o.HTTP = websocket.HTTP2
	if _, err := websocket.Dial(within(t), srv.URL, o); !errors.Is(err, handshake.ErrExtendedConnectDisabled) {
		t.Errorf("error %v", err)
	}
}
