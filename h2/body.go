package h2

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// body is the body of a request. Read and Close may be called at the same time.
type body struct {
	x       *exchange
	trailer http.Header // of the request, filled at the end

	eof    bool
	wait   atomic.Bool // the client waits for a 100
	closed atomic.Bool
	taken  atomic.Bool // the stream has another owner
}

// Read reads what the client sent. The client may send more when it was read.
func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.taken.Load():
		return 0, errHandover
	case b.closed.Load():
		return 0, http.ErrBodyReadAfterClose
	case b.eof:
		return 0, io.EOF
	}
	if b.wait.Load() {
		b.x.w.sendContinue()
	}
	n, err := b.x.s.Read(p)
	switch {
	case err == nil:
	case err == io.EOF:
		b.eof = true
		fillTrailer(b.trailer, b.x.s.Trailers(), &b.x.c.names)
	case b.taken.Load():
		err = errHandover
	case b.closed.Load():
		err = http.ErrBodyReadAfterClose
	}
	return n, err
}

// Close ends reading, and a Read that waits.
func (b *body) Close() error {
	if !b.taken.Load() && !b.closed.Swap(true) {
		b.x.s.SetReadDeadline(time.Unix(1, 0))
	}
	return nil
}

// over is called when the handler has returned: what is left of the body nobody
// may read any more.
func (b *body) over() { b.closed.Store(true) }
