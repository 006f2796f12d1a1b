//go:build linux

package poll_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lariat-go/websocket/internal/poll"
)

// The list of woken stays as short as there are descriptors when it is never
// empty: more of them than a worker fetches at a time wake themselves again and
// again.
func TestStormOfWakesKeepsTheListShort(t *testing.T) {
	const descs, wakes = 300, 100_000
	p := newPoller(t, 1)
	var count atomic.Int64
	var over sync.Once
	done := make(chan int, 1)
	sources := make([]*source, descs)
	for i := range sources {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		s := new(source)
		s.ready = func(*poll.Worker, poll.Events) {
			if count.Add(1) < wakes {
				s.d.Wake()
				return
			}
			over.Do(func() { done <- p.WokenRoom() })
		}
		s.add(t, p, fd)
		sources[i] = s
	}
	for _, s := range sources {
		s.d.Wake()
	}
	if room := receive(t, done, "the storm"); room > 8*descs {
		t.Errorf("room for %d after %d wakes of %d descriptors", room, wakes, descs)
	}
}
