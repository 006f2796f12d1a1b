package server_test

import (
	"context"
	"crypto/tls"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/server"
)

// TestMain has more tests run side by side than there are processors: most of
// them wait most of the time.
func TestMain(m *testing.M) {
	n := "8"
	if raceEnabled {
		n = "4"
	}
	if err := flag.Set("test.parallel", n); err != nil { // unless the command line says otherwise
		panic(err)
	}
	leakcheck.Main(m)
}

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// engines are the ways in which a session can be carried. One test body passes
// over all of them.
var engines = allEngines()

func allEngines() []string {
	if strings.Contains(os.Getenv("GODEBUG"), xconnect) {
		return []string{netHTTP}
	}
	return []string{"poll", "poll+tls", "goroutine", "goroutine+tls", "h2", "h2c"}
}

// each runs a test over every engine, side by side: most of them wait most of
// the time.
func each(t *testing.T, test func(t *testing.T, engine string)) {
	for _, e := range engines {
		t.Run(e, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// eachAlone is each for tests that nothing may disturb.
func eachAlone(t *testing.T, test func(t *testing.T, engine string)) {
	for _, e := range engines {
		t.Run(e, func(t *testing.T) { test(t, e) })
	}
}

// foreign is a connection that no engine knows: a goroutine reads it.
type foreign struct{ net.Conn }

func (f foreign) CloseWrite() error { return f.Conn.(*net.TCPConn).CloseWrite() }

type foreignListener struct{ net.Listener }

func (l foreignListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return foreign{c}, nil
}

// host is a server under test.
type host struct {
	*server.Server
	t    testing.TB
	http *httptest.Server
	tls  *tls.Config     // of clients
	pool *websocket.Pool // for HTTP/2
}

// serve starts a server whose sessions have the handler that h makes.
func serve(t testing.TB, engine string, o *server.Options, h func() server.Handler) *host {
	t.Helper()
	return serveUpgrade(t, engine, func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) { return h(), o })
}

func serveUpgrade(t testing.TB, engine string, u server.Upgrade) *host {
	t.Helper()
	hs := &host{Server: server.New(u), t: t, tls: &tls.Config{InsecureSkipVerify: true}}
	hs.http = httptest.NewUnstartedServer(hs.Server)
	if strings.HasPrefix(engine, "goroutine") {
		hs.http.Listener = foreignListener{hs.http.Listener}
	}
	if overHTTP2(engine) {
		hs.serveHTTP2(engine)
	}
	if strings.HasSuffix(engine, "tls") || engine == "h2" || engine == netHTTP {
		hs.http.StartTLS()
	} else {
		hs.http.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := hs.Shutdown(ctx, nil); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if hs.pool != nil {
			hs.pool.Close()
		}
		hs.http.Close()
	})
	return hs
}

// dial opens a connection to the server.
func (h *host) dial(o *websocket.DialOptions) *websocket.Conn {
	h.t.Helper()
	if o == nil {
		o = &websocket.DialOptions{}
	}
	if o.TLSConfig = h.tls; h.pool != nil {
		o.HTTP, o.Pool = websocket.HTTP2, h.pool
	}
	c, err := websocket.Dial(h.context(), h.url(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.CloseNow() })
	return c
}

func (h *host) url() string { return "ws" + strings.TrimPrefix(h.http.URL, "http") }

// context ends when the test has taken too long.
func (h *host) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	h.t.Cleanup(cancel)
	return ctx
}

// funcs is a handler made of functions, each of which may be nil.
type funcs struct {
	init      func(*server.Session)
	message   func(*server.Session, websocket.Message)
	info      func(*server.Session, any)
	terminate func(*server.Session, server.Reason)
}

func (f *funcs) Init(s *server.Session) {
	if f.init != nil {
		f.init(s)
	}
}

func (f *funcs) Message(s *server.Session, m websocket.Message) {
	if f.message != nil {
		f.message(s, m)
	}
}

func (f *funcs) Info(s *server.Session, v any) {
	if f.info != nil {
		f.info(s, v)
	}
}

func (f *funcs) Terminate(s *server.Session, r server.Reason) {
	if f.terminate != nil {
		f.terminate(s, r)
	}
}

// echo sends back what comes.
func echo(s *server.Session, m websocket.Message) {
	s.Send(websocket.Outgoing{Opcode: m.Type, Data: m.Data})
}

// wait returns what comes over a channel.
func wait[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
