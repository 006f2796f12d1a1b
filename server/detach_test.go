package server_test

import (
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/server"
)

// echoConn echoes by the plain API until the end, and returns the error.
func echoConn(h *host, c *websocket.Conn) error {
	for {
		typ, p, err := c.Read(h.context())
		if err != nil {
			return err
		}
		if err := c.Write(h.context(), typ, p); err != nil {
			return err
		}
	}
}

// Detach hands the connection over, out of each callback. What came behind the
// message, and was not worked through, is read from the Conn: nothing is lost.
// Terminate is called once, with ReasonDetached, also in HD4.
func TestDetach(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, at := range []string{"Init", "Init early", "Message", "Message early", "Message fragmented", "Message stopped", "Info", "Info stopped"} {
			t.Run(at, func(t *testing.T) {
				conns := make(chan *websocket.Conn, 1)
				detach := func(s *server.Session) {
					s.Text("before")
					c, err := s.Detach()
					if err != nil {
						t.Error(err)
						s.Stop()
						return
					}
					if err := s.Text("after"); err != server.ErrOver {
						t.Error(err)
					}
					if _, err := s.Detach(); err != server.ErrOver {
						t.Error(err)
					}
					conns <- c
				}
				g := guarded(t, &funcs{})
				behind := append(append(append(textFrame("1"), masked(0x01, "2")...), masked(0x89, "3")...), masked(0x80, "4")...)
				var early []byte
				switch strings.Fields(at)[0] {
				case "Init":
					g.f.init = detach
				case "Message":
					g.f.message = func(s *server.Session, _ websocket.Message) { detach(s) }
				case "Info":
					g.f.info = func(s *server.Session, _ any) { detach(s) }
				}
				switch at {
				case "Init early":
					early, behind = behind, nil
				case "Message early":
					early, behind = append(textFrame("first"), behind...), nil
				case "Message fragmented":
					behind = append(append(masked(0x01, "fir"), masked(0x80, "st")...), behind...)
				case "Message":
					behind = append(textFrame("first"), behind...)
				case "Message stopped":
					g.f.message = func(s *server.Session, m websocket.Message) {
						if string(m.Data) == "stop" {
							s.SetActive(false)
							s.Ping(nil)
						} else {
							detach(s)
						}
					}
					behind = append(append(textFrame("stop"), textFrame("first")...), behind...)
				case "Info stopped":
					g.f.message = func(s *server.Session, m websocket.Message) {
						s.SetActive(false)
						s.Ping(nil)
					}
					behind = append(textFrame("first"), behind...)
				}
				h := g.serve(engine, &server.Options{})
				c := h.raw(early)
				if at != "Info" {
					c.say(behind)
				}
				switch at {
				case "Message stopped":
					c.want("ping:")
					g.session().SetActive(true)
				case "Info stopped":
					c.want("ping:")
					g.session().Post(1)
				case "Info":
					g.session().Post(1)
				}
				conn := wait(t, conns)
				if at == "Info" {
					c.say(behind)
				}
				over := make(chan error, 1)
				go func() { over <- echoConn(h, conn) }()
				if r := g.reason(); r.Kind != server.ReasonDetached || r.Close != nil || r.Err != nil {
					t.Errorf("%+v", r)
				}
				until(t, "the session is gone", func() bool { return h.Stats().Sessions == 0 })
				c.want("t:before", "t:1")
				// The pong may come before or after "24".
				for range 2 {
					if _, p, err := c.next(); err != nil || p != "3" && p != "24" {
						t.Fatalf("%q, %v", p, err)
					}
				}
				long := strings.Repeat("x", 100_000)
				c.say(textFrame(long))
				c.want("t:" + long)
				if conn.RemoteAddr().String() != c.LocalAddr().String() || conn.LocalAddr().String() != c.RemoteAddr().String() {
					t.Errorf("%v, %v", conn.RemoteAddr(), conn.LocalAddr())
				}
				c.say(closeFrame(4000, "bye"))
				c.want("close:4000", "eof")
				if err := wait(t, over); websocket.CloseStatus(err) != 4000 {
					t.Error(err)
				}
			})
		}
	})
}

