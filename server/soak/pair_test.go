package soak_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/server"
)

// pair is one session and its client, and what each of them has seen.
type pair struct {
	run  *soak
	id   int
	plan plan
	room *room
	sent [numStreams]stream // by the server
	post [2]stream          // values for Info

	failed atomic.Bool

	// Of the server's callbacks, one of which runs at a time.
	inside   atomic.Bool
	touched  int // plain, for the race detector
	inits    atomic.Int32
	ends     atomic.Int32
	got      int // number of the client's last message
	posted   [2]int
	paused   bool
	deflated bool
	session  atomic.Pointer[server.Session]
	reason   server.Reason
	over     chan struct{} // closed by Terminate

	// Of the room, guarded by its mutex.
	roomTo int // the last message before it was left

	roomFrom atomic.Int64 // the last message before it was entered

	// Of the client.
	asked    int             // number of its last message
	seen     [numStreams]int // by its reader
	begun    bool            // a message of the room came
	closed   *websocket.CloseError
	stalled  bool
	quiet    bool // it waited for the server's shutdown
	detached bool // an answer came from a detached connection
}

// stream numbers messages of one sender.
type stream struct {
	sync.Mutex
	n int
}

// plan is what a client has decided before it connects.
type plan struct {
	door    int // of the server
	policy  server.Policy
	hard    int // Backlog.Hard, 0: the default
	small   bool
	coding  *coding
	actions int
	ending  ending
	dribble bool
}

func (p *plan) String() string {
	return fmt.Sprintf("door %d, policy %d, hard %d, small buffers %v, compression %v, %d actions, ending %v",
		p.door, p.policy, p.hard, p.small, p.coding != nil, p.actions, p.ending)
}

// coding is one way to compress, for both ends.
type coding struct{ server, client []extension.Extension }

// lossless reports whether what was taken for sending must come, if the session
// lives.
func (p *pair) lossless(stream int) bool {
	switch p.plan.policy {
	case server.PolicyClose:
		return stream != fromKeyed
	case server.PolicyDropNewest:
		return stream < fromKeyed
	default:
		return false
	}
}

// check looks at a message that the client received.
func (p *pair) check(m []byte) error {
	h, err := parse(m)
	if err != nil || h.stream >= numStreams {
		return errors.Join(fmt.Errorf("stream %d", h.stream), err)
	}
	if h.op == opDetach {
		p.detached = true
	}
	last := p.seen[h.stream]
	if h.stream == fromRoom && !p.begun {
		p.begun = true
		last = int(p.roomFrom.Load())
	}
	if h.seq <= last || p.lossless(int(h.stream)) && h.seq != last+1 {
		return fmt.Errorf("message %d came after %d of stream %d", h.seq, last, h.stream)
	}
	p.seen[h.stream] = h.seq
	return nil
}

// audit compares, when everything is over, what was sent with what was seen.
func (p *pair) audit() {
	inits, ends := p.inits.Load(), p.ends.Load()
	if inits > 1 || ends != inits {
		p.fault("Init was called %d times, Terminate %d times", inits, ends)
	}
	if inits == 0 {
		return
	}
	r := p.reason
	if !slices.Contains(p.allowed(), r.Kind) {
		p.fault("it ended with %v", r)
	}
	// Whoever ended in an orderly way had sent everything before.
	if r.Kind == server.ReasonRemote || p.quiet && r.Kind == server.ReasonShutdown || p.plan.ending == endFIN && r.Kind == server.ReasonClosed {
		if p.got != p.asked {
			p.fault("the client sent %d messages, %d came: %v", p.asked, p.got, r)
		}
	}
	c := p.closed
	if c == nil || c.Received == nil || c.Received.Code == websocket.StatusTryAgainLater {
		return
	}
	for i := range p.sent {
		sent, whole := p.sent[i].n, p.lossless(i)
		switch i {
		case fromRoom:
			sent, whole = p.roomTo, whole && p.roomTo > 0 && p.begun
		case fromKeyed:
			whole = p.plan.policy != server.PolicyDropOldest // the latest must come
		}
		if whole && p.seen[i] != sent {
			p.fault("of stream %d, %d messages were sent and %d seen; it ended with %v, for the client with %v", i, sent, p.seen[i], r, c)
		}
	}
}

// allowed returns the reasons with which a session may end by its plan.
func (p *pair) allowed() []server.ReasonKind {
	kinds := p.plan.ending.kinds()
	if p.maySlow() {
		kinds = append(kinds, server.ReasonError)
	}
	if p.quiet {
		kinds = append(kinds, server.ReasonShutdown)
	}
	if p.plan.ending == endDetach && !p.detached {
		kinds = append(kinds, server.ReasonRemote) // it could not be, at that moment
	}
	return kinds
}

// maySlow reports whether the server may have given the client up as too slow.
func (p *pair) maySlow() bool {
	return p.plan.policy == server.PolicyClose && (p.plan.hard > 0 || p.stalled)
}

// fault says what is wrong with the session, the first thing only.
func (p *pair) fault(format string, args ...any) {
	if p.failed.Swap(true) {
		return
	}
	p.run.fault("session %d (%v): %s", p.id, &p.plan, fmt.Sprintf(format, args...))
}
