package server_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// callbacks are the places where a handler can go wrong; act has the client,
// or the test, bring the session there.
var callbacks = []struct {
	name string
	set  func(g *guard, f func(*server.Session))
	act  func(g *guard, c *raw)
}{
	{"Init", func(g *guard, f func(*server.Session)) { g.f.init = f }, func(*guard, *raw) {}},
	{"Message", func(g *guard, f func(*server.Session)) {
		g.f.message = func(s *server.Session, _ websocket.Message) { f(s) }
	}, func(_ *guard, c *raw) { c.say(append(textFrame("x"), textFrame("y")...)) }},
	{"Message in fragments", func(g *guard, f func(*server.Session)) {
		g.f.message = func(s *server.Session, _ websocket.Message) { f(s) }
	}, func(_ *guard, c *raw) { c.say(append(masked(0x01, "x"), masked(0x80, "y")...)) }},
	{"Info", func(g *guard, f func(*server.Session)) {
		g.f.info = func(s *server.Session, _ any) { f(s) }
	}, func(g *guard, _ *raw) {
		s := g.session()
		s.Post(1)
		s.Post(2)
	}},
	{"Ping", func(g *guard, f func(*server.Session)) {
		g.ping = func(s *server.Session, _ []byte) { f(s) }
	}, func(_ *guard, c *raw) { c.say(masked(0x89, "")) }},
	{"Pong", func(g *guard, f func(*server.Session)) {
		g.pong = func(s *server.Session, _ []byte) { f(s) }
	}, func(_ *guard, c *raw) { c.say(masked(0x8A, "")) }},
}

// waysToCrash are what a callback may do, and what becomes of it.
var waysToCrash = []struct {
	name  string
	crash func()
	is    func(v any) bool
}{
	{"panic", func() { panic("oh no") }, func(v any) bool { return v == "oh no" }},
	{"runtime error", func() { var p *int; *p = 1 }, func(v any) bool { _, ok := v.(runtime.Error); return ok }},
	{"panic(nil)", func() { panic(nil) }, func(v any) bool { _, ok := v.(*runtime.PanicNilError); return ok }},
	{"Goexit", runtime.Goexit, func(v any) bool {
		err, ok := v.(error)
		return ok && strings.Contains(err.Error(), "Goexit")
	}},
}

// HD1, S4.22: a callback that panics, or ends its goroutine, closes its
// connection with 1011; what it had sent before leaves; its stack is logged
// once; Terminate is called once, with the reason; the others live on.
func TestCrash(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, at := range callbacks {
			for _, way := range waysToCrash {
				t.Run(at.name+" "+way.name, func(t *testing.T) {
					var book logbook
					g := guarded(t, &funcs{})
					at.set(g, func(s *server.Session) {
						s.Text("before")
						way.crash()
					})
					witness := &funcs{message: echo}
					first := true
					h := serve(t, engine, &server.Options{
						AcceptOptions: websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Logger: slog.New(&book)}},
					}, func() server.Handler {
						if first {
							first = false
							return witness
						}
						return g
					})
					other := h.raw(nil)
					c := h.raw(nil)
					at.act(g, c)
					if at.name == "Ping" {
						c.want("pong:")
					}
					c.want("t:before", "close:1011")
					r := g.reason()
					if r.Kind != server.ReasonCrash || !way.is(r.Panic) || !strings.Contains(string(r.Stack), "panics_test.go") ||
						r.Close == nil || r.Close.Sent == nil || r.Close.Sent.Code != websocket.StatusInternalError {
						t.Errorf("%v: %+v", r, r)
					}
					if s := book.stacks(); len(s) != 1 || !strings.Contains(s[0], "panics_test.go") {
						t.Errorf("logged: %q", s)
					}
					other.say(textFrame("alive"))
					other.want("t:alive")
				})
			}
		}
	})
}

// HD1: a Terminate that panics is logged, and called once all the same.
func TestCrashInTerminate(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, way := range waysToCrash {
			t.Run(way.name, func(t *testing.T) {
				var book logbook
				g := guarded(t, &funcs{terminate: func(*server.Session, server.Reason) { way.crash() }})
				h := g.serve(engine, nil)
				h.Logger = slog.New(&book)
				c := h.raw(nil)
				c.say(closeFrame(1000, ""))
				c.want("close:1000", "eof")
				if r := g.reason(); r.Kind != server.ReasonRemote {
					t.Errorf("%+v", r)
				}
				until(t, "the session is gone", func() bool { return h.Stats().Sessions == 0 })
				if s := book.stacks(); len(s) != 1 || !strings.Contains(s[0], "panics_test.go") {
					t.Errorf("logged: %q", s)
				}
			})
		}
	})
}

