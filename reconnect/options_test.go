package reconnect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

// Before each attempt Prepare says where to, and with which header.
func TestPrepare(t *testing.T) {
	bubble(t, "tokens and hosts", func(t *testing.T) {
		var seen []string
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Host+r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
			if len(seen) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			sockets(echo).ServeHTTP(w, r)
		}))
		o := options(s)
		o.Header = http.Header{"Authorization": {"none"}}
		calls := 0
		o.Prepare = func(ctx context.Context, attempt int) (string, http.Header, error) {
			calls++
			switch calls {
			case 1:
				return "", nil, nil // as Start was told
			case 2:
				return "", nil, errors.New("the token server is down")
			}
			return fmt.Sprintf("ws://192.0.2.%d/?attempt=%d", calls, attempt), http.Header{"Authorization": {fmt.Sprint("token ", calls)}}, nil
		}
		r := newRecorder()
		c := start(t, r, o)
		up(t, c)
		r.want(t, "attempt 1 failed", "attempt 2 failed", "attempt 3 failed", "connect")
		time.Sleep(time.Minute)
		s.Cut()
		synctest.Wait()
		up(t, c)
		want := []string{"192.0.2.1/feed none", "192.0.2.3/?attempt=3 token 3", "192.0.2.4/?attempt=4 token 4", "192.0.2.5/?attempt=1 token 5"}
		if !slices.Equal(seen, want) {
			t.Errorf("the servers saw %q\nwant %q", seen, want)
		}
	})
	bubble(t, "permanent", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		o := options(s)
		gone := errors.New("the account is gone")
		o.Prepare = func(context.Context, int) (string, http.Header, error) {
			return "", nil, fmt.Errorf("%w: %w", reconnect.ErrPermanent, gone)
		}
		c := start(t, nil, o)
		if err := c.Wait(); !errors.Is(err, gone) || len(s.times()) != 0 {
			t.Errorf("Wait = %v after %d dials", err, len(s.times()))
		}
	})
	bubble(t, "bad URL, bad header", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		for _, f := range []func() (string, http.Header){
			func() (string, http.Header) { return "gopher://x", nil },
			func() (string, http.Header) { return "", http.Header{"Sec-WebSocket-Key": {"x"}} },
		} {
			o := options(s)
			o.Prepare = func(context.Context, int) (string, http.Header, error) {
				u, h := f()
				return u, h, nil
			}
			var bad *websocket.OptionError
			if err := start(t, nil, o).Wait(); !errors.As(err, &bad) {
				t.Errorf("Wait = %v", err)
			}
		}
	})
	bubble(t, "values of the context", func(t *testing.T) {
		type key struct{}
		s := newSite(t, sockets(echo))
		o := options(s)
		o.Prepare = func(ctx context.Context, _ int) (string, http.Header, error) {
			if ctx.Value(key{}) != "value" {
				t.Error("the values of Start's context are not there")
			}
			return "", nil, nil
		}
		c, err := reconnect.Start(context.WithValue(t.Context(), key{}, "value"), addr, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		up(t, c)
		c.CloseNow()
	})
}

// S3.5: cookies are asked for with each handshake, and those of answers kept,
// refusals included.
func TestCookies(t *testing.T) {
	bubble(t, "S3.5", func(t *testing.T) {
		var seen []string
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Header.Get("Cookie"))
			http.SetCookie(w, &http.Cookie{Name: "n", Value: fmt.Sprint(len(seen))})
			if len(seen) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			sockets(echo).ServeHTTP(w, r)
		}))
		o := options(s)
		o.Client.CookieJar, _ = cookiejar.New(nil)
		c := start(t, nil, o)
		up(t, c)
		s.Cut()
		synctest.Wait()
		up(t, c)
		if want := []string{"", "n=1", "n=2"}; !slices.Equal(seen, want) {
			t.Errorf("S3.5: the server saw %q", seen)
		}
	})
}

