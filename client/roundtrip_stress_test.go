package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
)

// stressSite answers in many ways: with the request's body, with as many bytes
// as it is asked for, late, and as its last word on the connection.
func stressSite() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		for p := make([]byte, 1<<12); n > 0; n -= len(p) {
			if p = p[:min(n, len(p))]; r.FormValue("flush") != "" {
				http.NewResponseController(w).Flush()
			}
			w.Write(p)
		}
	})
	mux.HandleFunc("/last", func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 { // over HTTP/2 it is a GOAWAY, which others notice
			w.Header().Set("Connection", "close")
		}
		io.WriteString(w, "last")
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	})
	return mux
}

// Many requests at once over real sockets, of which many are given up at any
// moment: each gives its own response or an error, and nothing is left behind.
func TestRoundTripStress(t *testing.T) {
	for _, kind := range []string{"HTTP/1.1", "HTTP/1.1 over TLS", "HTTP/2 over TLS"} {
		t.Run(kind, func(t *testing.T) {
			s := httptest.NewUnstartedServer(stressSite())
			o := &client.Options{Retry: 1000, RetryTimeout: time.Millisecond}
			if kind != "HTTP/1.1" {
				s.EnableHTTP2 = true
				if err := h2.ConfigureServer(s.Config, nil); err != nil {
					t.Fatal(err)
				}
				s.TLS = s.Config.TLSConfig
				s.StartTLS()
				o.TLSConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			} else {
				s.Start()
			}
			t.Cleanup(s.Close)
			if kind == "HTTP/2 over TLS" {
				o.Protocols = []client.Protocol{client.HTTP2}
			}
			c, err := client.Open(s.URL, o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					for n := range 60 {
						if err := stress(t.Context(), c, s.URL, fmt.Sprintf("%d/%d", i, n)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// stress makes one request of a random kind.
func stress(ctx context.Context, c *client.Conn, url, id string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gives := rand.N(3) == 0
	if gives {
		t := time.AfterFunc(rand.N(3*time.Millisecond), cancel)
		defer t.Stop()
	}
	var body io.Reader
	var want []byte
	path := "/last"
	switch rand.N(8) {
	case 0:
		want = []byte("last")
	case 1, 2:
		path, want = "/echo", []byte(id)
		body = bytes.NewReader(want)
	case 3:
		path, want = "/echo", bytes.Repeat([]byte(id), 20000)
		body = io.MultiReader(bytes.NewReader(want))
	case 4:
		_, err := c.Upgrade(ctx, "/ws", nil)
		he, ok := errors.AsType[*websocket.HandshakeError](err)
		if ok && he.Status == http.StatusForbidden || gives {
			return nil
		}
		return fmt.Errorf("%s: upgrade: %w", id, err)
	default:
		n := rand.N(200 << 10)
		path, want = "/bytes?n="+strconv.Itoa(n), make([]byte, n)
		if rand.N(2) == 0 {
			path += "&flush=1"
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, body)
	if err != nil {
		return err
	}
	res, err := c.RoundTrip(r)
	if err != nil {
		return acceptable(gives, id, path, err)
	}
	defer res.Body.Close()
	if rand.N(8) == 0 {
		return nil // given up
	}
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return acceptable(gives, id, path, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %s: %d bytes, want %d", id, path, len(got), len(want))
	}
	return nil
}

// acceptable returns an error that a request must not have. Over HTTP/1.1 one
// that was under way when another one ended the connection may fail: there is one
// at a time, so only its own end can do that.
func acceptable(gives bool, id, path string, err error) error {
	if gives && errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", id, path, err)
}
