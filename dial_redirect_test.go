package websocket_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/rawserver"
)

// redirect is a refusal that leads to another place.
func redirect(status int, to string) string {
	return fmt.Sprintf("HTTP/1.1 %d x\r\nLocation: %s\r\nSet-Cookie: seen=1\r\nContent-Length: 0\r\n\r\n", status, to)
}

// H-C10: within an origin everything follows.
func TestDialRedirect(t *testing.T) {
	var addr string
	addr = requestServer(t, func(r *http.Request) string {
		switch r.URL.Path {
		case "/1":
			return redirect(301, "/2?x=y")
		case "/2":
			return redirect(302, "3#fragment")
		case "/3":
			return redirect(303, "ws://"+addr+"/4")
		case "/4":
			return redirect(307, "http://other:password@"+addr+"/5")
		case "/5":
			return redirect(308, "//"+addr+"/6")
		case "/6":
			if r.Header.Get("Authorization") == "Basic bWU6c2VjcmV0" && r.Header.Get("Cookie") == "a=b" && r.Header.Get("X") == "y" {
				return greeter(r)
			}
		}
		return fmt.Sprintf("HTTP/1.1 400 x\r\n\r\n%s %v", r.URL, r.Header)
	})
	header := http.Header{"Cookie": {"a=b"}, "X": {"y"}}
	c, err := websocket.Dial(within(t), "ws://me:secret@"+addr+"/1", &websocket.DialOptions{MaxRedirects: 5, Header: header})
	mustGreet(t, c, err)

	_, err = websocket.Dial(within(t), "ws://me:secret@"+addr+"/1", &websocket.DialOptions{MaxRedirects: 4, Header: header})
	if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || he.Status != 308 || !errors.Is(err, websocket.ErrRedirect) {
		t.Errorf("the fifth redirect of four: %v", err)
	}
}

// H-C10: to another origin, no credentials go, nor do they come back.
func TestDialRedirectToOtherOrigin(t *testing.T) {
	seen := make(chan *http.Request, 3)
	var home string
	away := requestServer(t, func(r *http.Request) string {
		seen <- r
		return redirect(302, "ws://"+home+"/back")
	})
	home = requestServer(t, func(r *http.Request) string {
		seen <- r
		if r.URL.Path == "/back" {
			return greeter(r)
		}
		return redirect(302, "ws://x:y@"+away+"/away")
	})
	header := http.Header{
		"authorization": {"Bearer secret"}, "Cookie": {"a=b"}, "Proxy-Authorization": {"Basic secret"},
		"Host": {"alias.example"}, "X": {"y"},
	}
	for _, user := range []string{"", "me:secret@"} {
		if user != "" {
			delete(header, "authorization")
		}
		c, err := websocket.Dial(within(t), "ws://"+user+home, &websocket.DialOptions{MaxRedirects: 2, Header: header})
		mustGreet(t, c, err)
		first, second, third := <-seen, <-seen, <-seen
		if first.Header.Get("Authorization") == "" || first.Header.Get("Cookie") != "a=b" || first.Host != "alias.example" {
			t.Errorf("first request: Host %s, %v", first.Host, first.Header)
		}
		for _, r := range []*http.Request{second, third} {
			if r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("Proxy-Authorization") != "" || r.Host == "alias.example" || r.Header.Get("X") != "y" {
				t.Errorf("%s: Host %s, %v", r.URL, r.Host, r.Header)
			}
		}
		if second.Host != away || third.Host != home {
			t.Errorf("Hosts %s, %s", second.Host, third.Host)
		}
	}
	if len(header) != 4 {
		t.Errorf("the caller's header was changed: %v", header)
	}
}

// H-C10: what is not followed, and what is never.
func TestDialRedirectRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		to   string
		max  int
		err  error
	}{
		{name: "not asked for", to: "Location: /x", err: handshake.ErrStatus},
		{name: "loop", to: "Location: /", max: 5, err: websocket.ErrRedirect},
		{name: "no Location", to: "X: y", max: 5, err: websocket.ErrRedirect},
		{name: "two Locations", to: "Location: /\r\nLocation: /", max: 5, err: websocket.ErrRedirect},
		{name: "wss to ws", to: "Location: ws://example.com/", max: 5, err: websocket.ErrRedirect},
		{name: "https to http", to: "Location: http://example.com/", max: 5, err: websocket.ErrRedirect},
		{name: "other scheme", to: "Location: ftp://example.com/", max: 5, err: websocket.ErrRedirect},
		{name: "opaque", to: "Location: mailto:x", max: 5, err: websocket.ErrRedirect},
		{name: "bad port", to: "Location: wss://example.com:x/", max: 5, err: websocket.ErrRedirect},
		{name: "port 0", to: "Location: wss://example.com:0/", max: 5, err: websocket.ErrRedirect},
		{name: "300", to: "Location: /", max: 5, err: handshake.ErrStatus},
		{name: "304", to: "Location: /", max: 5, err: handshake.ErrStatus},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, client := certificate(t)
			status := 302
			if tt.name == "300" || tt.name == "304" {
				fmt.Sscan(tt.name, &status)
			}
			requests := make(chan string, 10)
			addr := serveTLS(t, server, func(r *http.Request) string {
				requests <- r.URL.Path
				return fmt.Sprintf("HTTP/1.1 %d x\r\n%s\r\nContent-Length: 0\r\n\r\n", status, tt.to)
			})
			_, err := websocket.Dial(within(t), "wss://"+addr, &websocket.DialOptions{TLSConfig: client, MaxRedirects: tt.max, Proxy: proxyURL("")})
			he, ok := errors.AsType[*websocket.HandshakeError](err)
			if !ok || he.Status != status || !errors.Is(err, tt.err) || he.Body == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			want := 1
			if tt.name == "loop" {
				want = 6
			}
			if len(requests) != want {
				t.Errorf("%d requests, want %d", len(requests), want)
			}
		})
	}
}

// From ws to wss there is no harm.
func TestDialRedirectToTLS(t *testing.T) {
	server, client := certificate(t)
	secure := serveTLS(t, server, greeter)
	addr := requestServer(t, func(*http.Request) string { return redirect(308, "https://"+secure+"/") })
	c, err := websocket.Dial(within(t), "ws://"+addr, &websocket.DialOptions{TLSConfig: client, MaxRedirects: 1})
	mustGreet(t, c, err)
}

// A unix socket stands for one origin.
func TestDialRedirectUnix(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	path := rawserver.Serve(t, l, func(c net.Conn) {
		r := readRequest(c)
		switch {
		case r == nil:
		case r.URL.Path == "/away":
			io.WriteString(c, redirect(302, "ws://other.example/"))
		case r.URL.Path == "/":
			io.WriteString(c, redirect(302, "/x"))
		default:
			io.WriteString(c, greeter(r))
			io.Copy(io.Discard, c)
		}
	})
	o := &websocket.DialOptions{Unix: path, MaxRedirects: 3}
	c, err := websocket.Dial(within(t), "ws://app.example/", o)
	mustGreet(t, c, err)
	if _, err := websocket.Dial(within(t), "ws://app.example/away", o); !errors.Is(err, websocket.ErrRedirect) {
		t.Errorf("error %v", err)
	}
}
