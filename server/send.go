package server

import (
	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

// Text sends a text message, which must be UTF-8.
//
// The errors, here as in the methods that follow: [ErrOver] when a close frame
// was sent or the session has ended, [ErrBackpressure] when the message was
// dropped, [ErrSlowPeer] when it was too much and the session ends, both by the
// [Policy], and [frame.ErrInvalidUTF8]. A message sent in a callback leaves
// after it. Messages sent by one goroutine arrive in the order of its calls.
func (s *Session) Text(text string) error {
	p := append(bufpool.Get(len(text))[:0], text...)
	err := s.sendOne(frame.OpText, p)
	bufpool.Put(p)
	return err
}

// TextBytes sends a text message. p is copied, or written before the method
// returns.
func (s *Session) TextBytes(p []byte) error { return s.sendOne(frame.OpText, p) }

// Binary sends a binary message. p is copied, or written before the method
// returns.
func (s *Session) Binary(p []byte) error { return s.sendOne(frame.OpBinary, p) }

// Ping sends a ping with up to 125 bytes of payload. Its answer is seen by a
// [ControlHandler]. [ErrBackpressure] says that too much waits before it, and
// [frame.ErrControlTooLong] that the payload is too long.
func (s *Session) Ping(payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return ErrOver
	}
	return s.queueControl(frame.OpPing, payload)
}

