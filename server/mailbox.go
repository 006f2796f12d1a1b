package server

import "github.com/lariat-go/websocket/internal/bufpool"

// mailbox holds values on their way to Info, in pieces that are borrowed.
type mailbox struct {
	first, last *mailPiece
	taken       int // of first
	n           int
}

type mailPiece struct {
	values [15]any
	n      int
	next   *mailPiece
}

var mailPieces = bufpool.Pool[*mailPiece]{New: func() *mailPiece { return new(mailPiece) }}

func (m *mailbox) put(v any) {
	if m.last == nil || m.last.n == len(m.last.values) {
		p := mailPieces.Get()
		if m.last == nil {
			m.first = p
		} else {
			m.last.next = p
		}
		m.last = p
	}
	m.last.values[m.last.n] = v
	m.last.n++
	m.n++
}

func (m *mailbox) take() (any, bool) {
	p := m.first
	if m.n == 0 {
		return nil, false
	}
	v := p.values[m.taken]
	p.values[m.taken] = nil
	m.taken++
	m.n--
	if m.taken == p.n {
		m.first, m.taken = p.next, 0
		if m.first == nil {
			m.last = nil
		}
		p.n, p.next = 0, nil
		mailPieces.Put(p)
	}
	return v, true
}

// clear drops what nobody will see.
func (m *mailbox) clear() {
	for m.n > 0 {
		m.take()
	}
}

// Post gives the handler's Info a value, from any goroutine, in the order of
// the calls. It never waits: [ErrMailboxFull] says that [Options.Mailbox]
// values wait already, and [ErrOver] that the session is closing or has ended.
// Values that wait when a close frame is sent, or when the session ends, are
// dropped.
func (s *Session) Post(v any) error {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return ErrOver
	}
	m := &s.more().mail
	if limit := s.conf.mailbox; limit >= 0 && m.n >= limit {
		s.mu.Unlock()
		return ErrMailboxFull
	}
	m.put(v)
	first := m.n == 1
	s.mu.Unlock()
	if first {
		s.kick(evInfo)
	}
	return nil
}

// takeMail returns the next value for Info. s.mu is held.
func (s *Session) takeMail() (any, bool) {
	if s.rare == nil {
		return nil, false
	}
	return s.rare.mail.take()
}
