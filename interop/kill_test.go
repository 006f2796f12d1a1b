package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/reconnect"
)

const (
	kills     = 20
	killAfter = 10 // messages of a connection that the server has acknowledged
)

// killMode is a way to write while there may be no connection, and what it
// promises.
type killMode struct {
	name      string
	whileDown reconnect.WhileDown
	outbox    reconnect.Outbox
}

// A server that is killed twenty times and started again, while it and a client
// of package reconnect send each other 1,000 numbered messages.
//
// With an outbox and acknowledgements nothing is lost. Without them a message is
// lost only when the connection that had taken it died, and never comes twice.
func TestKilledServer(t *testing.T) {
	peers(t)
	t.Parallel()
	for _, mode := range []killMode{
		{"acknowledged", reconnect.Queue, reconnect.Outbox{Acknowledge: true}},
		{"queued", reconnect.Queue, reconnect.Outbox{}},
		{"refused", reconnect.Refuse, reconnect.Outbox{}},
		{"dropped", reconnect.Drop, reconnect.Outbox{}},
	} {
		for _, version := range []client.Protocol{client.HTTP1, client.HTTP2} {
			t.Run(mode.name+" "+version.String(), func(t *testing.T) {
				t.Parallel()
				k := newKill(t, mode)
				k.run(version)
				k.check()
			})
		}
	}
}

// kill is one run, and the callbacks of its client.
type kill struct {
	reconnect.NopCallbacks
	t    *testing.T
	mode killMode
	addr string
	file string

	mu      sync.Mutex
	changed chan struct{}
	conns   int // connections so far
	since   int // messages acknowledged on this connection
	acked   int // the highest number acknowledged
	seen    int // the highest number that came from the server
	begun   int // the highest number that was written
	phase   phase
	limit   int           // where the writer stops
	ends    map[int]death // by the number of the connection
	dropped map[int]bool
	refused int
	waiting bool // after a refusal, for a connection
	errs    []error
}

// death is where the writer was when a connection was known to be dead.
type death struct{ acked, begun int }

func newKill(t *testing.T, mode killMode) *kill {
	return &kill{
		t: t, mode: mode,
		addr:    fmt.Sprintf("127.0.0.1:%d", freePort(t)),
		file:    filepath.Join(t.TempDir(), "ledger"),
		changed: make(chan struct{}),
		ends:    make(map[int]death),
		dropped: make(map[int]bool),
	}
}

// server starts the server, in a process of its own.
func (k *kill) server() *process {
	k.t.Helper()
	self, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	return start(k.t, needProgram(k.t, "env"), "LARIAT_INTEROP_PEER=ledger", self, k.addr, k.file)
}

// kill ends a process at once and waits until it is gone with all it had, a port
// for one.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	for range p.lines {
		// Wait closes the pipe, so all of it is read first.
	}
	_ = p.cmd.Wait() // it has been killed
}

