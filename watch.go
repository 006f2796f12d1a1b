package websocket

import (
	"context"
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/stream"
)

// watch ties one direction of the transport to a context: when the context
// ends, it sets a deadline that has passed. The tie is kept as long as calls
// come with the same context, so that they cost nothing. The zero value is tied
// to nothing.
type watch struct{ *tie }

type tie struct {
	done <-chan struct{}
	stop func() bool

	mu   sync.Mutex // held while the deadline is set
	over bool       // it is not to be set any more
}

// The two directions of a transport.
const (
	reads  direction = "read"
	writes direction = "write"
)

type direction string

func (d direction) setDeadline(s stream.Transport, t time.Time) {
	if d == writes {
		s.SetWriteDeadline(t)
	} else {
		s.SetReadDeadline(t)
	}
}

// set ties the direction to ctx. It returns an error when ctx has ended
// already.
func (w *watch) set(ctx context.Context, s stream.Transport, d direction) error {
	done := ctx.Done()
	if w.tie == nil && done == nil {
		return nil
	}
	if w.tie == nil || w.done != done {
		w.clear(s, d)
		if done == nil {
			return nil
		}
		t := &tie{done: done}
		t.stop = context.AfterFunc(ctx, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if !t.over {
				d.setDeadline(s, past)
			}
		})
		w.tie = t
	}
	select {
	case <-done:
		return stream.ContextError(ctx, string(d))
	default:
		return nil
	}
}

// clear unties the direction. When the context had ended, its deadline is
// taken back; from then on it is not set any more, so that the next operation is
// not disturbed by it.
func (w *watch) clear(s stream.Transport, d direction) {
	if w.tie == nil {
		return
	}
	if !w.stop() {
		w.mu.Lock()
		w.over = true
		w.mu.Unlock()
		d.setDeadline(s, time.Time{})
	}
	w.tie = nil
}
