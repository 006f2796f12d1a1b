package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// P1: pings of every length are answered with the same bytes, in their order.
func TestPingsOfEveryLength(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{}
		o.MaxControls = 1000 // P2 is for others
		h := serveOne(t, engine, o, funcs{})
		peer, _ := h.peer("")
		for n := range frame.MaxControlPayload + 1 {
			p := bytes.Repeat([]byte{byte(n)}, n)
			peer.SendFrames(wstest.Ping(p), wstest.Ping(nil))
			peer.Expect(wstest.Pong(p), wstest.Pong(nil))
		}
	})
}

// P2: more control frames than the budget end the session with 1008; all
// before it are answered.
func TestControlBudget(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for name, f := range map[string]wstest.Frame{"P2 pings": wstest.Ping(nil), "P4 pongs": wstest.Pong([]byte("old"))} {
			t.Run(name, func(t *testing.T) {
				const budget = 20
				o := &server.Options{}
				o.MaxControls = budget
				h := serveOne(t, engine, o, funcs{})
				peer, _ := h.peer("")
				flood := make([]wstest.Frame, budget+1)
				for i := range flood {
					flood[i] = f
				}
				peer.SendFrames(flood...)
				if f.Opcode == frame.OpPing {
					for range budget {
						peer.Expect(wstest.Pong(nil))
					}
				}
				peer.ExpectClose(websocket.StatusPolicyViolation)
				peer.ExpectEOF()
				if r := wait(t, h.over); r.Kind != server.ReasonBadFrame || !errors.As(r.Err, new(frame.Violation)) {
					t.Error(r)
				}
			})
		}
	})
}

// P2: while the peer takes nothing, of the pings that come the latest is
// answered, and no heap of pongs grows.
func TestLatestPingIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		stall(t, s, 64<<10)
		before := s.Backlog()
		const pings = 150
		for i := range pings {
			peer.SendFrames(wstest.Ping(fmt.Appendf(nil, "%0125d", i)))
		}
		peer.SendFrames(wstest.Text("x"))
		until(t, "message", func() bool { return h.Stats().MessagesIn == 1 })
		if grown := s.Backlog() - before; grown > 2<<10 {
			t.Errorf("P3: the answers wait in %d bytes", grown)
		}
		s.Stop()
		var last []byte
		for f := peer.Receive(); f.Opcode != frame.OpClose; f = peer.Receive() {
			if f.Opcode == frame.OpPong {
				last = f.Payload
			}
		}
		if want := fmt.Appendf(nil, "%0125d", pings-1); !bytes.Equal(last, want) {
			t.Errorf("the last pong was %q", last)
		}
	})
}

// stall sends messages of n bytes until the peer, which reads nothing, has one
// of them waiting for it.
func stall(t testing.TB, s *server.Session, n int) (sent int) {
	t.Helper()
	p := make([]byte, n)
	still := 0
	for end := time.Now().Add(patience); still < 20; {
		if time.Now().After(end) {
			t.Fatal("the kernel takes everything")
		}
		if s.Backlog() > 0 {
			still++
			runtime.Gosched()
			<-time.After(time.Millisecond)
			continue
		}
		still = 0
		if err := s.Binary(p); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	return sent
}

// P3: one who sends pings and takes nothing is dropped after WriteTimeout.
func TestPingFloodWithoutReading(t *testing.T) {
	eachAlone(t, func(t *testing.T, engine string) {
		o := &server.Options{}
		o.WriteTimeout = 300 * time.Millisecond
		o.MaxControls = 1 << 30
		h := serveOne(t, engine, o, funcs{})
		_, c := h.peer("")
		s := wait(t, h.begun)
		stall(t, s, 64<<10)
		flood := make([]byte, 0, 1<<16)
		for len(flood) < 1<<15 {
			flood = wstest.Frame{Header: frame.Header{Fin: true, Opcode: frame.OpPing, Masked: true}, Payload: make([]byte, 125)}.Append(flood)
		}
		most := 0
		for {
			c.SetWriteDeadline(time.Now().Add(patience))
			if _, err := c.Write(flood); err != nil {
				break
			}
			most = max(most, s.Backlog())
		}
		r := wait(t, h.over)
		if !errors.Is(r.Err, websocket.ErrWriteTimeout) || r.Kind != server.ReasonError || r.Close.Code != websocket.StatusAbnormalClosure {
			t.Errorf("%v, %+v", r, r.Close)
		}
		if most > 80<<10 {
			t.Errorf("%d bytes waited", most)
		}
	})
}

// P4: pongs nobody asked for change nothing, and are shown to who wants them.
func TestUnsolicitedPongs(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		peer, _ := h.peer("")
		for i := range 50 { // within the budget of P2
			peer.SendFrames(wstest.Pong(nil), wstest.Pong([]byte("old")), wstest.Text(fmt.Sprint(i)))
			peer.Expect(wstest.Text(fmt.Sprint(i)))
		}
	})
}
