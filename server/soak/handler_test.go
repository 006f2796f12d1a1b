package soak_test

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
)

// handler is the server's side of a pair.
type handler struct{ *pair }

// A post is what Info gets.
type post struct{ from, seq int }

// enter notes that a callback runs.
func (h handler) enter(name string) {
	if !h.inside.CompareAndSwap(false, true) {
		h.fault("%s is called while another callback runs", name)
	}
	if h.ends.Load() > 0 {
		h.fault("%s is called after Terminate", name)
	}
	h.touched++
}

func (h handler) leave() { h.inside.Store(false) }

func (h handler) Init(s *server.Session) {
	h.enter("Init")
	defer h.leave()
	h.inits.Add(1)
	h.session.Store(s)
	h.send(s, opEcho, 0)
	h.room.enter(h.pair, s)
	h.run.enter(h.pair)
}

func (h handler) Message(s *server.Session, m websocket.Message) {
	h.enter("Message")
	defer h.leave()
	h.run.messages.Add(1)
	in, ok := h.take(m.Data)
	if !ok {
		return
	}
	if h.paused {
		h.fault("a message came while reading is stopped")
	}
	switch in.op {
	case opEcho:
		h.send(s, opEcho, len(m.Data))
	case opBurst:
		for i := range in.aux {
			h.send(s, opEcho, 64<<(i%8))
		}
	case opPause:
		h.pause(s, time.Duration(in.aux)*time.Millisecond)
	case opDeflate:
		h.deflated = !h.deflated
		s.SetDeflate(h.deflated)
	case opSleep:
		s.Hibernate()
	case opSlow:
		h.send(s, opEcho, 100)
		<-time.After(time.Duration(in.aux) * time.Millisecond)
		h.send(s, opEcho, 100)
	case opLeave:
		h.room.leave(h.pair, s)
	case opPanic:
		h.send(s, opEcho, 1000)
		panic("as asked")
	case opGoexit:
		runtime.Goexit()
	case opStop:
		h.stop(s, in.aux)
	case opIdle:
		s.SetIdleTimeout(time.Duration(in.aux) * time.Millisecond)
	case opDetach:
		h.detach(s)
	}
}

// take checks a message of the client.
func (h handler) take(data []byte) (header, bool) {
	in, err := parse(data)
	if err != nil || in.seq != h.got+1 {
		h.fault("message %d came after %d from the client: %v", in.seq, h.got, err)
		return in, false
	}
	h.got = in.seq
	return in, true
}

// send sends a message, in one of several ways, that has a number when it was
// taken.
func (h handler) send(s *server.Session, op byte, size int) {
	st := &h.sent[fromCallback]
	st.Lock()
	defer st.Unlock()
	head := header{op: op, stream: fromCallback, seq: st.n + 1}
	data := appendMessage(nil, head, size)
	var err error
	switch typ := typeOf(head); {
	case st.n%7 == 3:
		var m *websocket.Prepared
		if m, err = websocket.NewPrepared(typ, data); err == nil {
			err = s.SendPrepared(m)
		}
	case st.n%7 == 4:
		err = s.Send(websocket.Outgoing{Opcode: typ, Data: data, NoCompress: true})
	case typ == frame.OpText && st.n%3 == 0:
		err = s.Text(string(data))
	case typ == frame.OpText:
		err = s.TextBytes(data)
	default:
		err = s.Binary(data)
	}
	h.count(st, err)
}

// count numbers a message if it was taken. st is locked.
func (p *pair) count(st *stream, err error) {
	switch {
	case err == nil:
		st.n++
	case errors.Is(err, server.ErrBackpressure), errors.Is(err, server.ErrOver), errors.Is(err, server.ErrSlowPeer):
	default:
		p.fault("sending: %v", err)
	}
}

// pause stops reading for a while.
func (h handler) pause(s *server.Session, d time.Duration) {
	s.SetActive(false)
	h.paused = true
	h.run.outside.Add(1)
	time.AfterFunc(d, func() { h.resume(s) })
}

// resume has Info go on reading.
func (h handler) resume(s *server.Session) {
	if errors.Is(s.Post(resume{}), server.ErrMailboxFull) {
		time.AfterFunc(time.Millisecond, func() { h.resume(s) })
		return
	}
	h.run.outside.Done()
}

// resume is posted when reading is to go on.
type resume struct{}

// stop sends a last message, and closes, in one call.
func (h handler) stop(s *server.Session, code int) {
	st := &h.sent[fromCallback]
	st.Lock()
	defer st.Unlock()
	head := header{op: opEcho, stream: fromCallback, seq: st.n + 1}
	data := appendMessage(nil, head, 3000)
	err := s.Send(
		websocket.Outgoing{Opcode: typeOf(head), Data: data},
		websocket.CloseFrame(websocket.StatusCode(code), "as asked"),
		websocket.Binary(data), // is dropped
	)
	h.count(st, err)
	if err := s.Binary(data); !errors.Is(err, server.ErrOver) {
		h.fault("sending after the close frame: %v", err)
	}
}

// detach hands the connection to a goroutine that goes on echoing.
func (h handler) detach(s *server.Session) {
	c, err := s.Detach()
	if err != nil {
		if !errors.Is(err, server.ErrNotDetachable) && !errors.Is(err, server.ErrOver) {
			h.fault("detaching: %v", err)
		}
		h.send(s, opNone, 0)
		return
	}
	st := &h.sent[fromCallback]
	h.run.outside.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		defer c.CloseNow()
		for op := byte(opDetach); ; op = opEcho {
			head := header{op: op, stream: fromCallback, seq: st.n + 1}
			if c.Write(ctx, typeOf(head), appendMessage(nil, head, 500)) != nil {
				return
			}
			st.n++
			_, data, err := c.Read(ctx)
			if err != nil {
				if ctx.Err() != nil {
					h.fault("the detached connection: %v", err)
				}
				return
			}
			if _, ok := h.take(data); !ok {
				return
			}
		}
	})
}

func (h handler) Info(s *server.Session, v any) {
	h.enter("Info")
	defer h.leave()
	switch v := v.(type) {
	case post:
		if v.seq != h.posted[v.from]+1 {
			h.fault("value %d came after %d of sender %d", v.seq, h.posted[v.from], v.from)
		}
		h.posted[v.from] = v.seq
		if v.seq%3 == 0 {
			h.send(s, opEcho, v.seq%2000)
		}
	case resume:
		h.paused = false
		s.SetActive(true)
	}
}

func (h handler) Ping(*server.Session, []byte) {
	h.enter("Ping")
	defer h.leave()
}

func (h handler) Pong(_ *server.Session, payload []byte) {
	h.enter("Pong")
	defer h.leave()
	if string(payload) != "soak" {
		h.fault("a pong with %q", payload)
	}
}

func (h handler) Terminate(s *server.Session, r server.Reason) {
	h.enter("Terminate")
	defer h.leave()
	if h.ends.Add(1) > 1 {
		return // audit will say so
	}
	h.reason = r
	h.reason.Stack = nil
	h.run.leave(h.pair)
	if err := s.Binary(nil); !errors.Is(err, server.ErrOver) {
		h.fault("sending in Terminate: %v", err)
	}
	h.session.Store(nil)
	close(h.over)
}
