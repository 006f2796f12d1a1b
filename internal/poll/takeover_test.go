//go:build linux

package poll_test

import (
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/lariat-go/websocket/internal/poll"
)

// woken returns a source in p that calls f when it is woken.
func woken(t testing.TB, p *poll.Poller, f func(w *poll.Worker)) *source {
	t.Helper()
	fd, _ := pair(t)
	s := &source{ready: func(w *poll.Worker, ev poll.Events) {
		if ev&poll.Woken != 0 {
			f(w)
		}
	}}
	s.add(t, p, fd)
	return s
}

// Where callbacks block as a rule, they do so side by side, and each is overdue
// once; and when they do no more, they are called by the worker again.
func TestCallbacksThatBlock(t *testing.T) {
	p := newPoller(t, 1)
	const sources = 100
	begun, release := make(chan struct{}, sources), make(chan struct{})
	overdue := make(chan struct{}, sources)
	all := make([]*source, sources)
	for i := range all {
		all[i] = woken(t, p, func(*poll.Worker) {
			begun <- struct{}{}
			<-release
		})
		all[i].overdue = func() { overdue <- struct{}{} }
	}
	for _, s := range all {
		s.d.Wake()
	}
	for range all {
		receive(t, begun, "a callback beside those that block")
	}
	for range all {
		receive(t, overdue, "Overdue")
	}
	close(release)
	// The worker calls them itself again when all have calmed down: then one that
	// ends its goroutine is survived by the loop, and the same worker comes twice.
	same := make(chan *poll.Worker, 1)
	s := woken(t, p, func(w *poll.Worker) { same <- w })
	var last *poll.Worker
	for streak := 0; streak < 50; {
		s.d.Wake()
		if w := receive(t, same, "a callback"); w == last {
			streak++
		} else {
			last, streak = w, 0
		}
	}
	if len(overdue) != 0 {
		t.Error("a callback was overdue twice")
	}
}

// A callback that blocks holds up nobody: neither those whose events were
// fetched together with its own, nor those that come later.
func TestBlockedCallback(t *testing.T) {
	p := newPoller(t, 1)
	release, returned := make(chan struct{}), make(chan struct{})
	served, overdue := make(chan int, 10), make(chan struct{}, 10)
	blocked := woken(t, p, func(w *poll.Worker) {
		b := w.Buffer()
		b[0] = 'x'
		<-release
		if b[0] != 'x' {
			t.Error("the buffer of a worker was used while a callback had it")
		}
		close(returned)
	})
	blocked.overdue = func() { overdue <- struct{}{} }
	var behind [3]*source
	for i := range behind {
		behind[i] = woken(t, p, func(w *poll.Worker) {
			w.Buffer()[0] = 'y'
			served <- i
		})
	}
	fd, peer := pair(t)
	e := &echo{done: make(chan error, 1)}
	if err := p.Add(&e.d, fd, e); err != nil {
		t.Fatal(err)
	}
	// From within a callback, so that all of them are fetched together.
	first := woken(t, p, func(*poll.Worker) {
		blocked.d.Wake()
		for _, s := range behind {
			s.d.Wake()
		}
	})
	first.d.Wake()
	came := make(map[int]bool)
	for range behind {
		came[receive(t, served, "what was behind the blocked one")] = true
	}
	if len(came) != len(behind) {
		t.Errorf("came: %v", came)
	}
	receive(t, overdue, "Overdue")
	buf := make([]byte, 1)
	for range 500 { // for some ticks of the monitor
		peer.Write(buf)
		if _, err := io.ReadFull(peer, buf); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	receive(t, returned, "the blocked one")
	peer.Close()
	receive(t, e.done, "the end")
	if len(overdue) != 0 {
		t.Errorf("Overdue was called %d times for one call of Ready", 1+len(overdue))
	}
}

// A source is called again while it is blocked, on the new worker.
func TestReadyWhileBlocked(t *testing.T) {
	p := newPoller(t, 1)
	release := make(chan struct{})
	calls := make(chan *poll.Worker, 2)
	var n atomic.Int32
	s := woken(t, p, func(w *poll.Worker) {
		calls <- w
		if n.Add(1) == 1 {
			<-release
		}
	})
	s.d.Wake()
	a := receive(t, calls, "the first call")
	s.d.Wake()
	if b := receive(t, calls, "the second call"); a == b {
		t.Error("both calls are on the same worker")
	}
	close(release)
}

// Many block one after the other: each costs a goroutine as long as it blocks.
func TestManyBlocked(t *testing.T) {
	const n = 20
	p := newPoller(t, 2)
	before := runtime.NumGoroutine()
	for range 3 {
		release := make(chan struct{})
		entered, left := make(chan struct{}, n), make(chan struct{}, n)
		for range n {
			woken(t, p, func(*poll.Worker) {
				entered <- struct{}{}
				<-release
				left <- struct{}{}
			}).d.Wake()
		}
		for range n {
			receive(t, entered, "a callback")
		}
		close(release)
		for range n {
			receive(t, left, "a callback to return")
		}
		eventually(t, "the blocked workers are gone", func() bool { return runtime.NumGoroutine() <= before })
	}
}

// runtime.Goexit in a callback, as t.FailNow calls it, costs nobody his events.
func TestGoexitInCallback(t *testing.T) {
	p := newPoller(t, 1)
	served := make(chan int, 10)
	quit := woken(t, p, func(*poll.Worker) { runtime.Goexit() })
	other := woken(t, p, func(*poll.Worker) { served <- 1 })
	first := woken(t, p, func(*poll.Worker) {
		quit.d.Wake()
		other.d.Wake()
	})
	for range 100 {
		first.d.Wake()
		receive(t, served, "what was behind Goexit")
	}
	release := make(chan struct{}) // and after a takeover
	late := woken(t, p, func(*poll.Worker) {
		<-release
		runtime.Goexit()
	})
	late.d.Wake()
	other.d.Wake()
	receive(t, served, "what was behind the blocked one")
	close(release)
	other.d.Wake()
	receive(t, served, "what came after Goexit")
}

func TestCloseWhileBlocked(t *testing.T) {
	p := newPoller(t, 2)
	release, entered, returned := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := woken(t, p, func(*poll.Worker) {
		close(entered)
		<-release
		close(returned)
	})
	s.d.Wake()
	receive(t, entered, "the callback")
	p.Close() // does not wait for it
	s.d.Wake()
	close(release)
	receive(t, returned, "the callback to return") // the rest is leakcheck's
}

func TestCloseFromCallback(t *testing.T) {
	p := newPoller(t, 2)
	closed := make(chan struct{})
	behind := woken(t, p, func(*poll.Worker) { t.Error("a callback began after Close") })
	last := woken(t, p, func(*poll.Worker) {
		p.Close()
		behind.d.Wake()
		close(closed)
	})
	last.d.Wake()
	receive(t, closed, "Close")
}

// Close comes at any moment of a takeover.
func TestCloseDuringTakeover(t *testing.T) {
	rounds := 100
	if race {
		rounds = 20
	}
	for range rounds {
		p := newPoller(t, 2)
		release := make(chan struct{})
		entered := make(chan struct{}, 10)
		for range 6 {
			woken(t, p, func(*poll.Worker) {
				entered <- struct{}{}
				<-release
			}).d.Wake()
		}
		for range 3 { // the third one is in a worker that took over
			receive(t, entered, "a callback")
		}
		p.Close()
		close(release)
	}
}
