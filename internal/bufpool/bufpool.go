// Package bufpool lends memory for a moment: byte slices by size, and typed
// pools for the state of codecs. The pure packages borrow through it, so that
// they need no locks of their own.
package bufpool

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	minBits = 9  // 512 B, the smallest slice kept
	maxBits = 20 // 1 MiB, the largest
)

// The pools hold pointers to the first byte of an array whose length the class
// gives, so that Put needs no slice header on the heap.
var (
	classes     [maxBits - minBits + 1]sync.Pool
	outstanding atomic.Int64
)

// class returns the index of the smallest class that holds n bytes.
func class(n int) int {
	if n <= 1<<minBits {
		return 0
	}
	return bits.Len(uint(n-1)) - minBits
}

// Get returns a slice of length n whose contents are arbitrary. Its capacity
// is the power of two above n; more than 1 MiB is allocated as asked and not
// kept.
func Get(n int) []byte {
	outstanding.Add(1)
	c := class(n)
	if c >= len(classes) {
		return make([]byte, n)
	}
	if p, ok := classes[c].Get().(*byte); ok {
		return unsafe.Slice(p, 1<<(c+minBits))[:n]
	}
	return make([]byte, n, 1<<(c+minBits))
}

// Put gives b back. b must come from [Get], must not have been appended past
// its capacity, and must not be used afterwards. Nil is not minded.
func Put(b []byte) {
	if cap(b) == 0 {
		return
	}
	outstanding.Add(-1)
	c := class(cap(b))
	if c >= len(classes) || cap(b) != 1<<(c+minBits) {
		return
	}
	Poison(b[:cap(b)])
	classes[c].Put(unsafe.SliceData(b))
}

// Leave leaves b to the garbage collector, because somebody may still look at
// it.
func Leave(b []byte) {
	if cap(b) > 0 {
		outstanding.Add(-1)
	}
}

// Grow returns a slice with the contents of b and room for n more bytes. Where
// b was too small it is given back.
func Grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	g := Get(max(len(b)+n, 2*cap(b)))[:len(b)]
	copy(g, b)
	if cap(b) > 0 {
		Put(b)
	}
	return g
}

// Outstanding returns how many slices are lent at the moment. Tests use it to
// see that everything came back.
func Outstanding() int64 { return outstanding.Load() }

// Pool is a [sync.Pool] of one type. The zero value needs New to be set before
// the first Get.
type Pool[T any] struct {
	New  func() T
	pool sync.Pool
}

// Get returns a value that was put back, or a new one.
func (p *Pool[T]) Get() T {
	if v, ok := p.pool.Get().(T); ok {
		return v
	}
	return p.New()
}

// Put gives v back; T should be a pointer. v must not be used afterwards.
func (p *Pool[T]) Put(v T) { p.pool.Put(v) }
