package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
)

// hosts accepts every opening handshake and greets. Each stream ends when the
// client sends a close frame, or resets it.
func hosts(t *testing.T, settings ...http2.Setting) func(net.Conn) {
	return func(nc net.Conn) {
		p := newH2Peer(t, nc, append(settings, extended)...)
		for f := p.frame(); f != nil; f = p.frame() {
			switch f := f.(type) {
			case *http2.HeadersFrame:
				p.dec.DecodeFull(f.HeaderBlockFragment())
				p.respond(f.StreamID, false, "200")
				p.data(f.StreamID, false, greeting)
			case *http2.DataFrame:
				if len(f.Data()) > 0 { // END_STREAM may follow by itself
					p.data(f.StreamID, true, "\x88\x02\x03\xe8")
				}
			}
		}
	}
}

// pooled are the options of a Dial by way of a pool, which is closed at the end
// of the test.
func pooled(t *testing.T, s *h2Servers, pool *websocket.Pool) *websocket.DialOptions {
	t.Cleanup(func() { pool.Close() })
	o := s.options()
	o.Pool = pool
	return o
}

// greeted wants the greeting, and leaves the connection open.
func greeted(t *testing.T, c *websocket.Conn, err error) *websocket.Conn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(within(t)); string(p) != "hi" {
		t.Fatalf("read %q, %v", p, err)
	}
	return c
}

func slots(n uint32) http2.Setting {
	return http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n}
}

// S2.11: sockets that are opened at the same time share one connection, and
// keep it when one of them ends.
func TestPoolShares(t *testing.T) {
	bubble(t, "S2.11", func(t *testing.T) {
		s := servers(t, hosts(t))
		o := pooled(t, s, new(websocket.Pool))
		var (
			wg    sync.WaitGroup
			conns [10]*websocket.Conn
		)
		for i := range conns {
			wg.Go(func() {
				c, err := websocket.Dial(within(t), fmt.Sprint("ws://h/", i), o)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = greeted(t, c, err)
			})
		}
		wg.Wait()
		if s.count() != 1 {
			t.Fatalf("%d connections", s.count())
		}
		conns[0].CloseNow()
		for _, c := range conns[1:] {
			if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		}
	})
	bubble(t, "S2.11 others have their own", func(t *testing.T) {
		s := servers(t, hosts(t), hosts(t), hosts(t))
		o := pooled(t, s, new(websocket.Pool))
		unix := *o
		unix.Unix = "/socket"
		c1, err1 := websocket.Dial(within(t), "ws://h/", o)
		c2, err2 := websocket.Dial(within(t), "ws://h:81/", o)
		c3, err3 := websocket.Dial(within(t), "ws://h/", &unix)
		c4, err4 := websocket.Dial(within(t), "http://H:80/", o)
		for i, err := range []error{err1, err2, err3, err4} {
			mustGreet(t, []*websocket.Conn{c1, c2, c3, c4}[i], err)
		}
		if s.count() != 3 {
			t.Errorf("%d connections, want 3", s.count())
		}
	})
}

// An error of one stream does not concern its siblings.
func TestPoolSiblings(t *testing.T) {
	bubble(t, "S2.11 siblings", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			greet := func() uint32 {
				r := p.request()
				p.respond(r.stream, false, "200")
				p.data(r.stream, false, greeting)
				return r.stream
			}
			first, second, third := greet(), greet(), greet()
			p.reset(first, http2.ErrCodeInternal)
			p.data(second, false, "\x81\x81") // masked, as no server may
			p.data(third, false, greeting)
			p.respond(p.request().stream, true, "500")
			greet()
			p.drain()
		})
		o := pooled(t, s, new(websocket.Pool))
		var conns []*websocket.Conn
		for range 3 {
			c, err := websocket.Dial(within(t), "ws://h/", o)
			conns = append(conns, greeted(t, c, err))
		}
		for i, code := range []websocket.StatusCode{websocket.StatusAbnormalClosure, websocket.StatusAbnormalClosure} {
			_, _, err := conns[i].Read(within(t))
			if ce := closeErrorOf(t, err); ce.Code != code {
				t.Errorf("socket %d: %v", i, err)
			}
			if se, ok := errors.AsType[*websocket.HTTP2StreamError](err); ok != (i == 0) || ok && (!se.Remote || se.Code.String() != "INTERNAL_ERROR") {
				t.Errorf("socket %d: %v", i, err)
			}
		}
		greeted(t, conns[2], nil)
		if _, err := websocket.Dial(within(t), "ws://h/", o); err == nil {
			t.Error("no refusal")
		}
		c, err := websocket.Dial(within(t), "ws://h/", o)
		greeted(t, c, err)
	})
}

