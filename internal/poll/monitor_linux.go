package poll

import "time"

const (
	tick  = time.Millisecond
	quiet = 10 // ticks without any event, after which the monitor sleeps
)

// watch is the monitor's goroutine. A worker that is at the same event in two
// ticks running loses its loop. The monitor sleeps when nothing happens any
// more; the next worker that has an event rouses it.
func (p *Poller) watch() {
	defer close(p.gone)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := make([]uint64, len(p.loops))
	for still := 0; ; {
		select {
		case <-p.quit:
			return
		case <-ticker.C:
		}
		if p.look(last) {
			still = 0
			continue
		}
		if still++; still < quiet {
			continue
		}
		still = 0
		// A worker first says that it has an event and then looks whether the
		// monitor sleeps: one of the two sees the other.
		p.asleep.Store(true)
		if p.look(last) {
			p.asleep.Store(false)
			continue
		}
		ticker.Stop()
		select {
		case <-p.quit:
			return
		case <-p.rouse:
		}
		ticker.Reset(tick)
	}
}

// look compares what the workers are at with last, and reports whether there is
// anything to watch.
func (p *Poller) look(last []uint64) (busy bool) {
	busy = p.judge()
	for i, l := range p.loops {
		l.calmDown()
		w := l.worker.Load()
		word := w.word.Load()
		switch {
		case word != last[i]:
			last[i], busy = word, true
		case word&idle == 0:
			busy = true
			p.takeOver(l, w, word)
		}
	}
	return busy
}

// takeOver gives l to another worker, if w is still where word says.
func (p *Poller) takeOver(l *loop, w *Worker, word uint64) {
	p.mu.Lock()
	if p.closed || !w.word.CompareAndSwap(word, word|retired) {
		p.mu.Unlock()
		return
	}
	// From now on w does not touch its events, and is not used for anything
	// else before it has got the lock.
	n := p.newWorker(l)
	n.own = word&^(turn-1) + turn | idle
	n.n = copy(n.events[:], w.events[index(word)+1:w.n])
	n.next = 0
	n.word.Store(n.own)
	l.worker.Store(n)
	p.suspects = append(p.suspects, suspect{l, w, word | retired, patient})
	ev := w.events[index(word)]
	p.mu.Unlock()
	go n.run()
	if d := l.lookup(item{uint32(ev.Fd), uint32(ev.Pad)}); d != nil {
		d.src.Overdue()
	}
}

// newWorker returns a worker for l, one that has retired before if there is
// any. p.mu is held, but for the first ones.
func (p *Poller) newWorker(l *loop) *Worker {
	var w *Worker
	if n := len(p.spare); n > 0 {
		w = p.spare[n-1]
		p.spare = p.spare[:n-1]
	} else {
		w = new(Worker)
		w.fetch = w.fetchOnce
	}
	w.loop = l
	w.next, w.n, w.fromReady, w.spent = 0, 0, false, 0
	w.full = false
	w.over.Store(false)
	w.own = idle
	w.word.Store(idle)
	return w
}

// keep keeps a retired worker for newWorker, as long as there are few.
func (p *Poller) keep(w *Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && len(p.spare) < len(p.loops) {
		p.spare = append(p.spare, w)
	}
}

// wakeMonitor ends the monitor's sleep.
func (p *Poller) wakeMonitor() {
	if p.asleep.CompareAndSwap(true, false) {
		select {
		case p.rouse <- struct{}{}:
		default: // one that the monitor has not taken yet will do
		}
	}
}
