package maskkey_test

import (
	"sync"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/maskkey"
)

// H-C12: a million keys, each byte value as frequent as any other by a
// chi-square test with 255 degrees of freedom (p = 1e-6 at about 370).
func TestKeysAreEvenlySpread(t *testing.T) {
	const keys = 1_000_000
	var count [4][256]int
	for range keys {
		for i, b := range maskkey.New() {
			count[i][b]++
		}
	}
	const expected = keys / 256.0
	for i := range count {
		chi := 0.0
		for _, n := range count[i] {
			d := float64(n) - expected
			chi += d * d / expected
		}
		if chi > 370 || chi < 160 {
			t.Errorf("byte %d: chi-square %.1f, want about 255", i, chi)
		}
	}
}

// H-C12: no two goroutines are given the same bytes. Of 80,000 keys of 32 bits
// less than one pair is expected to be equal by chance; blocks given twice
// would make thousands.
func TestKeysAreNotGivenTwice(t *testing.T) {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		seen = map[frame.Mask]int{}
	)
	for range 8 {
		wg.Go(func() {
			keys := make([]frame.Mask, 10_000)
			for i := range keys {
				keys[i] = maskkey.New()
			}
			mu.Lock()
			defer mu.Unlock()
			for _, k := range keys {
				seen[k]++
			}
		})
	}
	wg.Wait()
	if twice := 80_000 - len(seen); twice > 20 {
		t.Errorf("%d keys of 80,000 were given twice", twice)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		maskkey.New()
	}
}
