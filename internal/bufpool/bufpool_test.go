package bufpool_test

import (
	"testing"

	"github.com/lariat-go/websocket/internal/bufpool"
)

func TestGetGivesAtLeastWhatWasAsked(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 513, 4096, 65536, 65537, 1 << 20, 1<<20 + 1, 3 << 20} {
		b := bufpool.Get(n)
		if len(b) != n || cap(b) < n {
			t.Errorf("Get(%d): len %d, cap %d", n, len(b), cap(b))
		}
		bufpool.Put(b)
	}
	if n := bufpool.Outstanding(); n != 0 {
		t.Errorf("outstanding: %d", n)
	}
}

func TestGrowKeepsContents(t *testing.T) {
	b := append(bufpool.Get(512)[:0], "hello"...)
	b = bufpool.Grow(b, 10000)
	if string(b) != "hello" || cap(b)-len(b) < 10000 {
		t.Fatalf("%q, cap %d", b, cap(b))
	}
	bufpool.Put(b)
	if n := bufpool.Outstanding(); n != 0 {
		t.Errorf("outstanding: %d", n)
	}
}

func TestGetAllocatesNothingWhenWarm(t *testing.T) {
	bufpool.Put(bufpool.Get(4096))
	if n := testing.AllocsPerRun(100, func() { bufpool.Put(bufpool.Get(4096)) }); n > 0.1 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func TestPool(t *testing.T) {
	p := bufpool.Pool[*int]{New: func() *int { return new(int) }}
	v := p.Get()
	if v == nil {
		t.Fatal("nil from New")
	}
	p.Put(v)
	if p.Get() == nil {
		t.Fatal("nil from the pool")
	}
}

func TestLeaveCountsAsGivenBack(t *testing.T) {
	bufpool.Leave(bufpool.Get(100))
	bufpool.Put(nil)
	bufpool.Leave(nil)
	if n := bufpool.Outstanding(); n != 0 {
		t.Errorf("outstanding: %d", n)
	}
}
