package server_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// ws, ws_handler: the variants with hibernate of what callbacks send: nothing,
// one frame, many, a close frame (S4.11). The session hibernates before and
// after, and goes on.
func TestHibernatedCommands(t *testing.T) {
	var o server.Options
	o.Extensions = []extension.Extension{deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true})}
	each(t, func(t *testing.T, engine string) {
		for _, cb := range callbacks {
			for _, cmd := range commands {
				t.Run(cb.name+" "+cmd.name, func(t *testing.T) {
					g := guarded(t, &funcs{})
					cb.set(g, func(s *server.Session) {
						s.Hibernate()
						cmd.do(s)
						s.Hibernate()
					})
					h := g.serve(engine, &o)
					c := h.raw(nil, "Sec-WebSocket-Extensions: permessage-deflate")
					cb.act(g, c)
					if cb.name == "Ping" {
						c.want("pong:")
					}
					c.want(cmd.want...)
					if len(cmd.want) == 0 {
						c.say(closeFrame(1000, ""))
						c.want("close:1000", "eof")
					}
				})
			}
		}
	})
}

// HB6, ws: a session that hibernates is ended by its idle timeout; what comes
// puts that off, values that are posted do not; and its pings go out.
func TestHibernatedTimes(t *testing.T) {
	const idle = 200 * time.Millisecond
	each(t, func(t *testing.T, engine string) {
		for name, tt := range map[string]struct {
			kept bool
			do   func(c *raw, s *server.Session)
		}{
			"nothing": {false, func(*raw, *server.Session) {}},
			"message": {true, func(c *raw, _ *server.Session) { c.say(textFrame("x")) }},
			"pong":    {true, func(c *raw, _ *server.Session) { c.say(masked(0x8A, "")) }},
			"Post":    {false, func(_ *raw, s *server.Session) { s.Post(1) }},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := guarded(t, &funcs{
					init:    (*server.Session).Hibernate,
					message: func(s *server.Session, _ websocket.Message) { s.Hibernate() },
					info:    func(s *server.Session, _ any) { s.Hibernate() },
				})
				c := g.serve(engine, &server.Options{IdleTimeout: idle, HibernateAfter: idle / 8}).raw(nil)
				s, begun := g.session(), time.Now()
				tick := time.NewTicker(idle / 8)
				defer tick.Stop()
				for time.Since(begun) < 3*idle && len(g.over) == 0 {
					<-tick.C
					if tt.kept || s.Post(nil) == nil {
						tt.do(c, s)
					} else {
						break // it is closing
					}
				}
				c.want("close:1000")
				if d := time.Since(begun); (d > 3*idle) != tt.kept || d < idle*85/100 {
					t.Errorf("after %v", d)
				}
				if r := g.reason(); r.Kind != server.ReasonTimeout {
					t.Errorf("%+v", r)
				}
			})
		}
		t.Run("PingIdle", func(t *testing.T) {
			t.Parallel()
			g := guarded(t, &funcs{init: (*server.Session).Hibernate})
			c := g.serve(engine, &server.Options{IdleTimeout: idle, HibernateAfter: idle / 8, PingIdle: true}).raw(nil)
			for range 3 {
				c.want("ping:")
				c.say(masked(0x8A, ""))
			}
			c.want("ping:", "close:1000")
		})
	})
}

