package h2conn_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/internal/poll"
)

// serving are the servers of pairs: a closed one lingers, and nobody waits for
// that test by test.
var serving sync.WaitGroup

func TestMain(m *testing.M) {
	os.Exit(leakcheck.Run(func() int {
		code := m.Run()
		serving.Wait()
		return code
	}, os.Stderr))
}

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// request is what the server's side of a pair was asked.
type request struct {
	*h2conn.Stream
	head *h2.Head
	end  bool
}

// pair is a client and a server that are connected.
type pair struct {
	t              *testing.T
	client, server *h2conn.Conn
	requests       chan request
	served         chan error // of the server
}

// engine is a way in which a server's connection is carried.
type engine string

const (
	plain      engine = "plain"
	overTLS    engine = "TLS"
	overPolled engine = "TLS in the poller"
)

// each runs a test over every engine.
func each(t *testing.T, test func(t *testing.T, e engine)) {
	for _, e := range []engine{plain, overTLS, overPolled} {
		t.Run(string(e), func(t *testing.T) { test(t, e) })
	}
}

// connect makes a pair over a socket.
func connect(t *testing.T, e engine, server, client *h2conn.Options) *pair {
	t.Helper()
	return connectVia(t, e, nil, server, client)
}

// connectVia is connect with something around the client's socket.
func connectVia(t *testing.T, e engine, wrap func(net.Conn) net.Conn, server, client *h2conn.Options) *pair {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		a = wrap(a)
	}
	if e != plain {
		a, b = shakeHands(t, a, b)
	}
	if server == nil {
		server = &h2conn.Options{}
	}
	if e == overPolled {
		p, err := poll.New(&poll.Options{})
		if err != nil {
			t.Skip("no poller on this system")
		}
		t.Cleanup(p.Close)
		server.Poller = p
	}
	return join(t, a, b, server, client)
}

// shakeHands puts TLS over both ends.
func shakeHands(t *testing.T, a, b net.Conn) (client, server net.Conn) {
	t.Helper()
	hs := httptest.NewUnstartedServer(nil)
	hs.StartTLS() // it has a certificate
	defer hs.Close()
	s := tls.Server(b, &tls.Config{Certificates: hs.TLS.Certificates})
	c := tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- s.Handshake() }()
	must(t, c.Handshake())
	must(t, wait(t, shaken))
	return c, s
}

func join(t *testing.T, a, b net.Conn, server, client *h2conn.Options) *pair {
	if server == nil {
		server = &h2conn.Options{}
	}
	if client == nil {
		client = &h2conn.Options{}
	}
	p := &pair{t: t, requests: make(chan request, 1000), served: make(chan error, 1)}
	server.Role, server.ExtendedConnect = h2.RoleServer, true
	if server.Request == nil {
		server.Request = func(s *h2conn.Stream, h *h2.Head, end bool) { p.requests <- request{s, h, end} }
	}
	p.client, p.server = h2conn.New(a, client), h2conn.New(b, server)
	clientServed := make(chan error, 1)
	serving.Go(func() { p.served <- p.server.Serve() })
	go func() { clientServed <- p.client.Serve() }()
	t.Cleanup(func() {
		p.client.Close()
		p.server.Close()
		wait(t, p.client.Done())
		wait(t, p.server.Done())
		wait(t, clientServed)
	})
	return p
}

// wait receives from a channel, in time.
func wait[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

func (p *pair) context() context.Context {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	p.t.Cleanup(cancel)
	return ctx
}

var tunnel = &h2.Head{Method: "CONNECT", Scheme: "http", Authority: "example.com", Path: "/", Protocol: "websocket", ContentLength: -1}

// open opens a tunnel and returns both ends.
func (p *pair) open() (client, server *h2conn.Stream) {
	p.t.Helper()
	if err := p.client.AwaitSettings(p.context()); err != nil {
		p.t.Fatal(err)
	}
	client, err := p.client.Open(p.context(), tunnel, false, true)
	if err != nil {
		p.t.Fatal(err)
	}
	r := wait(p.t, p.requests)
	if r.head.Protocol != "websocket" || r.end {
		p.t.Fatalf("request %+v, end %v", r.head, r.end)
	}
	r.Detach()
	if err := r.Respond(&h2.Head{Status: 200, ContentLength: -1}, nil, false); err != nil {
		p.t.Fatal(err)
	}
	h, end, err := client.AwaitHead(p.context())
	if err != nil || h.Status != 200 || end {
		p.t.Fatalf("head %+v, end %v, %v", h, end, err)
	}
	p.t.Cleanup(func() { client.Close(); r.Close() })
	return client, r.Stream
}

func putBack(b []byte) { bufpool.Put(b) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// readFull reads n bytes.
func readFull(t *testing.T, s *h2conn.Stream, n int) []byte {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, n)
	if _, err := io.ReadFull(s, b); err != nil {
		t.Fatal(err)
	}
	s.SetReadDeadline(time.Time{})
	return b
}
