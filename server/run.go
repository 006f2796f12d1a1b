package server

import (
	"runtime/debug"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/poll"
	"github.com/lariat-go/websocket/protocol"
)

// What is done in one turn before other sessions get theirs.
const (
	readBudget = 512 << 10 // bytes
	infoBudget = 64        // calls of Info
	drainReads = 16        // readBudgets, at a shutdown
	minDirect  = 4 << 10   // least rest of a payload that is read into place
)

// ready does what there is to do, unless somebody is at it, who will then see
// to ev. watched says that overdue is called when callbacks take long.
func (s *Session) ready(w *poll.Worker, ev uint32, watched bool) {
	if s.turn.enter(ev) {
		s.run(w, watched)
	} else if ev&evWrite != 0 { // what waits must not wait for a callback
		s.mu.Lock()
		s.writable()
		s.mu.Unlock()
	}
}

// kick has somebody see to ev soon.
func (s *Session) kick(ev uint32) {
	if !s.turn.add(ev) {
		s.link.wake()
	}
}

// run does what there is to do until nothing is left. The caller has the turn.
// w is nil on goroutines that are no workers.
func (s *Session) run(w *poll.Worker, watched bool) {
	left := false
	defer func() {
		if !left { // a callback ended this goroutine
			go s.run(nil, false)
		}
	}()
	for {
		if watched {
			s.gather.set(gather)
		} else {
			s.gather.set(gatherAlone)
		}
		s.hold()
		ev := s.turn.take()
		later := s.step(w, ev)
		s.settle(ev)
		s.rest()
		if s.turn.leave() {
			left = true
			if later != 0 {
				s.kick(later)
			}
			return
		}
		s.turn.add(later)
	}
}

// hold takes what is needed to receive.
func (s *Session) hold() {
	if s.in != nil || s.phase != phaseOpen {
		return
	}
	s.in = readings.Get()
	po := s.protocolOptions()
	s.in.recv.Init(protocol.RoleServer, &po)
	if s.mode.Load()&modeOwnMax != 0 {
		s.setMode(modeMaxSize, 0)
	}
}

// rest gives it back, where nothing of it is to be kept.
func (s *Session) rest() {
	in := s.in
	switch {
	case in == nil:
		return
	case s.phase != phaseOpen:
		bufpool.Put(in.part)
		bufpool.Put(in.kept)
		in.recv.Close()
	case s.hs != nil && s.hs.Codec != nil, !in.recv.Fresh(), in.kept != nil:
		return
	}
	s.in = nil
	*in = reading{}
	readings.Put(in)
}

// protocolOptions are what a session's receiver and sender are made with.
func (s *Session) protocolOptions() protocol.Options {
	o := &s.conf.conn
	p := protocol.Options{
		Codec:          s.codec(),
		MaxMessageSize: o.MaxMessageSize,
		MaxFragments:   o.MaxFragments,
		ControlBurst:   o.MaxControls,
		SkipUTF8:       o.SkipUTF8,
	}
	if o.MaxFragments < 0 {
		p.MaxEmptyFragments = -1
	}
	if o.Trace != nil {
		p.OnHeader = o.Trace.Frame
	}
	return p
}

// step does once what ev says, and returns what is to be done when others had
// their turn. It survives a panic in a callback.
func (s *Session) step(w *poll.Worker, ev uint32) (later uint32) {
	finished := false
	defer func() {
		if !finished {
			s.crashed(recover(), debug.Stack())
		}
	}()
	if ev&evInit != 0 {
		s.h.Init(s)
	}
	if ev&(evInfo|evDrain) != 0 && s.infos() {
		later |= evInfo
	}
	if ev&(evRead|evHangUp|evDrain) != 0 {
		later |= s.reads(w, ev)
	}
	if ev&evRelief != 0 {
		s.relieved()
	}
	if ev&evDrain != 0 {
		if later&(evRead|evInfo) != 0 && !s.drainedEnough() || w == nil && s.link.needsWorker() {
			later |= evDrain // there is more to answer
		} else if l, ok := s.link.(interface{ caughtUp(*Session) bool }); !ok || l.caughtUp(s) {
			s.drained()
		}
	}
	if ev&evDrop != 0 {
		s.dropped()
	}
	if ev&evRest != 0 && s.phase == phaseOpen {
		s.refill()
		s.slim()
	}
	finished = true
	return later
}

