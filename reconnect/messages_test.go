package reconnect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// S0.22, C13, S2.27: messages are pulled, through reconnects.
func TestMessages(t *testing.T) {
	bubble(t, "C13", func(t *testing.T) {
		n := 0
		s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
			n++
			if n == 4 {
				c.Close(1000, "done")
				return
			}
			for i := range 3 {
				c.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, "%d.%d", n, i))
			}
			c.Close(1012, "")
		}))
		c := start(t, nil, options(s))
		var got []string
		var kept [][]byte
		for m, err := range c.Messages(t.Context()) {
			if err != nil {
				t.Errorf("%v after %q", err, got)
			}
			got, kept = append(got, string(m.Data)), append(kept, m.Data)
		}
		want := []string{"1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "3.0", "3.1", "3.2"}
		if !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		for i, p := range kept {
			if string(p) != want[i] {
				t.Errorf("message %d became %q", i, p)
			}
		}
		over(t, c)
		for range c.Messages(t.Context()) {
			t.Error("a message after the end")
		}
	})
	bubble(t, "the end of its context harms nothing", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
			time.Sleep(2 * time.Second)
			c.Write(r.Context(), websocket.MessageText, []byte("late"))
			readAll(c)
		}))
		c := start(t, nil, options(s))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range c.Messages(ctx) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}
		time.Sleep(time.Minute) // nobody pulls: one message waits
		for m, err := range c.Messages(t.Context()) {
			if string(m.Data) != "late" || err != nil {
				t.Errorf("%q, %v", m.Data, err)
			}
			break
		}
		for range c.Messages(closing(t, c)) {
			t.Error("something came after Close")
		}
	})
	bubble(t, "reading stops while nobody pulls", func(t *testing.T) {
		written := 0
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) {
			p := make([]byte, 32<<10)
			for c.Write(context.Background(), websocket.MessageBinary, p) == nil {
				written++
			}
		}))
		c := start(t, nil, options(s))
		time.Sleep(5 * time.Second)
		if synctest.Wait(); written > 6 {
			t.Errorf("%d messages of 32 KiB were taken", written)
		}
		n := 0
		for range c.Messages(t.Context()) {
			if n++; n == 100 {
				break
			}
		}
		c.CloseNow()
	})
	bubble(t, "why it ended", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) { c.Close(1008, "go away") }))
		c := start(t, nil, options(s))
		var errs []error
		for _, err := range c.Messages(t.Context()) {
			errs = append(errs, err)
		}
		if len(errs) != 1 || websocket.CloseStatus(errs[0]) != 1008 {
			t.Errorf("%v", errs)
		}
	})
	bubble(t, "with callbacks", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		c := start(t, reconnect.NopCallbacks{}, options(s))
		for _, err := range c.Messages(t.Context()) {
			var bad *websocket.OptionError
			if !errors.As(err, &bad) {
				t.Errorf("%v", err)
			}
		}
		for _, err := range start(t, nil, options(s)).Messages(noContext) {
			var bad *websocket.OptionError
			if !errors.As(err, &bad) {
				t.Errorf("%v", err)
			}
		}
	})
}

// closing closes c a second from now.
func closing(t *testing.T, c *reconnect.Client) context.Context {
	time.AfterFunc(time.Second, func() { c.Close(1000, "") })
	return t.Context()
}
