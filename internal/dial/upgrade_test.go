package dial_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/wstest"
)

// server answers the request on the other end of a link with what answer returns,
// in which KEY stands for what the client's key is answered with.
func server(t *testing.T, answer func(r *http.Request) string) *dial.Link {
	ours, theirs := wstest.Pipe(nil)
	go func() {
		r, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		io.WriteString(theirs, strings.ReplaceAll(answer(r), "KEY", base64.StdEncoding.EncodeToString(sum[:])))
	}()
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	return &dial.Link{Conn: ours, Socket: ours, Addr: "h:80"}
}

// handshakeTo prepares an opening handshake.
func handshakeTo(t *testing.T, to string, o *handshake.ClientOptions) (*handshake.Client, *url.URL) {
	t.Helper()
	u, err := handshake.ParseURL(to)
	if err != nil {
		t.Fatal(err)
	}
	hs, err := handshake.NewClient(u, o)
	if err != nil {
		t.Fatal(err)
	}
	return hs, u
}

const switching = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n"

// S0.15, S1.8, H-C6: what an opening handshake comes to.
func TestUpgrade(t *testing.T) {
	for _, tt := range []struct {
		name      string
		answer    string
		redirects *dial.Redirects
		limit     int64
		status    int // 0: opened, or Next
		text      string
		err       error
		body      string
		early     string
		next      string
	}{
		{name: "opened", answer: switching + "\r\n"},
		{name: "with early bytes", answer: switching + "\r\n\x81\x02hi", early: "\x81\x02hi"},
		{name: "behind interim answers", answer: "HTTP/1.1 103 x\r\n\r\n" + switching + "\r\n"},
		{name: "refused", answer: "HTTP/1.1 403 x\r\nContent-Length: 4\r\n\r\nnope", status: 403, err: handshake.ErrStatus, body: "nope"},
		{name: "refused in chunks", answer: "HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n2\r\npe\r\n0\r\n\r\n", limit: 3, status: 403, body: "nop"},
		{name: "refused, slowly", answer: "HTTP/1.1 403 x\r\nContent-Length: 9\r\n\r\nnope", status: 403, body: "nope"},
		{name: "refused, with a strange length", answer: "HTTP/1.1 403 x\r\nContent-Length: x\r\n\r\n", status: 403, text: "its body is of no use"},
		{name: "wrong key", answer: strings.Replace(switching, "KEY", "x", 1) + "\r\n", status: 101, err: handshake.ErrAccept},
		{name: "HTTP/1.0", answer: strings.Replace(switching, "1.1", "1.0", 1) + "\r\n", status: 101, err: handshake.ErrHTTPVersion},
		{name: "no HTTP/1.1", answer: "HTTP/2.0 200 x\r\n\r\n", err: handshake.ErrHTTPVersion, text: "opening handshake with h:80"},
		{name: "TLS", answer: "\x15\x03\x01\x00\x02\x02\x00", text: "use wss://"},
		{name: "silence", err: os.ErrDeadlineExceeded, text: "UpgradeTimeout, 3s"},
		{name: "redirect", answer: "HTTP/1.1 302 x\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nhi", status: 302, body: "hi"},
		{name: "redirect followed", answer: "HTTP/1.1 302 x\r\nLocation: /b\r\n\r\n", redirects: &dial.Redirects{Max: 1}, next: "http://h/b"},
		{
			name: "redirect that is not", answer: "HTTP/1.1 302 x\r\nLocation: ftp://x\r\nContent-Length: 2\r\n\r\nhi", redirects: &dial.Redirects{Max: 1},
			status: 302, err: dial.ErrRedirect, body: "hi",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hs, u := handshakeTo(t, "ws://h/a", nil)
				up := &dial.Upgrader{UpgradeTimeout: 3 * time.Second, MaxRefusalBody: tt.limit, Redirects: tt.redirects}
				req, err := up.Request(hs, u, 1)
				if err != nil {
					t.Fatal(err)
				}
				l := server(t, func(*http.Request) string { return tt.answer })
				opened, err := up.Upgrade(t.Context(), dial.NewWire1(l, req), hs, req)
				if err != nil {
					he, ok := errors.AsType[*handshake.Error](err)
					if !ok || he.Status != tt.status || he.Body == nil || string(he.Body) != tt.body {
						t.Fatalf("%+v, want status %d and %q", err, tt.status, tt.body)
					}
					if tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
						t.Errorf("error %v, want %v, %q", err, tt.err, tt.text)
					}
					return
				}
				switch {
				case tt.status != 0 || tt.err != nil || tt.text != "":
					t.Fatalf("opened: %+v", opened)
				case tt.next != "":
					if opened.Next == nil || opened.Next.String() != tt.next || opened.Stream != nil {
						t.Errorf("%+v, want %s", opened, tt.next)
					}
				case opened.Next != nil || opened.Stream == nil || opened.Handshake == nil || string(opened.Early) != tt.early:
					t.Errorf("%+v, want %q", opened, tt.early)
				}
			})
		})
	}
}