// S3.4, S3.6, S3.12, S3.13, C12: each step has its time, 10 s by default, and
// writes 15 s.
func TestTimeouts(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for _, tc := range []struct {
		name, url string
		set       func(o *reconnect.Options)
		dial      func(ctx context.Context) error
		handler   http.Handler
		takes     time.Duration
	}{
		{name: "S3.4 C12", dial: hang, takes: 10 * time.Second},
		{name: "S3.4 own", dial: hang, takes: 3 * time.Second, set: func(o *reconnect.Options) { o.Client.ConnectTimeout = 3 * time.Second }},
		{name: "S3.13 C12", url: "wss://192.0.2.1/", takes: 10 * time.Second},
		{name: "S3.13 own", url: "wss://192.0.2.1/", takes: 3 * time.Second, set: func(o *reconnect.Options) { o.Client.TLSHandshakeTimeout = 3 * time.Second }},
		{name: "C12 upgrade, own", takes: 3 * time.Second, set: func(o *reconnect.Options) { o.Client.UpgradeTimeout = 3 * time.Second }},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			s := newSite(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			s.next = tc.dial
			o := options(s)
			if tc.set != nil {
				tc.set(o)
			}
			if strings.HasPrefix(tc.url, "wss") {
				o.Client.Dial = func(ctx context.Context, network, to string) (net.Conn, error) {
					s.Dial(ctx, "none", to) // for its count
					a, b := wstest.Pipe(nil)
					context.AfterFunc(t.Context(), func() { b.Close() })
					return a, nil
				}
			}
			url := tc.url
			if url == "" {
				url = addr
			}
			var errs []error
			r := newRecorder()
			r.connectError = func(_ *reconnect.Client, err error, _ int) reconnect.Next {
				errs = append(errs, err)
				return reconnect.Next{}
			}
			c, err := reconnect.Start(t.Context(), url, r, o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			time.Sleep(tc.takes + 250*time.Millisecond)
			synctest.Wait()
			if got := s.times(); len(got) != 2 || got[1] != tc.takes+250*time.Millisecond || !isTimeout(errs[0]) {
				t.Errorf("%s: attempts at %v, %v", tc.name, got, errs)
			}
		})
	}
	t.Run("S3.6", func(t *testing.T) {
		o := &reconnect.Options{Retry: -1}
		o.Client.DomainLookupTimeout = time.Nanosecond
		c, err := reconnect.Start(t.Context(), "ws://name.invalid/", nil, o)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := errors.AsType[*websocket.DialError](c.Wait())
		if !ok || e.Step != websocket.StepLookup {
			t.Errorf("S3.6: %v", c.Err())
		}
	})
	for _, own := range []time.Duration{0, 2 * time.Second} {
		bubble(t, fmt.Sprintf("S3.12 %v", own), func(t *testing.T) {
			free := make(chan struct{})
			s := newSite(t, sockets(func(*websocket.Conn, *http.Request) { <-free }))
			defer close(free)
			r := newRecorder()
			var why error
			r.failed = func(_ *reconnect.Client, err error) reconnect.Next {
				why = err
				return reconnect.Stop()
			}
			o := options(s)
			o.WebSocket = &websocket.ConnOptions{WriteTimeout: own, KeepAlive: websocket.KeepAlive{Interval: -1}}
			c := start(t, r, o)
			up(t, c)
			begin := time.Now()
			err := c.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20))
			want := own
			if own == 0 {
				want = 15 * time.Second
			}
			if took := time.Since(begin); took != want || !errors.Is(err, reconnect.ErrDown) || !errors.Is(err, websocket.ErrWriteTimeout) {
				t.Errorf("S3.12: Write = %v after %v", err, took)
			}
			over(t, c)
			if !errors.Is(why, websocket.ErrWriteTimeout) {
				t.Errorf("S3.12: OnError: %v", why)
			}
		})
	}
}

// S3.7, S3.17: options of HTTP/1.1 and of the sockets.
func TestPassedOn(t *testing.T) {
	bubble(t, "S3.7", func(t *testing.T) {
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 2000))
			sockets(echo).ServeHTTP(w, r)
		}))
		o := options(s)
		o.Retry = -1
		o.Client.HTTP1.MaxHeaderBytes = 1000
		if err := start(t, nil, o).Wait(); err == nil || len(s.times()) != 1 {
			t.Errorf("S3.7: %v", err)
		}
		o.Client.HTTP1.MaxHeaderBytes = 5000
		up(t, start(t, nil, o))
	})
	bubble(t, "S3.17", func(t *testing.T) {
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"b"}}})
			if err == nil {
				wstest.Echo(c)
			}
		}))
		o := options(s)
		o.WebSocket = &websocket.ConnOptions{Subprotocols: []string{"a", "b"}}
		c := start(t, nil, o)
		up(t, c)
		if got := c.Conn().Subprotocol(); got != "b" {
			t.Errorf("S3.17: %q", got)
		}
		s.Down(nil)
		synctest.Wait()
		if c.Conn() != nil {
			t.Error("there is a connection while it is down")
		}
	})
}

// S3.14: over TLS, with a configuration of one's own.
func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(sockets(echo))
	defer srv.Close()
	conf := srv.Client().Transport.(*http.Transport).TLSClientConfig
	cb := &counter{got: make(chan struct{}, 1)}
	c, err := reconnect.Start(t.Context(), srv.URL, cb, &reconnect.Options{Client: client.Options{TLSConfig: conf}})
	if err != nil {
		t.Fatal(err)
	}
	up(t, c)
	write(t, c, "S3.14")
	<-cb.got
	if c.Conn().HTTPVersion() != 1 {
		t.Errorf("HTTP/%d", c.Conn().HTTPVersion())
	}
	if err := c.Close(1000, ""); err != nil {
		t.Error(err)
	}
}

