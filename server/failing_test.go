package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// memory is a listener of connections that have no descriptor.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *memory) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memory) Close() error   { close(l.done); return nil }
func (l *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// piped serves h over pipes in memory, and returns how to open one.
func piped(t testing.TB, h http.Handler) func(context.Context, string, string) (net.Conn, error) {
	l := &memory{make(chan net.Conn), make(chan struct{})}
	hs := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		hs.Serve(l)
	}()
	t.Cleanup(func() {
		hs.Close()
		wait(t, served)
	})
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		l.conns <- server
		return client, nil
	}
}

// torn is a connection whose reads fail when it is cut.
type torn struct {
	net.Conn
	cut *atomic.Bool
}

var errTorn = errors.New("torn")

func (c torn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.cut.Load() {
		err = errTorn
	}
	return n, err
}

type tornListener struct {
	net.Listener
	cut *atomic.Bool
}

func (l tornListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return torn{c, l.cut}, err
}

// S4.26: a transport that fails is told from one that ends, with its error.
func TestTransportFails(t *testing.T) {
	var cut atomic.Bool
	g := guarded(t, &funcs{message: echo})
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) { return g, nil })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: ws}
	served := make(chan struct{})
	go func() {
		defer close(served)
		hs.Serve(tornListener{l, &cut})
	}()
	defer wait(t, served)
	defer hs.Close()
	h := &host{Server: ws, t: t}
	c, err := websocket.Dial(h.context(), "ws://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(h.context(), websocket.MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(h.context()); err != nil || string(p) != "x" {
		t.Fatalf("%q, %v", p, err)
	}
	cut.Store(true)
	c.CloseNow()
	r := g.reason()
	if r.Kind != server.ReasonError || !errors.Is(r.Err, errTorn) || r.Close == nil || r.Close.Code != websocket.StatusAbnormalClosure {
		t.Errorf("%+v, %+v", r, r.Close)
	}
	until(t, "the session is gone", func() bool { return ws.Stats().Sessions == 0 })
}

// S4.22: the reason of a crash is one line in a log, whatever the handler is;
// the stack is logged where it happens, once.
func TestReasonInLog(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{message: func(*server.Session, websocket.Message) { panic("oh no") }})
		o := &server.Options{}
		o.Logger = quiet()
		c := g.serve(engine, o).raw(nil)
		c.say(textFrame("x"))
		c.want("close:1011")
		r := g.reason()
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("leave", "reason", r)
		if s := b.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "crash") || !strings.Contains(s, "oh no") || strings.Contains(s, "panics") || strings.Contains(s, ".go:") {
			t.Errorf("%q", s)
		}
	})
}
