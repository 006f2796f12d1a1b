package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/wstest"
)

// S0.25, S3.16: port 443 of a bare address means TLS, any other TCP; schemes
// and Transport say so themselves.
func TestAddr(t *testing.T) {
	refuse := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }
	for _, tt := range []struct {
		addr      string
		transport client.Transport
		want      string
		secure    bool
	}{
		{addr: "localhost:12345", want: "localhost:12345"},
		{addr: "example.com:443", want: "example.com:443", secure: true},
		{addr: "example.com:80", want: "example.com:80"},
		{addr: "example.com", want: "example.com:80"},
		{addr: "example.com:443", transport: client.TCP, want: "example.com:443"},
		{addr: "example.com:8443", transport: client.TLS, want: "example.com:8443", secure: true},
		{addr: "[::1]:443", want: "[::1]:443", secure: true},
		{addr: "ws://example.com", want: "example.com:80"},
		{addr: "http://example.com:443/", want: "example.com:443"},
		{addr: "wss://example.com", want: "example.com:443", secure: true},
		{addr: "https://example.com:8443", want: "example.com:8443", secure: true},
	} {
		c, err := client.Open(tt.addr, &client.Options{Transport: tt.transport, Dial: refuse, Retry: -1})
		if err != nil {
			t.Errorf("%s: %v", tt.addr, err)
			continue
		}
		<-c.Done()
		if i := c.Info(); i.Addr != tt.want || i.Secure != tt.secure {
			t.Errorf("%s: %s, secure %v; want %s, %v", tt.addr, i.Addr, i.Secure, tt.want, tt.secure)
		}
	}
}

func TestOptionErrors(t *testing.T) {
	for _, tt := range []struct {
		name, addr, field string
		o                 client.Options
	}{
		{name: "no address", field: "URL"},
		{name: "unknown scheme", addr: "ftp://example.com", field: "URL"},
		{name: "path", addr: "ws://example.com/chat", field: "addr"},
		{name: "port", addr: "example.com:99999", field: "URL"},
		{name: "Transport", addr: "example.com:80", field: "Transport", o: client.Options{Transport: 9}},
		{name: "Transport and scheme", addr: "ws://example.com", field: "Transport", o: client.Options{Transport: client.TLS}},
		{name: "Protocols twice", addr: "example.com:443", field: "Protocols", o: client.Options{Protocols: []client.Protocol{client.HTTP1, client.HTTP1}}},
		{name: "Protocols unknown", addr: "example.com:443", field: "Protocols", o: client.Options{Protocols: []client.Protocol{websocket.HTTPAuto}}},
		{name: "Protocols without TLS", addr: "example.com:80", field: "Protocols", o: client.Options{Protocols: []client.Protocol{client.HTTP2, client.HTTP1}}},
		{name: "HTTP3 without an Opener", addr: "example.com:443", field: "Protocols", o: client.Options{Protocols: []client.Protocol{client.HTTP3}}},
		{name: "Unix", addr: "example.com:80", field: "Unix", o: client.Options{Unix: "a\x00b"}},
		{name: "Proxies", addr: "example.com:80", field: "Proxies", o: client.Options{Proxies: []client.Proxy{{URL: "gopher://example.com"}}}},
		{name: "Subprotocols", addr: "example.com:80", field: "Subprotocols", o: client.Options{WebSocket: websocket.ConnOptions{Subprotocols: []string{"a b"}}}},
	} {
		c, err := client.Open(tt.addr, &tt.o)
		oe, ok := errors.AsType[*websocket.OptionError](err)
		if !ok || oe.Field != tt.field {
			t.Errorf("%s: %v, want an OptionError for %s", tt.name, err, tt.field)
		}
		if c != nil {
			t.Errorf("%s: there is a Conn", tt.name)
			c.Close()
		}
	}
}

// versions runs a test over HTTP/1.1 and HTTP/2.
func versions(t *testing.T, f func(t *testing.T, p client.Protocol)) {
	for _, p := range []client.Protocol{client.HTTP1, client.HTTP2} {
		t.Run(p.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, p) })
		})
	}
}

