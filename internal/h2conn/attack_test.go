package h2conn_test

import (
	"runtime"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// A reader that has always left something: what was read must not be kept. No
// more is held than the window lets in.
func TestSlowReaderHoldsAWindow(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, &h2conn.Options{Config: h2.Config{NonProgress: -1}}, nil)
		c, s := p.open()
		const piece, ahead, often = 1000, 30, 3000
		ctx := p.context()
		before := heap()
		b := make([]byte, piece)
		for i := range often {
			b[0] = byte(i)
			must(t, second(c.Write(b)))
			must(t, p.client.Ping(ctx)) // it has come
			if i >= ahead {
				got := readFull(t, s, piece)
				if got[0] != byte(i-ahead) {
					t.Fatalf("piece %d begins with %d", i-ahead, got[0])
				}
			}
		}
		after := heap()
		if after > before+1<<20 {
			t.Errorf("%d KiB are held for a window of 64 KiB", (after-before)>>10)
		}
	})
}

// heap returns what is in use, without what nobody uses any more.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
