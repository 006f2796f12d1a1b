package roundtrip

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/lariat-go/websocket/internal/h2http"
)

// body is the body of a response. Reading lets the server send as much more.
type body struct {
	x *exchange

	mu  sync.Mutex
	err error // of all further reads; io.EOF at the end
}

// ErrBodyClosed: a body was read after it was closed.
var ErrBodyClosed = errors.New("websocket: read of a response's body after Close")

// Read returns io.EOF at the end, when the trailers are in the response.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	err := b.err
	b.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := b.x.s.Read(p)
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		b.takeTrailers()
	} else {
		err = b.x.why(err)
	}
	return n, b.end(err)
}

// end says how the body ended, unless that is known already, and returns it.
func (b *body) end(err error) error {
	b.mu.Lock()
	first := b.err == nil
	if first {
		b.err = err
	}
	last := b.err
	b.mu.Unlock()
	if first {
		if err == io.EOF {
			err = nil
		}
		b.x.finish(err)
	}
	return last
}

func (b *body) takeTrailers() {
	res := &b.x.res
	for name, values := range b.x.s.Trailers() {
		if !h2http.ValidTrailer(name) {
			continue
		}
		if res.Trailer == nil {
			res.Trailer = make(http.Header)
		}
		res.Trailer[name] = values
	}
}

// Close gives up what was not read: the stream is aborted.
func (b *body) Close() error {
	b.end(ErrBodyClosed)
	return nil
}
