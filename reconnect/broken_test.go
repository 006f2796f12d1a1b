package reconnect_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

// A connection to which a write has failed is down for everybody, also while its
// reader has not come to its end.
func TestBrokenIsDown(t *testing.T) {
	for _, mode := range []reconnect.WhileDown{reconnect.Refuse, reconnect.Queue} {
		bubble(t, "S0.23", func(t *testing.T) {
			var d diary
			d.acks = true
			s := newSite(t, d.handler())
			r := newRecorder()
			busy, free := make(chan struct{}, 1), make(chan struct{})
			r.message = func(*reconnect.Client, websocket.Message) {
				select {
				case busy <- struct{}{}:
				default:
				}
				<-free
			}
			o := options(s)
			o.WhileDown = mode
			c := start(t, r, o)
			up(t, c)
			write(t, c, "one")
			<-busy // the reader is in a callback
			s.Cut()
			for range 3 {
				err := c.Write(t.Context(), websocket.MessageText, []byte("two"))
				if errors.Is(err, reconnect.ErrDown) != (mode == reconnect.Refuse) || (err == nil) != (mode == reconnect.Queue) {
					t.Errorf("S0.23: Write = %v", err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := c.AwaitUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("AwaitUp = %v", err)
			}
			cancel()
			close(free)
			up(t, c)
			synctest.Wait()
			if mode == reconnect.Queue {
				d.want(t, "1 one", "2 two", "2 two", "2 two")
			} else {
				d.want(t, "1 one")
			}
		})
	}
}

// Over HTTP/2 the connection below the socket says goodbye to a peer that may be
// gone. Nobody waits for that.
func TestHTTP2EndsAside(t *testing.T) {
	bubble(t, "C3", func(t *testing.T) {
		ln := wstest.NewListener(nil)
		srv := &http.Server{Protocols: new(http.Protocols), Handler: sockets(echo)}
		srv.Protocols.SetUnencryptedHTTP2(true)
		if err := h2.ConfigureServer(srv, nil); err != nil {
			t.Fatal(err)
		}
		go srv.Serve(ln)
		defer srv.Close()
		var last *wstest.PipeConn
		r := newRecorder()
		o := &reconnect.Options{Jitter: most}
		o.Client.Protocols = []client.Protocol{client.HTTP2}
		o.Client.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := ln.Dial(ctx, network, addr)
			if err == nil {
				last = c.(*wstest.PipeConn)
			}
			return c, err
		}
		o.WebSocket = &websocket.ConnOptions{KeepAlive: websocket.KeepAlive{Interval: time.Second, Timeout: time.Second}}
		c := start(t, r, o)
		up(t, c)
		synctest.Wait()
		last.Stall() // nothing goes through any more
		begin := time.Now()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.want(t, "connect", "error", "disconnect 250ms", "connect")
		if at := r.times[2] - begin.Sub(r.begin); at > 3*time.Second {
			t.Errorf("OnDisconnect came after %v", at)
		}
		if at := r.times[3] - r.times[2]; at > 300*time.Millisecond {
			t.Errorf("the next connection came %v later", at)
		}
	})
}

// Errors say what they are about, and wrap their reasons.
func TestErrorTexts(t *testing.T) {
	bubble(t, "texts", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		s.Down(nil)
		r := newRecorder()
		r.connectError = func(*reconnect.Client, error, int) reconnect.Next { panic("no way") }
		o := options(s)
		c := start(t, r, o)
		if err := c.AwaitUp(t.Context()); !errors.Is(err, reconnect.ErrClosed) || !strings.Contains(err.Error(), "no way") {
			t.Errorf("AwaitUp = %v", err)
		}
		if got := c.Err().Error(); got != "websocket: a callback panicked: no way" {
			t.Errorf("Err = %s", got)
		}
		var p *reconnect.PanicError
		if !errors.As(c.Err(), &p) || p.Unwrap() != nil {
			t.Errorf("Err = %v", c.Err())
		}
	})
	bubble(t, "a write that finds the connection lost", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		c := start(t, reconnect.NopCallbacks{}, options(s))
		if err := c.AwaitUp(noContext); err == nil {
			t.Error("AwaitUp without a context")
		}
		up(t, c)
		s.Cut()
		err := c.Write(t.Context(), websocket.MessageText, nil)
		if !errors.Is(err, reconnect.ErrDown) || strings.Count(err.Error(), "websocket:") != 1 || !strings.HasPrefix(err.Error(), "websocket: the client is not connected: ") {
			t.Errorf("Write = %v", err)
		}
		cause := errors.New("too late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, cause)
		defer cancel()
		if err := c.AwaitUp(ctx); !errors.Is(err, cause) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("AwaitUp = %v", err)
		}
	})
	for _, err := range []error{reconnect.ErrDown, reconnect.ErrOutboxFull, reconnect.ErrClosed, reconnect.ErrUnsent, reconnect.ErrNotSent, reconnect.ErrPermanent, reconnect.ErrAsleep} {
		if !strings.HasPrefix(err.Error(), "websocket: ") {
			t.Error(err)
		}
	}
}
