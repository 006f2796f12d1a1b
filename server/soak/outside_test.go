package soak_test

import (
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
)

// room is a group whose messages are numbered.
type room struct {
	mu    sync.Mutex
	group server.Group
	n     int
}

func (r *room) enter(p *pair, s *server.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.roomFrom.Store(int64(r.n))
	r.group.Add(s)
}

func (r *room) leave(p *pair, s *server.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.group.Remove(s) {
		p.roomTo = r.n
	}
}

// broadcast sends everybody the next message.
func (r *room) broadcast(rng *rand.Rand) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	head := header{op: opEcho, stream: fromRoom, seq: r.n}
	m, err := websocket.NewPrepared(typeOf(head), appendMessage(nil, head, rng.IntN(1500)))
	if err == nil {
		r.group.Broadcast(m)
	}
	return err
}

// disturb is one of two goroutines that send to sessions at random and post to
// them, until the end.
func (k *soak) disturb(from int) {
	rng := rand.New(rand.NewPCG(k.seed, uint64(1000+from)))
	for k.pause(rng, k.sessions.pace/50) {
		for range 1 + rng.IntN(40) {
			if p := k.anyone(rng); p != nil {
				p.disturb(from, rng)
			}
		}
		if rng.IntN(4) == 0 {
			if err := k.rooms[rng.IntN(len(k.rooms))].broadcast(rng); err != nil {
				k.fault("broadcast: %v", err)
			}
		}
	}
}

// disturb does one thing to a session from outside.
func (p *pair) disturb(from int, rng *rand.Rand) {
	s := p.session.Load()
	if s == nil {
		return
	}
	switch roll := rng.IntN(20); {
	case roll < 10:
		p.poster(from, s)
	case roll < 16:
		p.sender(fromFirst+from, s, rng)
	case roll < 19:
		p.keyed(s)
	case p.plan.ending != endIdle: // whose client is to be silent
		if err := s.Ping([]byte("soak")); err != nil && !errors.Is(err, server.ErrBackpressure) && !errors.Is(err, server.ErrOver) {
			p.fault("ping: %v", err)
		}
	}
}

func (p *pair) poster(from int, s *server.Session) {
	st := &p.post[from]
	st.Lock()
	defer st.Unlock()
	for range 1 + from*10 {
		switch err := s.Post(post{from, st.n + 1}); {
		case err == nil:
			st.n++
		case errors.Is(err, server.ErrMailboxFull), errors.Is(err, server.ErrOver):
			return
		default:
			p.fault("post: %v", err)
			return
		}
	}
}

func (p *pair) sender(stream int, s *server.Session, rng *rand.Rand) {
	st := &p.sent[stream]
	st.Lock()
	defer st.Unlock()
	size := 1 << rng.IntN(12)
	if rng.IntN(50) == 0 {
		size = 100_000
	}
	head := header{op: opEcho, stream: byte(stream), seq: st.n + 1}
	p.count(st, s.Send(websocket.Outgoing{Opcode: typeOf(head), Data: appendMessage(nil, head, size)}))
}

func (p *pair) keyed(s *server.Session) {
	st := &p.sent[fromKeyed]
	st.Lock()
	defer st.Unlock()
	head := header{op: opEcho, stream: fromKeyed, seq: st.n + 1}
	p.count(st, s.SendKeyed("price", websocket.Outgoing{Opcode: frame.OpBinary, Data: appendMessage(nil, head, 300)}))
}
