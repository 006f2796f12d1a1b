package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/internal/h2peer"
	"github.com/lariat-go/websocket/wstest"
)

// hold is a handler that answers when it is told to, and sockets that tell how
// they ended.
type hold struct {
	release chan struct{}
	ended   chan *websocket.CloseError
}

func newHold() *hold {
	return &hold{release: make(chan struct{}), ended: make(chan *websocket.CloseError, 10)}
}

func (h *hold) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/ws" {
		select {
		case <-h.release:
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{OnEnd: func(e *websocket.CloseError) { h.ended <- e }}})
	if err == nil {
		wstest.Echo(c)
	}
}

// S1.13: a shutdown says 1001, waits for the answer and connects no more.
func TestShutdown(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		h := newHold()
		ln := newNet(t, h)
		o := client.NewOwner(100)
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}, Owner: o})
		if _, err := c.Upgrade(t.Context(), "/ws", nil); err != nil {
			t.Fatal(err)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := <-h.ended; e.Code != websocket.StatusGoingAway || e.Cause != nil {
			t.Errorf("the server saw %v", e)
		}
		if c.Err() != nil || ln.Dials() != 1 || c.Info().State != client.Over {
			t.Errorf("%v, %d connections, %v", c.Err(), ln.Dials(), c.Info().State)
		}
		same(t, journal(time.Now(), o, func(ev client.Event) bool { _, ok := ev.(client.Down); return ok }), []string{
			"0s attempt 1 left 5", "0s up", "0s upgraded", "0s closed 1001 (going away)", "0s down [] wait -1ns",
		})
		if err := c.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
	})
}

// A shutdown waits for requests under way, and no longer than ClosingTimeout.
func TestShutdownWaits(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		for _, answered := range []bool{true, false} {
			h := newHold()
			c := open(t, newNet(t, h), &client.Options{Protocols: []client.Protocol{p}, ClosingTimeout: 3 * time.Second})
			got := make(chan error, 1)
			go func() {
				_, err := get(t, c, "/")
				got <- err
			}()
			synctest.Wait()
			start := time.Now()
			if answered {
				time.AfterFunc(2*time.Second, func() { close(h.release) })
			}
			if err := c.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			err, took := <-got, since(start)
			if answered && (err != nil || took != 2*time.Second) {
				t.Errorf("answered: %v after %v", err, took)
			}
			if !answered && (err == nil || took != 3*time.Second) {
				t.Errorf("not answered: %v after %v", err, took)
			}
		}
	})
}

// R14, R15: Shutdown and Close end a Conn in any state, at once where nothing is
// under way, and leave nothing running.
func TestEndInAnyState(t *testing.T) {
	states := map[string]func(t *testing.T) *client.Conn{
		"looking for the server": func(t *testing.T) *client.Conn {
			return open(t, wstest.NewListener(nil), nil)
		},
		"waiting to try again": func(t *testing.T) *client.Conn {
			ln := wstest.NewListener(nil)
			ln.Down(nil)
			return open(t, ln, nil)
		},
		"up": func(t *testing.T) *client.Conn {
			c := open(t, newNet(t, site()), nil)
			up(t, c)
			return c
		},
		"with a socket": func(t *testing.T) *client.Conn {
			c := open(t, newNet(t, site()), nil)
			if _, err := c.Upgrade(t.Context(), "/ws", nil); err != nil {
				t.Fatal(err)
			}
			return c
		},
		"over": func(t *testing.T) *client.Conn {
			ln := wstest.NewListener(nil)
			ln.Down(nil)
			c := open(t, ln, &client.Options{Retry: -1})
			<-c.Done()
			return c
		},
		"with a full owner": func(t *testing.T) *client.Conn {
			o := client.NewOwner(1)
			c := open(t, newNet(t, site()), &client.Options{Owner: o})
			t.Cleanup(o.Close)
			return c
		},
	}
	ends := map[string]func(c *client.Conn) error{
		"Close":    (*client.Conn).Close,
		"Shutdown": func(c *client.Conn) error { return c.Shutdown(context.Background()) },
	}
	for state, make := range states {
		for end, f := range ends {
			t.Run(end+" "+state, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := make(t)
					synctest.Wait()
					start := time.Now()
					if err := f(c); err != nil {
						t.Error(err)
					}
					<-c.Done()
					if took := since(start); took > 0 && state != "with a full owner" {
						t.Errorf("took %v", took)
					}
					if _, err := c.AwaitUp(t.Context()); err == nil {
						t.Error("it is up")
					}
					if err := f(c); err != nil {
						t.Errorf("again: %v", err)
					}
				})
			})
		}
	}
}

// S0.16: a context ends the wait and harms nothing.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.NewListener(nil)
		ln.Down(nil)
		c := open(t, ln, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.AwaitUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("AwaitUp: %v", err)
		}
		if _, err := c.Upgrade(ctx, "/ws", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Upgrade: %v", err)
		}
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		if _, err := c.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("RoundTrip: %v", err)
		}
	})
}

// R4: a certificate that is no good will be no better in five seconds.
func TestFatal(t *testing.T) {
	srv := httptest.NewTLSServer(site())
	defer srv.Close()
	c, err := client.Open(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e := gaveUp(t, c)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](e); !ok || !e.Fatal || e.Attempts != 1 {
		t.Errorf("%+v", e)
	}
}

