package h2_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A request's context ends with the stream, the connection, or the handler, and
// takes along what was made of it. H2-S6: the handler learns of a reset.
func TestContextEnds(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		ways := map[string]func(c *rawClient, h *host){
			"reset":           func(c *rawClient, _ *host) { c.must(c.fr.WriteRSTStream(1, http2.ErrCodeCancel)) },
			"connection lost": func(c *rawClient, _ *host) { c.nc.Close() },
			"wrong frame":     func(c *rawClient, _ *host) { c.must(c.fr.WriteWindowUpdate(1, 1<<31-1)) },
			"server closed":   func(_ *rawClient, h *host) { h.http.Config.Close() },
			"handler":         nil,
		}
		for name, end := range ways {
			t.Run(name, func(t *testing.T) {
				ctxs := make(chan context.Context, 1)
				called := make(chan error, 1)
				h := start(t, setup{transport: transport}, func(_ http.ResponseWriter, r *http.Request) {
					ctx := r.Context()
					child, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					context.AfterFunc(ctx, func() { called <- ctx.Err() })
					stop := context.AfterFunc(ctx, func() { t.Error("a function that was stopped is called") })
					if !stop() || stop() {
						t.Error("stop reports something else")
					}
					ctxs <- child
					if end != nil {
						<-child.Done()
						if !errors.Is(context.Cause(child), context.Canceled) {
							t.Errorf("cause %v", context.Cause(child))
						}
					}
				})
				c := h.raw(t)
				c.request(1, false, "POST", "/")
				ctx := wait(t, ctxs)
				if end != nil {
					end(c, h)
				}
				<-ctx.Done()
				if err := wait(t, called); !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
				late := make(chan bool, 1)
				context.AfterFunc(ctx, func() { late <- true })
				wait(t, late)
			})
		}
	})
}

// Err tells without Done, too.
func TestContextErr(t *testing.T) {
	for _, way := range []string{"reset", "base"} {
		t.Run(way, func(t *testing.T) {
			base, cancel := context.WithCancel(context.Background())
			defer cancel()
			errs := make(chan error, 3)
			gone := make(chan struct{})
			h := start(t, setup{transport: "h2c", server: func(s *http.Server) {
				s.BaseContext = func(net.Listener) context.Context { return base }
			}}, func(_ http.ResponseWriter, r *http.Request) {
				ctx := r.Context()
				errs <- ctx.Err()
				<-gone
				for ctx.Err() == nil {
					r.Body.Read(make([]byte, 1))
				}
				errs <- ctx.Err()
				<-ctx.Done()
				errs <- context.Cause(ctx)
			})
			c := h.raw(t)
			c.request(1, false, "POST", "/")
			if err := wait(t, errs); err != nil {
				t.Error(err)
			}
			if way == "base" {
				cancel()
			} else {
				c.must(c.fr.WriteRSTStream(1, http2.ErrCodeCancel))
			}
			close(gone)
			for range 2 {
				if err := wait(t, errs); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
}

// The context of the server reaches handlers, its end too.
func TestBaseAndConnContext(t *testing.T) {
	type key string
	each(t, func(t *testing.T, transport string) {
		base, cancel := context.WithCancelCause(context.WithValue(context.Background(), key("base"), 1))
		defer cancel(nil)
		var addr atomic.Value
		ctxs := make(chan context.Context, 1)
		ended := make(chan struct{})
		h := start(t, setup{transport: transport, server: func(s *http.Server) {
			s.BaseContext = func(l net.Listener) context.Context { return base }
			s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
				addr.Store(nc.LocalAddr().String())
				return context.WithValue(ctx, key("conn"), 2)
			}
		}}, func(_ http.ResponseWriter, r *http.Request) {
			ctxs <- r.Context()
			<-r.Context().Done()
			close(ended)
		})
		c := h.raw(t)
		c.request(1, true, "GET", "/")
		ctx := wait(t, ctxs)
		if ctx.Value(key("base")) != 1 || ctx.Value(key("conn")) != 2 || ctx.Value(http.ServerContextKey) != h.http.Config {
			t.Errorf("values of %v", ctx)
		}
		if a, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr); a == nil || a.String() != addr.Load() {
			t.Errorf("address %v", a)
		}
		if _, ok := ctx.Deadline(); ok {
			t.Error("there is a deadline")
		}
		why := errors.New("why")
		cancel(why)
		wait(t, ended)
		if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(context.Cause(ctx), why) {
			t.Errorf("%v, because of %v", ctx.Err(), context.Cause(ctx))
		}
	})
}
