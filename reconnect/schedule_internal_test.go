package reconnect

import (
	"slices"
	"testing"
	"time"
)

// waits is a schedule as a client goes through it.
type waits struct {
	o Options
	n int
}

func (w *waits) next(retryAfter time.Duration) time.Duration {
	w.n++
	return w.o.nextWait(w.n-1, retryAfter)
}

func newWaits(jitter func(time.Duration) time.Duration) *waits {
	return &waits{o: Options{MinWait: DefaultMinWait, MaxWait: DefaultMaxWait, Jitter: jitter}}
}

// C11, S3.10: the ceiling doubles from 250 ms to 30 s.
func TestScheduleCeilings(t *testing.T) {
	most := func(d time.Duration) time.Duration { return d }
	w := newWaits(most)
	for i, want := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000} {
		if got := w.next(0); got != want*time.Millisecond {
			t.Errorf("C11: wait %d is %v, want %d ms", i, got, want)
		}
	}
	w.n = 1000
	if got := w.next(time.Minute); got != time.Minute+30*time.Second {
		t.Errorf("after very many, with Retry-After: %v", got)
	}
	for _, tc := range []struct{ min, max, want time.Duration }{
		{time.Second, time.Second, time.Second},
		{1, 1<<63 - 1, 1 << 62},
		{3, 10, 10},
	} {
		w := waits{Options{MinWait: tc.min, MaxWait: tc.max, Jitter: most}, 62}
		if got := w.next(0); got != tc.want {
			t.Errorf("from %d to %d: %d, want %d", tc.min, tc.max, got, tc.want)
		}
	}
}

// Whatever Jitter returns, a wait is between 0 and the ceiling.
func TestScheduleBadJitter(t *testing.T) {
	for give, want := range map[time.Duration]time.Duration{-1: 0, 0: 0, 100 * time.Millisecond: 100 * time.Millisecond, time.Hour: DefaultMinWait} {
		w := newWaits(func(time.Duration) time.Duration { return give })
		if got := w.next(0); got != want {
			t.Errorf("%v: %v, want %v", give, got, want)
		}
	}
}

// Full jitter: all waits under the ceiling are as likely, so that no two clients
// are in step.
func TestFullJitter(t *testing.T) {
	const n, most = 10_000, 250 * time.Millisecond
	var tenths [10]int
	seen := make(map[time.Duration]int)
	for range n {
		d := fullJitter(most)
		if d < 0 || d > most {
			t.Fatalf("%v is not within %v", d, most)
		}
		seen[d]++
		tenths[min(int(d*10/most), 9)]++
	}
	for i, got := range tenths {
		if got < n/10*8/10 || got > n/10*12/10 {
			t.Errorf("%d of %d are in tenth %d", got, n, i)
		}
	}
	if len(seen) < n*99/100 {
		t.Errorf("only %d of %d waits differ", len(seen), n)
	}
}

// A thousand clients that lose their server together: what a server that comes
// back sees of them in the first second is a small part of the attempts of the
// first minute, and they do not come together.
func TestScheduleOfMany(t *testing.T) {
	const clients = 1000
	first, all := 0, 0
	var slots [20]int // of 50 ms
	for range clients {
		s := newWaits(fullJitter)
		for at := s.next(0); at < time.Minute; at += s.next(0) {
			all++
			if at < time.Second {
				first++
				slots[at/(50*time.Millisecond)]++
			}
		}
	}
	t.Logf("%d of %d attempts in the first second; per 50 ms: %v", first, all, slots)
	if 100*first > 30*all {
		t.Errorf("%d of %d attempts are in the first second", first, all)
	}
	if most := slices.Max(slots[:]); most > clients/2 {
		t.Errorf("%d clients come within 50 ms", most)
	}
}

// R7: a connection that is lost every 100 ms leads to 20 attempts or fewer in the
// first minute.
func TestScheduleFlapping(t *testing.T) {
	for range 1000 {
		s := newWaits(fullJitter)
		n := 1
		for at := 100*time.Millisecond + s.next(0); at < time.Minute; at += 100*time.Millisecond + s.next(0) {
			n++
		}
		if n > 20 {
			t.Errorf("R7: %d attempts in the first minute", n)
		}
	}
}
