// Package maskkey makes masking-keys. RFC 6455, section 5.3 wants each to come
// from a strong source of entropy; one system call for each would cost more
// than the frame, so randomness is read in blocks of 4 KiB.
package maskkey

import (
	"crypto/rand"
	"sync"

	"github.com/lariat-go/websocket/frame"
)

const blockSize = 4096

type block struct {
	buf [blockSize]byte
	off int
}

// A goroutine holds a block alone while it takes a key, so keys are never
// given twice and no lock is shared.
var blocks = sync.Pool{New: func() any { return &block{off: blockSize} }}

// New returns a fresh, unpredictable masking-key. Any number of goroutines may
// call it.
func New() frame.Mask {
	b := blocks.Get().(*block)
	if b.off == blockSize {
		rand.Read(b.buf[:]) // never fails: crypto/rand ends the program instead
		b.off = 0
	}
	key := frame.Mask(b.buf[b.off : b.off+4])
	clear(b.buf[b.off : b.off+4])
	b.off += 4
	blocks.Put(b)
	return key
}
