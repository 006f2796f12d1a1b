package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
)

// HD9: what is sent is copied, and m.Data is valid until Message returns (see
// Handler). What the three callbacks can send (S4.9, S4.10, S4.13; S4.5 for Init, S4.7
// for Message, S4.8 for Info).
var commands = []struct {
	name string
	do   func(s *server.Session)
	want []string
}{
	{"nothing", func(*server.Session) {}, nil},
	{"one frame", func(s *server.Session) { s.Text("one") }, []string{"t:one"}},
	{"many frames", func(s *server.Session) {
		s.Send(websocket.Text("one"), websocket.Binary([]byte("two")), websocket.PingFrame([]byte("three")), websocket.Text(""))
	}, []string{"t:one", "b:two", "ping:three", "t:"}},
	{"many calls", func(s *server.Session) {
		s.Text("one")
		s.Binary([]byte("two"))
		s.Ping([]byte("three"))
		s.TextBytes([]byte("four"))
		s.Binary(nil)
	}, []string{"t:one", "b:two", "ping:three", "t:four", "b:"}},
	{"close frame", func(s *server.Session) { s.Close(4000, "") }, []string{"close:4000"}},
	{"empty close frame", func(s *server.Session) { s.Send(websocket.CloseFrame(0, "")) }, []string{"close:"}},
	{"many frames then close frame", func(s *server.Session) {
		s.Send(websocket.Text("one"), websocket.Binary([]byte("two")), websocket.CloseFrame(1000, "three"), websocket.Text("four"))
		if err := s.Text("five"); err != server.ErrOver {
			panic(err)
		}
	}, []string{"t:one", "b:two", "close:1000 three"}},
}

