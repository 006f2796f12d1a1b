package reconnect_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

// R9, H-C10: whatever the way of redirects, credentials go to the origin they are
// for: not to another host or port, not to it on the way back, and not those that
// a Location brings along.
func TestAttackRedirects(t *testing.T) {
	for _, tt := range []struct {
		name string
		way  []string // where each request is sent to; "" accepts
		want []string // host, path, authorization and cookies of each request
	}{
		{
			"there and back",
			[]string{"ws://192.0.2.2/b", "ws://192.0.2.1/c", ""},
			[]string{"192.0.2.1/feed me:secret own=1", "192.0.2.2/b :", "192.0.2.1/c :"},
		},
		{
			"another port",
			[]string{"ws://192.0.2.1:81/b", ""},
			[]string{"192.0.2.1/feed me:secret own=1", "192.0.2.1:81/b :"},
		},
		{
			"the same origin in other words",
			[]string{"HTTP://192.0.2.1:80/b", ""},
			[]string{"192.0.2.1/feed me:secret own=1", "192.0.2.1/b me:secret own=1"},
		},
		{
			"a password in it",
			[]string{"ws://evil:pw@192.0.2.2/b", ""},
			[]string{"192.0.2.1/feed me:secret own=1", "192.0.2.2/b :"},
		},
		{
			"a password in it, same origin",
			[]string{"ws://evil:pw@192.0.2.1/b", ""},
			[]string{"192.0.2.1/feed me:secret own=1", "192.0.2.1/b me:secret own=1"},
		},
		{
			"without a scheme",
			[]string{"//192.0.2.2/b", ""},
			[]string{"192.0.2.1/feed me:secret own=1", "192.0.2.2/b :"},
		},
		{"file", []string{"file:///etc/passwd"}, []string{"192.0.2.1/feed me:secret own=1"}},
		{"no host", []string{"ws:///b"}, []string{"192.0.2.1/feed me:secret own=1"}},
		{"no port", []string{"ws://192.0.2.2:99999/b"}, []string{"192.0.2.1/feed me:secret own=1"}},
		{"javascript", []string{"javascript:alert(1)"}, []string{"192.0.2.1/feed me:secret own=1"}},
	} {
		bubble(t, "R9 "+tt.name, func(t *testing.T) {
			var seen []string
			s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := len(seen)
				auth := http.Request{Header: http.Header{"Authorization": r.Header["Authorization"]}}
				user, pass, _ := auth.BasicAuth()
				seen = append(seen, strings.TrimSpace(fmt.Sprintf("%s%s %s:%s %s", r.Host, r.URL.Path, user, pass, strings.Join(r.Header["Cookie"], "|"))))
				if r.Header.Get("Proxy-Authorization") != "" && r.Host != "192.0.2.1" {
					t.Errorf("Proxy-Authorization for %s", r.Host)
				}
				if n >= len(tt.way) || tt.way[n] == "" {
					sockets(echo).ServeHTTP(w, r)
					return
				}
				w.Header()["Location"] = []string{tt.way[n]}
				w.WriteHeader(http.StatusTemporaryRedirect)
			}))
			o := options(s)
			o.MaxRedirects, o.Retry = 5, -1
			o.Header = http.Header{"Cookie": {"own=1"}, "Proxy-Authorization": {"Basic eDp5"}}
			c, err := reconnect.Start(t.Context(), "ws://me:secret@192.0.2.1/feed", nil, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.AwaitUp(t.Context()); (err == nil) != (tt.way[len(tt.way)-1] == "") {
				t.Errorf("AwaitUp: %v", err)
			} else if err != nil && (!errors.Is(err, websocket.ErrRedirect) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("AwaitUp: %v, want ErrRedirect", err)
			}
			c.CloseNow()
			synctest.Wait()
			if !slices.Equal(seen, tt.want) {
				t.Errorf("the servers saw %q, want %q", seen, tt.want)
			}
		})
	}
}