// drainedEnough reports whether more was read since a shutdown began than the
// kernel can have held then: the peer does not stop sending.
func (s *Session) drainedEnough() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.more()
	r.drains++
	return r.drains > drainReads
}

// infos calls Info with what was posted, and reports whether there is more.
func (s *Session) infos() (more bool) {
	for range infoBudget {
		if s.mode.Load()&(modeEnding|modeDetached|modeClosing) != 0 {
			return false
		}
		s.mu.Lock()
		v, ok := s.takeMail()
		s.mu.Unlock()
		if !ok {
			return false
		}
		s.h.Info(s, v)
	}
	return true
}

// reads reads what came and works through it, until nothing more is there.
func (s *Session) reads(w *poll.Worker, ev uint32) (later uint32) {
	if s.phase == phaseOver {
		return 0
	}
	s.link.edge(ev&evHangUp != 0)
	if s.phase == phaseLinger {
		return s.linger(w)
	}
	for taken := 0; s.mayRead(); {
		if s.in.kept != nil { // also when reading was stopped, and went on meanwhile
			s.feedKept()
			continue
		}
		into, direct := s.place(w)
		if into == nil && s.link.needsWorker() {
			return evRead | ev&evHangUp
		}
		b, more, err := s.link.read(into)
		switch {
		case err == nil:
		case err == errAgain:
			s.stopped()
			return 0
		default:
			s.lost(err)
			return 0
		}
		if !s.heard.Load() {
			s.heard.Store(true)
		}
		if w != nil && !direct && len(b) == len(into) {
			w.Filled()
		}
		if direct && &b[0] == &into[0] {
			s.in.part = s.in.part[:len(s.in.part)+len(b)]
		}
		if rest := s.feed(b); len(rest) > 0 {
			s.in.kept, s.in.keptOff = append(bufpool.Get(len(rest))[:0], rest...), 0
		}
		if !direct { // the next read may be anybody's
			bufpool.Poison(b)
		}
		s.link.done()
		s.countReceived(len(b))
		if taken += len(b); !more && ev&evHangUp == 0 {
			return 0
		}
		if taken > readBudget {
			return evRead | ev&evHangUp
		}
	}
	// Whoever makes reading possible again will say so.
	return 0
}

// feedKept works through what was kept of an earlier read.
func (s *Session) feedKept() {
	kept := s.in.kept
	rest := s.feed(kept[s.in.keptOff:])
	if s.in.keptOff = len(kept) - len(rest); len(rest) == 0 {
		s.in.kept = nil
		bufpool.Put(kept)
	}
	s.countReceived(0)
}

// countReceived adds n bytes, and the messages since the last call, to the
// counters.
func (s *Session) countReceived(n int) {
	s.conf.srv.counters.received(s.shard, s.in.messages, n)
	s.in.messages = 0
}

// mayRead reports whether anybody is interested in what comes. One who stopped
// reading still wants to see the peer's close frame when his own was sent, and
// the end when a write has failed.
func (s *Session) mayRead() bool {
	m := s.mode.Load()
	return s.phase == phaseOpen && m&(modeEnding|modeDetached) == 0 &&
		(m&modePaused == 0 || m&(modeClosing|modeBroken) != 0)
}

// place returns the memory to read into: the worker's buffer, or the place of
// an unfinished message where a large piece of it is still to come.
func (s *Session) place(w *poll.Worker) (into []byte, direct bool) {
	if rest, coded := s.in.recv.Payload(); rest >= minDirect && !coded && s.in.part != nil {
		room := int(min(rest, int64(max(3*len(s.in.part), minDirect)))) // no more than four times what has come
		s.in.part = bufpool.Grow(s.in.part, room)
		n := len(s.in.part)
		return s.in.part[n:min(int64(cap(s.in.part)), int64(n)+rest)], true
	}
	if w == nil {
		return nil, false
	}
	return w.Buffer(), false
}

