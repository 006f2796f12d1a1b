package h2conn_test

import (
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// Every method of streams and connections, at random and at the same time: each
// call returns, and no memory stays borrowed.
func TestRandomCalls(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		rounds := 12
		if raceEnabled {
			rounds = 4
		}
		for range rounds {
			seed := rand.Uint64()
			over := make(chan struct{})
			go func() {
				defer close(over)
				randomCalls(t, e, seed)
			}()
			select {
			case <-over:
			case <-time.After(2 * patience):
				t.Fatalf("seed %d: some call has not returned", seed)
			}
		}
	})
}

func randomCalls(t *testing.T, e engine, seed uint64) {
	o := func(n uint64) *h2conn.Options {
		r := rand.New(rand.NewPCG(seed, n))
		return &h2conn.Options{
			Config: h2.Config{
				NonProgress: -1, Resets: -1, OwnResets: -1, MaxStreams: 1 + r.Uint32N(10),
				StreamWindow: 1 + r.Uint32N(100<<10),
			},
			WriteTimeout: time.Second, PingInterval: time.Duration(r.Int64N(int64(5 * time.Millisecond))),
		}
	}
	p := connect(t, e, o(1), o(2))
	p.client.AwaitSettings(p.context()) // the server's connection is where it stays
	var clients, servers sync.WaitGroup
	served := make(chan struct{})
	go func() {
		defer close(served)
		for n := uint64(1000); ; n++ {
			select {
			case s := <-p.requests:
				r := rand.New(rand.NewPCG(seed, n))
				servers.Go(func() {
					if r.IntN(2) == 0 {
						s.Respond(&h2.Head{Status: 200, ContentLength: -1}, make([]byte, r.IntN(3000)), r.IntN(8) == 0)
					}
					if r.IntN(2) == 0 {
						s.Detach()
					}
					randomStream(r, s.Stream)
					s.Release()
					s.Abort(uint32(h2.ErrCodeCancel))
				})
			case <-p.server.Done():
				return
			}
		}
	}()
	for n := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, n+10))
		clients.Go(func() {
			for range 10 {
				s, err := p.client.Open(p.context(), tunnel, r.IntN(8) == 0, true)
				if err != nil {
					return
				}
				randomStream(r, s)
				s.Abort(uint32(h2.ErrCodeCancel))
			}
		})
	}
	clients.Go(func() {
		r := rand.New(rand.NewPCG(seed, 3))
		for range 20 {
			c := p.client
			if r.IntN(2) == 0 {
				c = p.server
			}
			switch r.IntN(60) {
			case 0:
				c.Drain()
			case 1:
				c.Fail(h2.ErrCodeInternal, "because")
			case 2:
				c.NetConn().Close()
			default:
				c.Ping(p.context())
				c.Usable()
				c.Err()
			}
		}
	})
	clients.Wait()
	p.client.Close()
	p.server.Close()
	<-served
	for {
		select {
		case s := <-p.requests:
			s.Release()
		default:
			servers.Wait()
			wait(t, p.served)
			return
		}
	}
}

// randomStream calls methods of s from several goroutines: one reads, one writes,
// and others do the rest.
func randomStream(from *rand.Rand, s *h2conn.Stream) {
	var here sync.WaitGroup
	watched := from.IntN(3) == 0
	seeds := [3]uint64{from.Uint64(), from.Uint64(), from.Uint64()}
	soon := time.Now().Add(20 * time.Millisecond)
	s.SetDeadline(soon)
	if watched {
		var mu sync.Mutex
		s.Watch(&watcher{ready: func(h2conn.Events) {
			mu.Lock()
			defer mu.Unlock()
			for {
				b, _, err := s.TryRead()
				if err != nil {
					return
				}
				s.TryWrite(b, b)
				putBack(b)
			}
		}, overdue: func() {}})
	} else {
		here.Go(func() {
			r := rand.New(rand.NewPCG(seeds[0], 0))
			for range 20 {
				var err error
				switch r.IntN(3) {
				case 0:
					_, err = s.Read(make([]byte, r.IntN(5000)))
				case 1:
					var b []byte
					b, err = s.ReadBorrow(12)
					putBack(b)
				default:
					err = s.WaitRead()
				}
				if err == io.EOF {
					s.Trailers()
				}
			}
		})
	}
	here.Go(func() {
		r := rand.New(rand.NewPCG(seeds[1], 0))
		for range 20 {
			b := make([]byte, r.IntN(1<<r.IntN(18)))
			switch r.IntN(30) {
			case 0:
				s.CloseWrite()
			case 1:
				s.WriteEnd(b)
			case 2:
				s.WriteTrailers([]h2.Field{{Name: "a", Value: "b"}})
			case 3:
				s.EndAfter(len(b))
				s.Write(b)
			case 4, 5, 6, 7, 8, 9:
				s.Writev(b, b)
			case 10, 11, 12, 13, 14, 15:
				s.TryWrite(b, b)
			case 16:
				s.Flush()
			default:
				s.Write(b)
			}
		}
	})
	here.Go(func() {
		r := rand.New(rand.NewPCG(seeds[2], 0))
		for range 10 {
			d := time.Now().Add(time.Duration(r.Int64N(int64(20*time.Millisecond))) - time.Millisecond)
			switch r.IntN(12) {
			case 0:
				s.Watch(nil)
			case 1:
				s.Close()
			case 2:
				s.Abort(uint32(h2.ErrCodeCancel))
			case 3:
				s.OnGone(func() {})
			case 4:
				s.OnDrain(func() {})
			case 5, 6, 7:
				s.SetReadDeadline(d)
			case 8, 9:
				s.SetWriteDeadline(d)
			default:
				s.Err()
			}
		}
		s.SetDeadline(soon)
	})
	here.Wait()
}
