package websocket

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// queue is who waits for room on one of a server's connections: for the end of
// another stream, or for the server to allow more of them. Only the first one
// tries; the others follow when it has left.
type queue struct {
	waiting atomic.Int32 // len(places)
	mu      sync.Mutex   // taken with others held, and none under it
	places  []*place
}

// place is somebody's in a queue. A nil one is that of somebody new.
type place struct {
	q    *queue
	wake chan struct{}
}

// join takes the last place. Who takes the first one looks once more: there may
// be room since it looked last.
func (q *queue) join() *place {
	p := &place{q: q, wake: make(chan struct{}, 1)}
	q.mu.Lock()
	q.places = append(q.places, p)
	q.waiting.Store(int32(len(q.places)))
	q.mu.Unlock()
	q.tell()
	return p
}

// leave gives the place up. The next one tries.
func (p *place) leave() {
	p.q.mu.Lock()
	p.q.places = slices.DeleteFunc(p.q.places, func(o *place) bool { return o == p })
	p.q.waiting.Store(int32(len(p.q.places)))
	p.q.mu.Unlock()
	p.q.tell()
}

// first reports whether it is p's turn.
func (p *place) first(q *queue) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.places) == 0 || q.places[0] == p
}

// await waits until p should look again, as long as ctx lives.
func (p *place) await(ctx context.Context) error {
	select {
	case <-p.wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (q *queue) empty() bool { return q.waiting.Load() == 0 }

// tell has the first one look again. It never waits.
func (q *queue) tell() {
	if q.empty() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.places) > 0 {
		select {
		case q.places[0].wake <- struct{}{}:
		default:
		}
	}
}
