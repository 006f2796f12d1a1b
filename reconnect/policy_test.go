package reconnect_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/reconnect"
)

// R6, C1: after 101 the server closes with each code of the table.
func TestRemoteClose(t *testing.T) {
	for code, again := range map[websocket.StatusCode]bool{
		1000: false, 1001: true, 1003: false, 1005: false, 1006: true, 1007: false, 1008: false, 1009: false, 1010: false,
		1011: true, 1012: true, 1013: true, 1014: true, 3000: false, 4000: false, 4999: false,
	} {
		bubble(t, fmt.Sprintf("R6 C1 %d", code), func(t *testing.T) {
			s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) {
				switch code {
				case 1005:
					c.Close(0, "")
				case 1006:
					c.CloseNow()
				default:
					c.Close(code, "because")
				}
			}))
			r := newRecorder()
			c := start(t, r, options(s))
			synctest.Wait()
			first, reason := fmt.Sprintf("close %d ", code), `"because"`
			switch code {
			case 1005:
				reason = `""`
			case 1006:
				first, reason = "error", ""
			}
			if again {
				r.want(t, "connect", first+reason, "disconnect 250ms")
				time.Sleep(250 * time.Millisecond)
				synctest.Wait()
				r.want(t, "connect", first+reason, "disconnect 250ms", "connect", first+reason, "disconnect 500ms")
				return
			}
			over(t, c)
			r.want(t, "connect", first+reason, "disconnect -1ns")
			e, ok := errors.AsType[*websocket.CloseError](c.Err())
			if !ok || e.Code != code || len(s.times()) != 1 {
				t.Errorf("Err = %v after %d dials", c.Err(), len(s.times()))
			}
			if i := c.Info(); i.State != reconnect.Closed || i.Err != c.Err() {
				t.Errorf("%+v", i)
			}
		})
	}
}

// C1: a user may override the table, and a callback may override both.
func TestOverrides(t *testing.T) {
	closing := func(code websocket.StatusCode) http.Handler {
		return sockets(func(c *websocket.Conn, _ *http.Request) { c.Close(code, "") })
	}
	bubble(t, "C1 Policy", func(t *testing.T) {
		s := newSite(t, closing(4007))
		r := newRecorder()
		o := options(s)
		o.Policy.Close = map[websocket.StatusCode]bool{4007: true}
		start(t, r, o)
		o.Policy.Close[4007] = false // it is copied
		synctest.Wait()
		r.want(t, "connect", `close 4007 ""`, "disconnect 250ms")
	})
	bubble(t, "Stop", func(t *testing.T) {
		s := newSite(t, closing(1001))
		r := newRecorder()
		r.closed = func(*reconnect.Client, websocket.StatusCode) reconnect.Next { return reconnect.Stop() }
		c := start(t, r, options(s))
		over(t, c)
		r.want(t, "connect", `close 1001 ""`, "disconnect -1ns")
		if websocket.CloseStatus(c.Err()) != 1001 {
			t.Errorf("Err = %v", c.Err())
		}
	})
	bubble(t, "Retry with a wait", func(t *testing.T) {
		s := newSite(t, closing(1000))
		r := newRecorder()
		r.closed = func(*reconnect.Client, websocket.StatusCode) reconnect.Next { return reconnect.Retry(7 * time.Second) }
		o := options(s)
		o.Retry = -1 // what a callback says goes before
		start(t, r, o)
		synctest.Wait()
		r.want(t, "connect", `close 1000 ""`, "disconnect 7s")
	})
	bubble(t, "Retry with the usual wait", func(t *testing.T) {
		s := newSite(t, closing(1000))
		r := newRecorder()
		r.closed = func(*reconnect.Client, websocket.StatusCode) reconnect.Next { return reconnect.Retry(-1) }
		start(t, r, options(s))
		time.Sleep(time.Second)
		synctest.Wait()
		r.want(t, "connect", `close 1000 ""`, "disconnect 250ms", "connect", `close 1000 ""`, "disconnect 500ms", "connect", `close 1000 ""`, "disconnect 1s")
	})
	bubble(t, "OnError", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) { c.CloseNow() }))
		r := newRecorder()
		r.failed = func(_ *reconnect.Client, err error) reconnect.Next {
			if e, ok := errors.AsType[*websocket.CloseError](err); !ok || e.Received != nil {
				t.Errorf("OnError: %v", err)
			}
			return reconnect.Stop()
		}
		c := start(t, r, options(s))
		over(t, c)
		r.want(t, "connect", "error", "disconnect -1ns")
	})
	bubble(t, "To, on OnConnectError", func(t *testing.T) {
		var seen []string
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.URL.Path+" "+r.Header.Get("Authorization"))
			if r.Header.Get("Authorization") != "fresh" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			sockets(echo).ServeHTTP(w, r)
		}))
		r := newRecorder()
		r.connectError = func(*reconnect.Client, error, int) reconnect.Next {
			return reconnect.To("ws://192.0.2.1/other", http.Header{"Authorization": {"fresh"}}).After(0)
		}
		o := options(s)
		o.Header = http.Header{"Authorization": {"stale"}}
		c := start(t, r, o)
		up(t, c)
		s.Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		want := []string{"/feed stale", "/other fresh", "/other fresh"}
		if !slices.Equal(seen, want) {
			t.Errorf("the server saw %q, want %q", seen, want)
		}
		if i := c.Info(); i.URL != "ws://192.0.2.1/other" || i.Header.Get("Authorization") != "fresh" {
			t.Errorf("S3.18: %+v", i)
		}
	})
}

