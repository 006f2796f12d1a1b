package poll

import (
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// A callback that blocks costs its loop a millisecond or two, until another
// worker takes over. Where callbacks block as a rule, because they ask a database
// for instance, that would be the pace of all. So after a takeover the loop gives
// each callback a goroutine, and goes back to calling them itself when none has
// blocked for a while.

// calm is how long no callback may have blocked before a loop calls them itself
// again.
const calm = 100 * time.Millisecond

// lone are workers that have no loop, for one call of Ready each.
var lone = bufpool.Pool[*Worker]{New: func() *Worker { return new(Worker) }}

// alone calls d's source on a goroutine of its own.
func (l *loop) alone(d *Desc, what Events) {
	w := lone.Get()
	w.loop, w.full = l, false
	overdue := time.AfterFunc(tick, d.src.Overdue)
	d.src.Ready(w, what)
	if !overdue.Stop() {
		l.slow.Store(time.Now().UnixNano())
	}
	w.loop = nil
	lone.Put(w)
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
