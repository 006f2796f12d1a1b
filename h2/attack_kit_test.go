package h2_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket/h2"
)

// victim is a server under attack, whose handlers can be held up.
type victim struct {
	*host
	tr      string
	running atomic.Int32
	most    atomic.Int32  // that ran at once
	done    chan struct{} // has one for each handler that has returned
	ended   chan struct{} // and one for each whose context has ended before
}

// attacked starts a server. Its handlers answer at once, but for those of /hold,
// which wait for the end of their request.
func attacked(t *testing.T, tr string, o *h2.Options, more http.HandlerFunc) *victim {
	v := &victim{tr: tr, done: make(chan struct{}, 100000), ended: make(chan struct{}, 100000)}
	v.host = start(t, setup{transport: tr, options: o}, func(w http.ResponseWriter, r *http.Request) {
		n := v.running.Add(1)
		for m := v.most.Load(); n > m && !v.most.CompareAndSwap(m, n); m = v.most.Load() {
		}
		defer func() {
			v.running.Add(-1)
			v.done <- struct{}{}
		}()
		switch {
		case r.URL.Path == "/hold":
			<-r.Context().Done()
			v.ended <- struct{}{}
		case more != nil:
			more(w, r)
		}
	})
	return v
}

// dial connects with a small buffer for what the server sends.
func (v *victim) dial(t *testing.T) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", v.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc.(*net.TCPConn).SetReadBuffer(64 << 10)
	if v.tr == "tls" {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	return nc
}

// heap returns the memory in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// bytesOf returns what f writes with a Framer.
func bytesOf(f func(fr *http2.Framer)) []byte {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	fr.AllowIllegalWrites = true
	f(fr)
	return b.Bytes()
}

// ending reads until the connection ends, and returns the last GOAWAY, and when
// it came.
func (c *rawClient) ending() (goAway string, at time.Time) {
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			return goAway, at
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			goAway, at = g.ErrCode.String(), time.Now()
		}
	}
}

// serves fails if the server does not answer any more.
func (v *victim) serves(t *testing.T) {
	t.Helper()
	if a := v.get(t, "/"); a.status != 200 {
		t.Errorf("afterwards: status %d", a.status)
	}
}

// root is the header block of GET / for server.test, which any table has.
var root = []byte("\x82\x86\x84\x01\x0bserver.test")