// HB9, HB10: over a stream without a descriptor there is no poller, and a
// session hibernates all the same. So will those of HTTP/2 and HTTP/3. The other
// engines of each are the fallback of systems that are no Linux.
func TestHibernateWithoutDescriptor(t *testing.T) {
	g := guarded(t, &funcs{
		init:    (*server.Session).Hibernate,
		message: func(s *server.Session, m websocket.Message) { s.Hibernate(); echo(s, m) },
	})
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return g, &server.Options{HibernateAfter: time.Millisecond}
	})
	h := &host{Server: ws, t: t}
	c, err := websocket.Dial(h.context(), "ws://memory/", &websocket.DialOptions{NetDial: piped(t, ws)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	s := g.session()
	for range 20 {
		s.Hibernate()
		if err := c.Write(h.context(), websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(h.context()); err != nil || string(p) != "x" {
			t.Fatalf("%q, %v", p, err)
		}
	}
	c.Close(websocket.StatusNormalClosure, "")
	if r := g.reason(); r.Kind != server.ReasonRemote {
		t.Errorf("%+v", r)
	}
	until(t, "the session is gone", func() bool { return ws.Stats().Sessions == 0 })
}

// HD9: the data of a message may be changed until Message returns. What was sent
// of it is a copy, and the messages behind it in the same read are untouched.
func TestMessageDataIsTheHandlers(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		n := 0
		g := guarded(t, &funcs{message: func(s *server.Session, m websocket.Message) {
			s.Send(websocket.Outgoing{Opcode: m.Type, Data: m.Data})
			n++
			s.SendKeyed(n, websocket.Outgoing{Opcode: m.Type, Data: m.Data})
			m.Data = append(m.Data, "what an append adds must not reach the next"...)
			for i := range m.Data {
				m.Data[i] = 0xDB
			}
		}})
		c := g.serve(engine, nil).raw(nil)
		var p []byte
		var want []string
		for _, m := range []string{"first", "second", strings.Repeat("third", 1000), "fourth"} {
			p = append(p, textFrame(m)...)
			want = append(want, "t:"+m, "t:"+m)
		}
		for range 3 {
			c.say(p)
			c.want(want...)
		}
		big := strings.Repeat("0123456789abcdef", 20<<10) // larger than a worker's buffer
		c.say(append(textFrame(big), textFrame("after")...))
		c.want("t:"+big, "t:"+big, "t:after", "t:after")
	})
}

// H-S29: sessions that were opened are no handshakes under way.
func TestSessionsAreNoHandshakes(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const sessions = 100
		o := &server.Options{}
		o.MaxPendingHandshakes = 8 // in the process: the engines open one at a time each
		h := serve(t, engine, o, func() server.Handler { return &funcs{message: echo} })
		var last *wstest.Peer
		for range sessions {
			last, _ = h.peer("")
		}
		last.SendFrames(wstest.Text("x"))
		last.Expect(wstest.Text("x"))
		until(t, "all have begun", func() bool { return h.Stats().Sessions == sessions })
		if st := h.Stats(); st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		h.cleanUp()
	})
}

// C12: the reason says how many bytes were unsent; nothing of what has left is
// counted.
func TestUnsent(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{Backlog: server.Backlog{Hard: -1}}
		o.CloseTimeout = 50 * time.Millisecond
		h := serveOne(t, engine, o, funcs{})
		h.peer("")
		s := wait(t, h.begun)
		next := fill(t, s, 0, unit)
		for i := range 16 {
			s.Binary(numbered(next+i, unit))
		}
		s.Close(4000, "")
		owed := s.Backlog()
		r := wait(t, h.over)
		if r.Kind != server.ReasonStop || r.Unsent == 0 || r.Unsent > owed || r.Unsent > 17*(unit+64)+64<<10 {
			t.Errorf("%+v: %d bytes unsent, %d owed before", r.Kind, r.Unsent, owed)
		}

		h = serveOne(t, engine, nil, funcs{})
		peer, _ := h.peer("")
		s = wait(t, h.begun)
		s.Binary(bytes.Repeat([]byte("x"), 1<<20))
		s.Stop()
		peer.Expect(wstest.Binary(bytes.Repeat([]byte("x"), 1<<20)))
		peer.ExpectClose(1000)
		peer.SendFrames(wstest.Close(1000, ""))
		if r := wait(t, h.over); r.Unsent != 0 {
			t.Errorf("%d bytes unsent of what was read", r.Unsent)
		}
	})
}
