package poll

import (
	"sync/atomic"
	"time"
)

// A callback that blocks costs its loop a millisecond or two, until another
// worker takes over. Where callbacks block as a rule, because they ask a database
// for instance, that would be the pace of all. So after a takeover the loop gives
// each callback a goroutine, and goes back to calling them itself when none has
// blocked for a while.

// calm is how long no callback may have blocked before a loop calls them itself
// again.
const calm = 100 * time.Millisecond

// lone is a worker for one call of Ready on a goroutine of its own. It is used
// again by the same poller.
type lone struct {
	w       Worker
	d       *Desc
	what    Events
	src     atomic.Pointer[Source] // to be told that it is overdue; nil when it is over
	overdue *time.Timer
	call    func() // made once, so that a call allocates nothing
}

// alone calls d's source on a goroutine of its own.
func (l *loop) alone(d *Desc, what Events) {
	a, ok := l.p.lone.Get().(*lone)
	if !ok {
		a = new(lone)
		a.call = a.run
		a.overdue = time.AfterFunc(tick, a.tell)
		a.overdue.Stop()
	}
	a.w.loop, a.w.full, a.d, a.what = l, false, d, what
	go a.call()
}

func (a *lone) run() {
	l := a.w.loop
	a.src.Store(&a.d.src)
	a.overdue.Reset(tick)
	begun := time.Now()
	a.d.src.Ready(&a.w, a.what)
	a.src.Store(nil)
	a.overdue.Stop()
	if now := time.Now(); now.Sub(begun) > patient*tick {
		l.slow.Store(now.UnixNano())
	}
	a.w.loop, a.d = nil, nil
	l.p.lone.Put(a)
}

// tell is called when the callback takes long.
func (a *lone) tell() {
	if src := a.src.Load(); src != nil {
		(*src).Overdue()
	}
}

// patient is how many ticks more than a takeover takes a callback may last before
// it counts as one that blocks: others only compute.
const patient = 3

// suspect is a worker that was replaced.
type suspect struct {
	l     *loop
	w     *Worker
	word  uint64 // the worker's, as long as it is in the same callback, or over
	ticks int    // to go
}

// judge looks which of those that were replaced still have not returned. It
// reports whether there are any.
func (p *Poller) judge() bool {
	rest := p.suspects[:0]
	for _, s := range p.suspects {
		if s.w.word.Load() != s.word || s.w.over.Load() {
			continue // it was not blocked
		}
		if s.ticks--; s.ticks <= 0 {
			s.l.blocked()
			continue
		}
		rest = append(rest, s)
	}
	clear(p.suspects[len(rest):])
	p.suspects = rest
	return len(rest) > 0
}

// blocked notes that a callback of the loop has blocked.
func (l *loop) blocked() {
	l.slow.Store(time.Now().UnixNano())
	l.spread.Store(true)
}

// calmDown has the loop call callbacks itself when none has blocked for a while.
func (l *loop) calmDown() {
	if l.spread.Load() && time.Now().UnixNano()-l.slow.Load() > int64(calm) {
		l.spread.Store(false)
	}
}
