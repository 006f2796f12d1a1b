package client

import (
	"context"
	"sync"
)

// mailbox brings the events of one connection to its owner, in order. The zero
// value has no owner, and drops them.
//
// Events of one goroutine keep their order; what one goroutine emits after it
// knows that another one's emit has returned comes behind that. A change of the
// owner is no exception: when setOwner has returned, nothing more goes to the
// one before, and what waited for room there is the first to go to the next.
//
// emit waits while the owner's channel is full, and so is not called with the
// Conn's mu held. post does not wait: it is for what the owner's own goroutine may
// call, as Upgrade, and for Attempt and Up. Close hurries before it ends the
// sockets, Shutdown when their closing handshakes are over. close comes last,
// behind Down and GaveUp.
type mailbox struct {
	mu      sync.Mutex
	owner   *Owner        // nil: nobody is told
	changed chan struct{} // closed when those who wait should look again; nil: nobody waits
	queue   []Event       // to be told before anything else; drained by a goroutine
	drained bool          // that goroutine is there
	hurried bool          // nobody waits any more
	closed  bool          // no more events will come

	epoch   uint64        // counts owners
	blocked int           // goroutines that wait for room at the owner
	stale   int           // those that still wait at one before
	settled chan struct{} // closed when stale is 0; nil: nobody waits for it
}

// owned reports whether somebody is told of events.
func (m *mailbox) owned() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owner != nil
}

// emit tells the owner of ev. It waits while the owner's channel is full.
func (m *mailbox) emit(ev Event) {
	m.mu.Lock()
	if len(m.queue) > 0 || !m.owner.offer(ev) {
		if !m.closed {
			m.put(ev, false)
		}
		m.letGo()
	}
	m.mu.Unlock()
}

// post tells the owner of ev without waiting: when there is no room now, it is
// told as soon as there is, and before all that comes later.
func (m *mailbox) post(ev Event) {
	m.mu.Lock()
	if len(m.queue) > 0 || !m.owner.offer(ev) {
		if !m.closed {
			m.enqueue(ev)
		}
	}
	m.mu.Unlock()
}

// put is emit when there is no room, or something is to be told before. Of
// what is queued the first one is told with first. m.mu is held, and let go of
// while it waits.
func (m *mailbox) put(ev Event, first bool) {
	for {
		if m.hurried && !first {
			m.enqueue(ev)
			return
		}
		o := m.owner
		var room chan<- Event
		if first || len(m.queue) == 0 {
			if o.offer(ev) {
				return
			}
			room = o.c
		}
		epoch, changed := m.epoch, m.change()
		m.blocked++
		m.mu.Unlock()
		told := false
		select {
		case room <- ev:
			told = true
		case <-changed:
		}
		m.mu.Lock()
		m.unblock(epoch)
		if told {
			return
		}
	}
}

// unblock counts a goroutine that waits no more. m.mu is held.
func (m *mailbox) unblock(epoch uint64) {
	if epoch == m.epoch {
		m.blocked--
		return
	}
	if m.stale--; m.stale == 0 && m.settled != nil {
		close(m.settled)
		m.settled = nil
	}
}

// enqueue has ev told in its turn by a goroutine. m.mu is held.
func (m *mailbox) enqueue(ev Event) {
	if m.owner == nil {
		return
	}
	m.queue = append(m.queue, ev)
	if !m.drained {
		m.drained = true
		go m.drain()
	}
}

// drain tells the owner of what is queued. It ends when that was taken, or
// the owner has ended.
func (m *mailbox) drain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.queue) > 0 {
		m.put(m.queue[0], true)
		m.queue[0] = nil
		m.queue = m.queue[1:]
	}
	m.queue, m.drained = nil, false
	m.notify()
	m.letGo()
}

// setOwner has all that is to be told from now on told to o, nil for nobody. c
// is the connection that the mailbox is of; it is shut down when o has ended. A
// mailbox that is closed stays with the owner it has.
func (m *mailbox) setOwner(c owned, o *Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.owner == o {
		return
	}
	if !o.take(m, c) {
		go func() { _ = c.Shutdown(context.Background()) }()
		o = nil
	}
	m.owner.forget(m)
	m.move(o)
}

// leave is the end of owner o.
func (m *mailbox) leave(o *Owner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owner == o {
		m.move(nil)
	}
}

// move makes o the owner, and waits until nobody waits for room at the one
// before. m.mu is held, and let go of meanwhile.
func (m *mailbox) move(o *Owner) {
	m.owner = o
	m.epoch++
	m.stale += m.blocked
	m.blocked = 0
	m.notify()
	for m.stale > 0 {
		if m.settled == nil {
			m.settled = make(chan struct{})
		}
		settled := m.settled
		m.mu.Unlock()
		<-settled
		m.mu.Lock()
	}
}

// hurry ends all waiting, for good: what there is no room for is queued.
func (m *mailbox) hurry() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hurried = true
	m.notify()
}

// inHurry reports whether nothing waits any more.
func (m *mailbox) inHurry() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.hurried
}

// close says that all was told. When it was taken, the owner lets go of the
// connection.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hurried, m.closed = true, true
	m.notify()
	m.letGo()
}

// letGo has the owner forget a mailbox from which nothing more will come. m.mu
// is held.
func (m *mailbox) letGo() {
	if m.closed && !m.drained && m.blocked == 0 {
		m.owner.forget(m)
		m.owner = nil
	}
}

// change returns what is closed when those who wait should look again. m.mu is
// held.
func (m *mailbox) change() <-chan struct{} {
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.changed
}

// notify wakes all who wait. m.mu is held.
func (m *mailbox) notify() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}
