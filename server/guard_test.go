package server_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// guard is a handler around another that watches over what every handler is
// promised: callbacks of one session never overlap, Init comes first and once,
// Terminate last and once.
type guard struct {
	f          *funcs
	ping, pong func(*server.Session, []byte)

	t           testing.TB
	inside      atomic.Int32
	inits, ends atomic.Int32
	plain       int // raced for when callbacks are not ordered
	sessions    chan *server.Session
	over        chan server.Reason
}

// guarded makes a handler for one session. It is made before the server, so
// that it is judged when the server is gone.
func guarded(t testing.TB, f *funcs) *guard {
	g := &guard{f: f, t: t, sessions: make(chan *server.Session, 1), over: make(chan server.Reason, 10)}
	t.Cleanup(func() {
		if g.inits.Load() != 1 || g.ends.Load() != 1 {
			t.Errorf("%d calls of Init, %d of Terminate, want one each", g.inits.Load(), g.ends.Load())
		}
	})
	return g
}

// serve starts a server for the one session of the guard.
func (g *guard) serve(engine string, o *server.Options) *host {
	return serve(g.t, engine, o, func() server.Handler { return g })
}

// reason waits for Terminate.
func (g *guard) reason() server.Reason {
	g.t.Helper()
	return wait(g.t, g.over)
}

// session waits for Init.
func (g *guard) session() *server.Session {
	g.t.Helper()
	return wait(g.t, g.sessions)
}

func (g *guard) enter(what string, last bool) {
	if n := g.inside.Add(1); n != 1 {
		g.t.Errorf("%s: %d callbacks at once", what, n)
	}
	if g.ends.Load() != 0 {
		g.t.Errorf("%s: after Terminate", what)
	}
	if g.inits.Load() != 1 {
		g.t.Errorf("%s: after %d calls of Init", what, g.inits.Load())
	}
	g.plain++
	if last {
		g.ends.Add(1)
	}
}

func (g *guard) leave() { g.inside.Add(-1) }

func (g *guard) Init(s *server.Session) {
	g.inits.Add(1)
	g.enter("Init", false)
	defer g.leave()
	g.sessions <- s
	g.f.Init(s)
}

func (g *guard) Message(s *server.Session, m websocket.Message) {
	g.enter("Message", false)
	defer g.leave()
	g.f.Message(s, m)
}

func (g *guard) Info(s *server.Session, v any) {
	g.enter("Info", false)
	defer g.leave()
	g.f.Info(s, v)
}

func (g *guard) Ping(s *server.Session, p []byte) {
	g.enter("Ping", false)
	defer g.leave()
	if g.ping != nil {
		g.ping(s, p)
	}
}

func (g *guard) Pong(s *server.Session, p []byte) {
	g.enter("Pong", false)
	defer g.leave()
	if g.pong != nil {
		g.pong(s, p)
	}
}

func (g *guard) Terminate(s *server.Session, r server.Reason) {
	g.enter("Terminate", true)
	defer g.leave()
	g.over <- r
	g.f.Terminate(s, r)
}

// logbook keeps what is logged.
type logbook struct {
	mu      sync.Mutex
	records []slog.Record
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logbook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logbook) WithGroup(string) slog.Handler            { return b }

func (b *logbook) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r.Clone())
	return nil
}

// stacks returns the stacks that were logged.
func (b *logbook) stacks() (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "stack" {
				list = append(list, a.Value.String())
			}
			return true
		})
	}
	return list
}

// quiet is a logger that says nothing.
func quiet() *slog.Logger { return slog.New(new(logbook)) }
