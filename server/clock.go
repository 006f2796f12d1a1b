package server

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// clock wakes the sessions of a server at their times: one timer for all of
// them, and a wheel of slots in which they wait.
type clock struct {
	start time.Time

	mu    sync.Mutex
	timer *time.Timer
	next  int64 // when the timer fires, in slots; 0: it does not
	done  int64 // the slot that was looked at last
	used  [numSlots / 64]uint64
	slots [numSlots]*Session
}

const (
	numSlots = 512
	slotTime = 8 // milliseconds
)

// timing is a session's place in the clock.
type timing struct {
	next, prev *Session // guarded by clock.mu
	slot       int64    // 0: none; guarded by clock.mu
	tick       int64    // when the next tenth of the idle timeout is over; guarded by Session.mu
	silent     int32    // milliseconds, at the last tick
	pinged     bool     // since something came
	slept      bool     // hibernated since something came
	idle       bool     // counted as such
}

// now returns milliseconds.
func (c *clock) now() int64 { return int64(time.Since(c.start)/time.Millisecond) + 1 }

// arm has a session looked at when the time at has come, or before.
func (c *clock) arm(s *Session, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := max((at+slotTime-1)/slotTime, c.done+1)
	if s.timing.slot == slot {
		return
	}
	c.unlink(s)
	i := slot % numSlots
	s.timing.slot, s.timing.next = slot, c.slots[i]
	if n := s.timing.next; n != nil {
		n.timing.prev = s
	}
	c.slots[i] = s
	c.used[i/64] |= 1 << (i % 64)
	if c.next == 0 || slot < c.next {
		c.set(slot)
	}
}

// disarm forgets a session.
func (c *clock) disarm(s *Session) {
	c.mu.Lock()
	c.unlink(s)
	c.mu.Unlock()
}

// unlink takes a session out of its slot. c.mu is held.
func (c *clock) unlink(s *Session) {
	t := &s.timing
	if t.slot == 0 {
		return
	}
	if t.prev != nil {
		t.prev.timing.next = t.next
	} else {
		i := t.slot % numSlots
		if c.slots[i] = t.next; t.next == nil {
			c.used[i/64] &^= 1 << (i % 64)
		}
	}
	if t.next != nil {
		t.next.timing.prev = t.prev
	}
	t.next, t.prev, t.slot = nil, nil, 0
}

// set has the timer fire at a slot. c.mu is held.
func (c *clock) set(slot int64) {
	c.next = slot
	d := time.Until(c.start.Add(time.Duration(slot*slotTime) * time.Millisecond))
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.fire)
	} else {
		c.timer.Reset(d)
	}
}

// fire looks at the sessions whose time has come.
func (c *clock) fire() {
	var due []*Session
	c.mu.Lock()
	now := c.now() / slotTime
	from := max(c.done+1, now-numSlots+1)
	for slot := from; slot <= now; slot++ {
		for s := c.slots[slot%numSlots]; s != nil; {
			next := s.timing.next
			if s.timing.slot <= now {
				c.unlink(s)
				due = append(due, s)
			}
			s = next
		}
	}
	c.done = max(c.done, now)
	c.next = 0
	c.mu.Unlock()
	for _, s := range due {
		s.onTime()
	}
	c.mu.Lock()
	if slot := c.earliest(); slot != 0 && (c.next == 0 || slot < c.next) {
		c.set(slot)
	}
	c.mu.Unlock()
}

// earliest returns the next slot that is used, by whatever is in it. c.mu is
// held.
func (c *clock) earliest() int64 {
	first := c.done + 1
	for k := int64(0); k < numSlots; {
		i := (first + k) % numSlots
		if w := c.used[i/64] >> (i % 64); w != 0 {
			return first + k + int64(bits.TrailingZeros64(w))
		}
		k += 64 - i%64
	}
	return 0
}

// arm has the clock look at the session at the earliest of its times. s.mu is
// held.
func (s *Session) arm() {
	if s.gone {
		return
	}
	at := s.timing.tick
	if r := s.rare; r != nil {
		for _, t := range [...]int64{r.authAt, r.closeAt, r.writeAt} {
			if t != 0 && t < at {
				at = t
			}
		}
	}
	s.conf.srv.clock.arm(s, at)
}

// idleTimeout returns what holds now, negative for none. s.mu is held.
func (s *Session) idleTimeout() time.Duration {
	if r := s.rare; r != nil && r.idle != 0 {
		return r.idle
	}
	return s.conf.idle
}

// period returns the time between two ticks in milliseconds: a tenth of the
// shortest silence that anything follows from, and no less than a slot of the
// clock, so that none is missed. s.mu is held.
func (s *Session) period() int64 {
	d := DefaultIdleTimeout
	if t := s.idleTimeout(); t > 0 {
		d = t
	}
	if t := s.conf.conn.KeepAlive.Interval; t > 0 {
		d = min(d, t)
	}
	if t := s.conf.hibernate; t > 0 {
		d = min(d, t)
	}
	return min(max(d.Milliseconds()/10, slotTime), 1<<24)
}

// restartTicks begins to measure silence anew. s.mu is held.
func (s *Session) restartTicks() {
	s.heard.Store(false)
	s.timing.silent = 0
	s.timing.tick = s.conf.srv.clock.now() + s.period()
	s.arm()
}