// The commands of Cowboy's suite, from each callback:
//
//	ws_handler: init nothing
//	ws_handler: init one frame
//	ws_handler: init many frames
//	ws_handler: init close frame
//	ws_handler: init many frames then close frame
//	ws_handler: handle nothing
//	ws_handler: handle one frame
//	ws_handler: handle many frames
//	ws_handler: handle close frame
//	ws_handler: handle many frames then close frame
//	ws_handler: info nothing
//	ws_handler: info one frame
//	ws_handler: info many frames
//	ws_handler: info close frame
//	ws_handler: info many frames then close frame
//
// The invalid ones are in TestInvalidItems.
func TestCommands(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, cb := range callbacks {
			for _, cmd := range commands {
				t.Run(cb.name+" "+cmd.name, func(t *testing.T) {
					g := guarded(t, &funcs{})
					done := make(chan struct{}, 1)
					cb.set(g, func(s *server.Session) {
						cmd.do(s)
						select {
						case done <- struct{}{}:
						default:
						}
					})
					c := g.serve(engine, nil).raw(nil)
					cb.act(g, c)
					wait(t, done)
					if cb.name == "Ping" { // S4.7, ruling C4: it is answered, and seen
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

// S4.10: what a callback sends leaves in one write after it; so does what all
// callbacks of one read send.
func TestGathered(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{message: func(s *server.Session, m websocket.Message) {
			s.Text("a")
			echo(s, m)
			s.Text("b")
		}})
		c := g.serve(engine, nil).raw(nil)
		c.say(append(textFrame("1"), textFrame("2")...))
		p := make([]byte, 100)
		n, err := c.Read(p)
		if want := "\x81\x01a\x81\x011\x81\x01b\x81\x01a\x81\x012\x81\x01b"; err != nil || string(p[:n]) != want {
			t.Errorf("%q, %v", p[:n], err)
		}
	})
}

// S4.7, ruling C4: pings are answered by the session, and shown to a
// ControlHandler with pongs and their payloads; to OnPing and OnPong as well.
func TestControlsAreShown(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		seen := make(chan string, 10)
		g := guarded(t, &funcs{})
		g.ping = func(s *server.Session, p []byte) { seen <- "ping " + string(p); s.Text("saw it") }
		g.pong = func(_ *server.Session, p []byte) { seen <- "pong " + string(p) }
		var o server.Options
		o.OnPing = func(p []byte) { seen <- "OnPing " + string(p) }
		o.OnPong = func(p []byte) { seen <- "OnPong " + string(p) }
		c := g.serve(engine, &o).raw(nil)
		c.say(masked(0x89, "1"))
		c.want("pong:1", "t:saw it")
		c.say(masked(0x8A, "2"))
		for _, want := range []string{"OnPing 1", "ping 1", "OnPong 2", "pong 2"} {
			if got := wait(t, seen); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
}

// S4.2, S4.1: the Upgrade function answers a request itself, or opens a
// session with options for this request (S4.29).
func TestUpgradeDecides(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{message: echo})
		h := serveUpgrade(t, engine, func(w http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
			switch r.URL.Path {
			case "/page":
				w.Header().Set("Content-Type", "text/html")
				w.Write([]byte("<p>hello"))
				return nil, nil
			case "/no":
				http.Error(w, "not you", http.StatusForbidden)
				return nil, nil
			case "/small":
				w.Header().Set("X-Room", "small")
				return g, &server.Options{AcceptOptions: websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{MaxMessageSize: 3}}}
			}
			return g, nil
		})
		get := func(path, more string) *http.Response {
			return h.transport().ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n")
		}
		if r := get("/page", ""); r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/html" {
			t.Error(r)
		}
		if r := get("/no", ""); r.StatusCode != 403 {
			t.Error(r)
		}
		// Not an upgrade: 426, and what would do; over HTTP/2 501.
		plain, version := 426, 426
		if overHTTP2(engine) {
			plain, version = 501, 400
		}
		if r := get("/chat", ""); r.StatusCode != plain || plain == 426 && r.Header.Get("Upgrade") != "websocket" {
			t.Error(r)
		}
		// A bad one: 400, 405, 426 with the version, 403.
		upgrade := "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		if !overHTTP2(engine) { // which has no key, and one method
			if r := get("/chat", strings.Replace(upgrade, "ZQ==", "", 1)+"Sec-WebSocket-Version: 13\r\n"); r.StatusCode != 400 {
				t.Error(r)
			}
			if r := h.transport().ask("POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + upgrade + "\r\n"); r.StatusCode != 405 || r.Header.Get("Allow") != "GET" {
				t.Error(r)
			}
		}
		if r := get("/chat", upgrade+"Sec-WebSocket-Version: 8\r\n"); r.StatusCode != version || r.Header.Get("Sec-WebSocket-Version") != "13" {
			t.Error(r)
		}
		if r := get("/chat", upgrade+"Sec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n"); r.StatusCode != 403 {
			t.Error(r)
		}
		if st := h.Stats(); st.Opened != 0 || st.Sessions != 0 || st.Refused != 0 {
			t.Errorf("%+v", st)
		}
		c := h.transport()
		if r := c.ask("GET /small HTTP/1.1\r\nHost: x\r\n" + upgrade + "Sec-WebSocket-Version: 13\r\n\r\n"); r.StatusCode != 101 || r.Header.Get("X-Room") != "small" {
			t.Error(r)
		}
		c.say(append(textFrame("123"), textFrame("1234")...))
		c.want("t:123", "close:1009")
	})
}

// S4.15, S4.3, ws_handler: request filter. What is kept of the request is what
// the filter returns; by default its method, protocol, URL and peer.
func TestRequestFilter(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{})
		c := g.serve(engine, nil).raw(nil)
		s := g.session()
		r, ok := s.Request().(*server.Request)
		want := server.Request{Method: "GET", Proto: "HTTP/1.1", URL: "/chat?room=1", RemoteAddr: c.LocalAddr().String()}
		version := 1
		if overHTTP2(engine) {
			want.Method, want.Proto, version = "CONNECT", "HTTP/2.0", 2
		}
		if !ok || *r != want {
			t.Errorf("%+v", s.Request())
		}
		if s.RemoteAddr().String() != c.LocalAddr().String() || s.LocalAddr().String() != c.RemoteAddr().String() {
			t.Errorf("%v, %v", s.RemoteAddr(), s.LocalAddr())
		}
		if s.HTTPVersion() != version || s.Subprotocol() != "" || s.Extensions() != nil {
			t.Errorf("%v, %q, %v", s.HTTPVersion(), s.Subprotocol(), s.Extensions())
		}
		g2 := guarded(t, &funcs{})
		g2.serve(engine, &server.Options{RequestFilter: func(r *http.Request) any { return r.Header.Get("X-User") }}).raw(nil, "X-User: me")
		if v := g2.session().Request(); v != "me" {
			t.Errorf("%v", v)
		}
	})
}

