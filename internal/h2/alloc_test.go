package h2_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
)

// take feeds p without noting anything.
func take(t testing.TB, c *h2.Conn, p []byte) (got int) {
	for {
		n, ev, ok, err := c.Next(p)
		if err != nil {
			t.Fatal(err)
		}
		p = p[n:]
		if got += len(ev.Data); !ok {
			return got
		}
	}
}

// The way of a small message allocates nothing, either way.
func TestAllocations(t *testing.T) {
	e, s := answering(t, 2, 1<<30)
	e.in(post(5))
	in := e.stream()
	p := join(data(5, 0, strings.Repeat("x", 128)), update(3, 128), update(0, 128))
	msg := make([]byte, 126)
	dst := make([]byte, 0, 1<<16)
	round := func() {
		if take(t, e.c, p) != 128 {
			t.Fatal("not all was delivered")
		}
		e.c.Consumed(in, 128)
		if n, err := e.c.Write(s[1], msg[:2], msg, false); n != 128 || err != nil {
			t.Fatal(n, err)
		}
		if !e.c.HasOutput() || len(e.c.Output(dst, 1<<16)) < 9+128 {
			t.Fatal("no output")
		}
	}
	round()
	if n := testing.AllocsPerRun(1000, round); n >= 1 {
		t.Errorf("%v allocations for a message each way", n)
	}
	queued := make([]byte, 40000)
	if n := testing.AllocsPerRun(1000, func() {
		take(t, e.c, join(update(3, 40000), update(0, 40000)))
		if e.c.Queue(s[1], queued, false) != nil || len(e.c.Output(dst, 1<<16)) < 40000 || len(e.c.Written()) != 1 {
			t.Fatal("not queued")
		}
	}); n > 8 { // those of join
		t.Errorf("%v allocations for a queued message", n)
	}
}

// Staging needs no more room when it is never quite emptied.
func TestStagingIsBounded(t *testing.T) {
	e, s := answering(t, 1, 1<<31-1)
	more := update(0, 1<<30).bytes()
	e.feed(more)
	msg, dst := make([]byte, 10000), make([]byte, 0, 1<<16)
	round := func() {
		for {
			if n, _ := e.c.Write(s[0], msg, nil, false); n == 0 {
				break
			}
		}
		if n := len(e.c.Output(dst, 20000)); n == 0 || n > 20000 || e.c.Staged() < 40000 {
			t.Fatalf("%d bytes of output, %d staged", n, e.c.Staged())
		}
	}
	round()
	if n := testing.AllocsPerRun(1000, round); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

// What a connection and a stream hold while nothing happens.
func TestIdleMemory(t *testing.T) {
	if n := reflect.TypeFor[h2.Stream]().Size(); n > 128 {
		t.Errorf("a Stream has %d bytes", n)
	}
	if n := reflect.TypeFor[h2.Conn]().Size(); n > 1536 {
		t.Errorf("a Conn has %d bytes", n)
	}
	const conns, streams = 50, 20
	borrowed := bufpool.Outstanding()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	first := join(settings(), wire{h2.FrameSettings, 1, 0, nil})
	var requests []byte
	for i := range uint32(streams) {
		requests = append(requests, post(2*i+1).bytes()...)
	}
	before := heap()
	l := make([]*h2.Conn, conns)
	for i := range l {
		l[i] = new(h2.Conn)
		l[i].Init(&h2.Config{Role: h2.RoleServer})
		take(t, l[i], []byte(preface))
		take(t, l[i], first)
		take(t, l[i], requests)
		l[i].Output(nil, 1<<20)
	}
	if n := int64(heap()-before) / (conns * streams); n > 400 {
		t.Errorf("%d bytes for a stream, with its share of a connection", n)
	}
	if n := bufpool.Outstanding() - borrowed; n != 0 {
		t.Errorf("%d buffers are borrowed while nothing happens", n)
	}
	runtime.KeepAlive(l)
}

func BenchmarkReceive(b *testing.B) {
	e, _ := answering(b, 1, 1<<30)
	e.in(post(3))
	s := e.stream()
	p := data(3, 0, strings.Repeat("x", 128)).bytes()
	dst := make([]byte, 0, 1<<16)
	b.SetBytes(128)
	b.ReportAllocs()
	for b.Loop() {
		take(b, e.c, p)
		e.c.Consumed(s, 128)
		if e.c.HasOutput() {
			e.c.Output(dst, 1<<16)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	e, s := answering(b, 1, 1<<30)
	p := join(update(1, 128), update(0, 128))
	msg := make([]byte, 126)
	dst := make([]byte, 0, 1<<16)
	b.SetBytes(128)
	b.ReportAllocs()
	for b.Loop() {
		take(b, e.c, p)
		e.c.Write(s[0], msg[:2], msg, false)
		e.c.Output(dst, 1<<16)
	}
}