// HD1: a callback that panics in what was kept from an earlier read leaves
// nothing behind (leakcheck).
func TestCrashInKeptInput(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{message: func(*server.Session, websocket.Message) { panic("oh no") }})
		h := g.serve(engine, &server.Options{AcceptOptions: websocket.AcceptOptions{
			ConnOptions: websocket.ConnOptions{Logger: slog.New(new(logbook))},
		}})
		c := h.raw(append(textFrame("early"), textFrame("bird")...))
		c.want("close:1011")
		if r := g.reason(); r.Kind != server.ReasonCrash {
			t.Errorf("%+v", r)
		}
	})
}

// HD1: a callback that panics after it has closed the session, or handed it
// over, does no more harm than one that does so before.
func TestCrashAfterClose(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{message: func(s *server.Session, _ websocket.Message) {
			s.Close(4000, "")
			panic("oh no")
		}})
		h := g.serve(engine, &server.Options{AcceptOptions: websocket.AcceptOptions{
			ConnOptions: websocket.ConnOptions{Logger: slog.New(new(logbook))},
		}})
		c := h.raw(nil)
		c.say(textFrame("x"))
		c.want("close:4000")
		if r := g.reason(); r.Kind != server.ReasonCrash || r.Close.Sent.Code != 4000 {
			t.Errorf("%+v", r)
		}
	})
}

// HD2, ws_handler: init invalid, handle invalid, info invalid. What cannot be
// sent is refused where it is sent, and nothing of it leaves. Go's types leave
// little that is invalid: text that is not UTF-8, too long a ping or reason,
// codes that must not be sent, an item that is none.
func TestInvalidItems(t *testing.T) {
	invalid := []websocket.Outgoing{
		websocket.Text("\xff"),
		websocket.PingFrame(make([]byte, 126)),
		websocket.CloseFrame(1005, ""),
		websocket.CloseFrame(999, ""),
		websocket.CloseFrame(1000, strings.Repeat("x", 124)),
		websocket.CloseFrame(1000, "\xff"),
		{Opcode: 3},
		{},
	}
	try := func(t *testing.T) func(s *server.Session) {
		return func(s *server.Session) {
			for _, o := range invalid {
				if err := s.Send(websocket.Text("never"), o, websocket.Text("never")); err == nil || errors.Is(err, server.ErrOver) {
					t.Errorf("%+v: %v", o, err)
				}
			}
			if err := s.Text("\xff"); err == nil {
				t.Error("text that is not UTF-8")
			}
			if err := s.TextBytes([]byte("\xff")); err == nil {
				t.Error("text that is not UTF-8")
			}
			if err := s.Ping(make([]byte, 126)); err == nil {
				t.Error("a ping of 126 bytes")
			}
			if err := s.SendPrepared(nil); err == nil {
				t.Error("nil")
			}
			s.Text("after")
		}
	}
	each(t, func(t *testing.T, engine string) {
		for _, at := range callbacks {
			if at.name == "Ping" || at.name == "Pong" {
				continue
			}
			t.Run(at.name, func(t *testing.T) {
				g := guarded(t, &funcs{})
				at.set(g, try(t))
				h := g.serve(engine, nil)
				c := h.raw(nil)
				at.act(g, c)
				c.want("t:after")
			})
		}
	})
}

// HD1: an Upgrade, or a RequestFilter, that panics is net/http's affair; what it
// was to open is gone, also for Shutdown and MaxSessions.
func TestCrashInUpgrade(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, at := range []string{"Upgrade", "RequestFilter", "Upgrade Goexit"} {
			t.Run(at, func(t *testing.T) {
				g := guarded(t, &funcs{message: echo})
				n := 0
				h := serveUpgrade(t, engine, func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
					if n++; n > 3 {
						return g, nil
					}
					switch at {
					case "Upgrade":
						panic(http.ErrAbortHandler)
					case "Upgrade Goexit":
						runtime.Goexit()
					}
					return g, &server.Options{RequestFilter: func(*http.Request) any { panic(http.ErrAbortHandler) }}
				})
				h.MaxSessions = 1
				for range 3 {
					c := h.transport()
					c.say([]byte(opening()))
					p, err := io.ReadAll(c)
					if s, ok := c.Conn.(*stream); ok {
						if code := s.ResetWith(); code == http2.ErrCodeInternal { // as net/http does
							err = nil
						}
					}
					if err != nil || len(p) > 0 {
						t.Errorf("%q, %v", p, err)
					}
				}
				c := h.raw(nil)
				c.say(textFrame("alive"))
				c.want("t:alive")
			})
		}
	})
}
