package server_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// HD6: a flood of a million values. The mailbox is bounded, who posts is told by
// a typed error and never waits, and everything that was taken is given to Info,
// once and in order. S4.8.
func TestPostFlood(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		n := 1_000_000
		if raceEnabled {
			n = 100_000
		}
		gate, blocked := make(chan struct{}), make(chan struct{})
		var got []int
		g := guarded(t, &funcs{info: func(s *server.Session, v any) {
			switch v {
			case "block":
				close(blocked)
				<-gate
				return
			case "stop":
				s.Stop()
				return
			}
			got = append(got, v.(int))
		}})
		c := g.serve(engine, nil).raw(nil)
		s := g.session()
		s.Post("block")
		wait(t, blocked)
		taken := 0
		for i := range n {
			switch err := s.Post(i); {
			case err == nil:
				taken++
			case !errors.Is(err, server.ErrMailboxFull):
				t.Fatal(err)
			}
		}
		if taken != server.DefaultMailbox {
			t.Errorf("%d values were taken, want %d", taken, server.DefaultMailbox)
		}
		close(gate)
		for i := range n {
			if s.Post(n+i) == nil {
				taken++
			}
		}
		until(t, "there is room for one more", func() bool { return s.Post("stop") == nil })
		c.want("close:1000")
		c.cut()
		g.reason()
		if len(got) != taken {
			t.Errorf("%d values came, %d were taken", len(got), taken)
		}
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				t.Fatalf("%d came after %d", got[i], got[i-1])
			}
		}
		if len(got) < server.DefaultMailbox || got[0] != 0 || got[server.DefaultMailbox-1] != server.DefaultMailbox-1 {
			t.Errorf("%d values", len(got))
		}
	})
}

// S4.8: values of several senders keep the order of each; a mailbox can be
// small, and without bound.
func TestPostFromMany(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const senders, values = 4, 1000
		for _, size := range []int{100, -1} {
			var next [senders]int
			n, done := 0, make(chan struct{})
			g := guarded(t, &funcs{info: func(_ *server.Session, v any) {
				w := v.([2]int)
				if next[w[0]] != w[1] {
					t.Errorf("%v, want %d", w, next[w[0]])
				}
				next[w[0]]++
				if n++; n == senders*values {
					close(done)
				}
			}})
			g.serve(engine, &server.Options{Mailbox: size}).raw(nil)
			s := g.session()
			for i := range senders {
				go func() {
					for j := range values {
						for {
							err := s.Post([2]int{i, j})
							if err == nil {
								break
							}
							if size < 0 || !errors.Is(err, server.ErrMailboxFull) {
								t.Error(err)
								return
							}
							runtime.Gosched()
						}
					}
				}()
			}
			wait(t, done)
		}
	})
}

// After the end there is ErrOver, a net.ErrClosed, and nothing else happens.
func TestAfterTheEnd(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		check := func(s *server.Session) {
			for name, err := range map[string]error{
				"Post": s.Post(1), "Text": s.Text("x"), "TextBytes": s.TextBytes(nil), "Binary": s.Binary(nil), "Ping": s.Ping(nil),
				"Send": s.Send(websocket.Text("x")), "SendKeyed": s.SendKeyed(1, websocket.Text("x")),
				"Close": s.Close(1000, ""), "Stop": s.Stop(),
			} {
				if err != server.ErrOver || !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if c, err := s.Detach(); c != nil || err != server.ErrOver {
				t.Errorf("Detach: %v", err)
			}
			if new(server.Group).Add(s) {
				t.Error("Add")
			}
			s.SetActive(false)
			s.SetActive(true)
			s.SetDeflate(false)
			s.SetIdleTimeout(time.Millisecond)
			s.SetMaxMessageSize(1)
			s.SetShutdownReason(1)
			s.Hibernate()
			s.Authenticated()
			if s.Backlog() != 0 || s.Congested() || s.Request() == nil || s.RemoteAddr() == nil {
				t.Error("what a session knows is gone")
			}
		}
		g := guarded(t, &funcs{terminate: func(s *server.Session, _ server.Reason) { check(s) }})
		h := g.serve(engine, nil)
		c := h.raw(nil)
		c.cut()
		g.reason()
		until(t, "the session is gone", func() bool { return h.Stats().Sessions == 0 })
		check(g.session())
	})
}

