package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/wstest"
)

// request makes a request for a Conn of a test.
func request(t *testing.T, ctx context.Context, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// echoBody answers with the request's body as it comes, and its trailer.
func echoBody(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		rc.EnableFullDuplex()
	}
	w.Header().Set("Trailer", "X-Sum")
	rc.Flush()
	buf := make([]byte, 1<<10)
	for {
		n, err := r.Body.Read(buf)
		w.Write(buf[:n])
		rc.Flush()
		if err != nil {
			break
		}
	}
	w.Header().Set("X-Sum", r.Trailer.Get("X-Sum"))
}

// Both bodies are streamed at the same time, with trailers both ways, and the
// connection is used on.
func TestRoundTripStreams(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, http.HandlerFunc(echoBody))
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}})
		for range 2 {
			pr, pw := io.Pipe()
			r := request(t, t.Context(), "POST", "/", pr)
			r.Trailer = http.Header{"X-Sum": nil}
			res, err := c.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if res.ProtoMajor != int(p) || res.Request != r || res.ContentLength != -1 {
				t.Errorf("response %+v", res)
			}
			buf := make([]byte, 3)
			for _, text := range []string{"one", "two"} {
				pw.Write([]byte(text))
				if _, err := io.ReadFull(res.Body, buf); string(buf) != text || err != nil {
					t.Fatalf("echo %q, %v", buf, err)
				}
			}
			r.Trailer.Set("X-Sum", "6")
			pw.Close()
			rest, err := io.ReadAll(res.Body)
			if len(rest) > 0 || err != nil || res.Trailer.Get("X-Sum") != "6" {
				t.Errorf("%q, %v, %v", rest, err, res.Trailer)
			}
			res.Body.Close()
		}
		if ln.Dials() != 1 {
			t.Errorf("%d connections", ln.Dials())
		}
	})
}

// Expect: 100-continue, interim responses, and the other hooks of httptrace.
func TestRoundTripInterim(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			body, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %v", body, err)
		}))
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}})
		up(t, c)
		var seen []string
		note := func(what string) { seen = append(seen, what) }
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn:              func(i httptrace.GotConnInfo) { note(fmt.Sprint("conn ", i.Conn != nil, i.Reused)) },
			WroteHeaders:         func() { note("headers") },
			GotFirstResponseByte: func() { note("first") },
			Got100Continue:       func() { note("continue") },
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				note(fmt.Sprint(code, h["Link"]))
				return nil
			},
		})
		r := request(t, ctx, "POST", "/", strings.NewReader("body"))
		r.Header.Set("Expect", "100-continue")
		res, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if string(body) != "body <nil>" || err != nil || res.Header["Link"] != nil {
			t.Errorf("%q, %v, %v", body, err, res.Header)
		}
		res.Body.Close()
		want := []string{"conn true false", "headers", "first", "103 [</style.css>]", "continue", "100 []"}
		if !slices.Equal(seen, want) {
			t.Errorf("hooks %q, want %q", seen, want)
		}
	})
}

// The end of a request's context, or of the interest in its body, ends it in
// any state. Over HTTP/1.1 that ends the connection, which is made anew; over
// HTTP/2 it goes on, and so do the others on it.
func TestRoundTripCancel(t *testing.T) {
	late := errors.New("late")
	versions(t, func(t *testing.T, p client.Protocol) {
		block := make(chan struct{})
		mux := http.NewServeMux()
		mux.Handle("/", site())
		mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-block:
			}
		})
		mux.HandleFunc("/half", func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			if p == client.HTTP1 {
				rc.EnableFullDuplex()
			}
			io.WriteString(w, "half")
			rc.Flush()
			select {
			case <-r.Context().Done():
			case <-block:
			}
		})
		ln := newNet(t, mux)
		defer close(block)
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}, RetryTimeout: time.Millisecond})
		for i, tt := range []struct {
			name, path string
			sends      bool
			close      bool // the body, instead of the context
		}{
			{"before the answer", "/silent", false, false},
			{"sending", "/silent", true, false},
			{"in the body", "/half", false, false},
			{"closing the body", "/half", false, true},
			{"in the body, sending", "/half", true, true},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			var body io.Reader
			pr, pw := io.Pipe()
			if tt.sends {
				body = pr
			}
			if tt.path == "/silent" {
				go func() {
					synctest.Wait()
					cancel(late)
				}()
			}
			res, err := c.RoundTrip(request(t, ctx, "POST", tt.path, body))
			if err == nil {
				if !tt.close {
					cancel(late)
					_, err = io.ReadAll(res.Body)
				}
				res.Body.Close()
			}
			if !tt.close && (!errors.Is(err, late) || !errors.Is(err, context.Canceled)) {
				t.Errorf("%s: %v", tt.name, err)
			}
			if tt.sends {
				if _, err := pw.Write([]byte("x")); err != io.ErrClosedPipe {
					t.Errorf("%s: the request's body: %v", tt.name, err)
				}
			}
			cancel(nil)
			if text, err := get(t, c, "/next"); text != "GET /next" || err != nil {
				t.Errorf("%s: the next request: %q, %v", tt.name, text, err)
			}
			if want := 1; p == client.HTTP2 && ln.Dials() != want || p == client.HTTP1 && ln.Dials() != i+2 {
				t.Errorf("%s: %d connections", tt.name, ln.Dials())
			}
		}
	})
}

