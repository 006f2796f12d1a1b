package client_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// S1.15, S0.22: an owner, or a handler, that is slow slows the peer down. It does
// not make a peer dead that answers pings, and loses nothing.
func TestAttackSlowOwner(t *testing.T) {
	for _, p := range []client.Protocol{client.HTTP1, client.HTTP2} {
		for _, handled := range []bool{false, true} {
			t.Run(fmt.Sprint(p, " handler ", handled), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const many = 300
					mux := http.NewServeMux()
					var sockets sync.WaitGroup
					mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
						sockets.Add(1)
						defer sockets.Done()
						o := websocket.ConnOptions{Subprotocols: []string{"x"}, WriteTimeout: -1}
						s, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: o})
						if err != nil {
							return
						}
						defer s.CloseNow()
						go s.Read(context.Background()) // answers pings
						for i := range many {
							if s.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, "%03d%2000d", i, 0)) != nil {
								return
							}
						}
						time.Sleep(time.Hour)
					})
					ln := newNet(t, mux)
					o := client.NewOwner(1)
					c := open(t, ln, &client.Options{
						Protocols: []client.Protocol{p}, Owner: o, Retry: -1, KeepAlive: 10 * time.Second,
						WebSocket: websocket.ConnOptions{KeepAlive: websocket.KeepAlive{Interval: time.Second, Timeout: time.Second}},
					})
					h := &slow{t: t, over: make(chan struct{}), got: make(chan string)}
					u := &client.UpgradeOptions{}
					if handled {
						u.Subprotocols = []client.Subprotocol{{Name: "x", NewHandler: func(*websocket.Conn) client.Handler { return h }}}
					}
					if _, err := c.Upgrade(t.Context(), "/", u); err != nil {
						t.Fatal(err)
					}
					go func() {
						for ev := range o.C {
							switch ev := ev.(type) {
							case client.Message:
								h.got <- string(ev.Data)
							case client.Closed:
								if !handled {
									close(h.over)
								}
							}
						}
					}()
					for i := range many {
						if i%100 == 0 {
							time.Sleep(time.Minute)
						}
						select {
						case m := <-h.got:
							if m[:3] != fmt.Sprintf("%03d", i) {
								t.Fatalf("message %.3s, want %03d", m, i)
							}
						case <-h.over:
							t.Fatalf("lost after %d messages: %v", i, c.Info().Err)
						}
					}
					time.Sleep(time.Minute)
					if i := c.Info(); len(i.Open) != 1 {
						t.Errorf("the socket is gone: %+v", i)
					}
					c.Close()
					o.Close()
					ln.Cut()
					sockets.Wait()
				})
			})
		}
	}
}

// slow is a handler that gives messages on one at a time.
type slow struct {
	t    *testing.T
	got  chan string
	over chan struct{}
}

func (h *slow) Message(m websocket.Message) error {
	h.got <- string(m.Data)
	return nil
}

func (h *slow) Closed(*websocket.CloseError) { close(h.over) }
