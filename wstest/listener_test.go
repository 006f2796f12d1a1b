package wstest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/wstest"
)

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.NewListener(nil)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := websocket.Accept(w, r, nil); err == nil {
				wstest.Echo(c)
			}
		})}
		go srv.Serve(ln)
		defer srv.Close()
		ctx := t.Context()
		o := &websocket.DialOptions{NetDial: ln.Dial}

		c, err := websocket.Dial(ctx, "ws://example.com/", o)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(ctx, websocket.MessageText, []byte("a")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(ctx); err != nil || string(p) != "a" {
			t.Fatalf("%q, %v", p, err)
		}

		ln.Down(nil)
		if _, _, err := c.Read(ctx); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after Down: %v, want a reset", err)
		}
		if _, err := websocket.Dial(ctx, "ws://example.com/", o); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial while down: %v, want a refusal", err)
		}
		why := errors.New("no route")
		ln.Down(why)
		if _, err := websocket.Dial(ctx, "ws://example.com/", o); !errors.Is(err, why) {
			t.Errorf("dial while down: %v, want %v", err, why)
		}
		ln.Up()
		if c, err = websocket.Dial(ctx, "ws://example.com/", o); err != nil {
			t.Fatal(err)
		}
		ln.Cut()
		if _, _, err := c.Read(ctx); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after Cut: %v, want a reset", err)
		}
		if n := ln.Dials(); n != 4 {
			t.Errorf("%d dials, want 4", n)
		}

		ln.Close()
		if _, err := ln.Dial(ctx, "tcp", "example.com:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after Close: %v, want a refusal", err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := wstest.NewListener(nil).Dial(ended, "tcp", "example.com:80"); !errors.Is(err, context.Canceled) {
			t.Errorf("dial without a server: %v, want the end of the context", err)
		}
	})
}

// A Dial that waits when the server dies does not lead to a live connection.
func TestListenerDownWhileDialing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.NewListener(nil)
		defer ln.Close()
		dialed := make(chan net.Conn)
		go func() {
			c, err := ln.Dial(t.Context(), "tcp", "example.com:80")
			if err != nil {
				t.Error(err)
			}
			dialed <- c
		}()
		synctest.Wait()
		ln.Down(nil)
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c := <-dialed
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v, want a reset", err)
		}
	})
}