// Detach keeps what was agreed: the subprotocol, and compression with the
// memory that both ends have of earlier messages.
func TestDetachCompressed(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, takeover := range []bool{false, true} {
			do := &deflate.Options{ServerContextTakeover: takeover, ClientContextTakeover: takeover}
			conns := make(chan *websocket.Conn, 1)
			g := guarded(t, &funcs{message: func(s *server.Session, m websocket.Message) {
				echo(s, m)
				if strings.HasPrefix(string(m.Data), "detach") {
					c, err := s.Detach()
					if err != nil {
						t.Error(err)
					}
					conns <- c
				}
			}})
			o := &server.Options{}
			o.Extensions, o.Subprotocols = []extension.Extension{deflate.New(do)}, []string{"chat"}
			h := g.serve(engine, o)
			c := h.dial(&websocket.DialOptions{ConnOptions: websocket.ConnOptions{
				Extensions: []extension.Extension{deflate.New(do)}, Subprotocols: []string{"chat"},
			}})
			over := make(chan error, 1)
			go func() {
				conn := wait(t, conns)
				if conn.Subprotocol() != "chat" || len(conn.Extensions()) != 1 {
					t.Errorf("%q, %v", conn.Subprotocol(), conn.Extensions())
				}
				over <- echoConn(h, conn)
			}()
			long := strings.Repeat("lorem ipsum dolor sit amet ", 100)
			for i := range 20 {
				p := long
				if i == 7 {
					p = "detach " + long
				}
				if err := c.Write(h.context(), websocket.MessageText, []byte(p)); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.Read(h.context()); err != nil || string(got) != p {
					t.Fatalf("%d: %d bytes, %v", i, len(got), err)
				}
			}
			c.Close(1000, "")
			if err := wait(t, over); websocket.CloseStatus(err) != 1000 {
				t.Error(err)
			}
		}
	})
}

// HD7: the limit that SetMaxMessageSize has set goes along.
func TestDetachKeepsMaxMessageSize(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for size, allowed := range map[int64]int{10: 10, 0: websocket.DefaultMaxMessageSize, -1: websocket.DefaultMaxMessageSize + 1} {
			conns := make(chan *websocket.Conn, 1)
			g := guarded(t, &funcs{message: func(s *server.Session, _ websocket.Message) {
				s.SetMaxMessageSize(size)
				c, err := s.Detach()
				if err != nil {
					t.Error(err)
				}
				conns <- c
			}})
			o := &server.Options{}
			o.MaxMessageSize = 5
			h := g.serve(engine, o)
			c := h.raw(nil)
			c.say(textFrame("x"))
			conn, ended := wait(t, conns), make(chan error, 1)
			go func() {
				echoConn(h, conn)
				ended <- conn.CloseNow()
			}()
			long := strings.Repeat("x", allowed)
			c.say(textFrame(long))
			c.want("t:" + long)
			if size >= 0 {
				c.say(textFrame(long + "x")[:14])
				c.want("close:1009")
			}
			c.cut()
			wait(t, ended)
		}
	})
}

// Detach is refused in the middle of a message and while something is owed; the
// session goes on then.
func TestNotDetachable(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		errs := make(chan error, 1)
		detach := func(s *server.Session) { _, err := s.Detach(); errs <- err }
		g := guarded(t, &funcs{message: echo, info: func(s *server.Session, v any) {
			if n, ok := v.(int); ok {
				stall(t, s, n)
			}
			detach(s)
		}})
		g.ping = func(s *server.Session, _ []byte) { detach(s) }
		o := &server.Options{Backlog: server.Backlog{Hard: -1}}
		c := g.serve(engine, o).raw(nil)
		s := g.session()
		c.say(append(masked(0x01, "x"), masked(0x89, "")...))
		if err := wait(t, errs); err != server.ErrNotDetachable {
			t.Error(err)
		}
		c.want("pong:")
		s.Post(nil)
		if err := wait(t, errs); err != server.ErrNotDetachable {
			t.Error(err)
		}
		c.say(masked(0x80, "y"))
		c.want("t:xy")
		c.say(closeFrame(1000, ""))
		c.want("close:1000", "eof")
	})
}

// A callback that panics after it has handed the connection over ends the
// session, and leaves the connection alone.
func TestCrashAfterDetach(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var conn *websocket.Conn
		g := guarded(t, &funcs{message: func(s *server.Session, _ websocket.Message) {
			conn, _ = s.Detach()
			panic("oh no")
		}})
		o := &server.Options{}
		o.Logger = quiet()
		h := g.serve(engine, o)
		c := h.raw(nil)
		c.say(append(textFrame("x"), textFrame("y")...))
		if r := g.reason(); r.Kind != server.ReasonCrash && r.Kind != server.ReasonDetached {
			t.Errorf("%+v", r)
		}
		if _, p, err := conn.Read(h.context()); err != nil || string(p) != "y" {
			t.Errorf("%q, %v", p, err)
		}
		conn.CloseNow()
	})
}