// Callbacks of one session never overlap (the guard looks), and what one did
// is seen by the next (the race detector looks; S4.6), whatever goes on at once:
// traffic, posts, sends of others, changes of options, and the end.
func TestCallbacksNeverOverlap(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		rounds := 20
		if testing.Short() {
			rounds = 5
		}
		for round := range rounds {
			counts := make(map[string]int)
			g := guarded(t, &funcs{
				init:      func(*server.Session) { counts["init"]++ },
				message:   func(s *server.Session, m websocket.Message) { counts["message"]++; echo(s, m) },
				info:      func(s *server.Session, _ any) { counts["info"]++; s.Text("info") },
				terminate: func(*server.Session, server.Reason) { counts["terminate"]++ },
			})
			g.ping = func(*server.Session, []byte) { counts["ping"]++ }
			g.pong = func(*server.Session, []byte) { counts["pong"]++ }
			h := g.serve(engine, &server.Options{AcceptOptions: websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{MaxControls: -1}}})
			c := h.raw(nil)
			s := g.session()
			var all sync.WaitGroup
			loop := func(f func() error) {
				all.Go(func() {
					for f() == nil {
						runtime.Gosched()
					}
				})
			}
			loop(func() error {
				if err := s.Post(1); !errors.Is(err, server.ErrMailboxFull) {
					return err
				}
				return nil
			})
			loop(func() error { return s.Text("outside") })
			loop(func() error { return s.Ping(nil) })
			loop(func() error {
				// What was kept of a read must be next, however soon reading goes on.
				s.SetActive(false)
				s.SetIdleTimeout(time.Minute)
				s.Hibernate()
				s.SetDeflate(true)
				s.SetMaxMessageSize(100)
				s.SetActive(true)
				return s.Text("outside")
			})
			all.Go(func() { io.Copy(io.Discard, c) })
			p := append(append(textFrame("x"), masked(0x89, "y")...), masked(0x8A, "z")...)
			for range 200 {
				if _, err := c.Write(p); err != nil {
					t.Error(err)
				}
			}
			switch round % 4 {
			case 0:
				s.Stop()
				c.Write(closeFrame(1000, ""))
			case 1:
				c.Write(closeFrame(1000, ""))
			case 2:
				c.reset()
			case 3:
				c.Write([]byte{0xFF})
			}
			g.reason()
			c.Close()
			all.Wait()
		}
	})
}

// Posting, and echoing on the poller, cost no allocation.
func TestAllocations(t *testing.T) {
	eachAlone(t, func(t *testing.T, engine string) {
		if raceEnabled {
			return // the race detector allocates
		}
		seen := make(chan struct{}, 1)
		g := guarded(t, &funcs{
			info:    func(*server.Session, any) { seen <- struct{}{} },
			message: func(s *server.Session, m websocket.Message) { s.TextBytes(m.Data) },
		})
		c := g.serve(engine, nil).raw(nil)
		s := g.session()
		var v any = "value"
		most := 0.0
		if !strings.HasPrefix(engine, "poll") {
			most = 1 // the goroutine that wakes the session
		}
		if n := testing.AllocsPerRun(1000, func() { s.Post(v); <-seen }); n > most {
			t.Errorf("Post: %v allocations", n)
		}
		if engine != "poll" {
			return // crypto/tls and goroutines have some of their own
		}
		p, buf := textFrame("0123456789"), make([]byte, 12)
		if n := testing.AllocsPerRun(1000, func() {
			c.Write(p)
			io.ReadFull(c.br, buf)
		}); n > 0 {
			t.Errorf("echo: %v allocations", n)
		}
	})
}
