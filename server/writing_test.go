package server_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// W2, W4: a peer that takes nothing, or next to nothing, is dropped after
// WriteTimeout, and everything is given back.
func TestPeerTakesNothing(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, dribble := range []bool{false, true} {
			t.Run(fmt.Sprint(dribble), func(t *testing.T) {
				t.Parallel()
				o := &server.Options{}
				o.WriteTimeout = time.Second // longer than fill waits
				h := serveOne(t, engine, o, funcs{})
				_, c := h.peer("")
				s := wait(t, h.begun)
				next := fill(t, s, 0, unit)
				for i := range 16 { // the kernel may take one or two still
					s.Binary(numbered(next+i, unit))
				}
				if dribble {
					done := make(chan struct{})
					defer close(done)
					go func() {
						tick := time.NewTicker(20 * time.Millisecond)
						defer tick.Stop()
						for {
							select {
							case <-tick.C:
								c.Read(make([]byte, 1))
							case <-done:
								return
							}
						}
					}()
				}
				r := wait(t, h.over)
				if r.Kind != server.ReasonError || !errors.Is(r.Err, websocket.ErrWriteTimeout) || r.Close.Code != websocket.StatusAbnormalClosure {
					t.Errorf("%v, %+v", r, r.Close)
				}
				until(t, "everything is given back", func() bool { return h.Stats().Sessions == 0 && s.Backlog() == 0 })
			})
		}
	})
}

// W2: progress is counted in bytes: one who is slow and steady is kept, however
// long a message takes.
func TestSlowReaderIsKept(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{}
		o.WriteTimeout = 250 * time.Millisecond
		h := serveOne(t, engine, o, funcs{})
		peer, c := h.peer("")
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
		s := wait(t, h.begun)
		s.Binary(big)
		s.Stop()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		got := 0
		for p := make([]byte, 16<<10); got < 1<<20-len(p); <-tick.C {
			n, err := io.ReadFull(c, p)
			if got += n; err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
		}
		io.ReadFull(c, make([]byte, 1<<20+10-got))
		peer.ExpectClose(1000)
	})
}

// W3: both write a lot before they read anything; nobody waits for the other.
func TestBothWriteFirst(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const n = 12
		p := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
		h := serveOne(t, engine, &server.Options{Backlog: server.Backlog{Hard: 4 << 20}}, funcs{
			init: func(s *server.Session) {
				for range n {
					s.Binary(p)
				}
			},
			message: echo,
		})
		peer, _ := h.peer("")
		for range n {
			peer.SendFrames(wstest.Binary(p))
		}
		for range 2 * n {
			peer.Expect(wstest.Binary(p))
		}
	})
}

// W3: while a callback is blocked the peer is slowed down by flow control, and
// nothing heaps up; afterwards everything is there.
func TestBlockedCallbackStopsReading(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		let := make(chan struct{})
		var got int
		h := serveOne(t, engine, nil, funcs{message: func(s *server.Session, m websocket.Message) {
			<-let
			if m.Type == websocket.MessageText {
				s.Text(fmt.Sprint(got))
			}
			got += len(m.Data)
		}})
		peer, c := h.peer("")
		p := wstest.Frame{Header: frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true}, Payload: make([]byte, 64<<10)}.Append(nil)
		sent := 0
		c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		for {
			n, err := c.Write(p)
			if err != nil {
				if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
					t.Fatal(err)
				}
				sent += n
				break
			}
			if sent += n; sent > 64<<20 {
				t.Fatal("64 MiB were taken")
			}
		}
		if in := h.Stats().BytesIn; in > 512<<10 {
			t.Errorf("%d bytes were read", in)
		}
		close(let)
		if _, tls := c.Conn.(*net.TCPConn); !tls {
			return // a deadline breaks it for writing
		}
		c.SetWriteDeadline(time.Time{})
		if rest := sent % len(p); rest != 0 {
			c.Write(p[rest:])
			sent += len(p) - rest
		}
		peer.SendFrames(wstest.Text("how much?"))
		peer.Expect(wstest.Text(fmt.Sprint(sent / len(p) * (64 << 10))))
	})
}

