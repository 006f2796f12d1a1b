package client

import (
	"context"
	"sync"
)

// Owner receives the events and messages of any number of connections, all of
// them in order, by one channel. It is the mailbox of a process that owns
// connections.
//
// The channel is bounded. While it is full, the connections wait: sockets are
// not read, so that their peers are slowed down in the end, and a connection
// that was lost is not made again before its Down was taken. So an owner has to
// receive until the channel is closed. It may call any method of the
// connections in between. A call that waits for a connection which is to be made
// again, as AwaitUp does, is better made by another goroutine: its Down may need
// room in the channel.
//
// What is told by calls of the owner's own, as Upgraded and the Response of an
// upgrade that was refused, does not wait for room: it is kept until there is
// some.
type Owner struct {
	// C has the events. It is closed when the owner has ended, by Close, and
	// all its connections are over.
	C <-chan Event

	c    chan Event
	done chan struct{}

	mu    sync.Mutex // taken with that of a mailbox held, never the other way round
	ended bool
	mails map[*mailbox]owned
}

// owned is a connection as its owner sees it: [*Conn].
type owned interface {
	Shutdown(ctx context.Context) error
	Done() <-chan struct{}
}

// NewOwner returns an owner whose channel has room for so many events. 0, and
// a negative number too, means DefaultOwnerCapacity. Give it to connections in
// [Options] or by [Conn.SetOwner].
func NewOwner(capacity int) *Owner {
	if capacity <= 0 {
		capacity = DefaultOwnerCapacity
	}
	c := make(chan Event, capacity)
	return &Owner{C: c, c: c, done: make(chan struct{}), mails: make(map[*mailbox]owned)}
}

// Close is the end of the owner. When it has returned, nothing more is put into
// C: what was in it can still be received, and what comes is dropped. All
// connections that the owner has at this time are shut down in the background,
// as by [Conn.Shutdown]: their peers see 1001. When they are over, C and Done
// are closed. A connection that is given to it later is shut down at once.
//
// Close does not wait for the shutdown. It may be called by any goroutine, and
// more than once.
func (o *Owner) Close() {
	o.mu.Lock()
	if o.ended {
		o.mu.Unlock()
		return
	}
	o.ended = true
	mails := o.mails
	o.mails = nil
	o.mu.Unlock()
	for m := range mails {
		m.leave(o)
	}
	if len(mails) == 0 {
		o.over()
		return
	}
	go func() {
		var wg sync.WaitGroup
		for _, c := range mails {
			wg.Go(func() {
				_ = c.Shutdown(context.Background())
				<-c.Done()
			})
		}
		wg.Wait()
		o.over()
	}()
}

// Done is closed when Close was called and all connections are over.
func (o *Owner) Done() <-chan struct{} { return o.done }

func (o *Owner) over() {
	close(o.c)
	close(o.done)
}

// take makes m one of the owner's, unless that has ended.
func (o *Owner) take(m *mailbox, c owned) bool {
	if o == nil {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	o.mails[m] = c
	return true
}

// forget lets go of m.
func (o *Owner) forget(m *mailbox) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.mails, m)
}

// offer puts ev into the channel if there is room. The caller holds the mutex
// of the mailbox that o is the owner of; no owner wants nothing.
func (o *Owner) offer(ev Event) bool {
	if o == nil {
		return true
	}
	select {
	case o.c <- ev:
		return true
	default:
		return false
	}
}