// A proxy that does not take the password will not take it in five seconds.
func TestFatalProxy(t *testing.T) {
	for _, status := range []int{http.StatusProxyAuthRequired, http.StatusUnauthorized} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		c, err := client.Open("192.0.2.1:80", &client.Options{Proxies: []client.Proxy{{URL: "http://user:wrong@" + proxy.Listener.Addr().String()}}})
		if err != nil {
			t.Fatal(err)
		}
		e := gaveUp(t, c)
		if de, ok := errors.AsType[*websocket.DialError](e); !ok || de.Status != status || !e.Fatal || e.Attempts != 1 || !strings.Contains(e.Error(), "password") {
			t.Errorf("%+v", e)
		}
		c.Close()
		proxy.Close()
	}
}

// What is under way when a connection is lost is named in its Down, once.
func TestKilled(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		h := newHold()
		ln := newNet(t, h)
		o := client.NewOwner(100)
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}, Owner: o})
		want := []client.Ref{1}
		if p == client.HTTP2 {
			want = []client.Ref{1, 2, 3}
			for range 2 {
				if _, err := c.Upgrade(t.Context(), "/ws", nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		req, _ := http.NewRequest(http.MethodGet, "/slow", nil)
		if _, err := c.Request(req); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ln.Down(nil)
		downs, failures := 0, 0
		for ev := range o.C {
			switch ev := ev.(type) {
			case client.Failure:
				failures++
			case client.Down:
				downs++
				if !slices.Equal(ev.Killed, want) || ev.Err == nil {
					t.Errorf("%v: killed %v, want %v", ev.Err, ev.Killed, want)
				}
				go c.Close()
			}
			if downs > 0 && len(o.C) == 0 && c.Info().State == client.Over {
				break
			}
			synctest.Wait()
			if downs > 0 && len(o.C) == 0 {
				break
			}
		}
		if downs != 1 || failures != 1 {
			t.Errorf("%d downs, %d failures", downs, failures)
		}
		<-c.Done()
		if n := len(c.Info().Open); n != 0 {
			t.Errorf("%d are open", n)
		}
	})
}

// After a GOAWAY what is under way goes on, nothing new is taken, and when it is
// done another connection is made.
func TestGoingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHold()
		mux := http.NewServeMux()
		mux.Handle("/", h)
		var closing *http.Server
		mux.HandleFunc("/last", func(_ http.ResponseWriter, r *http.Request) {
			closing = r.Context().Value(http.ServerContextKey).(*http.Server)
		})
		ln := newNet(t, mux)
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}})
		if _, err := get(t, c, "/last"); err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			_, err := get(t, c, "/")
			got <- err
		}()
		synctest.Wait()
		go closing.Shutdown(t.Context())
		synctest.Wait()
		if _, err := get(t, c, "/new"); !errors.Is(err, client.ErrGoingAway) {
			t.Errorf("new request: %v, want ErrGoingAway", err)
		}
		close(h.release)
		if err := <-got; err != nil {
			t.Errorf("request under way: %v", err)
		}
	})
}

// A socket that is detached lives on when its Conn is over.
func TestDetach(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, site())
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}})
		if c.Detach() {
			t.Error("detached before the upgrade")
		}
		ended := make(chan *websocket.CloseError, 1)
		o := &client.UpgradeOptions{WebSocket: &websocket.ConnOptions{OnEnd: func(e *websocket.CloseError) { ended <- e }}}
		s, err := c.Upgrade(t.Context(), "/ws", o)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Detach(); got != (p == client.HTTP1) {
			t.Fatalf("Detach: %v", got)
		}
		if p == client.HTTP2 {
			return // others may use the connection
		}
		<-c.Done()
		if i := c.Info(); c.Err() != nil || i.State != client.Over || len(i.Open) != 0 {
			t.Errorf("%v, %+v", c.Err(), i)
		}
		c.Close()
		echo(t, s, "still there")
		if c.Detach() {
			t.Error("detached twice")
		}
		ln.Cut()
		if _, _, err := s.Read(t.Context()); err == nil {
			t.Error("not cut")
		}
		<-ended
		if ln.Dials() != 1 {
			t.Errorf("%d dials", ln.Dials())
		}
	})
}

// An opening handshake that the server says it has not looked at is sent again.
func TestUpgradeRefused(t *testing.T) {
	ln := wstest.NewListener(nil)
	defer ln.Close()
	c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}})
	upgraded := make(chan error, 1)
	go func() {
		s, err := c.Upgrade(t.Context(), "/ws", nil)
		if err == nil {
			err = s.CloseNow()
		}
		upgraded <- err
	}()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer := h2peer.New(t, nc, &h2peer.Options{Server: true, Settings: []http2.Setting{{ID: http2.SettingEnableConnectProtocol, Val: 1}}})
	defer peer.Close()
	for range 2 {
		peer.Accept().Reset(http2.ErrCodeRefusedStream)
	}
	peer.Accept().Respond("200")
	if err := <-upgraded; err != nil {
		t.Error(err)
	}
}
