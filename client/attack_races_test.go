package client_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/wstest"
)

// R14, R15: Close and Shutdown at any moment of requests and opening handshakes,
// over and over: they return, and so does everything else.
func TestAttackEndAtAnyMoment(t *testing.T) {
	for _, p := range []client.Protocol{client.HTTP1, client.HTTP2} {
		t.Run(p.String(), func(t *testing.T) {
			ln := newNet(t, echoing())
			rounds := 300
			for i := range rounds {
				o := client.NewOwner(1 + i%3)
				options := &client.Options{Protocols: []client.Protocol{p}, RetryTimeout: time.Millisecond, Dial: ln.Dial}
				if i%2 == 0 {
					options.Owner = o
				}
				c, err := client.Open("192.0.2.1:80", options)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					for range o.C {
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				for range 3 {
					wg.Go(func() {
						r, _ := http.NewRequestWithContext(ctx, "POST", "/a", strings.NewReader("body"))
						if res, err := c.RoundTrip(r); err == nil {
							io.Copy(io.Discard, res.Body)
							res.Body.Close()
						}
					})
				}
				wg.Go(func() {
					if s, err := c.Upgrade(ctx, "/ws", nil); err == nil {
						s.Write(ctx, websocket.MessageText, []byte("x"))
						if i%5 != 0 {
							<-c.Done()
						}
						s.CloseNow() // also one that was lost has to be closed
					}
				})
				wg.Go(func() { c.Request(mustRequest(ctx)) })
				wg.Go(func() {
					for range i % 50 {
						runtime.Gosched()
					}
					if i%7 == 0 {
						ln.Cut()
					}
					switch i % 4 {
					case 0:
						c.Close()
					case 1:
						c.Shutdown(ctx)
					case 2:
						go c.Shutdown(ctx)
						c.Close()
					case 3:
						o.Close()
						c.Shutdown(ctx)
					}
				})
				over := make(chan struct{})
				go func() {
					<-c.Done()
					o.Close()
					wg.Wait()
					close(over)
				}()
				select {
				case <-over:
				case <-time.After(30 * time.Second):
					buf := make([]byte, 1<<20)
					t.Fatalf("round %d: something does not return: %+v\n%s", i, c.Info(), buf[:runtime.Stack(buf, true)])
				}
				if ctx.Err() != nil {
					t.Errorf("round %d took 20 s", i)
				}
				cancel()
			}
		})
	}
}

// echoing is site, with every socket closed in the end.
func echoing() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", site())
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			wstest.Echo(c)
			c.CloseNow()
		}
	})
	return mux
}

func mustRequest(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, "GET", "/b", nil)
	if err != nil {
		panic(err)
	}
	return r
}
