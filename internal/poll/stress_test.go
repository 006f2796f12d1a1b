//go:build linux

package poll_test

import (
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/poll"
)

// HB1: what arrives while a worker decides to sleep is never lost. The peers
// answer at once, so that data comes at any moment of that.
func TestHB1DataIsNeverLost(t *testing.T) {
	const conns = 4
	rounds := 50_000
	if race {
		rounds = 5_000
	}
	p := newPoller(t, 2)
	var wg sync.WaitGroup
	for range conns {
		fd, peer := pair(t)
		peer.SetDeadline(time.Now().Add(3 * patience))
		e := &echo{done: make(chan error, 1)}
		if err := p.Add(&e.d, fd, e); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			buf := make([]byte, 16)
			for i := range rounds {
				n := 1 + i%7
				if _, err := peer.Write(buf[:n]); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(peer, buf[:n]); err != nil {
					t.Errorf("round %d: %v", i, err)
					return
				}
			}
			peer.Close()
			receive(t, e.done, "the end")
		})
	}
	wg.Wait()
}

// HB1: the same for Wake.
func TestHB1WakeIsNeverLost(t *testing.T) {
	rounds := 200_000
	if race {
		rounds = 20_000
	}
	p := newPoller(t, 1)
	fd, _ := pair(t)
	woken := make(chan struct{}, 1)
	s := &source{ready: func(_ *poll.Worker, ev poll.Events) {
		if ev&poll.Woken != 0 {
			woken <- struct{}{}
		}
	}}
	s.add(t, p, fd)
	limit := time.After(3 * patience)
	for i := range rounds {
		s.d.Wake()
		select {
		case <-woken:
		case <-limit:
			t.Fatalf("wake %d is lost", i)
		}
	}
}

// HB1, and the hazard of edges: the end that comes with the last bytes is seen.
func TestHB1EndWithLastBytes(t *testing.T) {
	rounds := 2000
	if race {
		rounds = 300
	}
	p := newPoller(t, 2)
	for i := range rounds {
		fd, peer := pair(t)
		e := &echo{done: make(chan error, 1)}
		if err := p.Add(&e.d, fd, e); err != nil {
			t.Fatal(err)
		}
		peer.Write([]byte("last words"))
		if i%2 == 0 {
			peer.CloseWrite()
			if b, err := io.ReadAll(peer); string(b) != "last words" || err != nil {
				t.Fatalf("round %d: %q, %v", i, b, err)
			}
		}
		peer.Close()
		receive(t, e.done, "the end")
	}
}

// HB7: signals interrupt system calls, and nothing else.
func TestHB7Signals(t *testing.T) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	defer signal.Stop(c)
	p := newPoller(t, 1)
	fd, peer := pair(t)
	e := &echo{done: make(chan error, 1)}
	if err := p.Add(&e.d, fd, e); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for i := range 2000 {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1) // whatever thread it meets
		if _, err := peer.Write(buf); err != nil {
			t.Fatal(err)
		}
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		if _, err := io.ReadFull(peer, buf); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	receive(t, c, "a signal")
	peer.Close()
	receive(t, e.done, "the end")
}

// HB4: very many at once, on no more goroutines than there are workers.
func TestHB4ManyAtOnce(t *testing.T) {
	const workers = 2
	n := 4000
	if race {
		n = 500
	}
	p := newPoller(t, workers)
	all := make([]*echo, n)
	peers := make([]net.Conn, n)
	for i := range n {
		fd, peer := pair(t)
		all[i], peers[i] = &echo{done: make(chan error, 1)}, peer
		if err := p.Add(&all[i].d, fd, all[i]); err != nil {
			t.Fatal(err)
		}
		if l := all[i].d.Loop(); l != i%workers {
			t.Fatalf("number %d is in loop %d: they don't take turns", i, l)
		}
	}
	for range 3 {
		for _, c := range peers {
			c.Write([]byte("x"))
		}
		for _, e := range all {
			e.d.Wake()
		}
		for i, c := range peers {
			if _, err := c.Read(make([]byte, 2)); err != nil {
				t.Fatalf("number %d: %v", i, err)
			}
		}
	}
	for i, e := range all {
		peers[i].Close()
		receive(t, e.done, "the end")
	}
}
