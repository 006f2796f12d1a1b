// Package rawserver serves connections by hand in tests: for peers that speak
// wrongly, or no HTTP at all.
package rawserver

import (
	"net"
	"sync"
	"testing"
)

// Serve hands each connection to l to handle, in a goroutine of its own, and
// closes it after that. At the end of the test it closes l and all connections,
// and waits for what handles them. It returns the address of l.
func Serve(t testing.TB, l net.Listener, handle func(c net.Conn)) (addr string) {
	t.Helper()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			go c.Close() // over TLS it takes its time where the peer does not read
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// Listen returns a listener on a free port of the loopback interface.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
