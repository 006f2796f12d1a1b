//go:build linux

package poll_test

import (
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/lariat-go/websocket/internal/poll"
)

// BenchmarkEcho is 128 bytes there and back, one in flight on each of 64
// connections: all of it, the peers included.
func BenchmarkEcho(b *testing.B) {
	for name, open := range map[string]func() (int, net.Conn){
		"socketpair": func() (int, net.Conn) {
			fd, peer := pair(b)
			return fd, peer
		},
		"tcp": func() (int, net.Conn) {
			c, peer := tcpPair(b)
			fd, err := poll.Take(c)
			if err != nil {
				b.Fatal(err)
			}
			return fd, peer
		},
	} {
		b.Run(name, func(b *testing.B) {
			const conns = 64
			p := newPoller(b, 0)
			peers := make(chan net.Conn, conns)
			for range conns {
				fd, peer := open()
				e := new(echo)
				if err := p.Add(&e.d, fd, e); err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { e.d.Close() })
				peers <- peer
			}
			b.ReportAllocs()
			b.SetParallelism(conns/4 + 1)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				peer := <-peers
				defer func() { peers <- peer }()
				buf := make([]byte, 128)
				for pb.Next() {
					peer.Write(buf)
					if _, err := io.ReadFull(peer, buf); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkWake wakes 10,000 at once and waits until all were called.
func BenchmarkWake(b *testing.B) {
	const n = 8_000 // two descriptors each
	p := newPoller(b, 0)
	var left atomic.Int64
	all := make(chan struct{})
	sources := make([]*source, n)
	for i := range sources {
		sources[i] = woken(b, p, func(*poll.Worker) {
			if left.Add(-1) == 0 {
				all <- struct{}{}
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		left.Store(n)
		for _, s := range sources {
			s.d.Wake()
		}
		<-all
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/wake")
}
