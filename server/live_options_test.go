package server_test

import (
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/server"
)

// HD7, ws_handler: runtime max size change. It holds from the next frame, also
// of those that came in the same read, and up as well as down.
func TestSetMaxMessageSize(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		set := map[string]int64{"3": 3, "5": 5, "0": 0, "-1": -1}
		f := func() *funcs {
			return &funcs{message: func(s *server.Session, m websocket.Message) {
				if n, ok := set[string(m.Data)]; ok {
					s.SetMaxMessageSize(n)
				}
				s.Text("ok")
			}}
		}
		for _, tc := range []struct {
			name string
			say  [][]byte
			want []string
		}{
			{"down, in one read", [][]byte{append(append(textFrame("3"), textFrame("123")...), textFrame("1234")...)}, []string{"t:ok", "t:ok", "close:1009"}},
			{"down, in fragments", [][]byte{append(append(textFrame("3"), masked(0x01, "12")...), masked(0x80, "34")...)}, []string{"t:ok", "close:1009"}},
			{"down and up", [][]byte{append(append(textFrame("3"), textFrame("5")...), textFrame("12345")...)}, []string{"t:ok", "t:ok", "t:ok"}},
			{"none", [][]byte{textFrame("-1"), masked(0x82, strings.Repeat("x", 1<<20+1))}, []string{"t:ok", "t:ok"}},
			{"default", [][]byte{append(textFrame("-1"), textFrame("0")...), masked(0x82, strings.Repeat("x", 1<<20)), masked(0x82, strings.Repeat("x", 1<<20+1))[:14]}, []string{"t:ok", "t:ok", "t:ok", "close:1009"}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				g := guarded(t, f())
				c := g.serve(engine, nil).raw(nil)
				for _, p := range tc.say {
					c.say(p)
				}
				c.want(tc.want...)
			})
		}
		t.Run("from outside", func(t *testing.T) {
			g := guarded(t, f())
			c := g.serve(engine, nil).raw(nil)
			c.say(textFrame("123456"))
			c.want("t:ok")
			g.session().SetMaxMessageSize(5)
			c.say(textFrame("123456"))
			c.want("close:1009")
		})
	})
}

// HD7, ws_handler: runtime idle_timeout change, down, up and off.
func TestSetIdleTimeout(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		at := map[string]func(g *guard, f func(*server.Session)) func(c *raw){
			"in Init": func(g *guard, f func(*server.Session)) func(*raw) { g.f.init = f; return func(*raw) {} },
			"in Message": func(g *guard, f func(*server.Session)) func(*raw) {
				g.f.message = func(s *server.Session, _ websocket.Message) { f(s) }
				return func(c *raw) { c.say(textFrame("x")) }
			},
			"from outside": func(g *guard, f func(*server.Session)) func(*raw) { return func(*raw) { f(g.session()) } },
		}
		for name, set := range at {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := guarded(t, &funcs{})
				act := set(g, func(s *server.Session) { s.SetIdleTimeout(50 * time.Millisecond) })
				c := g.serve(engine, nil).raw(nil)
				begun := time.Now()
				act(c)
				c.want("close:1000")
				if d := time.Since(begun); d < 44*time.Millisecond || d > patience/2 {
					t.Error(d)
				}
				if r := g.reason(); r.Kind != server.ReasonTimeout {
					t.Errorf("%+v", r)
				}

				for _, d := range []time.Duration{0, -1} {
					g = guarded(t, &funcs{})
					act = set(g, func(s *server.Session) { s.SetIdleTimeout(d) })
					c = g.serve(engine, &server.Options{IdleTimeout: 150 * time.Millisecond}).raw(nil)
					act(c)
					c.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
					if _, _, err := c.next(); err == nil || !err.(net.Error).Timeout() {
						t.Errorf("%v: %v", d, err)
					}
				}
			})
		}
	})
}

// S4.28: any byte counts, of pongs too and of halves of frames; values that are
// posted and messages that are sent do not.
func TestIdleTimeout(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{info: func(s *server.Session, _ any) { s.Text("tick") }})
		c := g.serve(engine, &server.Options{IdleTimeout: 200 * time.Millisecond}).raw(nil)
		s := g.session()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for _, b := range masked(0x8A, strings.Repeat("x", 19)) { // half a second
			<-tick.C
			c.say([]byte{b})
		}
		begun := time.Now()
		for {
			<-tick.C
			if s.Post(1) != nil {
				break
			}
		}
		if d := time.Since(begun); d < 150*time.Millisecond {
			t.Error(d)
		}
		if r := g.reason(); r.Kind != server.ReasonTimeout {
			t.Errorf("%+v", r)
		}
	})
}

