package httpconn_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/protocol"
)

// echoServer is the server's side of internal/h2, which sends every body back.
type echoServer struct {
	t       testing.TB
	m       h2.Conn
	streams []*echoed
}

// echoed is a stream of an echoServer.
type echoed struct {
	s      *h2.Stream
	got    []byte // not yet queued
	queued []byte
	end    bool // the client's direction has ended
	over   bool
}

func (s *echoServer) receive(p []byte) {
	for {
		n, ev, ok, err := s.m.Next(p)
		if p = p[n:]; err != nil {
			s.t.Fatalf("the server says %v", err)
		}
		if !ok {
			break
		}
		var e *echoed
		if ev.Stream != nil {
			e, _ = ev.Stream.Owner.(*echoed)
		}
		switch ev.Kind {
		case h2.KindHead:
			e = &echoed{s: ev.Stream, end: ev.End}
			ev.Stream.Owner = e
			s.streams = append(s.streams, e)
			if err := s.m.Respond(ev.Stream, &h2.Head{Status: 200, ContentLength: -1}, false); err != nil {
				s.t.Fatal(err)
			}
		case h2.KindData:
			e.got = append(e.got, ev.Data...)
			e.end = e.end || ev.End
			s.m.Consumed(ev.Stream, len(ev.Data))
		case h2.KindTrailers:
			e.end = true
		case h2.KindReset:
			e.over = true
			s.m.Release(e.s)
		}
	}
	s.send()
}

// send queues what came, one piece a stream at a time.
func (s *echoServer) send() {
	for _, w := range s.m.Written() {
		w.Owner.(*echoed).queued = nil
	}
	for _, e := range s.streams {
		if e.over || e.queued != nil || len(e.got) == 0 && !e.end {
			continue
		}
		e.queued, e.got = append([]byte{}, e.got...), nil
		if e.over = e.end; e.over {
			s.m.Release(e.s)
		}
		if err := s.m.Queue(e.s, e.queued, e.end); err != nil {
			s.t.Fatal(err)
		}
	}
}

// upload is a request with a body, or a WebSocket.
type upload struct {
	body, left, got []byte
	open            bool // its body ends with End
}

// S2.11: requests with bodies, side by side with a WebSocket, by windows and
// pieces of all sizes: everything comes back, on its own stream.
func TestHTTP2Property(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 11))
		s := &echoServer{t: t}
		s.m.Init(&h2.Config{
			Role: h2.RoleServer, ExtendedConnect: true, NonProgress: -1, SendAtOnce: true,
			StreamWindow: 1 + r.Uint32N(1<<r.UintN(18)), ConnWindow: 65535 + r.Uint32N(1<<r.UintN(20)),
		})
		c := open(t, &httpconn.Options{Major: 2, Authority: "example.com", Window: 1 + r.IntN(1<<r.UintN(18))})
		property(t, r, c, s)
		s.m.Free()
	}
}

func property(t *testing.T, r *rand.Rand, c *httpconn.Conn, s *echoServer) {
	hs := shake(t, "ws://example.com/", nil)
	uploads := map[httpconn.StreamID]*upload{}
	var socket httpconn.StreamID
	var ep *protocol.Endpoint
	message := bytes.Repeat([]byte("m"), r.IntN(10000))
	requests, made, done, echoed := 1+r.IntN(10), 0, 0, false
	send := func() {
		for id, u := range uploads {
			if len(u.left) == 0 {
				continue
			}
			u.left = u.left[must(c.Body(id, u.left))(t):]
			if len(u.left) == 0 && u.open {
				if err := c.End(id, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	take := func(evs []httpconn.Event) {
		for _, ev := range evs {
			u := uploads[ev.ID]
			switch ev.Kind {
			case httpconn.Ready:
				if socket == 0 {
					socket = must(c.Upgrade(hs.Request(2)))(t)
				}
			case httpconn.Upgraded:
				var err error
				if ep, _, err = c.Accepted(ev.ID, hs, nil); err != nil {
					t.Fatal(err)
				}
				// What is echoed is masked, as no server's frame may be: what
				// comes back is compared as it is.
				if err := ep.Send(frame.OpBinary, message); err != nil {
					t.Fatal(err)
				}
				out := ep.Output()
				uploads[ev.ID] = &upload{body: out, left: out}
			case httpconn.Data:
				u.got = append(u.got, ev.Data...)
				c.Consumed(ev.ID, len(ev.Data))
				if ev.ID == socket && len(u.got) == len(u.body) {
					if echoed = bytes.Equal(u.got, u.body); !echoed {
						t.Fatal("another message came back")
					}
				}
			case httpconn.Done:
				if !bytes.Equal(u.got, u.body) {
					t.Fatalf("stream %d: %d bytes came back of %d", ev.ID, len(u.got), len(u.body))
				}
				delete(uploads, ev.ID)
				done++
			case httpconn.Failed:
				t.Fatal(ev.Err)
			}
		}
	}
	for rounds := 0; done < requests || !echoed; rounds++ {
		if rounds > 1e6 {
			t.Fatalf("%d responses of %d came, and the message: %v", done, requests, echoed)
		}
		if made < requests && len(uploads) < 5 {
			body := make([]byte, 1+r.IntN(1<<r.UintN(16)))
			for i := range body {
				body[i] = byte(i + made)
			}
			u := &upload{body: body, left: body, open: r.IntN(2) == 0}
			req := &httpconn.Request{Method: "POST", Path: "/", Body: int64(len(body))}
			if u.open {
				req.Body = -1
			}
			uploads[must(c.Request(req))(t)] = u
			made++
		}
		send()
		for out := c.Output(); len(out) > 0; {
			n := min(len(out), 1+r.IntN(1<<r.UintN(16)))
			s.receive(out[:n])
			out = out[n:]
		}
		s.send()
		for out := s.m.Output(nil, 1<<r.UintN(16)); len(out) > 0; {
			n := min(len(out), 1+r.IntN(1<<r.UintN(16)))
			evs, err := c.Receive(out[:n])
			if err != nil {
				t.Fatal(err)
			}
			take(evs)
			out = out[n:]
		}
	}
	ep.Release()
	if n := c.OpenRequests(); n != 1 {
		t.Fatalf("%d under way, want the WebSocket", n)
	}
}
