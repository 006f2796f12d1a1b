package h2

import (
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

const (
	mostIdle = 1024        // goroutines that are kept
	restTime = time.Second // for which one that nobody needs is kept, at least
)

// crew runs handlers, each in a goroutine of its own. One that has run a handler
// is kept for a moment: the stack of a new one would have to grow.
type crew struct {
	mu    sync.Mutex
	conns int          // connections there are
	idle  []chan<- job // who waits for a job, the latest last
	low   int          // how many nobody needed since the last look
	look  *time.Timer
}

// job is a request to be answered; the zero one ends a goroutine.
type job struct {
	c   *conn
	s   *h2conn.Stream
	h   *h2.Head
	end bool
}

// run has somebody answer a request.
func (k *crew) run(j job) {
	k.mu.Lock()
	n := len(k.idle) - 1
	if n < 0 {
		k.mu.Unlock()
		go k.work(j)
		return
	}
	jobs := k.idle[n]
	k.idle[n] = nil
	k.idle = k.idle[:n]
	k.low = min(k.low, n)
	k.mu.Unlock()
	jobs <- j
}

// work answers requests until nobody needs it any more.
func (k *crew) work(j job) {
	var jobs chan job
	for {
		j.c.handle(j.s, j.h, j.end)
		if jobs == nil {
			jobs = make(chan job, 1)
		}
		if !k.rest(jobs) {
			return
		}
		if j = <-jobs; j.c == nil {
			return
		}
	}
}

// rest takes one who waits for jobs in, if he may wait.
func (k *crew) rest(jobs chan<- job) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conns == 0 || len(k.idle) >= mostIdle {
		return false
	}
	k.idle = append(k.idle, jobs)
	if k.look == nil {
		k.low = 0
		k.look = time.AfterFunc(restTime, k.dismiss)
	}
	return true
}

// dismiss ends those whom nobody needed since the last look.
func (k *crew) dismiss() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.end(k.low)
	k.low = len(k.idle)
	if k.look == nil {
		return
	}
	if len(k.idle) == 0 {
		k.look = nil
		return
	}
	k.look.Reset(restTime)
}

// end ends n of those who wait, the longest first. k.mu is held.
func (k *crew) end(n int) {
	for _, jobs := range k.idle[:n] {
		jobs <- job{}
	}
	left := copy(k.idle, k.idle[n:])
	clear(k.idle[left:])
	k.idle = k.idle[:left]
}

// begin is called for every connection, and over when it has ended: nobody waits
// when there is none.
func (k *crew) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conns++
}

func (k *crew) over() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conns--; k.conns > 0 {
		return
	}
	k.end(len(k.idle))
	k.low = 0
	if k.look != nil {
		k.look.Stop()
		k.look = nil
	}
}
