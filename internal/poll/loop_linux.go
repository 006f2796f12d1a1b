package poll

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loop is an epoll instance, the descriptors in it, and the worker that has it
// at present.
type loop struct {
	p      *Poller
	id     int
	epfd   int
	waker  int             // an eventfd: a write to it ends a wait
	file   *os.File        // epfd, as Go's netpoller knows it
	raw    syscall.RawConn // of file
	worker atomic.Pointer[Worker]
	gone   chan struct{} // closed by a worker that Close found waiting

	table  atomic.Pointer[[]*chunk] // read without the lock
	parked atomic.Bool              // the worker waits, or is about to: Wake has to end it
	queued atomic.Bool              // there is something in ready
	spread atomic.Bool              // callbacks have blocked lately: each gets a goroutine
	slow   atomic.Int64             // when one did last, in nanoseconds since 1970

	mu     sync.Mutex // guards what follows, and writing to table
	closed bool
	gen    uint32   // of the last Desc that was added
	free   []uint32 // slots nobody uses
	ready  []item   // woken, from first on
	first  int
}

// chunk is a part of the table of descriptors. It stays where it is, so that a
// worker can look without a lock.
type chunk [chunkSize]atomic.Pointer[Desc]

const (
	chunkBits = 8
	chunkSize = 1 << chunkBits
)

// item names a Desc: stale once its slot has another, or none. The kernel keeps
// it as an event's data, as well.
type item struct{ slot, gen uint32 }

// noSlot is the slot of the eventfd.
const noSlot = 1<<32 - 1

func newLoop(p *Poller, id int) (*loop, error) {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("websocket: no poller; raise the limit of open files: %w", os.NewSyscallError("epoll_create1", err))
	}
	l := &loop{p: p, id: id, epfd: epfd, waker: -1, gone: make(chan struct{})}
	l.table.Store(new([]*chunk))
	if err := l.open(); err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("websocket: no poller; raise the limit of open files: %w", err)
	}
	return l, nil
}

// open makes the rest of the loop's files.
func (l *loop) open() (err error) {
	if l.waker, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		l.waker = -1
		return os.NewSyscallError("eventfd", err)
	}
	if err := l.control(syscall.EPOLL_CTL_ADD, l.waker, item{slot: noSlot}, 0); err != nil {
		return err
	}
	if err := syscall.SetNonblock(l.epfd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	l.file = os.NewFile(uintptr(l.epfd), "epoll")
	if err := l.file.SetReadDeadline(time.Time{}); err != nil {
		return err // not taken by Go's netpoller
	}
	l.raw, err = l.file.SyscallConn()
	return err
}

func (l *loop) closeFiles() {
	if l.file != nil {
		l.file.Close()
	} else {
		syscall.Close(l.epfd)
	}
	if l.waker >= 0 {
		syscall.Close(l.waker)
	}
}

// control registers fd, or changes that: for reading, and for more.
func (l *loop) control(op, fd int, it item, more uint32) error {
	ev := syscall.EpollEvent{
		Events: unix.EPOLLET | syscall.EPOLLIN | syscall.EPOLLRDHUP | more,
		Fd:     int32(it.slot),
		Pad:    int32(it.gen),
	}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.epfd, op, fd, &ev))
}

func (l *loop) add(d *Desc, fd int, src Source) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	if len(l.free) == 0 {
		l.grow()
	}
	it := item{slot: l.free[len(l.free)-1], gen: l.gen + 1}
	if it.gen == 0 {
		it.gen = 1
	}
	d.loop, d.src, d.fd, d.slot = l, src, int32(fd), it.slot
	d.gen.Store(it.gen)
	l.at(it.slot).Store(d)
	if err := l.control(syscall.EPOLL_CTL_ADD, fd, it, 0); err != nil {
		l.at(it.slot).Store(nil)
		d.gen.Store(0)
		d.loop, d.src, d.fd, d.slot = nil, nil, 0, 0
		return err
	}
	l.gen = it.gen
	l.free = l.free[:len(l.free)-1]
	return nil
}

// grow adds a chunk to the table.
func (l *loop) grow() {
	old := *l.table.Load()
	table := append(old[:len(old):len(old)], new(chunk))
	l.table.Store(&table)
	for i := chunkSize - 1; i >= 0; i-- {
		l.free = append(l.free, uint32(len(old)<<chunkBits+i))
	}
}

// at returns a slot of the table.
func (l *loop) at(slot uint32) *atomic.Pointer[Desc] {
	return &(*l.table.Load())[slot>>chunkBits][slot%chunkSize]
}

// lookup returns the Desc that it names, nil when that is gone.
func (l *loop) lookup(it item) *Desc {
	if it.slot == noSlot {
		return nil
	}
	if d := l.at(it.slot).Load(); d != nil && d.gen.Load() == it.gen {
		return d
	}
	return nil
}

// remove frees d's slot; with del, the kernel forgets d's descriptor. It
// reports whether d was there.
func (l *loop) remove(d *Desc, del bool) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.gen.Load() == 0 {
		return false, nil
	}
	d.gen.Store(0)
	l.at(d.slot).Store(nil)
	l.free = append(l.free, d.slot)
	if del && !l.closed {
		return true, os.NewSyscallError("epoll_ctl", syscall.EpollCtl(l.epfd, syscall.EPOLL_CTL_DEL, int(d.fd), nil))
	}
	return true, nil
}

// wake puts it on the list of those to be called.
func (l *loop) wake(it item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.ready = append(l.ready, it)
	l.queued.Store(true)
	// A worker first says that it waits and then looks at queued: one of the
	// two sees the other.
	if l.parked.Load() && l.parked.CompareAndSwap(true, false) {
		l.ring()
	}
}

// ring ends the worker's wait. l.mu is held, so that the eventfd is still open.
func (l *loop) ring() {
	// By edges, each write is an event: nobody has to read, and counting up by
	// one, 64 bits don't overflow.
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, err := syscall.Write(l.waker, one[:]); err != syscall.EINTR {
			return
		}
	}
}

// maxSpare is up to how many entries a list of woken keeps its memory, once it
// is empty.
const maxSpare = 64 << 10

// takeReady moves woken ones to events and returns their number.
func (l *loop) takeReady(events []syscall.EpollEvent) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(events), len(l.ready)-l.first)
	for i, it := range l.ready[l.first : l.first+n] {
		events[i] = syscall.EpollEvent{Fd: int32(it.slot), Pad: int32(it.gen)}
	}
	l.first += n
	switch {
	case l.first == len(l.ready):
		if cap(l.ready) > maxSpare {
			l.ready = nil
		}
		l.ready, l.first = l.ready[:0], 0
		l.queued.Store(false)
	case l.first > len(l.ready)/2: // under a storm it is never empty
		l.ready, l.first = l.ready[:copy(l.ready, l.ready[l.first:])], 0
	}
	return n
}

// close ends the loop: it waits for a worker that waits for events, and leaves
// one alone that is in a callback. No other worker takes over any more.
func (l *loop) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	w := l.worker.Load()
	word := w.word.Load()
	for !w.word.CompareAndSwap(word, word|retired) {
		word = w.word.Load()
	}
	if word&idle != 0 {
		l.ring()
		l.mu.Unlock()
		<-l.gone
		l.mu.Lock()
	}
	l.closeFiles()
}