// W5: messages of many senders never get into each other, and those of each
// keep their order.
func TestConcurrentSenders(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{Backlog: server.Backlog{Hard: -1}}
		h := serveOne(t, engine, o, funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		const senders, each = 64, 30
		var all sync.WaitGroup
		for g := range senders {
			all.Go(func() {
				for i := range each {
					n := 8 + (g*977+i*131)%3000
					if i%10 == 9 {
						n = 40 << 10 // written from where it is
					}
					p := bytes.Repeat([]byte{byte(g)}, n)
					binary.BigEndian.PutUint32(p, uint32(i))
					if err := s.Binary(p); err != nil {
						t.Error(err)
					}
					clear(p) // W6
				}
			})
		}
		next := make([]uint32, senders)
		for range senders * each {
			f := peer.Receive()
			g := f.Payload[len(f.Payload)-1]
			if i := binary.BigEndian.Uint32(f.Payload); i != next[g] {
				t.Fatalf("sender %d: message %d instead of %d", g, i, next[g])
			}
			next[g]++
			for _, b := range f.Payload[4:] {
				if b != g {
					t.Fatal("messages got into each other")
				}
			}
		}
		all.Wait()
	})
}

// W6: a buffer may be used again as soon as a call has returned, also when the
// message still waits.
func TestBuffersAreFreeAfterSend(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, policy := range []server.Policy{server.PolicyClose, server.PolicyDropOldest} {
			h := serveOne(t, engine, backlog(policy), funcs{})
			peer, _ := h.peer("")
			s := wait(t, h.begun)
			first := fill(t, s, 0, unit)
			p := make([]byte, unit)
			for i := range 8 {
				binary.BigEndian.PutUint32(p, uint32(first+i))
				switch i % 4 {
				case 0:
					s.Binary(p)
				case 1:
					s.Send(websocket.Binary(p))
				case 2:
					s.SendKeyed(i, websocket.Binary(p))
				case 3:
					s.Send(websocket.Outgoing{Opcode: frame.OpBinary, Data: p, NoCompress: true})
				}
				for i := range p {
					p[i] = 0xDB
				}
				clear(p[4:])
			}
			s.Stop()
			got, _ := numbers(t, peer, unit)
			if len(got) != first+8 || got[len(got)-1] != first+7 {
				t.Errorf("%v", got)
			}
		}
	})
}

// W8: after a close frame, and after the end, nothing is sent any more.
func TestSendAfterClose(t *testing.T) {
	prepared, err := websocket.NewPrepared(websocket.MessageText, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(s *server.Session) error{
		"Text":         func(s *server.Session) error { return s.Text("x") },
		"TextBytes":    func(s *server.Session) error { return s.TextBytes([]byte("x")) },
		"Binary":       func(s *server.Session) error { return s.Binary(nil) },
		"Ping":         func(s *server.Session) error { return s.Ping(nil) },
		"Send":         func(s *server.Session) error { return s.Send(websocket.Text("x")) },
		"SendKeyed":    func(s *server.Session) error { return s.SendKeyed(1, websocket.Text("x")) },
		"SendPrepared": func(s *server.Session) error { return s.SendPrepared(prepared) },
		"Close":        func(s *server.Session) error { return s.Close(1000, "") },
		"Stop":         (*server.Session).Stop,
		"Post":         func(s *server.Session) error { return s.Post(1) },
	}
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		refused := func(when string) {
			for name, call := range calls {
				if err := call(s); !errors.Is(err, server.ErrOver) || !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: %s: %v", when, name, err)
				}
			}
		}
		// W9: there is no writer to abandon; a list is sent up to the close frame.
		s.Send(websocket.Text("before"), websocket.CloseFrame(4000, ""), websocket.Text("behind"))
		refused("after a close frame")
		peer.Expect(wstest.Text("before"))
		peer.ExpectClose(4000)
		peer.SendFrames(wstest.Close(4000, ""))
		peer.ExpectEOF()
		wait(t, h.over)
		refused("after the end")
	})
}