// ws_handler: active=false stops reading, true resumes (HD7). The peer is made
// to wait by flow control; nothing is lost, not even an end that came meanwhile.
func TestSetActive(t *testing.T) {
	const size = 64 << 10
	each(t, func(t *testing.T, engine string) {
		for _, at := range []string{"in Init", "in Message", "in Info"} {
			t.Run(at, func(t *testing.T) {
				stopped := make(chan struct{}, 1)
				stop := func(s *server.Session) { s.SetActive(false); stopped <- struct{}{} }
				n, bytes := 0, 0
				g := guarded(t, &funcs{})
				if at == "in Init" {
					g.f.init = stop
				}
				g.f.message = func(s *server.Session, m websocket.Message) {
					if bytes += len(m.Data); len(m.Data) > 0 && int(m.Data[0]) != n%256 {
						t.Errorf("message %d says %d", n, m.Data[0])
					}
					if n++; n == 1 && at == "in Message" {
						stop(s)
					}
				}
				g.f.info = func(s *server.Session, _ any) { stop(s) }
				c := g.serve(engine, nil).raw(nil)
				s := g.session()
				if at == "in Info" {
					s.Post(1)
					wait(t, stopped)
				}
				// Write until nothing more goes.
				written := make(chan int, 1)
				c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				sent, rest := 0, []byte(nil)
				for {
					p := masked(0x82, string(append([]byte{byte(sent)}, make([]byte, size-1)...)))
					sent++
					k, err := c.Write(p)
					if err == nil {
						c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
						continue
					}
					rest = p[k:]
					break
				}
				if at != "in Info" {
					wait(t, stopped)
				}
				if strings.HasSuffix(engine, "tls") {
					// A TLS connection is no good after a write that timed out:
					// it ends, in the middle of a message.
					c.cut()
					s.SetActive(true)
					if r := g.reason(); r.Kind != server.ReasonClosed && r.Kind != server.ReasonError {
						t.Errorf("%+v", r)
					}
					if n == 0 || n > sent || bytes != n*size {
						t.Errorf("%d of %d messages", n, sent)
					}
					return
				}
				c.SetWriteDeadline(time.Time{})
				go func() {
					k, _ := c.Write(rest)
					c.Conn.(interface{ CloseWrite() error }).CloseWrite()
					written <- k
				}()
				s.SetActive(true)
				if r := g.reason(); r.Kind != server.ReasonClosed {
					t.Errorf("%+v", r)
				}
				if wait(t, written) != len(rest) || n != sent || bytes != n*size {
					t.Errorf("%d of %d messages", n, sent)
				}
			})
		}
	})
}

// ws_handler: active=false holds from the next message, also of those in the
// same read; what came with an end is still given to the handler, one by one.
func TestSetActiveWithinRead(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, early := range []bool{false, true} {
			got := make(chan string, 10)
			g := guarded(t, &funcs{message: func(s *server.Session, m websocket.Message) {
				got <- string(m.Data)
				s.SetActive(false)
			}})
			var p []byte
			for _, m := range []string{"1", "2", "3", "4"} {
				p = append(p, textFrame(m)...)
			}
			p = append(p, closeFrame(4000, "")...)
			h := g.serve(engine, nil)
			var c *raw
			if early {
				c = h.raw(p)
			} else {
				c = h.raw(nil)
				c.say(p)
			}
			s := g.session()
			for _, m := range []string{"1", "2", "3", "4"} {
				if g := wait(t, got); g != m {
					t.Errorf("%q, want %q", g, m)
				}
				s.Ping([]byte(m)) // goes out while reading is stopped
				c.want("ping:" + m)
				if len(got) > 0 {
					t.Errorf("%q came while reading was stopped", <-got)
				}
				s.SetActive(true)
			}
			c.want("close:4000", "eof")
			if r := g.reason(); r.Kind != server.ReasonRemote || r.Close.Code != 4000 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// ws_handler: active=false and true, by somebody else, at any moment: every
// message comes, once and in order.
func TestSetActiveAtAnyTime(t *testing.T) {
	const messages = 20000
	each(t, func(t *testing.T, engine string) {
		n := 0
		g := guarded(t, &funcs{message: func(s *server.Session, m websocket.Message) {
			if string(m.Data) != strconv.Itoa(n) {
				t.Errorf("%q, want %d", m.Data, n)
				s.Stop()
			}
			n++
		}})
		c := g.serve(engine, nil).raw(nil)
		s := g.session()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for len(g.over) == 0 {
				s.SetActive(false)
				runtime.Gosched()
				s.SetActive(true)
				runtime.Gosched()
			}
		}()
		var p []byte
		for i := range messages {
			p = append(p, textFrame(strconv.Itoa(i))...)
			if len(p) > 1000 || i == messages-1 {
				c.say(p)
				p = p[:0]
			}
		}
		c.say(closeFrame(1000, ""))
		c.want("close:1000", "eof")
		wait(t, done)
		if n != messages {
			t.Errorf("%d messages, want %d", n, messages)
		}
	})
}

// HD7: SetMaxMessageSize with the default, again and again, by somebody else.
func TestSetMaxMessageSizeAtAnyTime(t *testing.T) {
	eachAlone(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{message: echo})
		c := g.serve(engine, nil).raw(nil)
		s := g.session()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for len(g.over) == 0 {
				s.SetMaxMessageSize(0)
				runtime.Gosched()
			}
		}()
		for range 500 {
			c.say(textFrame("x"))
			c.want("t:x")
		}
		c.say(closeFrame(1000, ""))
		c.want("close:1000", "eof")
		wait(t, done)
	})
}

