//go:build linux

package poll_test

import (
	"testing"

	"github.com/lariat-go/websocket/internal/poll"
)

// A worker has a large buffer when a Read has filled a small one, and not before:
// callbacks that block, of which there may be many, keep small ones.
func TestBufferGrowsWhenFilled(t *testing.T) {
	const small, large = 20 << 10, 256 << 10
	p, err := poll.New(&poll.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	gate, sizes := make(chan struct{}), make(chan int, 3)
	defer close(gate)
	bulk := woken(t, p, func(w *poll.Worker) {
		b := w.Buffer()
		sizes <- len(b)
		w.Filled()
		sizes <- len(w.Buffer())
		w.Filled()
		sizes <- len(w.Buffer())
	})
	bulk.d.Wake()
	for _, want := range []int{small, large, large} {
		if n := receive(t, sizes, "the size"); n != want {
			t.Errorf("%d bytes, want %d", n, want)
		}
	}
	for i, want := range []int{large, small, small} { // of the one that was there, and of those that replace it
		blocked := woken(t, p, func(w *poll.Worker) {
			sizes <- len(w.Buffer())
			<-gate
		})
		blocked.d.Wake()
		if n := receive(t, sizes, "the size"); n != want {
			t.Errorf("blocked callback %d: %d bytes, want %d", i, n, want)
		}
	}
}
