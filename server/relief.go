package server

// BacklogHandler is a [Handler] that wants to know when it may send more. It is
// half of back-pressure: on Congested, stop producing, or stop reading what is
// answered by SetActive(false); on Relieved, go on.
type BacklogHandler interface {
	// Relieved is called after Congested has returned true, once, when the
	// session owes its peer no more than Backlog.Soft again. A session that
	// ends meanwhile gets Terminate instead.
	Relieved(s *Session)
}

// Congested reports whether the session owes its peer more than Backlog.Soft.
// When it does, a [BacklogHandler] is told of the end of that.
func (s *Session) Congested() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.congested() {
		return false
	}
	if _, ok := s.h.(BacklogHandler); ok {
		s.more().asked = true
	}
	return true
}

// congested is Congested with s.mu held.
func (s *Session) congested() bool {
	soft := s.conf.backlog.Soft
	return soft >= 0 && s.owed() > soft
}

// relieve has Relieved called when it is due. s.mu is held.
func (s *Session) relieve() {
	if r := s.rare; r != nil && r.asked && !s.flushing && !s.congested() {
		r.asked = false
		s.kick(evRelief)
	}
}

// relieved calls Relieved, unless the session is ending.
func (s *Session) relieved() {
	if s.mode.Load()&(modeEnding|modeDetached|modeClosing) != 0 {
		return
	}
	if h, ok := s.h.(BacklogHandler); ok {
		h.Relieved(s)
	}
}
