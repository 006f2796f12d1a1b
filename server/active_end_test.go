package server_test

import (
	"context"
	"net"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// S4.14 A session that has stopped reading and finds by a write that its peer
// is gone ends at once, with no message after SetActive(false).
func TestStoppedAndGone(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		ready, reset := make(chan struct{}), make(chan struct{})
		over := make(chan server.Reason, 1)
		calls := 0
		h := serve(t, engine, nil, func() server.Handler {
			return &funcs{
				message: func(s *server.Session, _ websocket.Message) {
					if calls++; calls > 1 {
						t.Error("a message came while reading is stopped")
						return
					}
					s.SetActive(false)
					close(ready)
					wait(t, reset)
					s.Text("is anybody there?")
				},
				terminate: func(_ *server.Session, r server.Reason) { over <- r },
			}
		})
		var raw *net.TCPConn
		c := h.dial(&websocket.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if err == nil {
				raw = conn.(*net.TCPConn)
			}
			return conn, err
		}})
		if err := c.WriteBatch(h.context(), websocket.Text("one"), websocket.Text("two")); err != nil {
			t.Fatal(err)
		}
		wait(t, ready)
		raw.SetLinger(0)
		raw.Close()
		close(reset)
		if r := wait(t, over); r.Kind != server.ReasonClosed {
			t.Errorf("it ended with %v", r)
		}
	})
}
