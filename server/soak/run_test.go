package soak_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket/server"
)

// The doors of the server lead to its engines.
const (
	doorTCP     = iota
	doorTLS     // in the poller as well
	doorForeign // a transport that the poller does not know
	numDoors
)

// listener gives some connections small buffers, and hides some from the
// poller.
type listener struct {
	net.Listener
	foreign bool
	n       atomic.Int64
}

type foreign struct{ net.Conn }

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if l.n.Add(1)%4 == 0 {
		_ = c.(*net.TCPConn).SetWriteBuffer(8 << 10)
	}
	if l.foreign {
		c = foreign{c}
	}
	return c, nil
}

// serve starts the server.
func (k *soak) serve() {
	k.server = server.New(k.upgrade)
	k.server.Logger = slog.New(slog.DiscardHandler) // it is told of the panics that are wanted
	k.server.MaxSessions = -1
	for i := range k.doors {
		h := httptest.NewUnstartedServer(k.server)
		h.Listener = &listener{Listener: h.Listener, foreign: i == doorForeign}
		h.Config.ErrorLog = log.New(io.Discard, "", 0) // and net/http of resets in the handshake
		if i == doorTLS {
			h.StartTLS()
		} else {
			h.Start()
		}
		k.doors[i] = h
	}
}

func (k *soak) upgrade(w http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
	id, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		k.fault("a request for %s", r.URL)
		http.NotFound(w, r)
		return nil, nil
	}
	k.mu.Lock()
	p := k.pairs[id]
	k.mu.Unlock()
	o := &server.Options{Backlog: server.Backlog{Hard: p.plan.hard, Policy: p.plan.policy}}
	o.CloseTimeout = patience
	o.WriteTimeout = patience // a machine that has too much to do may stall a client for long
	o.MaxControls = -1
	if p.plan.coding != nil {
		o.Extensions = p.plan.coding.server
	}
	return handler{p}, o
}

// newPair decides about a session.
func (k *soak) newPair(rng *rand.Rand) *pair {
	p := &pair{run: k, over: make(chan struct{}), deflated: true}
	p.plan = plan{
		policy:  []server.Policy{server.PolicyClose, server.PolicyClose, server.PolicyDropNewest, server.PolicyDropOldest, server.PolicyLatest}[rng.IntN(5)],
		small:   rng.IntN(4) == 0,
		dribble: rng.IntN(8) == 0,
		actions: rng.IntN(40),
		door:    []int{doorTCP, doorTCP, doorTCP, doorTCP, doorTCP, doorTCP, doorTLS, doorTLS, doorForeign}[rng.IntN(9)],
	}
	if rng.IntN(2) == 0 { // half of them close, the others do the rest
		p.plan.ending = ending(rng.IntN(int(numEndings)))
	}
	if rng.IntN(5) == 0 || p.plan.ending == endStall {
		p.plan.hard = 32 << 10
	}
	if rng.IntN(2) == 0 {
		p.plan.coding = k.codings[rng.IntN(len(k.codings))]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p.id = len(k.pairs)
	p.room = k.rooms[p.id%len(k.rooms)]
	k.pairs = append(k.pairs, p)
	return p
}

// dial opens the transport of a client.
func (c *client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	door := c.run.doors[c.plan.door]
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", door.Listener.Addr().String())
	if err != nil {
		return nil, err
	}
	raw := conn.(*net.TCPConn)
	if c.plan.small {
		_ = raw.SetReadBuffer(64 << 10)
	}
	if c.plan.door == doorTLS {
		tc := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := tc.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = tc
	}
	c.wire = newShaper(conn, raw, c.plan.dribble)
	return c.wire, nil
}

// enter and leave keep the sessions that there are.
func (k *soak) enter(p *pair) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.place[p] = len(k.open)
	k.open = append(k.open, p)
}

func (k *soak) leave(p *pair) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i, last := k.place[p], len(k.open)-1
	k.open[i] = k.open[last]
	k.place[k.open[i]] = i
	k.open = k.open[:last]
	delete(k.place, p)
}

// anyone returns one of the sessions, nil if there is none.
func (k *soak) anyone(rng *rand.Rand) *pair {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.open) == 0 {
		return nil
	}
	return k.open[rng.IntN(len(k.open))]
}

// pause waits for about d, and reports whether the run goes on.
func (k *soak) pause(rng *rand.Rand, d time.Duration) bool {
	timer := time.NewTimer(rand.N(2*d + 1))
	defer timer.Stop()
	select {
	case <-k.stop:
		return false
	case <-timer.C:
		return !k.over()
	}
}

// over reports whether the clients are to come to an end.
func (k *soak) over() bool {
	select {
	case <-k.stop:
		return true
	default:
		return false
	}
}

// finish has the clients come to an end.
func (k *soak) finish() { k.stopping.Do(func() { close(k.stop) }) }

// fault fails the test, and ends it soon.
func (k *soak) fault(format string, args ...any) {
	if k.faults.Add(1) <= 20 {
		k.t.Errorf(format, args...)
	}
	k.finish()
}

// shutdown ends the server, and with it the clients that wait for that.
func (k *soak) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := k.server.Stats().Sessions
	report, err := k.server.Shutdown(ctx, &server.Drain{Over: 300 * time.Millisecond})
	if err != nil || report.Forced > 0 {
		k.fault("Shutdown of %d sessions: %+v, %v", n, report, err)
	}
	k.t.Logf("the server has ended %d sessions", n)
	for _, h := range k.doors {
		h.Close()
	}
}

// audit looks at what remains.
func (k *soak) audit() {
	var inits, ends, dropped int64
	var endings [numEndings]int
	for _, p := range k.pairs {
		p.audit()
		inits += int64(p.inits.Load())
		ends += int64(p.ends.Load())
		endings[p.plan.ending]++
	}
	st := k.server.Stats()
	for _, n := range st.Ended {
		ends -= n
	}
	dropped = st.Dropped
	if st.Sessions != 0 || st.Idle != 0 || st.Opened != inits || ends != 0 || st.MessagesIn < k.messages.Load() {
		k.fault("the statistics say %+v: %d sessions began, %d messages came", st, inits, k.messages.Load())
	}
	for i, r := range k.rooms {
		if n := r.group.Len(); n != 0 {
			k.fault("room %d has %d members", i, n)
		}
	}
	k.t.Logf("%d sessions, %d messages in, %d out, %d dropped", inits, st.MessagesIn, st.MessagesOut, dropped)
	for e, n := range endings {
		k.t.Logf("%6d by %v", n, ending(e))
	}
	for kind, n := range st.Ended {
		k.t.Logf("%6d ended with %v", n, server.ReasonKind(kind))
	}
}
