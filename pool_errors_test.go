package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// plainPool is a pool whose requests to http:// URLs go to scripted servers, by
// HTTP/2 without TLS.
func plainPool(t *testing.T, s *h2Servers) *websocket.Pool {
	pool := &websocket.Pool{Options: s.options(), UnencryptedHTTP2: true}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// S2.11, S2.12, S2.29: sockets and requests share a connection of a real server, over TLS
// and in plain text, and the handlers are told of HTTP/2.
func TestPoolMixed(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/socket" {
			fmt.Fprint(w, r.Proto, " ", r.RemoteAddr)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, fmt.Append(nil, "HTTP/", c.HTTPVersion(), ".0 ", r.RemoteAddr))
		c.Read(r.Context())
	})
	for _, secure := range []bool{true, false} {
		t.Run(fmt.Sprint("S2.11 TLS ", secure), func(t *testing.T) {
			srv := httptest.NewUnstartedServer(handler)
			srv.EnableHTTP2 = secure
			if !secure {
				srv.Config.Protocols = new(http.Protocols)
				srv.Config.Protocols.SetHTTP1(true)
				srv.Config.Protocols.SetUnencryptedHTTP2(true)
			}
			if err := h2.ConfigureServer(srv.Config, nil); err != nil {
				t.Fatal(err)
			}
			o := &websocket.DialOptions{HTTP: websocket.HTTP2}
			if secure {
				srv.TLS = srv.Config.TLSConfig
				srv.StartTLS()
				o.TLSConfig, o.HTTP = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), websocket.HTTPAuto
			} else {
				srv.Start()
			}
			defer srv.Close()
			o.Pool = &websocket.Pool{Options: o, UnencryptedHTTP2: true}
			defer o.Pool.Close()
			client := http.Client{Transport: o.Pool}

			said := make(map[string]bool)
			for range 5 {
				c, err := websocket.Dial(within(t), srv.URL+"/socket", o)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				_, p, err := c.Read(within(t))
				if err != nil {
					t.Fatal(err)
				}
				said[string(p)] = true
				res, err := client.Get(srv.URL)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(res.Body)
				said[string(body)] = true
			}
			if len(said) != 1 {
				t.Errorf("the handlers saw %v", said)
			}
		})
	}
}

// Which requests are refused before anything is sent.
func TestPoolBadRequests(t *testing.T) {
	for name, edit := range map[string]func(*http.Request){
		"no URL":             func(r *http.Request) { r.URL = nil },
		"no host":            func(r *http.Request) { r.URL.Host = "" },
		"another scheme":     func(r *http.Request) { r.URL.Scheme = "ftp" },
		"method":             func(r *http.Request) { r.Method = "G ET" },
		"header name":        func(r *http.Request) { r.Header["a b"] = []string{"c"} },
		"header value":       func(r *http.Request) { r.Header["A"] = []string{"b\r\nc: d"} },
		"host":               func(r *http.Request) { r.Host = "b\u00fccher.example" },
		"path":               func(r *http.Request) { r.URL = &url.URL{Scheme: "http", Host: "h", Opaque: "a b"} },
		"trailer that is no": func(r *http.Request) { r.Trailer = http.Header{"Content-Length": nil} },
	} {
		bubble(t, name, func(t *testing.T) {
			pool := plainPool(t, servers(t, hosts(t)))
			body := &countingBody{Reader: strings.NewReader("x"), closed: make(chan struct{})}
			r := newRequest(t, t.Context(), "POST", "http://h/", body)
			edit(r)
			_, err := pool.RoundTrip(r)
			startsWith(t, err, "websocket: request cannot be sent: ")
			<-body.closed
		})
	}
	bubble(t, "options", func(t *testing.T) {
		pool := &websocket.Pool{Options: &websocket.DialOptions{MaxRedirects: -1}}
		_, err := pool.RoundTrip(newRequest(t, t.Context(), "GET", "https://h/", nil))
		if _, ok := errors.AsType[*websocket.OptionError](err); !ok {
			t.Errorf("error %v", err)
		}
	})
}