// What this side fails the connection for is judged by the code it sends.
func TestViolation(t *testing.T) {
	bubble(t, "C1 1009", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
			c.Write(r.Context(), websocket.MessageText, []byte("too long"))
			readAll(c)
		}))
		r := newRecorder()
		o := options(s)
		o.WebSocket = &websocket.ConnOptions{MaxMessageSize: 4}
		c := start(t, r, o)
		over(t, c)
		r.want(t, "connect", "error", "disconnect -1ns")
		if !errors.Is(c.Err(), frame.ErrMessageTooBig) {
			t.Errorf("Err = %v", c.Err())
		}
	})
}

// R4: refusals that would come again end the client at once.
func TestPermanent(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 426} {
		bubble(t, fmt.Sprintf("R4 %d", code), func(t *testing.T) {
			s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "no", code)
			}))
			r := newRecorder()
			c := start(t, r, options(s))
			over(t, c)
			r.want(t, "attempt 1 failed")
			e, ok := errors.AsType[*websocket.HandshakeError](c.Err())
			if g, isUp := errors.AsType[*client.GaveUpError](c.Err()); !ok || !isUp || !g.Fatal || e.Status != code || string(e.Body) != "no\n" {
				t.Errorf("Err = %v", c.Err())
			}
			if len(s.times()) != 1 {
				t.Errorf("%d dials", len(s.times()))
			}
		})
	}
	t.Run("R4 certificate", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(sockets(echo))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		defer srv.Close()
		for name, conf := range map[string]*tls.Config{
			"nobody knows it": {RootCAs: x509.NewCertPool()},
			"another name":    {RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "other.invalid"},
		} {
			r := newRecorder()
			c, err := reconnect.Start(t.Context(), "wss"+strings.TrimPrefix(srv.URL, "https"), r, &reconnect.Options{Client: client.Options{TLSConfig: conf}})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Wait()
			if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
			r.want(t, "attempt 1 failed")
		}
	})
}

// S3.8, S0.24: a number of retries, counted anew after a healthy connection, and
// none.
func TestRetries(t *testing.T) {
	down := func(context.Context) error { return errors.New("down") }
	bubble(t, "S3.8 two", func(t *testing.T) {
		s := newSite(t, nil)
		s.next = down
		r := newRecorder()
		o := options(s)
		o.Retry = 2
		c := start(t, r, o)
		over(t, c)
		r.want(t, "attempt 1 failed", "attempt 2 failed", "attempt 3 failed")
		if g, ok := errors.AsType[*client.GaveUpError](c.Err()); !ok || g.Fatal || g.Attempts != 3 {
			t.Errorf("Err = %v", c.Err())
		}
	})
	bubble(t, "S0.24 none", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) {
			time.Sleep(time.Minute)
			c.CloseNow()
		}))
		r := newRecorder()
		o := options(s)
		o.Retry = -1
		c := start(t, r, o)
		time.Sleep(time.Minute)
		over(t, c)
		r.want(t, "connect", "error", "disconnect -1ns")
		if g, ok := errors.AsType[*client.GaveUpError](c.Err()); !ok || g.Attempts != 0 || websocket.CloseStatus(c.Err()) != 1006 {
			t.Errorf("Err = %v", c.Err())
		}
	})
	bubble(t, "S3.8 counted anew", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) {
			time.Sleep(10 * time.Second)
			c.CloseNow()
		}))
		o := options(s)
		o.Retry = 1
		c := start(t, nil, o)
		time.Sleep(time.Hour)
		if i := c.Info(); i.State == reconnect.Closed || i.Connects < 300 {
			t.Errorf("%+v", i)
		}
	})
}

