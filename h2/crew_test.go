package h2_test

import (
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/h2"
)

// Goroutines that have run handlers are kept for a moment only, and one that a
// handler has ended is replaced.
func TestGoroutinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		here, there := net.Pipe()
		served := make(chan error, 1)
		go func() {
			served <- h2.ServeConn(here, &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/wait":
					<-release
				case "/exit":
					runtime.Goexit()
				}
			})}, nil)
		}()
		c := newRaw(t, there)
		c.nc.SetDeadline(time.Time{})
		for id := uint32(1); id < 20; id += 2 {
			c.request(id, true, "GET", "/wait")
		}
		synctest.Wait()
		if n := workers(); n != 10 {
			t.Errorf("%d goroutines for 10 requests", n)
		}
		close(release)
		for range 10 {
			if f := c.next(); !strings.Contains(f, " end [:status=200") {
				t.Error(f)
			}
		}
		c.request(21, true, "GET", "/exit")
		c.want("RST_STREAM 21 INTERNAL_ERROR")
		c.request(23, true, "GET", "/")
		c.want("HEADERS 23 end [:status=200 content-length=0]")
		synctest.Wait()
		if n := workers(); n != 9 {
			t.Errorf("%d goroutines are kept, want 9", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := workers(); n != 0 {
			t.Errorf("%d goroutines are left", n)
		}
		c.request(25, true, "GET", "/")
		c.want("HEADERS 25 end [:status=200 content-length=0]")
		there.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// workers counts the goroutines that run handlers, or wait for one.
func workers() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "h2.(*crew).work(")
}