// C3: over HTTP/2, each attempt has a connection of its own, which ends with the
// socket.
func TestHTTP2(t *testing.T) {
	bubble(t, "C3", func(t *testing.T) {
		ln := wstest.NewListener(nil)
		n := 0
		srv := &http.Server{Protocols: new(http.Protocols), Handler: sockets(func(c *websocket.Conn, r *http.Request) {
			if n++; n < 3 {
				c.Close(1012, "")
				return
			}
			wstest.Echo(c)
		})}
		srv.Protocols.SetUnencryptedHTTP2(true)
		if err := h2.ConfigureServer(srv, nil); err != nil {
			t.Fatal(err)
		}
		go srv.Serve(ln)
		defer srv.Close()
		r := newRecorder()
		o := &reconnect.Options{Jitter: most}
		o.Client.Dial, o.Client.Protocols = ln.Dial, []client.Protocol{client.HTTP2}
		c := start(t, r, o)
		up(t, c)
		time.Sleep(time.Minute)
		up(t, c)
		write(t, c, "x")
		synctest.Wait()
		r.want(t, "connect", `close 1012 ""`, "disconnect 250ms", "connect", `close 1012 ""`, "disconnect 500ms", "connect", "message x")
		if c.Conn().HTTPVersion() != 2 || ln.Dials() != 3 {
			t.Errorf("HTTP/%d, %d dials", c.Conn().HTTPVersion(), ln.Dials())
		}
		ln.Cut() // the connection below the socket
		synctest.Wait()
		up(t, c)
		if err := c.Close(1000, ""); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// S3.15: every step and frame can be seen.
func TestTrace(t *testing.T) {
	bubble(t, "S3.15", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		var trace, log lockedBuffer
		o := options(s)
		o.Client.TraceTo = &trace
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c := start(t, reconnect.NopCallbacks{}, o)
		up(t, c)
		write(t, c, "x")
		synctest.Wait()
		s.Down(nil)
		time.Sleep(time.Second)
		c.Close(1000, "")
		if got := trace.String(); strings.Count(got, "\n") < 5 {
			t.Errorf("S3.15: the trace is %q", got)
		}
		for _, want := range []string{"connected", "connection ended", "attempt failed"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has no %q: %s", want, log.String())
			}
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var _ io.Writer = (*lockedBuffer)(nil)

// S3.1, S3.11, S3.18: what a client tells of itself.
func TestInfo(t *testing.T) {
	bubble(t, "S3.18", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		o := options(s)
		o.Header = http.Header{"X-A": {"1"}}
		c, err := reconnect.Start(t.Context(), "ws://user:secret@192.0.2.1/feed?x=1", nil, o) // S3.1
		if err != nil {
			t.Fatal(err)
		}
		if i := c.Info(); i.State != reconnect.Connecting || i.State.String() != "connecting" || c.Err() != nil {
			t.Errorf("S3.18: %+v", i)
		}
		up(t, c)
		begin := time.Now()
		time.Sleep(time.Minute)
		i := c.Info()
		if i.URL != "ws://user:xxxxx@192.0.2.1/feed?x=1" || i.Header.Get("X-A") != "1" || i.State != reconnect.Up || !i.Since.Equal(begin) || i.Connects != 1 || i.Err != nil {
			t.Errorf("S3.18: %+v", i)
		}
		i.Header.Set("X-A", "changed")
		if c.Info().Header.Get("X-A") != "1" {
			t.Error("S3.18: the header is shared")
		}
		// S3.11: nobody but its user supervises it.
		waited := make(chan error)
		go func() { waited <- c.Wait() }()
		c.CloseNow()
		if err := <-waited; err != nil || c.Info().State.String() != "closed" {
			t.Errorf("S3.11: Wait = %v", err)
		}
		<-c.Done()
		if got := reconnect.State(99).String(); got != "unknown state" {
			t.Error(got)
		}
	})
}

// S3.19: codes, messages, errors and headers have the types they have everywhere.
var _ interface {
	OnConnect(*reconnect.Client, http.Header)
	OnMessage(*reconnect.Client, websocket.Message)
	OnClose(*reconnect.Client, websocket.StatusCode, string) reconnect.Next
	OnError(*reconnect.Client, error) reconnect.Next
} = reconnect.NopCallbacks{}

// Many clients that lose their server at once come back one by one: of the
// attempts of the first minute less than a third are in the first second, and no
// two of them at the same moment.
func TestManyLoseTheirServer(t *testing.T) {
	bubble(t, "thundering herd", func(t *testing.T) {
		const n = 300
		s := newSite(t, sockets(echo))
		var list []*reconnect.Client
		for range n {
			o := options(s)
			o.Jitter = nil
			c := start(t, nil, o)
			up(t, c)
			list = append(list, c)
		}
		time.Sleep(time.Minute)
		s.Down(nil)
		begin := time.Since(s.begin)
		time.Sleep(time.Minute)
		first, all := 0, 0
		seen := make(map[time.Duration]int)
		for _, at := range s.times()[n:] {
			at -= begin
			all++
			if at < time.Second {
				first++
			}
			seen[at]++
		}
		if 100*first > 33*all || all < n*5 {
			t.Errorf("%d of %d attempts are in the first second", first, all)
		}
		if len(seen) < all*99/100 {
			t.Errorf("%d attempts at %d moments", all, len(seen))
		}
		s.Up()
		for _, c := range list {
			up(t, c)
		}
	})
}