// What is sent and what is answered is told of, without a way to change it, and
// cookies go both ways, also with a refusal.
func TestUpgradeCookiesAndHooks(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	jar.SetCookies(&url.URL{Scheme: "http", Host: "h"}, []*http.Cookie{{Name: "a", Value: "1"}})
	hs, u := handshakeTo(t, "ws://u:p@h/a?b", &handshake.ClientOptions{Header: http.Header{"Cookie": {"own=0"}}})
	var told []string
	up := &dial.Upgrader{
		CookieJar: jar,
		OnRequest: func(method, target string, h http.Header) {
			told = append(told, method+" "+target+" "+h.Get("Host")+" "+h.Get("Cookie"))
			clear(h)
		},
		OnResponse: func(status int, h http.Header) {
			told = append(told, http.StatusText(status)+" "+h.Get("Set-Cookie"))
			clear(h)
		},
	}
	req, err := up.Request(hs, u, 1)
	if err != nil {
		t.Fatal(err)
	}
	if req.URL.String() != "http://h/a?b" || req.User.String() != "u:p" {
		t.Errorf("URL %v, user %v", req.URL, req.User)
	}
	up.Sending(req)
	l := server(t, func(r *http.Request) string {
		if c, user := r.Header.Get("Cookie"), r.Header.Get("Authorization"); c != "own=0; a=1" || user == "" {
			t.Errorf("the server got the cookies %q and the user %q", c, user)
		}
		return "HTTP/1.1 401 x\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
	})
	_, err = up.Upgrade(within(t), dial.NewWire1(l, req), hs, req)
	if he, ok := errors.AsType[*handshake.Error](err); !ok || he.Status != 401 || he.Header.Get("Set-Cookie") == "" {
		t.Errorf("error %v", err)
	}
	if got := strings.Join(told, "; "); got != "GET /a?b h own=0; a=1; Unauthorized b=2" {
		t.Errorf("told of %s", got)
	}
	if c := jar.Cookies(&url.URL{Scheme: "http", Host: "h"}); len(c) != 2 {
		t.Errorf("the jar has %v", c)
	}
	// Over HTTP/2 the same is an extended CONNECT.
	if req, err = up.Request(hs, u, 2); err != nil || req.Head == nil || req.Raw != nil || req.Head.Protocol != "websocket" || req.Head.Path != "/a?b" {
		t.Errorf("over HTTP/2: %+v, %v", req, err)
	}
}

// A header that can't stand in a request is an option error, before any I/O.
func TestUpgradeHeader(t *testing.T) {
	hs, u := handshakeTo(t, "ws://h/", nil)
	up := &dial.Upgrader{CookieJar: badJar{}}
	for _, major := range []int{1, 2} {
		if _, err := up.Request(hs, u, major); err == nil {
			t.Errorf("HTTP/%d: no error", major)
		} else if e, ok := errors.AsType[*option.Error](err); !ok || e.Field != "Header" {
			t.Errorf("HTTP/%d: %v", major, err)
		}
	}
}

// badJar gives a cookie with a line break, by way of its name.
type badJar struct{}

func (badJar) SetCookies(*url.URL, []*http.Cookie) {}
func (badJar) Cookies(*url.URL) []*http.Cookie     { return []*http.Cookie{{Name: "a\x01b", Value: "c"}} }

// S0.16, S1.9: the end of the context closes the wire, and its cause is found.
func TestUpgradeContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hs, u := handshakeTo(t, "ws://h/", nil)
		up := &dial.Upgrader{}
		req, err := up.Request(hs, u, 1)
		if err != nil {
			t.Fatal(err)
		}
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour, func() { cancel(why) })
		l := server(t, func(*http.Request) string { return "" })
		_, err = up.Upgrade(ctx, dial.NewWire1(l, req), hs, req)
		if _, ok := errors.AsType[*handshake.Error](err); !ok || !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if _, err := l.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the wire is still open: %v", err)
		}
	})
}