// S3.5, R9: cookies of a jar go to the host that set them, through redirects and
// reconnects.
func TestAttackCookies(t *testing.T) {
	bubble(t, "R9 S3.5", func(t *testing.T) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Host+" "+strings.Join(r.Header["Cookie"], "|"))
			if r.Host == "192.0.2.1" {
				http.SetCookie(w, &http.Cookie{Name: "one", Value: "1", Path: "/"})
				http.SetCookie(w, &http.Cookie{Name: "stolen", Value: "1", Path: "/", Domain: "192.0.2.2"})
				http.Redirect(w, r, "ws://192.0.2.2/b", http.StatusFound)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "two", Value: "2", Path: "/"})
			sockets(echo).ServeHTTP(w, r)
		}))
		o := options(s)
		o.MaxRedirects = 1
		o.Client.CookieJar = jar
		c := start(t, nil, o)
		up(t, c)
		s.Cut()
		time.Sleep(time.Second)
		up(t, c)
		if want := []string{"192.0.2.1 ", "192.0.2.2 ", "192.0.2.1 one=1", "192.0.2.2 two=2"}; !slices.Equal(seen, want) {
			t.Errorf("the servers saw %q, want %q", seen, want)
		}
	})
}

// R5, R7: a server that answers 101 and hangs up, or sends garbage, or floods, is
// tried as seldom as any other that fails, and memory stays what it is.
func TestAttackHostile(t *testing.T) {
	accept := func(c net.Conn, r *http.Request, rest string) {
		// RFC 6455, section 4.2.2.
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
			base64.StdEncoding.EncodeToString(sum[:]), rest)
	}
	for _, tt := range []struct {
		name   string
		answer func(c net.Conn, r *http.Request)
		ends   bool // by policy
	}{
		{name: "R5 nothing", answer: func(net.Conn, *http.Request) {}},
		{name: "R5 101 and the end", answer: func(c net.Conn, r *http.Request) { accept(c, r, "") }},
		{name: "101 without a key", answer: func(c net.Conn, _ *http.Request) {
			io.WriteString(c, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi")
		}},
		{name: "half a frame", answer: func(c net.Conn, r *http.Request) { accept(c, r, "\x81\x7e\xff") }},
		{name: "masked frame", answer: func(c net.Conn, r *http.Request) { accept(c, r, "\x81\x82abcdhi") }, ends: true},
		{name: "8 EiB", answer: func(c net.Conn, r *http.Request) { accept(c, r, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx") }, ends: true},
		{name: "close with 1012", answer: func(c net.Conn, r *http.Request) { accept(c, r, "\x88\x02\x03\xf4") }},
		{name: "refusal without end", answer: func(c net.Conn, _ *http.Request) {
			io.WriteString(c, "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n")
			for {
				if _, err := io.WriteString(c, "400\r\n"+strings.Repeat("x", 1024)+"\r\n"); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}},
		{name: "redirect to itself", answer: func(c net.Conn, _ *http.Request) {
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /feed\r\nContent-Length: 0\r\n\r\n")
		}},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			ln := wstest.NewListener(nil)
			var serving sync.WaitGroup
			serving.Go(func() {
				for {
					k, err := ln.Accept()
					if err != nil {
						return
					}
					serving.Go(func() {
						defer k.Close()
						if r, err := http.ReadRequest(bufio.NewReader(k)); err == nil {
							tt.answer(k, r)
						}
					})
				}
			})
			defer func() {
				ln.Close()
				ln.Cut()
				serving.Wait()
			}()
			o := &reconnect.Options{MaxRedirects: 5, Jitter: most}
			o.Client.Dial = ln.Dial
			c := start(t, nil, o)
			defer c.CloseNow()
			before := inUse()
			time.Sleep(time.Minute)
			n := ln.Dials()
			if tt.name == "redirect to itself" {
				n /= 6
			}
			if tt.ends {
				<-c.Done()
				if n != 1 {
					t.Errorf("%d attempts, want 1", n)
				}
			} else if n > 20 || n < 5 {
				t.Errorf("%d attempts in the first minute", n)
			}
			if after := inUse(); after > before+1<<20 {
				t.Errorf("%d KiB more are in use", (after-before)>>10)
			}
		})
	}
}

// R13: many who write, to a server that comes and goes and does not read: nothing
// waits for ever, the outbox keeps its limits, and Close ends it all.
func TestAttackWriters(t *testing.T) {
	for _, ack := range []bool{false, true} {
		bubble(t, fmt.Sprintf("R13 acknowledge %v", ack), func(t *testing.T) {
			s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				time.Sleep(3 * time.Second) // does not read
			}))
			o := options(s)
			o.WhileDown = reconnect.Queue
			o.Outbox = reconnect.Outbox{MaxMessages: 50, MaxBytes: 64 << 10, Acknowledge: ack}
			c := start(t, nil, o)
			var writers sync.WaitGroup
			p := make([]byte, 5000)
			for range 20 {
				writers.Go(func() {
					for {
						ctx, cancel := context.WithTimeout(context.Background(), time.Second)
						err := c.Write(ctx, websocket.MessageBinary, p)
						cancel()
						switch {
						case errors.Is(err, reconnect.ErrClosed):
							return
						case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, reconnect.ErrOutboxFull):
							time.Sleep(10 * time.Millisecond)
						default:
							t.Errorf("Write = %v", err)
							return
						}
						if i := c.Info(); i.Queued > 50 || i.QueuedBytes > 64<<10 {
							t.Errorf("%d messages, %d bytes are queued", i.Queued, i.QueuedBytes)
						}
					}
				})
			}
			time.Sleep(30 * time.Second)
			start := time.Now()
			if err := c.Close(websocket.StatusNormalClosure, ""); !errors.Is(err, reconnect.ErrUnsent) {
				t.Errorf("Close = %v, want ErrUnsent", err)
			}
			if d := time.Since(start); d > 11*time.Second {
				t.Errorf("Close took %v", d)
			}
			over(t, c)
			writers.Wait()
		})
	}
}