// S0.6: requests made at the same time are all answered, over HTTP/1.1 one after
// another, and one that waits for its turn can be given up without harm.
func TestRoundTripQueue(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		var now, most int
		turn := make(chan struct{}, 1)
		turn <- struct{}{}
		ln := newNet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-turn
			now++
			most = max(most, now)
			turn <- struct{}{}
			time.Sleep(time.Second)
			io.WriteString(w, r.URL.Path)
			<-turn
			now--
			turn <- struct{}{}
		}))
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}})
		start := time.Now()
		done := make(chan error)
		for i := range 10 {
			go func() {
				path := fmt.Sprint("/", i)
				text, err := get(t, c, path)
				if err == nil && text != path {
					err = fmt.Errorf("got %q", text)
				}
				done <- err
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := c.RoundTrip(request(t, ctx, "GET", "/gone", nil)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request given up: %v", err)
		}
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		want, took := 1, 10*time.Second
		if p == client.HTTP2 {
			want, took = 11, time.Second
		}
		if most != want || since(start) != took || ln.Dials() != 1 {
			t.Errorf("%d at the same time, %v, %d connections", most, since(start), ln.Dials())
		}
	})
}

// A server that ends a connection, idle or with its response, is noticed at
// once, and the next request goes over the next connection.
func TestServerEnds(t *testing.T) {
	for _, header := range []string{"", "close"} {
		synctest.Test(t, func(t *testing.T) {
			ln := wstest.NewListener(nil)
			srv := &http.Server{IdleTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if header != "" {
					w.Header().Set("Connection", header)
				}
				io.WriteString(w, "x")
			})}
			go srv.Serve(ln)
			defer srv.Close()
			owner := client.NewOwner(16)
			c := open(t, ln, &client.Options{Owner: owner, RetryTimeout: time.Second})
			for range 2 {
				if text, err := get(t, c, "/"); text != "x" || err != nil {
					t.Fatalf("%q, %v", text, err)
				}
				start := time.Now()
				for {
					if d, ok := (<-owner.C).(client.Down); ok {
						if d.Err == nil || header == "" && len(d.Killed) > 0 {
							t.Errorf("Down %+v", d)
						}
						break
					}
				}
				want := 10 * time.Second
				if header != "" {
					want = 0
				}
				if since(start) != want {
					t.Errorf("Down after %v", since(start))
				}
			}
			c.Close()
			owner.Close()
			for range owner.C {
			}
		})
	}
}

// S3.7: HTTP1Options bound the header of a response.
func TestHTTP1Options(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		ln := newNet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for i := range 20 {
				w.Header().Set(fmt.Sprint("X-", i), "x")
			}
			if r.URL.Path == "/long" {
				w.Header().Set("X-Long", strings.Repeat("x", 40<<10))
			}
		}))
		for _, tt := range []struct {
			o    client.HTTP1Options
			path string
			fits bool
		}{
			{client.HTTP1Options{}, "/", true},
			{client.HTTP1Options{MaxFields: 30, MaxHeaderBytes: 4 << 10}, "/", true},
			{client.HTTP1Options{MaxFields: 10}, "/", false},
			{client.HTTP1Options{MaxHeaderBytes: 100}, "/", false},
			{client.HTTP1Options{MaxFields: -1, MaxHeaderBytes: -1}, "/", true},
			{client.HTTP1Options{}, "/long", false},
			{client.HTTP1Options{MaxFields: -1, MaxHeaderBytes: -1}, "/long", true},
		} {
			c := open(t, ln, &client.Options{Protocols: []client.Protocol{p}, HTTP1: tt.o, Retry: -1})
			if _, err := get(t, c, tt.path); tt.fits != (err == nil) {
				t.Errorf("%+v, %s: %v", tt.o, tt.path, err)
			}
			c.Close()
		}
	})
}

// What cannot be sent is refused the same way over both versions, and harms nothing.
func TestBadRequest(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		c := open(t, newNet(t, site()), &client.Options{Protocols: []client.Protocol{p}})
		for name, change := range map[string]func(r *http.Request){
			"method":  func(r *http.Request) { r.Method = "G T" },
			"host":    func(r *http.Request) { r.Host = "a b" },
			"header":  func(r *http.Request) { r.Header = http.Header{"X": {"a\r\nb"}} },
			"trailer": func(r *http.Request) { r.Trailer = http.Header{"Host": nil} },
		} {
			r := request(t, t.Context(), http.MethodPost, "/", strings.NewReader("body"))
			change(r)
			if _, err := c.RoundTrip(r); !errors.Is(err, httpconn.ErrRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if text, err := get(t, c, "/good"); err != nil || text != "GET /good" {
			t.Errorf("%q, %v", text, err)
		}
		if ups := c.Info().Ups; ups != 1 {
			t.Errorf("%d connections were made", ups)
		}
	})
}

// An upgrade waits for the requests before it, and those after it get
// ErrUpgraded over HTTP/1.1.
func TestUpgradeQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("/", site())
		mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(5 * time.Second)
			io.WriteString(w, "slow")
		})
		c := open(t, newNet(t, mux), nil)
		up(t, c)
		start := time.Now()
		first := make(chan string)
		go func() {
			text, _ := get(t, c, "/slow")
			first <- text
		}()
		synctest.Wait()
		socket := make(chan *websocket.Conn)
		go func() {
			s, err := c.Upgrade(t.Context(), "/ws", nil)
			if err != nil {
				t.Error(err)
			}
			socket <- s
		}()
		synctest.Wait()
		if _, err := get(t, c, "/late"); !errors.Is(err, client.ErrUpgraded) { // S0.17
			t.Errorf("a request behind the upgrade: %v", err)
		}
		if text := <-first; text != "slow" || since(start) != 5*time.Second {
			t.Errorf("the request before it: %q after %v", text, since(start))
		}
		s := <-socket
		echo(t, s, "Hello!")
		s.CloseNow()
	})
}