// feed works through what was read, and returns what is left when reading was
// stopped in its middle.
func (s *Session) feed(p []byte) (rest []byte) {
	s.in.input = p
	if s.gather.last() {
		s.gather.change(gatherLast, gather)
	}
	for m := s.mode.Load(); m == 0 || s.goesOn(m); m = s.mode.Load() {
		if n, op, data := s.in.recv.NextWhole(s.in.input); n > 0 {
			s.in.input = s.in.input[n:]
			s.deliver(op, data)
			continue
		}
		n, ev, ok, err := s.in.recv.Next(s.in.input)
		s.in.input = s.in.input[n:]
		switch {
		case err != nil:
			s.violated(err)
		case !ok:
			s.in.input = nil
			return nil
		case ev.Kind != protocol.EventData:
			s.control(&ev)
		case ev.First && ev.Final:
			s.deliver(ev.Opcode, ev.Data)
		default:
			s.collect(&ev)
		}
	}
	rest = s.in.input
	s.in.input = nil
	if s.mode.Load()&(modeEnding|modeDetached) != 0 {
		return nil // nobody will look at it
	}
	return rest
}

// unread returns what was read and not worked through. It is called in a
// callback.
func (s *Session) unread() []byte {
	if s.in.input != nil {
		return s.in.input // if something is kept, it is the end of that
	}
	return s.in.kept[s.in.keptOff:]
}

// goesOn does what is to be done between two messages, and reports whether the
// next one is wanted.
func (s *Session) goesOn(m uint32) bool {
	if m&modeMaxSize != 0 {
		s.setMode(0, modeMaxSize)
		size := int64(0)
		s.mu.Lock()
		if s.rare != nil { // else the default was set, and it is not needed any more
			size = s.rare.maxSize
		}
		s.mu.Unlock()
		s.in.recv.SetMaxMessageSize(size)
	}
	return s.mayRead()
}

// deaf reports whether the handler is told of the end only: what comes has
// crossed our close frame, or came after a handler stopped reading whose peer
// takes no more.
func (s *Session) deaf() bool {
	m := s.mode.Load()
	return m&modeClosing != 0 || m&(modePaused|modeBroken) == modePaused|modeBroken
}

// deliver gives a whole message to the handler.
func (s *Session) deliver(t websocket.MessageType, data []byte) {
	if s.deaf() {
		return
	}
	s.in.messages++
	if len(s.in.input) == 0 {
		s.gather.change(gather, gatherLast)
	}
	s.h.Message(s, websocket.Message{Type: t, Data: data})
}

// collect puts a message together.
func (s *Session) collect(ev *protocol.Event) {
	if n := len(s.in.part); n == 0 || len(ev.Data) == 0 || n < len(ev.Data) || &s.in.part[n-len(ev.Data)] != &ev.Data[0] {
		s.in.part = append(bufpool.Grow(s.in.part, len(ev.Data)), ev.Data...)
	} // else it was read into place
	if !ev.Final {
		return
	}
	s.deliver(ev.Opcode, s.in.part)
	bufpool.Put(s.in.part)
	s.in.part = nil
}

// control sees to a ping, a pong or a close frame.
func (s *Session) control(ev *protocol.Event) {
	if ev.Kind == protocol.EventClose {
		s.peerClosed(protocol.Close{Code: ev.Code, Reason: ev.Reason})
		return
	}
	s.refill()
	ch, _ := s.h.(ControlHandler)
	if s.deaf() {
		ch = nil
	}
	if ev.Kind == protocol.EventPong {
		if f := s.conf.conn.OnPong; f != nil {
			f(ev.Data)
		}
		if ch != nil {
			ch.Pong(s, ev.Data)
		}
		return
	}
	s.queuePong(ev.Data)
	if f := s.conf.conn.OnPing; f != nil {
		f(ev.Data)
	}
	if ch != nil {
		ch.Ping(s, ev.Data)
	}
}

// refill grants the peer new control frames for the time that has passed.
func (s *Session) refill() {
	now, since := time.Now(), s.in.refilled
	if since.IsZero() || s.in.recv.RefillAfter(int64(now.Sub(since))) {
		s.in.refilled = now
	}
}

// linger reads and drops what a peer still sends that was given up: closing a
// socket with unread bytes would make the kernel take back the close frame.
func (s *Session) linger(w *poll.Worker) (later uint32) {
	if w == nil && s.link.needsWorker() {
		return evRead | evHangUp
	}
	var into []byte
	if w != nil {
		into = w.Buffer()
	}
	for s.rare.lingered < lingerLimit {
		b, _, err := s.link.read(into)
		if err == errAgain {
			return 0
		}
		s.rare.lingered += len(b)
		if err != nil {
			s.lost(err)
			return 0
		}
	}
	return 0
}