// R14, R15: every method at any moment, and the end by any of them.
func TestAttackAnyMoment(t *testing.T) {
	s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
		for range 3 {
			if c.Write(r.Context(), websocket.MessageText, []byte("x")) != nil {
				return
			}
		}
		echo(c, r)
		c.CloseNow()
	}))
	for i := range 300 {
		o := options(s)
		o.MinWait, o.MaxWait = time.Millisecond, 2*time.Millisecond
		o.WhileDown = reconnect.WhileDown(i % 3)
		o.Outbox.Acknowledge = o.WhileDown == reconnect.Queue && i%2 == 0
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		r := newRecorder()
		c, err := reconnect.Start(ctx, addr, r, o)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 10 {
					seq, _ := c.Send(ctx, websocket.MessageText, []byte("y"))
					c.Ack(seq)
				}
				fctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
				c.Flush(fctx)
				cancel()
			})
		}
		wg.Go(func() {
			c.Kick()
			c.Info()
			if i%5 == 0 {
				s.Cut()
			}
			if k := c.Conn(); k != nil && i%7 == 0 {
				k.CloseNow()
			}
		})
		wg.Go(func() {
			for range i % 60 {
				runtime.Gosched()
			}
			switch i % 4 {
			case 0:
				c.CloseNow()
			case 1:
				c.Close(websocket.StatusNormalClosure, "")
			case 2:
				cancel()
			case 3:
				go c.Close(websocket.StatusNormalClosure, "")
				c.CloseNow()
			}
		})
		over := make(chan struct{})
		go func() {
			<-c.Done()
			wg.Wait()
			close(over)
		}()
		select {
		case <-over:
		case <-time.After(30 * time.Second):
			buf := make([]byte, 1<<20)
			t.Fatalf("round %d: something does not return: %+v\n%s", i, c.Info(), buf[:runtime.Stack(buf, true)])
		}
		cancel()
		for _, line := range r.all() {
			if line == "TWO AT ONCE" {
				t.Errorf("round %d: %q", i, r.all())
			}
		}
	}
}

// Required of R1 to R15: 500 lives on real sockets leave nothing behind.
func TestAttackManyLives(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handlers sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		echo(c, r)
		c.CloseNow()
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(tcp)
	}()
	defer func() {
		srv.Close()
		<-served
		handlers.Wait()
	}()
	count := func() (int, int) {
		fds, _ := os.ReadDir("/proc/self/fd")
		return len(fds), runtime.NumGoroutine()
	}
	var fds, goroutines int
	for i := range 500 {
		if i == 20 {
			fds, goroutines = count()
		}
		c, err := reconnect.Start(t.Context(), "ws://"+tcp.Addr().String()+"/", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i%5 != 0 { // else it is not up when it ends
			up(t, c)
			write(t, c, "hello")
		}
		if i%3 == 0 {
			c.CloseNow()
		} else {
			c.Close(websocket.StatusNormalClosure, "")
		}
		over(t, c)
	}
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		f, g := count()
		if f <= fds+20 && g <= goroutines+20 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors after %d, %d goroutines after %d", f, fds, g, goroutines)
		}
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
