package client

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
)

// opened is what came of an opening handshake.
type opened struct {
	*dial.Opened
	err error
}

// upgrade makes an opening handshake in the background.
func (p *peer1) upgrade(ctx context.Context) <-chan opened {
	p.t.Helper()
	u, err := url.Parse("ws://h/chat")
	if err != nil {
		p.t.Fatal(err)
	}
	hs, err := handshake.NewClient(u, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	up := dial.Upgrader{UpgradeTimeout: 10 * time.Second, MaxRefusalBody: 1 << 10}
	req, err := up.Request(hs, u, 1)
	if err != nil {
		p.t.Fatal(err)
	}
	c := make(chan opened, 1)
	go func() {
		w, err := p.s.wire(ctx, req)
		if err != nil {
			c <- opened{nil, err}
			return
		}
		o, err := up.Upgrade(ctx, w, hs, req)
		if err != nil {
			w.Abort()
		}
		c <- opened{o, err}
	}()
	return c
}

// accept answers an opening handshake with 101, and what comes behind it.
func (p *peer1) accept(early string) {
	p.t.Helper()
	// RFC 6455, section 4.2.2.
	sum := sha1.Sum([]byte(p.request().Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	key := base64.StdEncoding.EncodeToString(sum[:])
	p.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + key + "\r\n\r\n" + early)
}

// S0.6, S0.17, S1.10: an opening handshake has its turn among the requests; after
// it the connection is the socket's, with what came early, and takes no request,
// those in the queue included.
func TestHTTP1Upgrade(t *testing.T) {
	for _, early := range []string{"", "early"} {
		play1(t, nil, func(t *testing.T, p *peer1) {
			first := p.ask("GET", "/1", nil)
			p.request()
			up := p.upgrade(t.Context())
			synctest.Wait()
			waits := p.ask("GET", "/2", nil)
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
			p.accept(early)
			p.over(errTaken)
			o := <-up
			if o.err != nil {
				t.Fatal(o.err)
			}
			if text := (<-first).text(t); text != "x" {
				t.Errorf("the response before it: %q", text)
			}
			if string(o.Early) != early || !p.s.isTaken() {
				t.Errorf("early %q", o.Early)
			}
			if got := <-waits; got.err != ErrUpgraded {
				t.Errorf("a request in the queue: %v", got.err)
			}
			if _, err := p.rt.RoundTrip(newRequest1(t.Context(), "GET", "/", nil)); err != ErrUpgraded {
				t.Errorf("another request: %v", err)
			}
			if got := <-p.upgrade(t.Context()); got.err != ErrUpgraded {
				t.Errorf("another upgrade: %v", got.err)
			}
			p.s.drain() // does nothing to the socket
			p.send("more")
			buf := make([]byte, 10)
			if n, err := o.Stream.Read(buf); string(buf[:n]) != "more" || err != nil {
				t.Errorf("the socket got %q, %v", buf[:n], err)
			}
			if _, err := o.Stream.Write([]byte("back")); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(p.r, buf[:4]); string(buf[:4]) != "back" || err != nil {
				t.Errorf("the server got %q, %v", buf[:4], err)
			}
			o.Stream.Close()
		})
	}
}

// S0.13: a refusal leaves the connection usable where its body ends soon.
func TestHTTP1Refusal(t *testing.T) {
	for _, tt := range []struct {
		name, answer, body string
		lives              bool
	}{
		{"with a body", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "no", true},
		{"after an interim one", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "no", true},
		{"without a body", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "", true},
		{"chunked", "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "no", true},
		{"more than is kept", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2000\r\n\r\n" + strings.Repeat("x", 2000), strings.Repeat("x", 1<<10), true},
		{"much more", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 2000), strings.Repeat("x", 1<<10), false},
		{"that ends it", "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", "no", false},
		{"cut", "HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\nno", "no", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				up := p.upgrade(t.Context())
				p.request()
				p.send(tt.answer)
				o := <-up
				he, ok := errors.AsType[*handshake.Error](o.err)
				if !ok || he.Status != http.StatusForbidden || string(he.Body) != tt.body {
					t.Fatalf("%v, %q", o.err, he.Body)
				}
				if tt.lives {
					p.usable()
				} else if err := <-p.served; err == nil || err == errTaken {
					t.Errorf("serve returned %v", err)
				}
			})
		})
	}
}

// Answers that open nothing are errors, and the connection is over.
func TestHTTP1UpgradeFails(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		want         error
	}{
		{"HTTP/1.0", "HTTP/1.0 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", handshake.ErrHTTPVersion}, // S0.15
		{"a wrong key", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", handshake.ErrAccept},
		{"silence", "", context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				up := p.upgrade(ctx)
				p.request()
				p.send(tt.answer)
				if o := <-up; !errors.Is(o.err, tt.want) {
					t.Errorf("%v, want %v", o.err, tt.want)
				}
				<-p.served
				if n, err := p.c.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Error("the connection goes on")
				}
			})
		})
	}
}

// A turn that an opening handshake does not use goes to the next one, and who
// gives up waiting for it leaves the queue.
func TestHTTP1WireUnused(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		w, err := p.s.wire(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		up := p.upgrade(ctx)
		synctest.Wait()
		cancel()
		if o := <-up; !errors.Is(o.err, context.Canceled) {
			t.Errorf("an upgrade in the queue: %v", o.err)
		}
		w.Abort()
		w.Abort()
		if _, err := w.Exchange(t.Context()); err == nil {
			t.Error("Exchange after Abort")
		}
		p.usable()
	})
}