// S4.4, ruling C6: the subprotocol is chosen in the Upgrade function, by its
// options: the first of the server's that the client offers. S4.27: nothing is
// compressed unless asked for by both.
func TestNegotiated(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var o server.Options
		o.Subprotocols = []string{"v3", "v2", "v1"}
		g := guarded(t, &funcs{message: echo})
		c := g.serve(engine, &o).raw(nil, "Sec-WebSocket-Protocol: v1, v2", "Sec-WebSocket-Extensions: permessage-deflate")
		s := g.session()
		if s.Subprotocol() != "v2" || s.Extensions() != nil {
			t.Errorf("%q, %v", s.Subprotocol(), s.Extensions())
		}
		long := strings.Repeat("long ", 1000)
		c.say(textFrame(long))
		c.want("t:" + long)

		o.Extensions = []extension.Extension{deflate.New(nil)}
		g = guarded(t, &funcs{message: echo})
		c = g.serve(engine, &o).raw(nil, "Sec-WebSocket-Extensions: permessage-deflate")
		if x := g.session().Extensions(); len(x) != 1 || x[0].Name != "permessage-deflate" {
			t.Error(x)
		}
		c.say(textFrame(long))
		c.want("c:")

		g = guarded(t, &funcs{message: echo})
		c = g.serve(engine, &o).raw(nil)
		c.say(textFrame(long))
		c.want("t:" + long)
	})
}

// S4.28, ruling C12: what is not set is finite.
func TestDefaults(t *testing.T) {
	if server.DefaultIdleTimeout != 60*time.Second || server.DefaultMailbox != 1024 ||
		server.DefaultSoftBacklog != 64<<10 || server.DefaultHardBacklog != 1<<20 ||
		websocket.DefaultWriteTimeout != 10*time.Second || websocket.DefaultMaxMessageSize != 1<<20 {
		t.Error("a default has changed")
	}
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{})
		c := g.serve(engine, nil).raw(nil)
		c.say(masked(0x82, strings.Repeat("x", 1<<20)))
		c.say(masked(0x82, strings.Repeat("x", 1<<20+1))[:14])
		c.want("close:1009")
		if r := g.reason(); r.Err != frame.ErrMessageTooBig && r.Err != frame.ErrFrameTooBig {
			t.Errorf("%+v", r)
		}
	})
}

// S4.1, S4.5, S4.6, S4.14, S4.17: Init comes first, Terminate last; between them messages and
// controls come in the order of the wire, values in that of the posts. S4.30: no
// callback gets the request.
func TestOrder(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var all, wire, posts []string
		note := func(list *[]string, what string) {
			all = append(all, what)
			*list = append(*list, what)
		}
		g := guarded(t, &funcs{})
		var none []string
		g.f.init = func(s *server.Session) { note(&none, "init"); s.Post("in init") }
		g.f.message = func(s *server.Session, m websocket.Message) {
			note(&wire, string(m.Data))
			s.Post("with " + string(m.Data))
		}
		g.ping = func(_ *server.Session, p []byte) { note(&wire, "ping "+string(p)) }
		g.f.info = func(s *server.Session, v any) {
			if note(&posts, v.(string)); v == "with 3" {
				s.Stop()
			}
		}
		g.f.terminate = func(_ *server.Session, r server.Reason) { note(&none, r.Kind.String()) }
		c := g.serve(engine, nil).raw(nil)
		c.say(append(append(textFrame("1"), masked(0x89, "2")...), textFrame("3")...))
		c.want("pong:2", "close:1000")
		c.say(closeFrame(1000, ""))
		c.want("eof")
		g.reason()
		until(t, "Terminate has returned", func() bool { return g.inside.Load() == 0 })
		if len(all) != 8 || all[0] != "init" || all[7] != "stop" ||
			!slices.Equal(wire, []string{"1", "ping 2", "3"}) || !slices.Equal(posts, []string{"in init", "with 1", "with 3"}) {
			t.Errorf("%q", all)
		}
	})
}
