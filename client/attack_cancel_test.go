package client_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// S0.16, R14: contexts that end at any moment of an opening handshake or a
// request. The Conn can be used on, and holds nothing of what was given up.
func TestAttackCancelAtAnyMoment(t *testing.T) {
	for _, p := range []client.Protocol{client.HTTP1, client.HTTP2} {
		t.Run(p.String(), func(t *testing.T) {
			ln := newNet(t, echoing())
			open := func() *client.Conn {
				c, err := client.Open("192.0.2.1:80", &client.Options{Protocols: []client.Protocol{p}, RetryTimeout: time.Microsecond, Dial: ln.Dial})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			c := open()
			defer func() { c.Close() }()
			sockets, answers := 0, 0
			for i := range 400 {
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					for range i % 80 {
						runtime.Gosched()
					}
					cancel()
				}()
				if i%2 == 0 {
					s, err := c.Upgrade(ctx, "/ws", nil)
					if err == nil {
						sockets++
						echo(t, s, "a socket that was opened lives on when the context ends")
						s.Close(websocket.StatusNormalClosure, "")
						if p == client.HTTP1 { // that was its end
							<-c.Done()
							c = open()
						}
					}
				} else {
					r, _ := http.NewRequestWithContext(ctx, "POST", "/a", io.LimitReader(zeros{}, 50<<10))
					if res, err := c.RoundTrip(r); err == nil {
						answers++
						io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
				}
				cancel()
				if body, err := get(t, c, "/b"); err != nil || body != "GET /b" {
					t.Errorf("round %d: then %q, %v", i, body, err)
				}
			}
			if i := c.Info(); len(i.Open) != 0 {
				t.Errorf("%+v", i)
			}
			t.Logf("%d sockets, %d answers", sockets, answers)
		})
	}
}