// The server's MAX_CONCURRENT_STREAMS is obeyed: who is too many waits, first
// come first served, as long as his context lives.
func TestPoolWaits(t *testing.T) {
	bubble(t, "waits", func(t *testing.T) {
		s := servers(t, hosts(t, slots(2)))
		o := pooled(t, s, new(websocket.Pool))
		dial := func() *websocket.Conn {
			c, err := websocket.Dial(t.Context(), "ws://h/", o)
			return greeted(t, c, err)
		}
		first, second := dial(), dial()

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := websocket.Dial(ctx, "ws://h/", o)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "MaxConns") || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}

		var order []int
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				c := dial()
				order = append(order, i)
				synctest.Wait()
				c.Close(websocket.StatusNormalClosure, "")
			})
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Fatalf("opened %v beyond the limit", order)
		}
		first.Close(websocket.StatusNormalClosure, "")
		wg.Wait()
		if fmt.Sprint(order) != "[0 1 2]" {
			t.Errorf("order %v", order)
		}
		second.CloseNow()
		if s.count() != 1 {
			t.Errorf("%d connections", s.count())
		}
	})
	bubble(t, "MaxConns", func(t *testing.T) {
		s := servers(t, hosts(t, slots(2)), hosts(t, slots(2)))
		o := pooled(t, s, &websocket.Pool{MaxConns: 2})
		var conns []*websocket.Conn
		for range 4 {
			c, err := websocket.Dial(t.Context(), "ws://h/", o)
			conns = append(conns, greeted(t, c, err))
		}
		if s.count() != 2 {
			t.Errorf("%d connections", s.count())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := websocket.Dial(ctx, "ws://h/", o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		// Whichever connection has room first is taken.
		fifth := async(func() error {
			c, err := websocket.Dial(t.Context(), "ws://h/", o)
			if err == nil {
				c.CloseNow()
			}
			return err
		})
		synctest.Wait()
		conns[3].Close(websocket.StatusNormalClosure, "")
		if err := <-fifth; err != nil {
			t.Error(err)
		}
	})
	bubble(t, "no limit on connections", func(t *testing.T) {
		var scripts []func(net.Conn)
		for range 20 {
			scripts = append(scripts, hosts(t, slots(1)))
		}
		s := servers(t, scripts...)
		o := pooled(t, s, &websocket.Pool{MaxConns: -1})
		var wg sync.WaitGroup
		for range s.scripts {
			wg.Go(func() {
				c, err := websocket.Dial(t.Context(), "ws://h/", o)
				if err != nil {
					t.Error(err)
					return
				}
				greeted(t, c, nil)
			})
		}
		wg.Wait()
		if s.count() != 20 {
			t.Errorf("%d connections", s.count())
		}
	})
	bubble(t, "a server that takes none", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, slots(0), extended)
			p.frame()
		}, func(nc net.Conn) {
			p := newH2Peer(t, nc, slots(0), extended)
			time.Sleep(5 * time.Second)
			p.settings(slots(1))
			r := p.request()
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.drain()
		})
		o := pooled(t, s, &websocket.Pool{MaxConns: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := websocket.Dial(ctx, "ws://h/", o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		cancel()
		o.Pool.CloseIdle()
		c, err := websocket.Dial(t.Context(), "ws://h/", o)
		greeted(t, c, err)
		if s.count() != 2 {
			t.Errorf("%d connections", s.count())
		}
	})
}

// A stream that was refused unseen is tried again; GOAWAY moves new streams to a
// new connection, and leaves those there are.
func TestPoolRetries(t *testing.T) {
	bubble(t, "REFUSED_STREAM", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			p.reset(p.request().stream, http2.ErrCodeRefusedStream)
			r := p.request()
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.drain()
		})
		c, err := websocket.Dial(within(t), "ws://h/", pooled(t, s, new(websocket.Pool)))
		greeted(t, c, err)
	})
	bubble(t, "H2-S12 GOAWAY", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			r := p.request()
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.request() // which is above the last one
			p.must(p.fr.WriteGoAway(r.stream, http2.ErrCodeNo, nil))
			if _, ok := p.frame().(*http2.DataFrame); !ok {
				t.Error("no close frame")
			}
			p.data(r.stream, true, "\x88\x02\x03\xe8")
			p.drain()
		}, hosts(t))
		o := pooled(t, s, new(websocket.Pool))
		c, err := websocket.Dial(within(t), "ws://h/", o)
		first := greeted(t, c, err)
		c, err = websocket.Dial(within(t), "ws://h/", o)
		second := greeted(t, c, err)
		if err := first.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("the socket from before GOAWAY: %v", err)
		}
		if err := second.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		if s.count() != 2 {
			t.Errorf("%d connections", s.count())
		}
	})
}

