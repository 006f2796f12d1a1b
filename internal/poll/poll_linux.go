package poll

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// defaultBuffer is Options.Buffer when it is 0.
const defaultBuffer = 256 << 10

var errUsed = errors.New("websocket: poll: a Desc is added once: use a new one")

// Poller watches over descriptors. Its methods may be called from any
// goroutine.
type Poller struct {
	loops  []*loop
	next   atomic.Uint32 // the loop of the next Desc, modulo their number
	buffer int           // the size of a worker's buffer
	lone   sync.Pool     // of *lone

	suspects []suspect // the monitor's own

	mu     sync.Mutex // guards closed, spare, and who a loop's worker is
	closed bool
	spare  []*Worker // retired workers, to be used again

	asleep atomic.Bool   // the monitor sleeps: rouse it
	rouse  chan struct{} // holds one
	quit   chan struct{} // closed by Close
	gone   chan struct{} // closed by the monitor
}

// New starts a poller. It fails when the system has no descriptors left for
// it, two for each worker, and leaves nothing behind then. A nil o is a zero
// one.
func New(o *Options) (*Poller, error) {
	if o == nil {
		o = new(Options)
	}
	workers, buffer := o.Workers, o.Buffer
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if buffer <= 0 {
		buffer = defaultBuffer
	}
	p := &Poller{
		buffer: buffer,
		rouse:  make(chan struct{}, 1),
		quit:   make(chan struct{}),
		gone:   make(chan struct{}),
	}
	for i := range workers {
		l, err := newLoop(p, i)
		if err != nil {
			for _, l := range p.loops {
				l.closeFiles()
			}
			return nil, err
		}
		p.loops = append(p.loops, l)
	}
	for _, l := range p.loops {
		w := p.newWorker(l)
		l.worker.Store(w)
		go w.run()
	}
	go p.watch()
	return p, nil
}

// Add takes fd, makes it nonblocking, and has src.Ready called, from now on, by
// one of the loops: they take turns. Ready may be called before Add returns, and
// is called for what came before.
// When Add fails, fd stays the caller's, and d stays as it was.
//
// d lies inside of src, as a rule. It can be added once.
func (p *Poller) Add(d *Desc, fd int, src Source) error {
	if d.loop != nil {
		return errUsed
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	l := p.loops[int(p.next.Add(1)-1)%len(p.loops)]
	return l.add(d, fd, src)
}

// Close stops the loops. It waits until the workers that are not in a callback
// are gone; the others leave when their callback returns. Descriptors that are
// still there stay open, without events: their owners close them. Close may be
// called from Ready, and must not be from [Source.Overdue].
func (p *Poller) Close() {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.spare = nil
	p.mu.Unlock()
	if first {
		close(p.quit)
		for _, l := range p.loops {
			l.close()
		}
	}
	<-p.gone
}
