package websocket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// S2.11: many sockets and requests at once, more than the server takes on the
// connections allowed. Each gets its own answers, and a part of them gives up in
// the middle.
func TestPoolStress(t *testing.T) {
	const workers, rounds = 40, 10
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/socket" {
			io.Copy(w, r.Body)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for m, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), m.Type, m.Data) != nil {
				return
			}
		}
	})
	srv := httptest.NewUnstartedServer(handler)
	if err := h2.ConfigureServer(srv.Config, &h2.Options{MaxStreams: 8}); err != nil {
		t.Fatal(err)
	}
	srv.TLS = srv.Config.TLSConfig
	srv.StartTLS()
	defer srv.Close()
	o := &websocket.DialOptions{HTTP: websocket.HTTP2, TLSConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig}
	pool := &websocket.Pool{Options: o, MaxConns: 3}
	defer pool.Close()
	so := *o
	so.Pool = pool
	client := http.Client{Transport: pool}

	ctx := within(t)
	socket := func(id string) error {
		c, err := websocket.Dial(ctx, srv.URL+"/socket", &so)
		if err != nil {
			return err
		}
		defer c.CloseNow()
		for i := range 5 {
			text := bytes.Repeat(fmt.Append(nil, id, i, " "), 1+i*500)
			if err := c.Write(ctx, websocket.MessageText, text); err != nil {
				return err
			}
			if _, p, err := c.Read(ctx); err != nil || !bytes.Equal(p, text) {
				return fmt.Errorf("%d bytes came back of %d: %w", len(p), len(text), err)
			}
		}
		return c.Close(websocket.StatusNormalClosure, "")
	}
	request := func(id string, early bool) error {
		body := bytes.Repeat([]byte(id+" "), 10000)
		res, err := client.Post(srv.URL, "text/plain", bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if early {
			return nil
		}
		if p, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(p, body) {
			return fmt.Errorf("%d bytes came back of %d: %w", len(p), len(body), err)
		}
		return nil
	}
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for j := range rounds {
				id := fmt.Sprint(i, "/", j)
				var err error
				switch (i + j) % 3 {
				case 0:
					err = socket(id)
				default:
					err = request(id, (i+j)%3 == 1)
				}
				if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Whoever gives up at whatever moment leaves nothing behind, and harms nobody.
func TestPoolCancelStress(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/socket" {
			io.Copy(w, r.Body)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for m, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), m.Type, m.Data) != nil {
				return
			}
		}
	})
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv.Config, &h2.Options{MaxStreams: 4}); err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.Close()
	pool := &websocket.Pool{UnencryptedHTTP2: true, MaxConns: 2}
	defer pool.Close()
	o := &websocket.DialOptions{HTTP: websocket.HTTP2, Pool: pool}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*j*10)*time.Microsecond)
				if (i+j)%2 == 0 {
					if c, err := websocket.Dial(ctx, srv.URL+"/socket", o); err == nil {
						c.Write(ctx, websocket.MessageText, []byte("x"))
						c.Read(ctx)
						c.CloseNow()
					}
				} else {
					r := newRequest(t, ctx, "POST", srv.URL, bytes.NewReader(make([]byte, 100000)))
					if res, err := pool.RoundTrip(r); err == nil {
						io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for range 8 { // all the room there is
		c, err := websocket.Dial(within(t), srv.URL+"/socket", o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
	}
}
