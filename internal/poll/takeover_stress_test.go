//go:build linux

package poll_test

import (
	"io"
	"sync"
	"testing"

	"github.com/lariat-go/websocket/internal/poll"
)

// slowEcho blocks at every tenth message until the monitor has noticed.
type slowEcho struct {
	echo
	n       int
	overdue chan struct{}
}

func (s *slowEcho) Overdue() {
	select {
	case s.overdue <- struct{}{}:
	default:
	}
}

func (s *slowEcho) Ready(w *poll.Worker, ev poll.Events) {
	s.mu.Lock()
	if ev&poll.Readable != 0 {
		if s.n++; s.n%10 == 0 {
			<-s.overdue
		}
	}
	s.mu.Unlock()
	s.echo.Ready(w, ev)
}

// Loops change hands all the time, and nobody's event is lost.
func TestTakeoverStress(t *testing.T) {
	conns, rounds := 32, 200
	if race {
		rounds = 60
	}
	p := newPoller(t, 2)
	var wg sync.WaitGroup
	for range conns {
		fd, peer := pair(t)
		s := &slowEcho{overdue: make(chan struct{}, 1)}
		s.done = make(chan error, 1)
		if err := p.Add(&s.d, fd, s); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			buf := make([]byte, 8)
			for i := range rounds {
				peer.Write(buf)
				s.d.Wake()
				if _, err := io.ReadFull(peer, buf); err != nil {
					t.Errorf("round %d: %v", i, err)
					return
				}
			}
			peer.Close()
			receive(t, s.done, "the end")
		})
	}
	wg.Wait()
}

// The monitor sleeps when nothing happens, and is there when it is needed.
func TestMonitorSleeps(t *testing.T) {
	p := newPoller(t, 1)
	served := make(chan struct{}, 1)
	other := woken(t, p, func(*poll.Worker) { served <- struct{}{} })
	for range 3 {
		eventually(t, "the monitor sleeps", p.MonitorSleeps)
		gate := make(chan struct{})
		woken(t, p, func(*poll.Worker) {
			other.d.Wake()
			<-gate
		}).d.Wake()
		receive(t, served, "what was behind the blocked one")
		close(gate)
	}
}
