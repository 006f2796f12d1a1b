package h2

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// body is the body of a request. Read and Close may be called at the same time,
// and by whoever outlives the handler.
type body struct {
	x       *exchange
	trailer http.Header // of the request, filled at the end

	mu     sync.Mutex // held while reading
	eof    bool
	wait   atomic.Bool // the client waits for a 100
	closed atomic.Bool
	taken  atomic.Bool // the stream has another owner
}

// Read reads what the client sent. The client may send more when it was read.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.gone(); err != nil {
		return 0, err
	}
	if b.eof {
		return 0, io.EOF
	}
	if b.wait.Load() {
		b.x.w.sendContinue()
	}
	n, err := b.x.s.Read(p)
	if err == io.EOF {
		b.eof = true
		fillTrailer(b.trailer, b.x.s.Trailers(), &b.x.c.names)
	} else if err != nil {
		if gone := b.gone(); gone != nil {
			err = gone
		}
	}
	return n, err
}

// gone returns why nothing may be read any more.
func (b *body) gone() error {
	switch {
	case b.taken.Load():
		return errHandover
	case b.closed.Load():
		return http.ErrBodyReadAfterClose
	}
	return nil
}

// Close ends reading, and a Read that waits.
func (b *body) Close() error {
	if !b.taken.Load() && !b.closed.Swap(true) {
		b.x.s.SetReadDeadline(past)
	}
	return nil
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// leave waits until nobody reads, and nobody will: why is set.
func (b *body) leave(why *atomic.Bool) {
	why.Store(true)
	if !b.mu.TryLock() {
		b.x.s.SetReadDeadline(past)
		b.mu.Lock()
	}
	b.mu.Unlock()
}
