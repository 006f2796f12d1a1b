package server

import (
	"slices"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
)

// Detach hands the connection over, as a [websocket.Conn] with the plain API.
// It is for Init, Message and Info, in which it is called by the callback
// itself: nothing is lost, and what came and was not worked through is read
// from the Conn. The callback should then return; Terminate follows with
// [ReasonDetached], and the session's methods return [ErrOver].
//
// [ErrNotDetachable] is returned in the middle of a received message (in Info,
// Ping or Pong), and while the peer takes too little for what was sent before.
func (s *Session) Detach() (*websocket.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return nil, ErrOver
	case s.in == nil || !s.in.recv.AtRest() || s.in.part != nil && s.in.recv.InMessage():
		return nil, ErrNotDetachable
	}
	s.write()
	s.awaitWriter()
	if s.over { // meanwhile
		return nil, ErrOver
	}
	if s.owed() > 0 || s.flushing {
		return nil, ErrNotDetachable
	}
	s.setMode(modeDetached, 0)
	t, early, err := s.link.detach()
	if err != nil {
		s.setMode(0, modeDetached)
		return nil, err
	}
	s.setMode(modeEnding, 0)
	e := s.ending()
	e.because(ReasonDetached, nil)
	e.detached = true
	s.over = true
	hs := s.hs
	if hs == nil {
		hs = &handshake.Result{HTTPVersion: 1}
	}
	a := websocket.Accepted{Stream: t, Handshake: hs, Early: slices.Concat(s.unread(), early)}
	o := s.conf.conn
	if s.mode.Load()&modeOwnMax != 0 {
		o.MaxMessageSize = s.rare.maxSize
	}
	return a.Conn(protocol.RoleServer, &o), nil
}

// detachGrace is how long what was sent may take to leave, where another
// goroutine writes it.
const detachGrace = 100 * time.Millisecond

// awaitWriter gives the writer of a goLink, which writes all there is where the
// transport can't be asked what it takes, time to do so. s.mu is held, and
// released meanwhile.
func (s *Session) awaitWriter() {
	l, ok := s.link.(*goLink)
	if !ok || l.pending() == 0 {
		return
	}
	grace := time.NewTimer(detachGrace)
	defer grace.Stop()
	for more := true; more && l.pending() > 0; {
		s.mu.Unlock()
		more = l.await(grace.C)
		s.mu.Lock()
		s.writable()
	}
}