// startTiming begins to measure silence, at a moment chosen by chance so that
// sessions that begin together do not tick, nor ping, together. s.mu is held.
func (s *Session) startTiming() {
	p := s.period()
	s.timing.tick = s.conf.srv.clock.now() + p - rand.Int64N(p/2+1)
	if t := s.conf.auth; t > 0 {
		s.more().authAt = s.conf.srv.clock.now() + max(t.Milliseconds(), 1)
	}
	s.arm()
}

// onTime sees to what has come due. The other sessions of the clock do not wait
// while somebody else has the lock for long: to compress a large message, or in
// a hook of Trace.
func (s *Session) onTime() {
	if s.mu.TryLock() {
		s.whatIsDue()
		s.mu.Unlock()
		return
	}
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.whatIsDue()
	}()
}

// whatIsDue is onTime with s.mu held.
func (s *Session) whatIsDue() {
	if s.gone {
		return
	}
	now := s.conf.srv.clock.now()
	if r := s.rare; r != nil {
		if r.authAt != 0 && now >= r.authAt {
			r.authAt = 0
			s.giveUp(ReasonError, websocket.StatusPolicyViolation, ErrAuthTimeout)
		}
		if r.closeAt != 0 && now >= r.closeAt {
			r.closeAt = 0
			s.closeTimedOut()
		}
		if r.writeAt != 0 && now >= r.writeAt {
			r.writeAt = 0
			s.checkProgress(now)
		}
	}
	if s.gone { // meanwhile: writing releases s.mu
		return
	}
	if now >= s.timing.tick {
		s.onTick()
		s.timing.tick = max(s.timing.tick+s.period(), now+1)
	}
	s.arm()
}

// onTick measures how long the peer has been silent. s.mu is held.
func (s *Session) onTick() {
	t := &s.timing
	if s.heard.Load() {
		s.heard.Store(false)
		t.silent, t.pinged, t.slept = 0, false, false
		s.countIdle(false)
		return
	}
	if !t.idle || s.rare != nil && t.silent%int32(10*s.period()) == 0 {
		s.kick(evRest)
	}
	s.countIdle(true)
	t.silent = min(t.silent+int32(s.period()), 1<<30)
	if s.over {
		return
	}
	silent := time.Duration(t.silent) * time.Millisecond
	idle, k := s.idleTimeout(), s.conf.conn.KeepAlive
	switch {
	case idle > 0 && silent >= idle:
		s.giveUp(ReasonTimeout, websocket.StatusNormalClosure, ErrIdleTimeout)
		return
	case k.Interval > 0 && t.pinged && s.mode.Load()&modePaused == 0 && k.Timeout >= 0 && silent >= k.Interval+cmp.Or(k.Timeout, k.Interval):
		s.giveUp(ReasonTimeout, websocket.StatusNormalClosure, websocket.ErrKeepAlive)
		return
	case !t.pinged && (k.Interval > 0 && silent >= k.Interval || s.conf.pingIdle && idle > 0 && silent >= idle/2):
		t.pinged = true
		s.out, _ = s.send.AppendControl(bufpool.Grow(s.out, frame.MaxHeaderSize), frame.OpPing, nil)
		s.flush()
	}
	if h := s.conf.hibernate; h > 0 && silent >= h && !t.slept {
		t.slept = true
		s.hibernate()
	}
}

// countIdle keeps the number of idle sessions. s.mu is held.
func (s *Session) countIdle(idle bool) {
	if s.timing.idle != idle {
		s.timing.idle = idle
		s.conf.srv.counters.idle(s.shard, idle)
	}
}

// checkProgress drops a peer that has taken too little for too long. s.mu is
// held.
func (s *Session) checkProgress(now int64) {
	r := s.rare
	if !s.blocked || s.flushing {
		return // or else it will be, and is looked at again
	}
	delivered, taken := s.delivered(), r.taken
	if before := r.wrote; delivered-before < progress {
		// So that nobody is dropped whom only an event has not reached.
		if s.writable(); !s.blocked || s.flushing || s.gone || s.rare != r {
			return
		}
		delivered = s.delivered()
		if r.taken-taken < progress && delivered-before < progress {
			s.stuck()
			return
		}
	}
	r.wrote = delivered
	r.writeAt = now + s.conf.writing.Milliseconds()
}

// stuck gives up a peer that takes nothing. s.mu is held.
func (s *Session) stuck() {
	s.rare.writeAt = 0
	e := s.ending()
	e.because(ReasonError, websocket.ErrWriteTimeout)
	e.closing.Fail(websocket.ErrWriteTimeout)
	s.cut(e)
}

// progress is how many bytes a peer must take in WriteTimeout.
const progress = 1 << 10

// closeTimedOut ends a closing handshake that takes too long. s.mu is held.
func (s *Session) closeTimedOut() {
	e := s.ending()
	e.closing.Fail(websocket.ErrCloseTimeout)
	if s.phase != phaseLinger { // else it is over already, and was read from for good manners
		e.forced = true
	}
	s.cut(e)
}

// cut drops the transport; whoever has the turn will see to the rest. s.mu is
// held.
func (s *Session) cut(e *ending) {
	e.lost = true
	e.unsent = s.owed()
	s.over = true
	s.setMode(modeEnding, 0)
	if !s.released {
		s.link.abort()
	}
	s.kick(evClose)
}
