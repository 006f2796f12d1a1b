package client

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
)

// fake is a connection that has an owner.
type fake struct {
	mailbox
	downs int
	down  chan struct{} // closed by the first Shutdown
	over  chan struct{}
}

func newFake(o *Owner) *fake {
	f := &fake{down: make(chan struct{}), over: make(chan struct{})}
	f.setOwner(f, o)
	return f
}

func (f *fake) Shutdown(context.Context) error {
	if f.downs++; f.downs == 1 {
		close(f.down)
	}
	return nil
}

func (f *fake) Done() <-chan struct{} { return f.over }

// end is the end of the connection.
func (f *fake) end() {
	f.close()
	close(f.over)
}

func event(n int) Event { return Attempt{N: n} }

// taken receives so many events and returns their numbers.
func taken(o *Owner, count int) (ns []int) {
	for range count {
		ns = append(ns, (<-o.C).(Attempt).N)
	}
	return ns
}

func same(t *testing.T, got []int, want ...int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got the events %v, want %v", got, want)
	}
}

// waits starts f and reports whether it waits. done is closed when it has returned.
func waits(f func()) (waiting bool, done <-chan struct{}) {
	c := make(chan struct{})
	go func() { f(); close(c) }()
	synctest.Wait()
	select {
	case <-c:
		return false, c
	default:
		return true, c
	}
}

func TestNewOwnerCapacity(t *testing.T) {
	for give, want := range map[int]int{0: DefaultOwnerCapacity, -1: DefaultOwnerCapacity, 1: 1, 100: 100} {
		if got := cap(NewOwner(give).C); got != want {
			t.Errorf("NewOwner(%d) has room for %d events, want %d", give, got, want)
		}
	}
}

// S1.14: one channel has the events of all connections, in order; full means
// that who has more waits.
func TestMailboxWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOwner(2)
		a, b := newFake(o), newFake(o)
		a.emit(event(1))
		b.emit(event(2))
		waiting, done := waits(func() { a.emit(event(3)); a.emit(event(4)) })
		if !waiting {
			t.Error("emit did not wait while the channel was full")
		}
		same(t, taken(o, 4), 1, 2, 3, 4)
		<-done
	})
}

func TestMailboxNoOwner(t *testing.T) {
	var m mailbox
	m.emit(event(1))
	m.post(event(2))
	m.hurry()
	m.emit(event(3))
	m.close()
	if m.owned() || m.queue != nil {
		t.Error("a mailbox without an owner kept something")
	}
}

func TestMailboxPostNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOwner(1)
		f := newFake(o)
		f.post(event(1))
		f.post(event(2))
		f.post(event(3))
		waiting, done := waits(func() { f.emit(event(4)); f.post(event(5)) })
		if !waiting {
			t.Error("emit passed what was posted before it")
		}
		same(t, taken(o, 5), 1, 2, 3, 4, 5)
		<-done
		f.end()
		synctest.Wait()
		if len(o.mails) != 0 || f.drained {
			t.Error("something is left of a connection that is over")
		}
	})
}

func TestMailboxSetOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := NewOwner(1), NewOwner(3)
		f := newFake(a)
		f.emit(event(1))
		waiting, done := waits(func() { f.emit(event(2)); f.emit(event(3)) })
		if !waiting {
			t.Fatal("emit did not wait")
		}
		f.setOwner(f, b)
		<-done
		f.setOwner(f, b) // again: nothing
		if len(a.mails) != 0 || len(b.mails) != 1 {
			t.Errorf("the owners have %d and %d connections, want 0 and 1", len(a.mails), len(b.mails))
		}
		same(t, taken(a, 1), 1)
		same(t, taken(b, 2), 2, 3)
		f.setOwner(f, nil)
		f.emit(event(4))
		if len(a.C)+len(b.C) != 0 || f.owned() {
			t.Error("events were told to an owner that was taken away")
		}
	})
}

// What is queued follows to the next owner, in order.
func TestMailboxSetOwnerQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := NewOwner(1), NewOwner(1)
		f := newFake(a)
		for n := 1; n <= 4; n++ {
			f.post(event(n))
		}
		synctest.Wait()
		f.setOwner(f, b)
		same(t, taken(a, 1), 1)
		same(t, taken(b, 3), 2, 3, 4)
	})
}

