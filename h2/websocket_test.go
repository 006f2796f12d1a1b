package h2_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
)

// S2.8, S2.9: the handler of HTTP/1.1 takes WebSockets over HTTP/2, and plain
// requests beside them.
func TestWebSocket(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page" {
				w.Write([]byte("page"))
				return
			}
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if c.HTTPVersion() != 2 {
				t.Errorf("HTTP %d", c.HTTPVersion())
			}
			go func() { // the handler need not wait
				for {
					typ, p, err := c.Read(context.Background())
					if err != nil {
						return
					}
					c.Write(context.Background(), typ, p)
				}
			}()
		})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c := h.dial(ctx, t)
		defer c.CloseNow()
		for _, m := range []string{"hello", string(pattern(1 << 18))} {
			if err := c.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(ctx); string(p) != m {
				t.Fatalf("%.100q, %v", p, err)
			}
		}
		if a := h.get(t, "/page"); a.body != "page" {
			t.Errorf("%+v", a)
		}
		if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
			t.Error(err)
		}
	})
}

// dial opens a WebSocket over HTTP/2.
func (h *host) dial(ctx context.Context, t *testing.T) *websocket.Conn {
	t.Helper()
	o := &websocket.DialOptions{HTTP: websocket.HTTP2}
	if h.http.TLS != nil {
		o.TLSConfig = h.http.Client().Transport.(*http.Transport).TLSClientConfig
	}
	c, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(h.url, "http")+"/chat", o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// S2.13: Shutdown of the http.Server ends WebSockets with 1001, and waits for
// them.
func TestShutdownEndsWebSockets(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		read := make(chan error, 1)
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			_, _, err = c.Read(context.Background())
			read <- err
		})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c := h.dial(ctx, t)
		defer c.CloseNow()
		down := make(chan error, 1)
		go func() { down <- h.http.Config.Shutdown(ctx) }()
		if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("client: %v", err)
		}
		if err := wait(t, read); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("server: %v", err)
		}
		if err := wait(t, down); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}