// change changes what others wait for. It is called with k.mu held.
func (k *kill) change() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// await waits until a condition holds, which is asked with k.mu held.
func (k *kill) await(ctx context.Context, holds func() bool) error {
	for {
		k.mu.Lock()
		ok, changed := holds(), k.changed
		k.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// OnConnect says how far the client has come, ahead of what is queued.
func (k *kill) OnConnect(c *reconnect.Client, _ http.Header) {
	k.mu.Lock()
	k.conns++
	k.since = 0
	hello := fmt.Appendf(nil, "resume %d %d %d %d", k.conns, k.seen, k.acked, k.begun)
	k.change()
	k.mu.Unlock()
	_ = c.Write(context.Background(), websocket.MessageText, hello) // OnError tells of a failure
}

// OnMessage takes numbered messages and acknowledgements.
func (k *kill) OnMessage(c *reconnect.Client, m websocket.Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var n int
	switch text := string(m.Data); {
	case scans(text, "a %d", &n):
		k.acked, k.since = n, k.since+ledgerEvery
		k.change()
		if err := c.Ack(uint64(n)); k.mode.outbox.Acknowledge && err != nil {
			k.errs = append(k.errs, fmt.Errorf("Ack(%d): %w", n, err))
		}
	case scans(text, "s %d", &n):
		if n != k.seen+1 {
			k.errs = append(k.errs, fmt.Errorf("message %d came behind %d", n, k.seen))
		}
		k.seen = n
		k.change()
	default:
		k.errs = append(k.errs, fmt.Errorf("%.100q came", text))
	}
}

// OnDisconnect remembers the death of a connection.
func (k *kill) OnDisconnect(*reconnect.Client, error, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ends[k.conns] = death{k.acked, k.begun}
	k.change()
}

// goOn lets the writer go on, to a limit.
func (k *kill) goOn(to phase) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch k.phase = to; to {
	case inFlight:
		k.limit = k.begun + 25
	case arrived:
		k.limit = (k.begun/ledgerEvery+2)*ledgerEvery + unacknowledged
	case nobody:
		k.limit = k.begun + 15
	case survivor:
		k.limit = ledgerTotal
	}
	k.limit = min(k.limit, ledgerTotal)
	k.change()
}

// phase is whom the writer writes for.
type phase int

const (
	inFlight phase = iota // a server that dies with messages on their way
	arrived               // a server that dies with all it was sent, of which the last are not acknowledged
	nobody                // there is no server
	survivor              // a server that lives
)

const unacknowledged = ledgerEvery / 2

// done reports whether what the phase is for has come about.
func (k *kill) done() bool {
	switch {
	case k.phase == inFlight:
		return k.since >= killAfter
	case k.phase == arrived:
		return k.acked == k.limit-unacknowledged && k.seen >= min(k.limit+ledgerAhead, ledgerTotal)
	case k.phase == nobody && k.mode.whileDown == reconnect.Refuse:
		return k.waiting
	case k.phase == nobody:
		return k.begun == k.limit
	}
	return k.seen == ledgerTotal
}

// run writes, and kills.
func (k *kill) run(version client.Protocol) {
	t := k.t
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	server := k.server()
	c, err := reconnect.Start(ctx, "ws://"+k.addr+"/", k, &reconnect.Options{
		MinWait: 5 * time.Millisecond, MaxWait: 40 * time.Millisecond,
		WhileDown: k.mode.whileDown, Outbox: k.mode.outbox,
		Client: client.Options{Protocols: []client.Protocol{version}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	written := make(chan error, 1)
	go func() { written <- k.write(ctx, c) }()
	for i := range kills {
		if err := c.AwaitUp(ctx); err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
		k.goOn(phase(i % 2)) // inFlight or arrived
		if err := k.await(ctx, k.done); err != nil {
			t.Fatalf("kill %d: %v; %s", i+1, err, k.where())
		}
		server.kill()
		if err := k.await(ctx, func() bool { return len(k.ends) == i+1 }); err != nil {
			t.Fatalf("the client did not see death %d: %v", i+1, err)
		}
		k.goOn(nobody)
		if err := k.await(ctx, k.done); err != nil {
			t.Fatalf("while the server is down: %v; %s", err, k.where())
		}
		server = k.server()
	}
	if err := c.AwaitUp(ctx); err != nil {
		t.Fatal(err)
	}
	k.goOn(survivor)
	if err := <-written; err != nil {
		t.Fatalf("writing: %v; %s", err, k.where())
	}
	if err := k.await(ctx, k.done); err != nil {
		t.Fatalf("reading: %v; %s", err, k.where())
	}
	if err := c.Flush(ctx); err != nil {
		t.Errorf("Flush: %v", err)
	}
	// The server has read all when it answers this.
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := c.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	t.Logf("%d connections, %d refused, %d dropped, %d sent again", k.conns, k.refused, len(k.dropped), c.Info().Resent)
}

// where tells how far it has come.
func (k *kill) where() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return fmt.Sprintf("connection %d, written %d, acknowledged %d, read %d", k.conns, k.begun, k.acked, k.seen)
}

// write writes the messages, as far as it may. What is refused is written again.
func (k *kill) write(ctx context.Context, c *reconnect.Client) error {
	for n := 1; n <= ledgerTotal; n++ {
		if err := k.await(ctx, func() bool { return n <= k.limit }); err != nil {
			return err
		}
		k.mu.Lock()
		k.begun = n
		k.change()
		k.mu.Unlock()
		for {
			before := c.Info().Dropped
			seq, err := c.Send(ctx, websocket.MessageText, fmt.Appendf(nil, "c %d %s", n, filler(n)))
			if errors.Is(err, reconnect.ErrDown) && k.mode.whileDown == reconnect.Refuse {
				k.refuse(true)
				if err := c.AwaitUp(ctx); err != nil {
					return err
				}
				k.refuse(false)
				continue
			}
			if err != nil {
				return err
			}
			if k.mode.outbox.Acknowledge && seq != uint64(n) {
				return fmt.Errorf("message %d has number %d", n, seq)
			}
			if c.Info().Dropped != before {
				k.dropped[n] = true
			}
			break
		}
	}
	return nil
}

// refuse notes that a message was refused, or is tried again.
func (k *kill) refuse(waits bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting = waits; waits {
		k.refused++
	}
	k.change()
}

// check compares what the servers wrote with what was promised.
func (k *kill) check() {
	t := k.t
	for _, err := range k.errs {
		t.Error(err)
	}
	if k.conns != kills+1 || len(k.ends) != kills+1 {
		t.Errorf("%d connections were made, and %d ended", k.conns, len(k.ends))
	}
	top, repeats, lost := 0, 0, 0
	for _, e := range readLedger(t, k.file) {
		end := k.ends[e.number-1] // of the connection before
		for i, n := range e.got {
			switch {
			case k.dropped[n]:
				t.Errorf("connection %d: message %d was dropped, and came", e.number, n)
			case i > 0 && n != k.after(e.got[i-1]):
				t.Errorf("connection %d: message %d came behind %d", e.number, n, e.got[i-1])
			case i == 0 && k.mode.outbox.Acknowledge && n != end.acked+1:
				t.Errorf("connection %d begins with message %d, and %d was acknowledged", e.number, n, end.acked)
			case i == 0 && !k.mode.outbox.Acknowledge && (n <= top || n > k.after(end.begun)):
				t.Errorf("connection %d begins with message %d; before it came %d, and %d was written", e.number, n, top, end.begun)
			}
			if n <= top {
				repeats++
			}
			for m := top + 1; m < n; m++ {
				if !k.dropped[m] {
					lost++
				}
			}
			top = max(top, n)
		}
		if k.mode.outbox.Acknowledge && e.acked != end.acked {
			t.Errorf("connection %d: %d was acknowledged, and %d before", e.number, e.acked, end.acked)
		}
	}
	t.Logf("%d messages came twice, %d were lost", repeats, lost)
	switch {
	case k.mode.outbox.Acknowledge && (lost > 0 || top != ledgerTotal || repeats < kills/2*unacknowledged):
		t.Errorf("%d messages were lost, %d came, %d of them twice", lost, top, repeats)
	case !k.mode.outbox.Acknowledge && repeats > 0:
		t.Errorf("%d messages came twice", repeats)
	case k.mode.whileDown == reconnect.Drop && len(k.dropped) == 0 || k.mode.whileDown == reconnect.Refuse && k.refused == 0:
		t.Error("nothing was written while the server was down")
	}
}

// after returns the number that the server must get behind n, if it gets any.
func (k *kill) after(n int) int {
	for n++; k.dropped[n]; n++ {
	}
	return n
}