// What nobody needs is closed after a while.
func TestPoolIdle(t *testing.T) {
	for name, tt := range map[string]struct {
		option, want time.Duration
	}{
		"default":  {0, 90 * time.Second},
		"given":    {time.Second, time.Second},
		"no limit": {-1, 0},
	} {
		bubble(t, name, func(t *testing.T) {
			var closed time.Time
			s := servers(t, func(nc net.Conn) {
				hosts(t)(nc)
				closed = time.Now()
			})
			o := pooled(t, s, &websocket.Pool{IdleTimeout: tt.option})
			c, err := websocket.Dial(within(t), "ws://h/", o)
			greeted(t, c, err).Close(websocket.StatusNormalClosure, "")
			start := time.Now()
			time.Sleep(time.Hour)
			synctest.Wait()
			if took := closed.Sub(start); tt.want > 0 && took != tt.want || tt.want == 0 && !closed.IsZero() {
				t.Errorf("closed after %v, want %v", took, tt.want)
			}
		})
	}
	bubble(t, "CloseIdle", func(t *testing.T) {
		s := servers(t, hosts(t), hosts(t))
		pool := new(websocket.Pool)
		o := pooled(t, s, pool)
		c, err := websocket.Dial(within(t), "ws://h/", o)
		c = greeted(t, c, err)
		pool.CloseIdle()
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("CloseIdle and then: %v", err)
		}
		pool.CloseIdleConnections()
		synctest.Wait()
		c, err = websocket.Dial(within(t), "ws://h/", o)
		greeted(t, c, err)
		if s.count() != 2 {
			t.Errorf("%d connections", s.count())
		}
	})
}

// Close leaves nothing, whatever was under way.
func TestPoolClose(t *testing.T) {
	bubble(t, "open and waiting", func(t *testing.T) {
		s := servers(t, hosts(t, slots(1)))
		pool := new(websocket.Pool)
		o := pooled(t, s, pool)
		c, err := websocket.Dial(within(t), "ws://h/", o)
		c = greeted(t, c, err)
		waiting := async(func() error {
			_, err := websocket.Dial(t.Context(), "ws://h/", o)
			return err
		})
		synctest.Wait()
		pool.Close()
		if err := <-waiting; err == nil || !errors.Is(err, net.ErrClosed) {
			t.Errorf("who waited: %v", err)
		}
		_, _, err = c.Read(within(t))
		if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure {
			t.Errorf("ending %v", err)
		}
		if _, err := websocket.Dial(within(t), "ws://h/", o); !errors.Is(err, websocket.ErrPoolClosed) {
			t.Errorf("after Close: %v", err)
		}
		if err := pool.Close(); err != nil {
			t.Errorf("once more: %v", err)
		}
	})
	bubble(t, "connecting", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) { io.Copy(io.Discard, nc) })
		pool := new(websocket.Pool)
		o := pooled(t, s, pool)
		waiting := async(func() error {
			_, err := websocket.Dial(t.Context(), "ws://h/", o)
			return err
		})
		synctest.Wait()
		pool.Close()
		if err := <-waiting; err == nil {
			t.Error("no error")
		}
	})
}

// Who gives up does not take the connection from those who wait for it too.
func TestPoolCanceledDial(t *testing.T) {
	bubble(t, "one of two", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			time.Sleep(2 * time.Second)
			hosts(t)(nc)
		})
		o := pooled(t, s, new(websocket.Pool))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := async(func() error {
			_, err := websocket.Dial(ctx, "ws://h/", o)
			return err
		})
		synctest.Wait()
		c, err := websocket.Dial(within(t), "ws://h/", o)
		greeted(t, c, err)
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who gave up: %v", err)
		}
	})
	bubble(t, "all", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) { io.Copy(io.Discard, nc) }, hosts(t))
		o := pooled(t, s, new(websocket.Pool))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := websocket.Dial(ctx, "ws://h/", o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		c, err := websocket.Dial(within(t), "ws://h/", o)
		greeted(t, c, err)
	})
}
