package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
)

// forgets accepts the first opening handshake, and is not heard of any more.
func forgets(t *testing.T) func(net.Conn) {
	return func(nc net.Conn) {
		p := newH2Peer(t, nc, extended)
		r := p.request()
		p.respond(r.stream, false, "200")
		p.data(r.stream, false, greeting)
		io.Copy(io.Discard, nc)
	}
}

// A connection that the network has forgotten does not stay: whoever waits in
// vain for an answer has it looked after.
func TestPoolForgotten(t *testing.T) {
	bubble(t, "socket", func(t *testing.T) {
		s := servers(t, forgets(t), hosts(t))
		o := pooled(t, s, new(websocket.Pool))
		c, err := websocket.Dial(t.Context(), "ws://h/", o)
		first := greeted(t, c, err)
		if _, err := websocket.Dial(t.Context(), "ws://h/", o); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		c, err = websocket.Dial(t.Context(), "ws://h/", o)
		greeted(t, c, err)
		_, _, err = first.Read(t.Context())
		if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure {
			t.Errorf("ending %v", err)
		}
	})
	bubble(t, "request", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc)
			p.respond(p.request().stream, true, "204")
			io.Copy(io.Discard, nc)
		}, func(nc net.Conn) {
			p := newH2Peer(t, nc)
			p.respond(p.request().stream, true, "204")
			p.drain()
		})
		pool := plainPool(t, s)
		get := func(ctx context.Context) error {
			res, err := pool.RoundTrip(newRequest(t, ctx, "GET", "http://h/", nil))
			if err == nil && res.StatusCode != 204 {
				t.Errorf("status %s", res.Status)
			}
			return err
		}
		if err := get(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if err := get(t.Context()); err != nil {
			t.Error(err)
		}
	})
	bubble(t, "a server that is merely slow", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			p.request()
			r := p.request()
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.drain()
		})
		o := pooled(t, s, new(websocket.Pool))
		if _, err := websocket.Dial(t.Context(), "ws://h/", o); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Minute)
		c, err := websocket.Dial(t.Context(), "ws://h/", o)
		greeted(t, c, err)
	})
}

// PingInterval finds it without anybody waiting.
func TestPoolPing(t *testing.T) {
	bubble(t, "PingInterval", func(t *testing.T) {
		s := servers(t, forgets(t))
		var pings atomic.Int32
		pool := &websocket.Pool{PingInterval: 10 * time.Second, Trace: func(f websocket.HTTP2Frame) {
			if f.Sent && f.Type == "PING" {
				pings.Add(1)
			}
		}}
		o := pooled(t, s, pool)
		c, err := websocket.Dial(t.Context(), "ws://h/", o)
		c = greeted(t, c, err)
		start := time.Now()
		_, _, err = c.Read(t.Context())
		if took := time.Since(start); took != 25*time.Second || pings.Load() != 1 {
			t.Errorf("ended after %v and %d pings: %v", took, pings.Load(), err)
		}
	})
}