// A session whose reading is stopped can be closed: the answer is read.
func TestCloseWhileStopped(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		g := guarded(t, &funcs{init: func(s *server.Session) { s.SetActive(false) }})
		c := g.serve(engine, nil).raw(nil)
		c.say(textFrame("never seen"))
		s := g.session()
		s.Close(4000, "")
		c.want("close:4000")
		c.say(closeFrame(4000, ""))
		c.want("eof")
		if r := g.reason(); r.Kind != server.ReasonStop || r.Close.Received == nil {
			t.Errorf("%+v", r)
		}
	})
}

// ws_handler: deflate toggled per message; and where it was not agreed it is
// ignored (ws_handler: deflate ignored if not negotiated).
func TestSetDeflate(t *testing.T) {
	long := strings.Repeat("long ", 200)
	each(t, func(t *testing.T, engine string) {
		for _, takeover := range []bool{false, true} {
			var o server.Options
			o.Extensions = []extension.Extension{deflate.New(&deflate.Options{ServerContextTakeover: takeover})}
			f := &funcs{message: func(s *server.Session, m websocket.Message) {
				s.SetDeflate(string(m.Data) == "on")
				s.Text(long)
				s.SetDeflate(true)
				plain := websocket.Outgoing{Opcode: websocket.MessageText, Data: []byte(long), NoCompress: true}
				s.Send(websocket.Text(long), plain)
				s.SendKeyed("key", plain)
			}}
			g := guarded(t, f)
			c := g.serve(engine, &o).raw(nil, "Sec-WebSocket-Extensions: permessage-deflate")
			c.say(textFrame("on"))
			c.want("c:", "c:", "t:"+long, "t:"+long)
			c.say(textFrame("off"))
			c.want("t:"+long, "c:", "t:"+long, "t:"+long)

			g = guarded(t, f)
			c = g.serve(engine, &o).raw(nil)
			c.say(textFrame("on"))
			c.want("t:"+long, "t:"+long, "t:"+long, "t:"+long)
		}
	})
}

// ws_handler: shutdown reason. The last value that was set is in the Reason,
// however the session ended.
func TestSetShutdownReason(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		first := make(chan struct{})
		g := guarded(t, &funcs{init: func(s *server.Session) {
			s.SetShutdownReason("first")
			close(first)
		}})
		c := g.serve(engine, nil).raw(nil)
		wait(t, first)
		g.session().SetShutdownReason(42)
		c.cut()
		if r := g.reason(); r.Value != 42 {
			t.Errorf("%+v", r)
		}
	})
}

// HD8: who does not log in in time is closed with 1008; pings and messages do
// not extend the time. Until then messages may have to be small.
func TestAuthTimeout(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		login := func() *funcs {
			return &funcs{init: func(s *server.Session) { s.SetMaxMessageSize(8) }, message: func(s *server.Session, m websocket.Message) {
				if string(m.Data) == "password" {
					s.Authenticated()
					s.SetMaxMessageSize(0)
				}
				s.Text("ok")
			}}
		}
		o := &server.Options{AuthTimeout: 100 * time.Millisecond}
		g := guarded(t, login())
		c := g.serve(engine, o).raw(nil)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		done := make(chan struct{})
		go func(c net.Conn) {
			defer close(done)
			for range 100 {
				<-tick.C
				if _, err := c.Write(append(masked(0x89, ""), textFrame("guess")...)); err != nil {
					return
				}
			}
		}(c)
		r := g.reason()
		wait(t, done)
		if r.Kind != server.ReasonError || r.Err != server.ErrAuthTimeout || r.Close.Sent == nil || r.Close.Sent.Code != 1008 {
			t.Errorf("%+v", r)
		}

		g = guarded(t, login())
		c = g.serve(engine, o).raw(nil)
		c.say(textFrame("123456789"))
		c.want("close:1009")

		g = guarded(t, login())
		c = g.serve(engine, o).raw(nil)
		c.say(textFrame("password"))
		c.want("t:ok")
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if b0, p, err := c.next(); err == nil || !err.(net.Error).Timeout() {
			t.Errorf("%x %q, %v", b0, p, err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		c.say(textFrame("1234567890"))
		c.want("t:ok")
	})
}