// Send sends messages, pings and a close frame, in order. What follows a close
// frame is dropped. All items are checked before the first is sent; when one of
// them is dropped because too much is owed, those after it are tried all the
// same, and the error is returned.
func (s *Session) Send(items ...websocket.Outgoing) error {
	for i := range items {
		if err := s.check(&items[i]); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for i := range items {
		if err := s.sendItem(&items[i]); err != nil && failed == nil {
			failed = err
		}
		if items[i].Opcode == frame.OpClose {
			break
		}
	}
	s.flush()
	return failed
}

// check judges an item before anything is sent.
func (s *Session) check(o *websocket.Outgoing) error {
	if o.Opcode == frame.OpText && s.conf.conn.SkipUTF8 {
		return nil // nothing else can be wrong with text
	}
	return o.Check()
}

// sendItem queues one checked item. s.mu is held.
func (s *Session) sendItem(o *websocket.Outgoing) error {
	switch {
	case s.over:
		return ErrOver
	case o.Opcode == frame.OpClose:
		return s.close(ReasonStop, closeOf(o.Code, o.Reason))
	case o.Opcode.IsControl():
		return s.queueControl(o.Opcode, o.Data)
	}
	return s.queueMessage(item{opcode: o.Opcode, data: o.Data, skip: o.NoCompress})
}

// SendKeyed sends a message that replaces the one of the same key, when that
// still waits because the peer takes too little. So a slow peer sees the latest
// value of each key, and not all of them. It does so under every Policy. A key
// is a value that can be compared, as a string; nil is none.
func (s *Session) SendKeyed(key any, m websocket.Outgoing) error {
	if err := s.check(&m); err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return err
	}
	if m.Opcode.IsControl() {
		return s.Send(m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return ErrOver
	}
	err := s.queueMessage(item{opcode: m.Opcode, data: m.Data, skip: m.NoCompress, key: key})
	s.flush()
	return err
}

// SendPrepared sends a message that is built once for many sessions.
func (s *Session) SendPrepared(m *websocket.Prepared) error {
	if m == nil {
		return &websocket.OptionError{Field: "Prepared", Value: m, Want: "a message made by NewPrepared"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return ErrOver
	}
	msg := m.Message()
	err := s.queueMessage(item{opcode: msg.Type, data: msg.Data, prepared: m})
	s.flush()
	return err
}

// item is a message on its way.
type item struct {
	opcode   frame.Opcode
	skip     bool // send it as it is
	data     []byte
	prepared *websocket.Prepared // data is its own
	key      any
}

func (s *Session) sendOne(op frame.Opcode, p []byte) (err error) {
	s.mu.Lock()
	switch {
	case s.over:
		err = ErrOver
	case cap(s.out)-len(s.out) >= len(p)+frame.MaxHeaderSize && !s.blocked && s.gather.on() && (s.rare == nil || !s.rare.queue.waiting()):
		// In a callback, behind other answers: this is all.
		s.unsaid++
		s.out, err = s.send.AppendMessage(s.out, op, p)
	default:
		err = s.queueMessage(item{opcode: op, data: p})
		s.flush()
	}
	s.mu.Unlock()
	return err
}

// Sizes in bytes.
const (
	gatherLimit = 64 << 10 // what is gathered beyond it is written before more is
	gatherRoom  = 8 << 10  // borrowed for what is gathered first
	lastLimit   = 8 << 10  // larger messages are, too, when they are the last
	copyLimit   = 32 << 10 // larger messages are written from where they are
	pongRoom    = 1 << 10  // pongs queued while the peer takes nothing
)

// queueMessage queues a message, or drops it as the policy says. s.mu is held.
func (s *Session) queueMessage(m item) error {
	if s.blocked || s.rare != nil && s.rare.queue.waiting() {
		if queued, err := s.admit(&m); queued || err != nil {
			return err
		}
	} else if len(s.out)+len(m.data)+frame.MaxHeaderSize > gatherLimit {
		if s.write(); s.over { // it may have been closed meanwhile
			return ErrOver
		}
	}
	s.unsaid++
	return s.encode(&m)
}

// encode makes frames of a message. s.mu is held.
func (s *Session) encode(m *item) error {
	if m.prepared != nil && s.conf.conn.Trace == nil {
		f, err := m.prepared.Frame(s.send, s.codec())
		if err != nil {
			return err
		}
		if f != nil {
			s.writeBehind(f)
			return nil
		}
	}
	if m.skip && s.send.Coding() {
		s.send.SetCoding(false)
		defer s.send.SetCoding(true)
	}
	if len(m.data) > lastLimit && s.codec() == nil && s.direct(len(m.data)) {
		out, ok, err := s.send.AppendMessageHeader(bufpool.Grow(s.out, frame.MaxHeaderSize), m.opcode, m.data)
		s.out = out
		if ok && err == nil {
			s.writeNow(m.data)
			return nil
		}
	}
	out, err := s.send.AppendMessage(s.room(len(m.data)+frame.MaxHeaderSize), m.opcode, m.data)
	s.out = out
	return err
}

// room returns s.out with room for n bytes more.
func (s *Session) room(n int) []byte {
	if s.gather.on() && cap(s.out)-len(s.out) < n {
		// More may follow: a little room at first, and then all there will be.
		if s.out == nil && n <= gatherRoom/2 {
			n = gatherRoom
		} else {
			n = max(n, gatherLimit-len(s.out))
		}
	}
	return bufpool.Grow(s.out, n)
}

// writeBehind queues p, or writes it at once behind what is queued where that
// saves the copy. s.mu is held.
func (s *Session) writeBehind(p []byte) {
	if s.direct(len(p)) {
		s.writeNow(p)
	} else {
		s.out = append(s.room(len(p)), p...)
	}
}

// direct reports whether n bytes are better written from where they are than
// copied: many, those of the last answer in a turn, and a frame for which nobody
// else's has to be waited for. s.mu is held.
func (s *Session) direct(n int) bool {
	switch {
	case s.flushing || s.blocked || s.rare != nil && s.rare.head != nil:
		return false
	case n > copyLimit:
		return true
	case s.gather.on():
		return n > lastLimit && s.gather.last()
	}
	return len(s.out) == 0
}

// writeNow writes what is queued and then p. s.mu is held, and released
// meanwhile.
func (s *Session) writeNow(p []byte) {
	head := s.out
	s.out = nil
	n, err := s.transmit(head, p)
	off := n
	if n < len(head)+len(p) && err == nil {
		head = append(bufpool.Grow(head, len(p)), p...)
	} else {
		off = len(head)
	}
	s.wrote(head, off, n, err)
	if s.gone {
		s.release()
	}
}

// queueControl queues a ping. s.mu is held.
func (s *Session) queueControl(op frame.Opcode, payload []byte) error {
	if s.blocked && len(s.out) > gatherLimit {
		return ErrBackpressure
	}
	out, err := s.send.AppendControl(bufpool.Grow(s.out, len(payload)+frame.MaxHeaderSize), op, payload)
	s.out = out
	s.flush()
	return err
}

// queuePong answers a ping. While the peer takes nothing, answers are not
// heaped up: the latest is enough (RFC 6455, section 5.5.3).
func (s *Session) queuePong(payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out) >= pongRoom && !s.blocked {
		s.write() // as many pings may follow as fit into a read
	}
	switch {
	case s.over:
	case len(s.out) >= pongRoom: // or more than that is on its way
		r := s.more()
		r.pong, r.owesPong = append(r.pong[:0], payload...), true
	default:
		s.out, _ = s.send.AppendControl(bufpool.Grow(s.out, len(payload)+frame.MaxHeaderSize), frame.OpPong, payload)
	}
}

// closeOf returns the close frame for a code and reason given by the user,
// which were checked.
func closeOf(code websocket.StatusCode, reason string) protocol.Close {
	if code == 0 && reason == "" {
		code = websocket.StatusNoStatusRcvd // what a frame without a code is read as
	}
	return protocol.Close{Code: code, Reason: reason}
}