// Close of a connection does not wait for its owner: what was not taken can still
// be, in order, also after the connection is over.
func TestMailboxHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOwner(1)
		f := newFake(o)
		f.emit(event(1))
		waiting, done := waits(func() { f.emit(event(2)) })
		if !waiting {
			t.Fatal("emit did not wait")
		}
		f.hurry()
		<-done
		f.emit(event(3))
		f.end()
		f.emit(event(4)) // too late: the connection is over
		f.post(event(5))
		f.setOwner(f, nil) // too late as well
		same(t, taken(o, 3), 1, 2, 3)
		synctest.Wait()
		if len(o.C) != 0 || len(o.mails) != 0 {
			t.Errorf("%d events and %d connections are left, want none", len(o.C), len(o.mails))
		}
	})
}

// close alone, without hurry before it.
func TestMailboxCloseWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOwner(1)
		f := newFake(o)
		f.emit(event(1))
		_, done := waits(func() { f.emit(event(2)) })
		f.end()
		<-done
		same(t, taken(o, 2), 1, 2)
		synctest.Wait()
		if len(o.mails) != 0 {
			t.Error("the owner kept a connection that is over")
		}
	})
}

func TestOwnerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewOwner(1)
		a, b, other := newFake(o), newFake(o), newFake(o)
		other.setOwner(other, nil)
		a.emit(event(1))
		b.post(event(2))
		_, done := waits(func() { a.emit(event(3)) })
		o.Close()
		o.Close()
		<-done // nothing waits for an owner that has ended
		a.emit(event(4))
		<-a.down
		<-b.down
		same(t, taken(o, 1), 1)
		synctest.Wait()
		select {
		case ev := <-o.C:
			t.Errorf("C gave %v before the connections were over", ev)
		case <-o.Done():
			t.Error("Done was closed before the connections were over")
		default:
		}
		a.end()
		b.end()
		if ev, ok := <-o.C; ok {
			t.Errorf("C gave %v after Close", ev)
		}
		<-o.Done()
		late := newFake(o)
		<-late.down
		late.emit(event(5))
		synctest.Wait()
		if other.downs != 0 || a.downs != 1 || late.owned() {
			t.Error("the wrong connections were shut down")
		}
	})
}

func TestOwnerCloseAlone(t *testing.T) {
	o := NewOwner(0)
	f := newFake(o)
	f.end()
	o.Close()
	<-o.Done()
	if _, ok := <-o.C; ok {
		t.Error("C gave an event")
	}
}

// Owners change while many goroutines tell them of things: nothing is lost or
// told twice, and each goroutine's events are in order over all owners.
func TestMailboxStress(t *testing.T) {
	const senders, each, moves = 8, 500, 200
	f := newFake(nil)
	var received, readers, sending sync.WaitGroup
	received.Add(senders * each)
	var owners []*Owner
	logs := make([][]Attempt, moves+1)
	for i := range logs {
		o := NewOwner(3)
		owners = append(owners, o)
		readers.Go(func() {
			for ev := range o.C {
				logs[i] = append(logs[i], ev.(Attempt))
				received.Done()
			}
		})
	}
	f.setOwner(f, owners[0])
	for s := range senders {
		sending.Go(func() {
			for n := 1; n <= each; n++ {
				if n%50 == 0 {
					f.post(Attempt{N: n, Left: s})
				} else {
					f.emit(Attempt{N: n, Left: s})
				}
			}
		})
	}
	for _, o := range owners[1:] {
		f.setOwner(f, o)
	}
	sending.Wait()
	received.Wait()
	f.end()
	for _, o := range owners {
		o.Close()
		<-o.Done()
	}
	readers.Wait()
	var last [senders]int
	for i, log := range logs {
		for _, ev := range log {
			if ev.N != last[ev.Left]+1 {
				t.Fatalf("owner %d: event %d of sender %d came behind %d", i, ev.N, ev.Left, last[ev.Left])
			}
			last[ev.Left] = ev.N
		}
	}
	for s, n := range last {
		if n != each {
			t.Errorf("sender %d: %d events came, want %d", s, n, each)
		}
	}
}
