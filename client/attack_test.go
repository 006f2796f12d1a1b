package client_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/wstest"
)

// villain is a server that speaks bytes.
type villain struct {
	net.Conn
	*bufio.Reader
	n int // of the connection, from 1 on
}

func (v *villain) Read(p []byte) (int, error) { return v.Reader.Read(p) }

// request reads the head of a request over HTTP/1.1, and its body.
func (v *villain) request() (*http.Request, error) {
	r, err := http.ReadRequest(v.Reader)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	return r, err
}

func (v *villain) say(format string, a ...any) { fmt.Fprintf(v, format, a...) }

// idle reads until the client ends the connection.
func (v *villain) idle() { io.Copy(io.Discard, v) }

// newVillain serves each connection by f, which ends with it.
func newVillain(t *testing.T, f func(v *villain)) *wstest.Listener {
	t.Helper()
	ln := wstest.NewListener(nil)
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				f(&villain{Conn: c, Reader: bufio.NewReader(c), n: n})
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		ln.Cut()
		serving.Wait()
	})
	return ln
}

// honest answers requests with their path.
func honest(v *villain) {
	for {
		r, err := v.request()
		if err != nil {
			return
		}
		v.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(r.URL.Path), r.URL.Path)
	}
}

// H-C3, H-C6, H-C9, S3.7: what a server of HTTP/1.1 must not send ends the
// request with an error, and the connection; nothing of it is taken for the
// answer to the next request.
func TestAttackHTTP1(t *testing.T) {
	endless := func(head, piece string) func(v *villain) {
		return func(v *villain) {
			v.say("%s", head)
			for {
				if _, err := io.WriteString(v, piece); err != nil {
					return
				}
			}
		}
	}
	says := func(text string) func(v *villain) {
		return func(v *villain) { v.say("%s", text); v.idle() }
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name   string
		method string
		answer func(v *villain)
		want   error  // of the request, or of reading the body
		body   string // without want
	}{
		{name: "two lengths", answer: says(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), want: httpconn.ErrFraming},
		{name: "list of lengths", answer: says(ok + "Content-Length: 1, 2\r\n\r\nab"), want: httpconn.ErrFraming},
		{name: "signed length", answer: says(ok + "Content-Length: +1\r\n\r\na"), want: httpconn.ErrFraming},
		{name: "empty length", answer: says(ok + "Content-Length: \r\n\r\na"), want: httpconn.ErrFraming},
		{name: "length and chunks", answer: says(ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), want: httpconn.ErrFraming},
		{name: "chunked twice", answer: says(ok + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), want: httpconn.ErrFraming},
		{name: "unknown coding", answer: says(ok + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), want: httpconn.ErrFraming},
		{name: "identity coding", answer: says(ok + "Transfer-Encoding: identity\r\n\r\n"), want: httpconn.ErrFraming},
		{name: "vertical tab", answer: says(ok + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "chunks in 1.0", answer: says("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), want: httpconn.ErrFraming},
		{name: "204 with a body", answer: says("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc"), want: httpconn.ErrFraming},
		{name: "bare LF", answer: says("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), want: httpconn.ErrMalformed},
		{name: "bare CR", answer: says(ok + "A: b\rContent-Length: 0\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "space before colon", answer: says(ok + "Content-Length : 0\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "folded", answer: says(ok + "A: b\r\n c\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "NUL", answer: says(ok + "A: b\x00c\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "no colon", answer: says(ok + "Content-Length\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "chunk size with sign", answer: says(ok + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "chunk size 0x", answer: says(ok + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "chunk size overflow", answer: says(ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\na\r\n0\r\n\r\n"), want: httpconn.ErrLimit},
		{name: "chunk without CRLF", answer: says(ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "chunk extension with LF", answer: says(ok + "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n"), want: httpconn.ErrMalformed},
		{name: "101 to a GET", answer: says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), want: httpconn.ErrUnexpectedUpgrade},
		{name: "1xx flood", answer: endless("", "HTTP/1.1 103 Early Hints\r\n\r\n"), want: httpconn.ErrLimit},
		{name: "100 flood", answer: endless("", "HTTP/1.1 100 Continue\r\n\r\n"), want: httpconn.ErrLimit},
		{name: "endless field", answer: endless(ok+"A: ", strings.Repeat("a", 100)), want: httpconn.ErrLimit},
		{name: "endless name", answer: endless(ok, strings.Repeat("a", 100)), want: httpconn.ErrLimit},
		{name: "endless reason", answer: endless("HTTP/1.1 200 ", strings.Repeat("a", 100)), want: httpconn.ErrLimit},
		{name: "endless fields", answer: endless(ok, "A: b\r\n"), want: httpconn.ErrLimit},
		{name: "endless extension", answer: endless(ok+"Transfer-Encoding: chunked\r\n\r\n1;", "a=b;"), want: httpconn.ErrLimit},
		{name: "costly extensions", answer: endless(ok+"Transfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("a", 1000)+"\r\nx\r\n"), want: httpconn.ErrLimit},
		{name: "endless trailer", answer: endless(ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"), want: httpconn.ErrLimit},
		{name: "garbage", answer: says("SSH-2.0-OpenSSH_9.9\r\n"), want: httpconn.ErrMalformed},
		{name: "HTTP/0.9", answer: says("<html>\n"), want: httpconn.ErrMalformed},
		{name: "HTTP/2", answer: says("HTTP/2 200\r\n\r\n"), want: httpconn.ErrVersion},
		{name: "HTTP/2 SETTINGS", answer: says("\x00\x00\x00\x04\x00\x00\x00\x00\x00"), want: httpconn.ErrMalformed},
		{name: "TLS alert", answer: says("\x15\x03\x01\x00\x02\x02\x46"), want: httpconn.ErrMalformed},
		{name: "nothing", answer: func(*villain) {}, want: httpconn.ErrNoResponse},
		{name: "half a head", answer: func(v *villain) { v.say("HTTP/1.1 200 OK\r\nCon") }, want: io.ErrUnexpectedEOF},
		{name: "half a body", answer: func(v *villain) { v.say(ok + "Content-Length: 5\r\n\r\nab") }, want: io.ErrUnexpectedEOF},
		{name: "half a chunk", answer: func(v *villain) { v.say(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nab") }, want: io.ErrUnexpectedEOF},

		// The answer is good, what follows is not.
		{name: "body longer than its length", answer: says(ok + "Content-Length: 2\r\n\r\nab" + ok + "Content-Length: 4\r\n\r\nevil"), body: "ab"},
		{name: "body of HEAD", method: "HEAD", answer: says(ok + "Content-Length: 4\r\n\r\nevil")},
		{name: "body of 304", answer: says("HTTP/1.1 304 Not\r\nContent-Length: 4\r\n\r\nevil")},
		{name: "body of 204", answer: says("HTTP/1.1 204 No\r\n\r\nevil")},
		{name: "second answer", answer: func(v *villain) {
			v.say(ok + "Content-Length: 2\r\n\r\nab")
			time.Sleep(time.Second)
			v.say(ok + "Content-Length: 4\r\n\r\nevil")
			v.idle()
		}, body: "ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newVillain(t, func(v *villain) {
					if v.n > 1 {
						honest(v)
						return
					}
					if _, err := v.request(); err == nil {
						tt.answer(v)
					}
				})
				c := open(t, ln, &client.Options{RetryTimeout: time.Millisecond})
				if tt.method == "" {
					tt.method = "GET"
				}
				r, _ := http.NewRequestWithContext(t.Context(), tt.method, "/first", nil)
				res, err := c.RoundTrip(r)
				var body []byte
				if err == nil {
					body, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				if !errors.Is(err, tt.want) || tt.want == nil && string(body) != tt.body {
					t.Errorf("%q, %v; want %q, %v", body, err, tt.body, tt.want)
				}
				time.Sleep(5 * time.Second)
				if body, err := get(t, c, "/second"); err != nil || body != "/second" {
					t.Errorf("then %q, %v", body, err)
				}
				if ln.Dials() != 2 {
					t.Errorf("%d connections, want 2", ln.Dials())
				}
			})
		})
	}
}

// H-C9: a server that speaks first has answered nothing.
func TestAttackSpeaksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newVillain(t, func(v *villain) {
			if v.n == 1 {
				v.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				v.idle()
				return
			}
			honest(v)
		})
		c := open(t, ln, &client.Options{RetryTimeout: time.Millisecond})
		up(t, c)
		synctest.Wait()
		if body, err := get(t, c, "/a"); err != nil || body != "/a" {
			t.Errorf("%q, %v", body, err)
		}
	})
}

// H-C6, S0.16: however slowly an answer comes, UpgradeTimeout bounds the opening
// handshake, and the context a request.
func TestAttackSlowDrip(t *testing.T) {
	drip := func(v *villain) {
		if _, err := v.request(); err != nil {
			return
		}
		for _, c := range []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: ") {
			v.Write([]byte{c})
			time.Sleep(time.Second)
		}
		for {
			if _, err := v.Write([]byte("a")); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	body := func(v *villain) {
		if _, err := v.request(); err != nil {
			return
		}
		v.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n")
		for {
			if _, err := v.Write([]byte("a")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	for _, tt := range []struct {
		name string
		f    func(*villain)
		most time.Duration
	}{
		{"head", drip, 10 * time.Second},
		{"refusal's body", body, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, newVillain(t, tt.f), nil)
				up(t, c)
				start := time.Now()
				_, err := c.Upgrade(t.Context(), "/", nil)
				if _, ok := errors.AsType[*websocket.HandshakeError](err); !ok || since(start) > tt.most {
					t.Errorf("%v after %v", err, since(start))
				}
			})
			synctest.Test(t, func(t *testing.T) {
				c := open(t, newVillain(t, tt.f), nil)
				up(t, c)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				r, _ := http.NewRequestWithContext(ctx, "GET", "/", nil)
				res, err := c.RoundTrip(r)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				if !errors.Is(err, context.DeadlineExceeded) || since(start) != 3*time.Second {
					t.Errorf("request: %v after %v", err, since(start))
				}
			})
		})
	}
}

// S3.12: a server that does not read is given up after WriteTimeout, of 15 s.
func TestAttackNeverReads(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newVillain(t, func(v *villain) {
			if v.n > 1 {
				return
			}
			if p == client.HTTP2 {
				v.Write(frame2(4, 0, 0, nil))
			}
			time.Sleep(time.Hour)
		})
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}, Retry: -1})
		up(t, c)
		start := time.Now()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "/", io.LimitReader(zeros{}, 10<<20))
		r.ContentLength = 10 << 20
		if p == client.HTTP2 {
			// The windows are shut before the socket is full.
			var many sync.WaitGroup
			for i := range 1000 {
				many.Go(func() {
					r := r.Clone(t.Context())
					r.Body, r.ContentLength = nil, 0
					r.Header.Set("A", fmt.Sprintf("%0200d", i))
					c.RoundTrip(r)
				})
			}
			many.Wait()
		} else if _, err := c.RoundTrip(r); err == nil {
			t.Error("answered")
		}
		// What it took at first counts as progress over HTTP/2.
		if d := since(start); d < 14*time.Second || d > 31*time.Second {
			t.Errorf("given up after %v, want 15 to 30 s", d)
		}
		<-c.Done()
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// frame2 is a frame of HTTP/2 (RFC 9113, section 4.1).
func frame2(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// A response that comes before a large body was sent is taken, and the next
// request does not wait for a server that reads no more.
func TestAttackEarlyResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newVillain(t, func(v *villain) {
			if v.n > 1 {
				honest(v)
				return
			}
			if _, err := http.ReadRequest(v.Reader); err == nil {
				v.say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
			}
			time.Sleep(time.Hour) // does not read
		})
		c := open(t, ln, &client.Options{RetryTimeout: time.Millisecond})
		start := time.Now()
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "/", io.LimitReader(zeros{}, 10<<20))
		r.ContentLength = 10 << 20
		res, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != "no" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		res.Body.Close()
		if body, err := get(t, c, "/second"); err != nil || body != "/second" || since(start) > time.Second {
			t.Errorf("then %q, %v after %v", body, err, since(start))
		}
	})
}