// S0.6, S1.4, S2.11: requests before the upgrade on the same connection; over
// HTTP/2 after it as well. S0.17, S1.10: over HTTP/1.1 no more.
func TestRequestThenUpgrade(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, site())
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}})
		for range 3 {
			if body, err := get(t, c, "/a?b=c"); err != nil || body != "GET /a?b=c" {
				t.Fatalf("%q, %v", body, err)
			}
		}
		s, err := c.Upgrade(t.Context(), "/ws?x=y", nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.HTTPVersion() != int(p) {
			t.Errorf("socket over %d", s.HTTPVersion())
		}
		echo(t, s, "Hello!")
		body, err := get(t, c, "/after")
		if p == client.HTTP1 {
			if !errors.Is(err, client.ErrUpgraded) {
				t.Errorf("after the upgrade: %q, %v; want ErrUpgraded", body, err)
			}
			if _, err := c.Upgrade(t.Context(), "/ws", nil); !errors.Is(err, client.ErrUpgraded) {
				t.Errorf("second upgrade: %v, want ErrUpgraded", err)
			}
			if i := c.Info(); i.State != client.Taken || !slices.Equal(i.Open, []client.Ref{4}) {
				t.Errorf("Info: %+v", i)
			}
		} else if err != nil || body != "GET /after" {
			t.Errorf("after the upgrade: %q, %v", body, err)
		}
		if ln.Dials() != 1 {
			t.Errorf("%d connections, want 1", ln.Dials())
		}
		echo(t, s, "still there")
		if err := s.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		if p == client.HTTP1 {
			// C1, S1.13: a local close never connects again.
			<-c.Done()
			if c.Err() != nil || ln.Dials() != 1 {
				t.Errorf("after a local close: %v, %d connections", c.Err(), ln.Dials())
			}
			if _, err := get(t, c, "/"); !errors.Is(err, client.ErrClosed) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("request on a closed Conn: %v", err)
			}
			return
		}
		if _, err := get(t, c, "/later"); err != nil || ln.Dials() != 1 {
			t.Errorf("after the socket: %v, %d connections", err, ln.Dials())
		}
	})
}

// S0.13, S0.14, C7: a refusal has the status, the header and the body, and leaves
// the connection as it was.
func TestRefusal(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, site())
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}})
		_, err := c.Upgrade(t.Context(), "/refuse", nil)
		he, ok := errors.AsType[*websocket.HandshakeError](err)
		if !ok || he.Status != http.StatusForbidden || string(he.Body) != "members only\n" || he.Header.Get("Content-Type") == "" {
			t.Fatalf("refusal: %v", err)
		}
		if body, err := get(t, c, "/x"); err != nil || body != "GET /x" || ln.Dials() != 1 {
			t.Errorf("after the refusal: %q, %v, %d connections", body, err, ln.Dials())
		}
		s, err := c.Upgrade(t.Context(), "/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		echo(t, s, "second try")
		s.CloseNow()
	})
}

// S0.10, S0.11: one of the subprotocols offered must be chosen, and none when
// none were.
func TestSubprotocols(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		mux := http.NewServeMux()
		mux.Handle("/", site())
		mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Sec-WebSocket-Protocol", "chat")
			if p == client.HTTP2 {
				w.WriteHeader(http.StatusOK)
				return
			}
			key := acceptKey(r)
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Sec-WebSocket-Accept", key)
			w.WriteHeader(http.StatusSwitchingProtocols)
		})
		ln := newNet(t, mux)
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}, RetryTimeout: time.Millisecond})
		for _, tt := range []struct {
			path  string
			offer []client.Subprotocol
		}{
			{"/ws", []client.Subprotocol{{Name: "mqtt"}}},
			{"/own", nil},
		} {
			if _, err := c.Upgrade(t.Context(), tt.path, &client.UpgradeOptions{Subprotocols: tt.offer}); !errors.Is(err, handshake.ErrSubprotocol) {
				t.Errorf("%s: %v, want ErrSubprotocol", tt.path, err)
			}
		}
		s, err := c.Upgrade(t.Context(), "/ws", &client.UpgradeOptions{Subprotocols: []client.Subprotocol{{Name: "mqtt"}, {Name: "news"}}})
		if err != nil || s.Subprotocol() != "news" {
			t.Fatalf("%v, %v", s, err)
		}
		s.CloseNow()
	})
}

// A request goes to the server of the connection, or nowhere.
func TestOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newNet(t, site())
		c := open(t, ln, nil)
		for url, want := range map[string]error{
			"http://192.0.2.1/a":    nil,
			"http://192.0.2.1:80/a": nil,
			"/a":                    nil,
			"https://192.0.2.1/a":   client.ErrOrigin,
			"http://192.0.2.1:81/a": client.ErrOrigin,
			"http://example.com/a":  client.ErrOrigin,
		} {
			if _, err := get(t, c, url); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", url, err, want)
			}
		}
	})
}

// S3.5: a jar gives cookies to requests and upgrades and takes those of every
// answer.
func TestCookies(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		mux := http.NewServeMux()
		mux.HandleFunc("/login", func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "token", Value: "abc", Path: "/"})
		})
		mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
			if k, err := r.Cookie("token"); err != nil || k.Value != "abc" {
				http.Error(w, "no token", http.StatusUnauthorized)
				return
			}
			if c, err := websocket.Accept(w, r, nil); err == nil {
				wstest.Echo(c)
			}
		})
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := open(t, newNet(t, mux), &client.Options{CookieJar: jar, Protocols: []client.Protocol{p}})
		if _, err := c.Upgrade(t.Context(), "/ws", nil); err == nil {
			t.Fatal("upgraded without a cookie")
		}
		if _, err := get(t, c, "/login"); err != nil {
			t.Fatal(err)
		}
		s, err := c.Upgrade(t.Context(), "/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.CloseNow()
	})
}
