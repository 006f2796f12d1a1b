package server

import "sync/atomic"

// What there is to do for a session.
const (
	evRead   uint32 = 1 << iota // something came, or may be read again
	evHangUp                    // the peer has ended its direction: read to the end
	evWrite                     // the kernel takes more
	evInit                      // Init is to be called
	evInfo                      // values wait for Info
	evClose                     // a close frame was sent, or a write failed: look at the ending
	evDrain                     // Server.Shutdown: work through what came, then close
	evDrop                      // the end, now
	evRest                      // nothing came for a while: give back what is not needed
	evRelief                    // Relieved is to be called

	evRunning uint32 = 1 << 31
)

// turn is the right to run a session's callbacks, and what is to be done by
// whoever has it. What others find to do while somebody has it is left to them.
type turn struct{ v atomic.Uint32 }

// enter adds to what is to be done, and takes the turn if nobody has it.
func (t *turn) enter(ev uint32) bool {
	for {
		old := t.v.Load()
		if t.v.CompareAndSwap(old, old|ev|evRunning) {
			return old&evRunning == 0
		}
	}
}

// add adds to what is to be done, and reports whether somebody has the turn, who
// will see it.
func (t *turn) add(ev uint32) bool {
	return t.v.Or(ev)&evRunning != 0
}

// take returns what is to be done. The caller has the turn.
func (t *turn) take() uint32 { return t.v.Swap(evRunning) &^ evRunning }

// leave gives the turn back, unless there is more to do.
func (t *turn) leave() bool { return t.v.CompareAndSwap(evRunning, 0) }
