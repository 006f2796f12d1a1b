package poll

import (
	"errors"
	"net"
)

// Events is a set of reasons for a call of [Source.Ready].
type Events uint8

const (
	Readable Events = 1 << iota // a Read gives something: bytes, the end or an error
	Writable                    // the kernel takes bytes again
	HangUp                      // the peer has stopped sending, or the connection is broken: read until the end
	Woken                       // somebody called Wake
)

// Source is the owner of a [Desc].
type Source interface {
	// Ready is called by a worker when something has happened. Calls for one
	// source follow each other, except that a call may begin while an earlier
	// one still runs on a worker that was replaced: the source serializes
	// them. The worker is the source's until Ready returns, and no longer.
	// Ready may be called for no reason, and once more right after Close.
	Ready(w *Worker, ev Events)

	// Overdue is called by the monitor, once per call of Ready, when that
	// call has kept its worker for longer than a millisecond and another
	// worker has taken its place; the call may be over by now. Overdue must
	// not block: the monitor watches over all loops. What counts is time on the
	// clock: on a machine that has too much to do, it may mean nothing.
	Overdue()
}

// Options are the settings of a [Poller].
type Options struct {
	// Workers is the number of loops, and of goroutines that wait for events.
	// 0: GOMAXPROCS.
	Workers int

	// Buffer is the size, in bytes, that [Worker.Buffer] has at most, once a
	// Read has filled a smaller one. 0: 256 KiB.
	Buffer int
}

var (
	// ErrUnsupported is the error of [New] on systems that have no epoll.
	ErrUnsupported = errors.New("websocket: no poller on this system: serve each connection by a goroutine")

	// ErrAgain is the error of a Read that finds nothing: an event will tell
	// when to try again. It is a [net.Error], temporary and a timeout, since
	// crypto/tls keeps its state only over a temporary error.
	ErrAgain error = again{}

	// errClosed is what a Desc or Poller gives that is closed, or was never
	// opened.
	errClosed error = closed{}
)

// again is the type of ErrAgain.
type again struct{}

func (again) Error() string   { return "websocket: nothing to read yet: wait for an event" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// closed is the type of errClosed.
type closed struct{}

func (closed) Error() string        { return "websocket: poll: closed: open another" }
func (closed) Is(target error) bool { return target == net.ErrClosed }