// A body that is not what was announced ends the stream, and nothing else.
func TestPoolBodyErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		body   io.Reader
		length int64
		want   string
	}{
		"too long":  {strings.NewReader("12345"), 3, "longer than its ContentLength, 3"},
		"too short": {strings.NewReader("12"), 3, "1 bytes shorter than its ContentLength, 3"},
		"broken":    {io.MultiReader(strings.NewReader("1"), &brokenBody{broken}), -1, "broken"},
	} {
		bubble(t, name, func(t *testing.T) {
			pool := plainPool(t, servers(t, func(nc net.Conn) {
				p := newH2Peer(t, nc)
				r := p.request()
				f := p.frame()
				for _, ok := f.(*http2.DataFrame); ok; _, ok = f.(*http2.DataFrame) {
					f = p.frame()
				}
				if f, ok := f.(*http2.RSTStreamFrame); !ok || f.ErrCode != http2.ErrCodeCancel || f.StreamID != r.stream {
					t.Errorf("frame %v, want RST_STREAM CANCEL", f)
				}
				p.respond(p.request().stream, true, "204")
				p.drain()
			}))
			r := newRequest(t, t.Context(), "POST", "http://h/", struct{ io.Reader }{tt.body})
			r.ContentLength = tt.length
			if _, err := pool.RoundTrip(r); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v", err)
			}
			res, err := pool.RoundTrip(newRequest(t, t.Context(), "GET", "http://h/", nil))
			if err != nil || res.StatusCode != 204 {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// brokenBody gives an error.
type brokenBody struct{ err error }

func (b *brokenBody) Read([]byte) (int, error) { return 0, b.err }

// A request the server has not looked at is sent again, with its body from the
// beginning.
func TestPoolRequestRetries(t *testing.T) {
	// refuses a number of requests and answers the next one with its body.
	script := func(t *testing.T, refusals int) func(net.Conn) {
		return func(nc net.Conn) {
			p := newH2Peer(t, nc)
			for i := 0; ; i++ {
				r := p.request()
				if r == nil {
					return
				}
				body := ""
				for !r.end && len(body) < 3 {
					if f, ok := p.frame().(*http2.DataFrame); ok {
						body += string(f.Data())
					}
				}
				if i < refusals {
					p.reset(r.stream, http2.ErrCodeRefusedStream)
					continue
				}
				p.respond(r.stream, false, "200")
				p.data(r.stream, true, body)
			}
		}
	}
	for name, tt := range map[string]struct {
		refusals int
		body     func() io.Reader
		want     string // of the body; "" for an error
	}{
		"without a body":   {5, func() io.Reader { return nil }, "none"},
		"too often":        {6, func() io.Reader { return nil }, ""},
		"with GetBody":     {2, func() io.Reader { return strings.NewReader("abc") }, "abc"},
		"without GetBody":  {2, func() io.Reader { return struct{ io.Reader }{strings.NewReader("abc")} }, ""},
		"nothing to retry": {0, func() io.Reader { return struct{ io.Reader }{strings.NewReader("abc")} }, "abc"},
	} {
		bubble(t, name, func(t *testing.T) {
			pool := plainPool(t, servers(t, script(t, tt.refusals)))
			res, err := pool.RoundTrip(newRequest(t, t.Context(), "POST", "http://h/", tt.body()))
			if tt.want == "" {
				if se, ok := errors.AsType[*websocket.HTTP2StreamError](err); !ok || se.Code.String() != "REFUSED_STREAM" {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(res.Body); tt.want != "none" && string(body) != tt.want {
				t.Errorf("body %q", body)
			}
		})
	}
	bubble(t, "above the last stream of a GOAWAY", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc)
			p.request()
			p.must(p.fr.WriteGoAway(0, http2.ErrCodeNo, nil))
			p.drain()
		}, script(t, 0))
		res, err := plainPool(t, s).RoundTrip(newRequest(t, t.Context(), "GET", "http://h/", nil))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	})
}

// A server that does not read stops the body of a request; a client that does
// not read stops that of a response.
func TestPoolBackPressure(t *testing.T) {
	bubble(t, "request", func(t *testing.T) {
		allow := make(chan int)
		pool := plainPool(t, servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
			r := p.request()
			go func() {
				for n := range allow {
					p.must(p.fr.WriteWindowUpdate(r.stream, uint32(n)))
				}
				p.respond(r.stream, true, "200")
			}()
			p.drain()
		}))
		body := &meter{}
		done := async(func() error {
			_, err := pool.RoundTrip(newRequest(t, t.Context(), "POST", "http://h/", body))
			return err
		})
		synctest.Wait()
		before := body.n
		if before > 64<<10 {
			t.Errorf("%d bytes were read for a window of 1000", before)
		}
		allow <- 20000
		allow <- 20000
		synctest.Wait()
		if body.n == before || body.n > before+40000 {
			t.Errorf("%d bytes were read, then %d", before, body.n)
		}
		close(allow)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	bubble(t, "response", func(t *testing.T) {
		var sent int
		pool := plainPool(t, servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc)
			r := p.request()
			p.respond(r.stream, false, "200")
			for range 64 {
				p.data(r.stream, false, strings.Repeat("x", 1<<10))
				sent += 1 << 10
			}
			f, err := p.fr.ReadFrame()
			for err == nil {
				if w, ok := f.(*http2.WindowUpdateFrame); ok && w.StreamID == r.stream {
					t.Errorf("window of %d before anything was read", w.Increment)
				}
				if _, ok := f.(*http2.RSTStreamFrame); ok {
					break
				}
				f, err = p.fr.ReadFrame()
			}
		}))
		res, err := pool.RoundTrip(newRequest(t, t.Context(), "GET", "http://h/", nil))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if sent != 64<<10 {
			t.Errorf("%d bytes were sent", sent)
		}
		res.Body.Close()
	})
}

