package client_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// Frames that come in the same segment as a 101 that is none are nobody's.
func TestAttackEarlyBehindBad101(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newVillain(t, func(v *villain) {
			if _, err := v.request(); err != nil {
				return
			}
			v.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi%s", strings.Repeat("\x81\x02hi", 10000))
			v.idle()
		})
		o := client.NewOwner(100)
		c := open(t, ln, &client.Options{RetryTimeout: time.Millisecond, Owner: o, Retry: 2})
		for range 2 {
			if _, err := c.Upgrade(t.Context(), "/", nil); err == nil {
				t.Error("upgraded")
			}
			up(t, c)
		}
		c.Close()
		o.Close()
		for ev := range o.C {
			if m, ok := ev.(client.Message); ok {
				t.Errorf("a message: %q", m.Data)
			}
		}
	})
}

// An owner who does not look stops its own sockets. Requests on the same
// connection of HTTP/2 go on, until the sockets have filled the connection's
// window; memory is bounded by that.
func TestAttackManyStuckSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("/", site())
		var sockets sync.WaitGroup
		mux.HandleFunc("/flood", func(w http.ResponseWriter, r *http.Request) {
			sockets.Add(1)
			defer sockets.Done()
			s, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{WriteTimeout: -1}})
			if err != nil {
				return
			}
			defer s.CloseNow()
			p := make([]byte, 1000)
			for s.Write(context.Background(), websocket.MessageBinary, p) == nil {
			}
		})
		ln := newNet(t, mux)
		o := client.NewOwner(1)
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}, Owner: o, Retry: -1})
		before := inUse()
		const many = 8
		for range many {
			if _, err := c.Upgrade(t.Context(), "/flood", nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		// Their windows, on either side, and what the pipe holds.
		if after := inUse(); after > before+many*(300<<10) {
			t.Errorf("%d KiB more are in use", (after-before)>>10)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "GET", "/a", nil)
		res, err := c.RoundTrip(r)
		if err != nil {
			t.Errorf("a request beside: %v", err)
		} else {
			res.Body.Close()
		}
		c.Close()
		o.Close()
		for range o.C {
		}
		ln.Cut()
		sockets.Wait()
	})
}

// A Handler that calls Close or Shutdown of its Conn, or of its socket, in the
// middle of a flood does not wait for itself.
func TestAttackHandlerEnds(t *testing.T) {
	for name, end := range map[string]func(c *client.Conn, s *websocket.Conn){
		"Close":       func(c *client.Conn, _ *websocket.Conn) { c.Close() },
		"Shutdown":    func(c *client.Conn, _ *websocket.Conn) { c.Shutdown(context.Background()) },
		"CloseNow":    func(_ *client.Conn, s *websocket.Conn) { s.CloseNow() },
		"close frame": func(_ *client.Conn, s *websocket.Conn) { s.Close(websocket.StatusNormalClosure, "") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newVillain(t, func(v *villain) { flood(v, "x") })
				h := &ender{over: make(chan struct{})}
				c := open(t, ln, &client.Options{Retry: -1})
				h.end = func(s *websocket.Conn) { end(c, s) }
				start := time.Now()
				s, err := c.Upgrade(t.Context(), "/", &client.UpgradeOptions{Subprotocols: []client.Subprotocol{{
					Name: "x", NewHandler: func(s *websocket.Conn) client.Handler { h.s = s; return h },
				}}})
				if err != nil {
					t.Fatal(err)
				}
				<-h.over
				<-c.Done()
				if d := since(start); d > 31*time.Second || name != "Shutdown" && d > 16*time.Second {
					t.Errorf("over after %v", d)
				}
				if _, _, err := s.Read(t.Context()); err == nil {
					t.Error("a message after the end")
				}
			})
		})
	}
}

type ender struct {
	s    *websocket.Conn
	end  func(s *websocket.Conn)
	over chan struct{}
}

func (h *ender) Message(websocket.Message) error {
	if h.end != nil {
		end := h.end
		h.end = nil
		end(h.s)
	}
	return nil
}

func (h *ender) Closed(*websocket.CloseError) { close(h.over) }
