// Package soak_test lets thousands of clients use package server for a while,
// each of which connects, sends, stalls and ends as chance will have it.
// Whatever they do, no message of a session that lives is lost, doubled or out
// of order, callbacks never overlap, Terminate comes once, and nothing is left
// in the end.
//
// go test runs it for some seconds. LARIAT_SOAK=2m has it last that long, with
// 3,000 clients (300 with the race detector); LARIAT_SOAK_CLIENTS is another
// number of them, and LARIAT_SOAK_SEED=n repeats the choices of an earlier run.
package soak_test

import (
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/server"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// size is how much is going on.
type size struct {
	clients int
	length  time.Duration
	pace    time.Duration // between two actions of a client, on the average
}

// sizes reads the environment.
func sizes(t *testing.T) (z size, seed uint64) {
	t.Helper()
	z = size{clients: 200, length: 3 * time.Second, pace: 60 * time.Millisecond}
	if raceEnabled {
		z.clients = 60
	}
	env := func(name string, parse func(string) error) {
		if v := os.Getenv(name); v != "" {
			if err := parse(v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	env("LARIAT_SOAK", func(v string) (err error) {
		z = size{clients: 3000, pace: time.Second}
		if raceEnabled {
			z.clients, z.pace = 300, 300*time.Millisecond
		}
		z.length, err = time.ParseDuration(v)
		return err
	})
	env("LARIAT_SOAK_CLIENTS", func(v string) (err error) {
		z.clients, err = strconv.Atoi(v)
		return err
	})
	seed = rand.Uint64()
	env("LARIAT_SOAK_SEED", func(v string) (err error) {
		seed, err = strconv.ParseUint(v, 10, 64)
		return err
	})
	return z, seed
}

// soak is one run.
type soak struct {
	t        *testing.T
	sessions size
	seed     uint64
	server   *server.Server
	doors    [numDoors]*httptest.Server
	codings  []*coding
	rooms    []*room

	stop     chan struct{}  // closed at the end
	outside  sync.WaitGroup // goroutines and timers of neither side
	settled  sync.WaitGroup // clients that have ended or wait for Shutdown
	messages atomic.Int64   // calls of Message
	faults   atomic.Int32
	stopping sync.Once

	mu    sync.Mutex
	pairs []*pair       // all there ever were
	open  []*pair       // those with a session
	place map[*pair]int // in open
}

// S4.18, S4.26, W7
func TestSoak(t *testing.T) {
	z, seed := sizes(t)
	t.Logf("LARIAT_SOAK_SEED=%d, %d clients for %v", seed, z.clients, z.length)
	k := &soak{t: t, sessions: z, seed: seed, stop: make(chan struct{}), place: make(map[*pair]int)}
	for _, o := range []deflate.Options{
		{Threshold: -1},
		{ServerContextTakeover: true, ClientContextTakeover: true},
		{Threshold: -1, ServerContextTakeover: true, ServerMaxWindowBits: 10},
	} {
		k.codings = append(k.codings, &coding{[]extension.Extension{deflate.New(&o)}, []extension.Extension{deflate.New(&o)}})
	}
	for range 16 {
		k.rooms = append(k.rooms, &room{})
	}
	k.serve()
	var clients sync.WaitGroup
	for i := range z.clients {
		k.settled.Add(1)
		clients.Go(func() {
			settle := sync.OnceFunc(k.settled.Done)
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for k.pause(rng, z.pace) {
				k.live(rng, settle)
			}
			settle()
		})
	}
	var disturbers sync.WaitGroup
	for i := range 2 {
		disturbers.Go(func() { k.disturb(i) })
	}
	select {
	case <-k.stop:
	case <-time.After(z.length):
		k.finish()
	}
	disturbers.Wait()
	k.settled.Wait()
	k.outside.Wait()
	k.shutdown()
	clients.Wait()
	k.audit()
}