// R9, H-C10: redirects are followed only if that is asked for, and credentials do
// not follow to another origin.
func TestRedirects(t *testing.T) {
	type request struct{ host, path, auth string }
	var seen []request
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		auth := r.Header.Get("X-Token") + " " + user + ":" + pass + " " + r.Header.Get("Cookie")
		seen = append(seen, request{r.Host, r.URL.Path, auth})
		switch r.URL.Path {
		case "/feed":
			http.Redirect(w, r, "/same", http.StatusTemporaryRedirect)
		case "/same":
			http.Redirect(w, r, "ws://192.0.2.2:8080/other", http.StatusTemporaryRedirect)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			sockets(echo).ServeHTTP(w, r)
		}
	})
	bubble(t, "R9 followed", func(t *testing.T) {
		seen = nil
		s := newSite(t, handler)
		o := options(s)
		o.MaxRedirects = 2
		o.Header = http.Header{"X-Token": {"t"}, "Cookie": {"a=b"}}
		c, err := reconnect.Start(t.Context(), "ws://me:secret@192.0.2.1/feed", nil, o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		up(t, c)
		s.Cut()
		time.Sleep(time.Second)
		synctest.Wait()
		want := []request{
			{"192.0.2.1", "/feed", "t me:secret a=b"},
			{"192.0.2.1", "/same", "t me:secret a=b"},
			{"192.0.2.2:8080", "/other", "t : "},
		}
		want = append(want, want...) // each attempt begins where it was told to
		if !slices.Equal(seen, want) {
			t.Errorf("the servers saw %q", seen)
		}
		if i := c.Info(); strings.Contains(i.URL, "secret") || i.URL == "" {
			t.Errorf("Info.URL = %s", i.URL)
		}
		if s.most != 1 {
			t.Errorf("%d dials at the same time", s.most)
		}
	})
	for _, limit := range []int{0, 1, 5} {
		bubble(t, fmt.Sprintf("R9 at most %d", limit), func(t *testing.T) {
			seen = nil
			s := newSite(t, handler)
			o := options(s)
			o.MaxRedirects = limit
			o.Retry = -1
			c, err := reconnect.Start(t.Context(), "ws://192.0.2.1/loop", nil, o)
			if err != nil {
				t.Fatal(err)
			}
			err = c.Wait()
			synctest.Wait()
			e, ok := errors.AsType[*websocket.HandshakeError](err)
			if !ok || e.Status != 302 || len(seen) != limit+1 || errors.Is(err, websocket.ErrRedirect) != (limit > 0) {
				t.Errorf("%v after %d requests", err, len(seen))
			}
		})
	}
}

// S3.3 and others: what cannot be used is refused before anything happens.
func TestBadOptions(t *testing.T) {
	for _, tc := range []struct {
		name, url string
		o         reconnect.Options
	}{
		{name: "S3.3 no URL", url: ""},
		{name: "S3.3 scheme", url: "ftp://example.com"},
		{name: "S3.3 fragment", url: "ws://example.com/#x"},
		{name: "header", o: reconnect.Options{Header: http.Header{"Sec-WebSocket-Key": {"x"}}}},
		{name: "subprotocol", o: reconnect.Options{Subprotocols: []string{"a b"}}},
		{name: "MinWait", o: reconnect.Options{MinWait: -1}},
		{name: "MaxWait", o: reconnect.Options{MaxWait: -1}},
		{name: "MaxWait below MinWait", o: reconnect.Options{MinWait: 2, MaxWait: 1}},
		{name: "redirects", o: reconnect.Options{MaxRedirects: 6}},
		{name: "redirects", o: reconnect.Options{MaxRedirects: -1}},
		{name: "WhileDown", o: reconnect.Options{WhileDown: 3}},
		{name: "Acknowledge without Queue", o: reconnect.Options{Outbox: reconnect.Outbox{Acknowledge: true}}},
		{name: "Client.Retry", o: reconnect.Options{Client: client.Options{Retry: 1}}},
		{name: "Client.Owner", o: reconnect.Options{Client: client.Options{Owner: client.NewOwner(1)}}},
		{name: "Client.Protocols", o: reconnect.Options{Client: client.Options{Protocols: []client.Protocol{7}}}},
		{name: "Client.Proxies", o: reconnect.Options{Client: client.Options{Proxies: []client.Proxy{{URL: "gopher://x"}}}}},
		{name: "Client.Transport", o: reconnect.Options{Client: client.Options{Transport: client.TLS}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url := tc.url
			if !strings.HasPrefix(tc.name, "S3.3") {
				url = addr
			}
			tc.o.Client.Dial = func(context.Context, string, string) (net.Conn, error) {
				t.Error("something was dialled")
				return nil, errors.New("no")
			}
			c, err := reconnect.Start(t.Context(), url, nil, &tc.o)
			if _, ok := errors.AsType[*websocket.OptionError](err); !ok || c != nil {
				t.Errorf("Start = %v, %v", c, err)
			}
			if strings.HasPrefix(tc.name, "S3.3") && !errors.Is(err, handshake.ErrURL) {
				t.Errorf("%v is no ErrURL", err)
			}
		})
	}
	if _, err := reconnect.Start(noContext, addr, nil, nil); err == nil {
		t.Error("a nil context was taken")
	}
}
