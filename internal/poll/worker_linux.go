package poll

import (
	"runtime"
	"sync/atomic"
	"syscall"
)

// batch is how many events a worker fetches at a time.
const batch = 256

// Worker is a goroutine that calls sources. It is given to [Source.Ready].
type Worker struct {
	loop *loop
	buf  []byte
	full bool // the next buf is of full size

	// word says what the worker does: a count of what it has done in the upper
	// bits, then the index of the event it is at, then flags. The worker
	// changes it for each event, from own, what it was last; anybody may
	// retire the worker by setting a flag, and then its next change fails.
	word atomic.Uint64
	own  uint64

	over      atomic.Bool // it was retired, and has returned
	next, n   int         // of events: the next one, and how many there are
	fromReady bool        // the last ones came from the list of woken
	spent     int         // events since the last wait
	fetch     func(fd uintptr) bool
	events    [batch]syscall.EpollEvent
}

const (
	retired   = 1 << 0 // another worker has the loop, or it is closed
	idle      = 1 << 1 // not in a callback
	indexBits = 16
	flagBits  = 2
	turn      = 1 << (indexBits + flagBits)
)

// index returns the index of the event that a word is about.
func index(word uint64) int { return int(word>>flagBits) & (1<<indexBits - 1) }

// smallBuffer is the size, in bytes, of a worker's first buffer. Each callback
// that blocks keeps one. A TLS record, which holds 16 KiB, does not fill it: a
// larger one would be of no use there.
const smallBuffer = 20 << 10

// Buffer returns memory of the worker's for the time of one call of Ready: 20 KiB,
// and as much as [Options] say after [Worker.Filled]. Its content is anything.
func (w *Worker) Buffer() []byte {
	if w.buf == nil {
		n := w.loop.p.buffer
		if !w.full {
			n = min(n, smallBuffer)
		}
		w.buf = make([]byte, n)
	}
	return w.buf
}

// Filled tells that a Read has filled the buffer, so that a larger one is worth
// while. The one of before stays the caller's until Ready returns.
func (w *Worker) Filled() {
	if len(w.buf) < w.loop.p.buffer {
		w.buf, w.full = nil, true
	}
}

// run is the worker's goroutine. When a callback ends it by runtime.Goexit,
// another one goes on with the next event.
func (w *Worker) run() {
	over := false
	defer func() {
		if !over {
			go w.run()
		}
	}()
	w.work()
	over = true
	w.leave()
}

// work fetches events and calls their sources until the worker is retired.
func (w *Worker) work() {
	l := w.loop
	for {
		for w.next < w.n {
			ev := &w.events[w.next]
			i := w.next
			w.next++
			d := l.lookup(item{uint32(ev.Fd), uint32(ev.Pad)})
			if d == nil {
				continue
			}
			if !w.mark(uint64(i) << flagBits) {
				return
			}
			if l.p.asleep.Load() {
				l.p.wakeMonitor()
			}
			what := events(ev.Events)
			if ev.Events == 0 {
				d.state.And(^uint32(woken))
				what = Woken
			}
			if l.spread.Load() {
				l.alone(d, what)
			} else {
				d.src.Ready(w, what)
			}
		}
		if !w.mark(idle) {
			return
		}
		w.fill()
	}
}

// mark changes the worker's word and reports whether it was still in office.
func (w *Worker) mark(low uint64) bool {
	next := w.own&^(turn-1) + turn | low
	if !w.word.CompareAndSwap(w.own, next) {
		return false
	}
	w.own = next
	return true
}

// events translates what the kernel says.
func events(e uint32) (ev Events) {
	if e&syscall.EPOLLIN != 0 {
		ev = Readable
	}
	if e&syscall.EPOLLOUT != 0 {
		ev |= Writable
	}
	if e&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		ev |= HangUp
	}
	return ev
}

// fill waits until there are events, or something else to look at.
func (w *Worker) fill() {
	l := w.loop
	w.spent += w.n
	w.next, w.n = 0, 0
	if w.spent >= batch {
		w.spent = 0
		runtime.Gosched()
	}
	if l.queued.Load() && !w.fromReady {
		w.fromReady = true
		w.n = l.takeReady(w.events[:])
		return
	}
	w.fromReady = false
	err := l.raw.Read(w.fetch)
	if l.parked.Load() {
		l.parked.Store(false)
	}
	if err != nil {
		panic("websocket: poll: " + err.Error())
	}
}

// fetchOnce fetches events and reports whether the wait is over. If not, Go's
// netpoller waits on, and tells of everything that has come since raw.Read
// began.
func (w *Worker) fetchOnce(uintptr) bool {
	l := w.loop
	n, err := syscall.EpollWait(l.epfd, w.events[:], 0)
	for err == syscall.EINTR {
		n, err = syscall.EpollWait(l.epfd, w.events[:], 0)
	}
	if err != nil {
		panic("websocket: poll: epoll_wait: " + err.Error()) // somebody has closed a descriptor of ours
	}
	if n > 0 {
		w.n = n
		return true
	}
	w.spent = 0
	l.parked.Store(true)
	return l.queued.Load()
}

// leave is the end of a worker that was retired.
func (w *Worker) leave() {
	w.over.Store(true)
	if w.own&idle == 0 {
		w.loop.p.keep(w)
		return
	}
	close(w.loop.gone) // Close found it idle, and waits
}