// meter is an endless body that counts what is read.
type meter struct{ n int }

func (m *meter) Read(p []byte) (int, error) {
	m.n += len(p)
	return len(p), nil
}

// What a server may not do with a response.
func TestPoolBadResponses(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(p *h2Peer, stream uint32)
		inBody bool
	}{
		"less than content-length": {func(p *h2Peer, s uint32) {
			p.respond(s, false, "200", "content-length", "5")
			p.data(s, true, "four")
		}, true},
		"more than content-length": {func(p *h2Peer, s uint32) {
			p.respond(s, false, "200", "content-length", "3")
			p.data(s, true, "four")
		}, true},
		"no status":     {func(p *h2Peer, s uint32) { p.trailers(s, "a", "b") }, false},
		"data at first": {func(p *h2Peer, s uint32) { p.data(s, false, "x") }, false},
		"too many interim answers": {func(p *h2Peer, s uint32) {
			for range 9 {
				p.respond(s, false, "103")
			}
		}, false},
		"too large": {func(p *h2Peer, s uint32) {
			var fields []string
			for i := range 200 {
				fields = append(fields, fmt.Sprint("x-", i), "y")
			}
			p.respond(s, false, "200", fields...)
		}, false},
	} {
		bubble(t, name, func(t *testing.T) {
			pool := plainPool(t, servers(t, func(nc net.Conn) {
				p := newH2Peer(t, nc)
				tt.answer(p, p.request().stream)
				p.drain()
			}))
			res, err := pool.RoundTrip(newRequest(t, t.Context(), "GET", "http://h/", nil))
			if tt.inBody && err == nil {
				_, err = io.ReadAll(res.Body)
			}
			if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Servers without HTTP/2 are for somebody else.
func TestPoolFallback(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(describe))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	config := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	pool := &websocket.Pool{Options: &websocket.DialOptions{TLSConfig: config}}
	defer pool.Close()
	for name, url := range map[string]string{"TLS": srv.URL, "no TLS": "http://127.0.0.1:1"} {
		body := &countingBody{Reader: strings.NewReader("x"), closed: make(chan struct{})}
		_, err := pool.RoundTrip(newRequest(t, within(t), "POST", url, body))
		if !errors.Is(err, websocket.ErrNoHTTP2) {
			t.Errorf("%s: %v", name, err)
		}
		<-body.closed
	}
	transport := srv.Client().Transport.(*http.Transport)
	with := &websocket.Pool{Options: pool.Options, Fallback: transport}
	defer with.Close()
	for range 2 {
		res, err := with.RoundTrip(newRequest(t, within(t), "POST", srv.URL, strings.NewReader("whole")))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.ProtoMajor != 1 || !bytes.HasPrefix(body, []byte(`"whole"`)) {
			t.Errorf("%s %q", res.Proto, body)
		}
	}
	transport.CloseIdleConnections()
}

// The end of a context ends the wait for a connection, and for room on it.
func TestPoolRequestContext(t *testing.T) {
	bubble(t, "deadline", func(t *testing.T) {
		pool := plainPool(t, servers(t, func(nc net.Conn) { newH2Peer(t, nc).drain() }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 { // waiting for the answer, and with a context that has ended
			_, err := (&http.Client{Transport: pool}).Do(newRequest(t, ctx, "GET", "http://h/", nil))
			if ue, ok := errors.AsType[*url.Error](err); !ok || !ue.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
	})
	bubble(t, "waiting for room", func(t *testing.T) {
		pool := plainPool(t, servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, slots(1))
			p.respond(p.request().stream, false, "200")
			p.drain()
		}))
		res, err := pool.RoundTrip(newRequest(t, t.Context(), "GET", "http://h/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		ctx, cancel := context.WithCancel(t.Context())
		waiting := async(func() error {
			_, err := pool.RoundTrip(newRequest(t, ctx, "GET", "http://h/", nil))
			return err
		})
		synctest.Wait()
		cancel()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}
