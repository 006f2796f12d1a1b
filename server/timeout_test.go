package server_test

import (
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// ws: a session is ended when nothing comes for the idle timeout: with 1000, and
// not before (nine of ten ticks).
func TestSilence(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const idle = 200 * time.Millisecond
		h := serveOne(t, engine, &server.Options{IdleTimeout: idle}, funcs{})
		start := time.Now()
		peer, _ := h.peer("")
		peer.ExpectClose(1000)
		peer.ExpectEOF()
		if d := time.Since(start); d < idle*9/10 {
			t.Errorf("after %v", d)
		}
		if r := wait(t, h.over); r.Kind != server.ReasonTimeout || r.Err != server.ErrIdleTimeout {
			t.Error(r)
		}
	})
}

// ws: any byte of the peer's begins the idle timeout anew: a message, a ping, a
// pong, a single byte of a frame. What the server sends, or posts, does not.
func TestSilenceIsBroken(t *testing.T) {
	const idle = 300 * time.Millisecond
	message := wstest.Frame{Header: frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true}, Payload: make([]byte, 100)}.Append(nil)
	for name, tt := range map[string]struct {
		kept bool
		do   func(i int, peer *wstest.Peer, s *server.Session)
	}{
		"message": {true, func(_ int, p *wstest.Peer, _ *server.Session) { p.SendFrames(wstest.Text("x")) }},
		"ping":    {true, func(_ int, p *wstest.Peer, _ *server.Session) { p.SendFrames(wstest.Ping(nil)) }},
		"pong":    {true, func(_ int, p *wstest.Peer, _ *server.Session) { p.SendFrames(wstest.Pong(nil)) }},
		"byte":    {true, func(i int, p *wstest.Peer, _ *server.Session) { p.SendBytes(message[i : i+1]) }},
		"Post":    {false, func(_ int, _ *wstest.Peer, s *server.Session) { s.Post(1) }},
		"sending": {false, func(_ int, _ *wstest.Peer, s *server.Session) { s.Text("x"); s.Ping(nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, engine string) {
				h := serveOne(t, engine, &server.Options{IdleTimeout: idle}, funcs{})
				peer, _ := h.peer("")
				s := wait(t, h.begun)
				start := time.Now()
				tick := time.NewTicker(idle / 10)
				defer tick.Stop()
				for i := range 30 {
					<-tick.C
					if len(h.over) > 0 {
						break
					}
					tt.do(i, peer, s)
				}
				if r := wait(t, h.over); r.Kind != server.ReasonTimeout {
					t.Error(r)
				} else if d := time.Since(start); (d > 3*idle) != tt.kept {
					t.Errorf("after %v", d)
				}
			})
		})
	}
}

// ws: a negative idle timeout is none; SetIdleTimeout changes it at once.
func TestNoIdleTimeout(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, &server.Options{IdleTimeout: -1}, funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		peer.ExpectNothing(50 * time.Millisecond)
		s.SetIdleTimeout(100 * time.Millisecond)
		peer.ExpectClose(1000)
		if r := wait(t, h.over); r.Kind != server.ReasonTimeout {
			t.Error(r)
		}
	})
}

// PingIdle pings at half of the idle timeout; who answers is kept, who does not
// is not.
func TestPingIdle(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const idle = 200 * time.Millisecond
		h := serveOne(t, engine, &server.Options{IdleTimeout: idle, PingIdle: true}, funcs{})
		start := time.Now()
		peer, _ := h.peer("")
		for range 4 {
			peer.Expect(wstest.Ping(nil))
			peer.SendFrames(wstest.Pong(nil))
		}
		if d := time.Since(start); d < idle {
			t.Errorf("four pings within %v", d)
		}
		peer.Expect(wstest.Ping(nil))
		peer.ExpectClose(1000)
		if r := wait(t, h.over); r.Kind != server.ReasonTimeout || r.Err != server.ErrIdleTimeout {
			t.Error(r)
		}
	})
}

// KeepAlive pings after Interval, and gives up after Timeout.
func TestKeepAlive(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{}
		o.KeepAlive = websocket.KeepAlive{Interval: 100 * time.Millisecond, Timeout: 200 * time.Millisecond}
		h := serveOne(t, engine, o, funcs{})
		peer, _ := h.peer("")
		for range 3 {
			peer.Expect(wstest.Ping(nil))
			peer.SendFrames(wstest.Pong(nil))
		}
		peer.Expect(wstest.Ping(nil))
		start := time.Now()
		peer.ExpectClose(1000)
		if d := time.Since(start); d < 150*time.Millisecond {
			t.Errorf("given up after %v", d)
		}
		if r := wait(t, h.over); r.Kind != server.ReasonTimeout || r.Err != websocket.ErrKeepAlive {
			t.Error(r)
		}
	})
}

// HD8: who does not authenticate is closed with 1008; pings and messages do not
// extend the time.
func TestAuthTimeoutIsNotExtended(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{AuthTimeout: 200 * time.Millisecond}
		o.MaxControls = 1000
		h := serveOne(t, engine, o, funcs{message: func(s *server.Session, m websocket.Message) {
			if string(m.Data) == "secret" {
				s.Authenticated()
				s.Text("welcome")
			}
		}})
		good, _ := h.peer("")
		good.SendFrames(wstest.Text("secret"))
		good.Expect(wstest.Text("welcome"))
		start := time.Now()
		bad, _ := h.peer("")
		for {
			bad.SendFrames(wstest.Text("x"), wstest.Ping(nil))
			if f := bad.Receive(); f.Opcode == frame.OpClose {
				if code, _, _ := frame.ParseClose(f.Payload); code != websocket.StatusPolicyViolation {
					t.Error(code)
				}
				break
			}
			<-time.After(5 * time.Millisecond)
		}
		if d := time.Since(start); d < 190*time.Millisecond {
			t.Errorf("after %v", d)
		}
		if r := wait(t, h.over); r.Kind != server.ReasonError || r.Err != server.ErrAuthTimeout || r.Close.Sent.Code != 1008 {
			t.Errorf("%v, %+v", r, r.Close)
		}
		good.ExpectNothing(20 * time.Millisecond)
	})
}

// ws: a session that hibernates, by itself or asked to, in the middle of a
// message or with a compressor's memory, goes on as if nothing had been.
func TestHibernate(t *testing.T) {
	ext := []extension.Extension{deflate.New(&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true})}
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{HibernateAfter: 30 * time.Millisecond}
		o.Extensions = ext
		h := serveOne(t, engine, o, funcs{message: echo})
		c := h.dial(&websocket.DialOptions{ConnOptions: websocket.ConnOptions{Extensions: ext}})
		s := wait(t, h.begun)
		for i := range 6 {
			if i%2 == 1 {
				s.Hibernate()
			} else if i > 0 {
				<-time.After(60 * time.Millisecond)
			}
			const text = "the same again and again and again"
			if err := c.Write(h.context(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(h.context()); err != nil || string(p) != text {
				t.Fatalf("%q, %v", p, err)
			}
		}
		peer, _ := h.peer("") // HB3
		s = wait(t, h.begun)
		m := wstest.Frame{Header: frame.Header{Fin: true, Opcode: frame.OpText, Masked: true}, Payload: []byte("hello")}.Append(nil)
		for _, b := range m {
			peer.SendBytes([]byte{b})
			s.Hibernate()
		}
		peer.Expect(wstest.Text("hello"))
	})
}
