package client_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// rubbish sends pieces of HTTP and of frames in any order, broken here and there,
// and ends at some time.
func rubbish(v *villain, seed uint64, pieces []string) {
	r := rand.New(rand.NewPCG(seed, uint64(v.n)))
	requests := make(chan *http.Request, 100)
	go func() {
		defer close(requests)
		for {
			q, err := v.request()
			if err != nil {
				v.idle()
				return
			}
			requests <- q
		}
	}()
	for range r.IntN(30) {
		text := pieces[r.IntN(len(pieces))]
		if strings.HasPrefix(text, "HTTP/1.") && r.IntN(20) != 0 { // an answer
			q := <-requests
			if q == nil {
				return
			}
			text = strings.Replace(text, "KEY", acceptKey(q), 1)
		}
		p := []byte(text)
		if len(p) > 0 && r.IntN(6) == 0 {
			p[r.IntN(len(p))] ^= 1 << r.IntN(8)
		}
		if r.IntN(10) == 0 {
			p = p[:r.IntN(len(p)+1)]
		}
		if _, err := v.Write(p); err != nil {
			return
		}
		if r.IntN(3) == 0 {
			time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		}
	}
	if r.IntN(4) == 0 {
		time.Sleep(time.Hour)
	}
}

// R14: whatever a server sends, every call returns in time, a Down follows each
// Up, and Close leaves nothing behind.
func TestAttackRandom(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	http1 := []string{
		head + "Content-Length: 5\r\n\r\nhello", head + "Content-Length: 0\r\n\r\n", head + "Transfer-Encoding: chunked\r\n\r\n",
		"5\r\nhello\r\n", "0\r\n\r\n", "0\r\nA: b\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 204 No\r\n\r\n",
		"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n",
		"HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", head + "\r\n", "\x81\x02hi", "\x88\x00", "\r\n",
		"HTTP/1.0 200 OK\r\n\r\n", strings.Repeat("x", 70000),
	}
	frame := func(kind, flags byte, stream uint32, p string) string {
		return string(frame2(kind, flags, stream, []byte(p)))
	}
	http2 := []string{
		frame(settings2, ack2, 0, ""), frame(settings2, 0, 0, string(setting(8, 1))), frame(settings2, 0, 0, string(setting(3, 1))),
		frame(settings2, 0, 0, string(setting(4, 0))), frame(settings2, 0, 0, string(setting(4, 1000))), frame(settings2, 0, 0, string(setting(5, 1<<20))),
		frame(ping2, 0, 0, "12345678"), frame(ping2, ack2, 0, "12345678"), frame(goAway2, 0, 0, string(u32(1, 0))), frame(goAway2, 0, 0, string(u32(1<<31-1, 0))),
		frame(window2, 0, 0, string(u32(100))), frame(data2, 0, 0, "x"), frame(99, 0, 0, "unknown"),
	}
	for stream := uint32(1); stream < 11; stream += 2 {
		http2 = append(http2, frame(headers2, endHeaders2, stream, ok2), frame(headers2, endHeaders2|endStream2, stream, ok2),
			frame(headers2, endHeaders2, stream, "\x08\x03103"), frame(headers2, endHeaders2, stream, "\x08\x03403"), frame(headers2, 0, stream, ok2), frame(continuation2, endHeaders2, stream, ""),
			frame(data2, 0, stream, "hello"), frame(data2, endStream2, stream, "hello"), frame(data2, 0, stream, "\x81\x02hi"), frame(data2, 0, stream, "\x88\x02\x03\xe8"),
			frame(rst2, 0, stream, string(u32(7))), frame(rst2, 0, stream, string(u32(8))), frame(window2, 0, stream, string(u32(1000))),
			frame(headers2, endHeaders2|endStream2, stream, "\x00\x01a\x01b"))
	}
	for _, p := range []client.Protocol{client.HTTP1, client.HTTP2} {
		t.Run(p.String(), func(t *testing.T) {
			for seed := range uint64(150) {
				synctest.Test(t, func(t *testing.T) {
					ln := newVillain(t, func(v *villain) {
						if p == client.HTTP1 {
							rubbish(v, seed, http1)
							return
						}
						v.Write(frame2(settings2, 0, 0, setting(8, 1)))
						rubbish(v, seed, http2)
					})
					o := client.NewOwner(8)
					c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}, Retry: 3, RetryTimeout: time.Second, Owner: o})
					ups, downs := 0, 0
					told := make(chan struct{})
					go func() {
						defer close(told)
						for ev := range o.C {
							switch ev.(type) {
							case client.Up:
								ups++
							case client.Down:
								downs++
							}
							if ups-downs != 0 && ups-downs != 1 {
								t.Errorf("seed %d: %d Ups, %d Downs", seed, ups, downs)
							}
						}
					}()
					var calls sync.WaitGroup
					start := time.Now()
					for i := range 4 {
						ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
						defer cancel()
						calls.Go(func() {
							time.Sleep(time.Duration(i) * time.Second)
							var body io.Reader
							if i%2 == 0 {
								body = io.LimitReader(zeros{}, 100<<10)
							}
							r, _ := http.NewRequestWithContext(ctx, "POST", fmt.Sprint("/", i), body)
							if res, err := c.RoundTrip(r); err == nil {
								io.Copy(io.Discard, res.Body)
								res.Body.Close()
							}
						})
						calls.Go(func() {
							time.Sleep(time.Duration(i) * 1200 * time.Millisecond)
							r, _ := http.NewRequestWithContext(ctx, "GET", "/", nil)
							if ref, err := c.Request(r); err == nil && i == 3 {
								c.Cancel(ref)
							}
						})
						calls.Go(func() {
							time.Sleep(time.Duration(i) * 1500 * time.Millisecond)
							if s, err := c.Upgrade(ctx, "/", nil); err == nil {
								s.Write(ctx, websocket.MessageText, []byte("x"))
								time.Sleep(time.Second)
								if i%2 == 0 {
									c.Shutdown(ctx)
								}
								s.CloseNow()
							}
						})
					}
					calls.Wait()
					if d := since(start); d > 26*time.Second {
						t.Errorf("seed %d: the calls took %v", seed, d)
					}
					start = time.Now()
					if seed%3 == 0 {
						c.Shutdown(t.Context())
					}
					if c.Close(); since(start) > 16*time.Second || seed%3 != 0 && since(start) > 2*time.Second {
						t.Errorf("seed %d: the end took %v", seed, since(start))
					}
					synctest.Wait() // it is told of the end by then
					o.Close()
					<-told
					if ups != downs {
						t.Errorf("seed %d: %d Ups, %d Downs", seed, ups, downs)
					}
				})
			}
		})
	}
}
