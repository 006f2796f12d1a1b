package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

// How a session ends: whoever learns of a reason notes it in the ending, under
// s.mu, and queues the close frame that is due. Whoever has the turn judges, in
// settle, whether that was the end; if so it calls Terminate and lets go of the
// transport. The first reason counts.

const (
	lingerLimit = 64 << 10 // bytes read and dropped after a failure
	lingerTime  = time.Second
)

// ending is what is known of a session's end.
type ending struct {
	kind     ReasonKind
	closing  protocol.ClosingHandshake
	err      error
	panicked any
	stack    []byte

	failed     bool // no answer to our close frame is awaited
	lost       bool // the transport has ended
	writeErr   error
	finWanted  bool // our direction is to be ended when everything is written
	terminated bool // Terminate has returned
	detached   bool // the connection is somebody else's
	forced     bool // dropped because it took too long
	unsent     int  // bytes that were owed at the end
	left       bool // the server knows that the session is gone
}

// ending returns the session's ending, which may have begun. s.mu is held.
func (s *Session) ending() *ending {
	r := s.more()
	if r.end == nil {
		r.end = &ending{}
	}
	return r.end
}

// because notes why the session ends, unless there was a reason already.
func (e *ending) because(kind ReasonKind, err error) {
	if e.kind == ReasonNormal {
		e.kind, e.err = kind, err
	}
}

// Close begins the closing handshake with a code and a reason of at most 123
// bytes. What was sent before still leaves; messages that come meanwhile are
// dropped. Terminate is called with [ReasonStop] when the peer has answered,
// within CloseTimeout. Code 0 without a reason sends a close frame without a
// code. A code that must not be sent, as 1005, is refused, and [ErrOver]
// returned when a close frame was sent before.
func (s *Session) Close(code websocket.StatusCode, reason string) error {
	return s.Send(websocket.CloseFrame(code, reason))
}

// Stop ends the session as Close(1000, "") does.
func (s *Session) Stop() error { return s.Close(websocket.StatusNormalClosure, "") }

// close queues a close frame and awaits the answer. s.mu is held.
func (s *Session) close(kind ReasonKind, c protocol.Close) error {
	if s.over {
		return ErrOver
	}
	e := s.ending()
	if err := s.queueClose(e, c); err != nil {
		return err
	}
	e.because(kind, nil)
	s.closeWithin(s.conf.closing)
	if s.mode.Load()&modePaused != 0 {
		s.kick(evRead | evHangUp) // the peer's close frame is wanted
	}
	return nil
}

// queueClose queues a close frame behind everything that waits. s.mu is held.
func (s *Session) queueClose(e *ending, c protocol.Close) error {
	s.refillPong()
	for s.rare.queue.waiting() {
		m, _ := s.rare.queue.pop()
		if err := s.encodeQueued(&m); err != nil {
			break
		}
	}
	var buf [frame.MaxControlPayload]byte
	payload, err := frame.AppendClose(buf[:0], c.Code, c.Reason)
	if err != nil {
		return err
	}
	s.out = bufpool.Grow(s.out, frame.MaxControlPayload+frame.MaxHeaderSize)
	if s.send == s.conf.plain {
		// It is not ours alone, and would be changed.
		s.out = frame.Append(s.out, frame.Header{Fin: true, Opcode: frame.OpClose}, payload)
	} else {
		s.out, _ = s.send.AppendControl(s.out, frame.OpClose, payload) // it was checked
	}
	e.closing.Sent(c)
	s.over = true
	s.setMode(modeClosing, 0)
	return nil
}

// closeWithin bounds the ending. s.mu is held.
func (s *Session) closeWithin(d time.Duration) {
	if d > 0 {
		s.rare.closeAt = s.conf.srv.clock.now() + max(d.Milliseconds(), 1)
		s.arm()
	}
}

// fail gives the session up: a close frame is sent where one can be, and no
// answer awaited. s.mu is held.
func (s *Session) fail(kind ReasonKind, code websocket.StatusCode, err error) {
	e := s.ending()
	if e.failed || e.lost {
		return
	}
	e.because(kind, err)
	var v frame.Violation
	if errors.As(err, &v) {
		e.closing.Fail(err)
	}
	if !s.over {
		s.queueClose(e, protocol.Close{Code: code})
	}
	if err != nil {
		e.closing.Fail(err)
	}
	e.failed = true
	s.over = true
	s.setMode(modeEnding, 0)
}

// giveUp is fail for those who have no turn. s.mu is held.
func (s *Session) giveUp(kind ReasonKind, code websocket.StatusCode, err error) {
	s.fail(kind, code, err)
	s.write()
	s.kick(evClose)
}

// violated ends the session because of what the peer sent (RFC 6455, section
// 7.1.7).
func (s *Session) violated(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var v frame.Violation
	errors.As(err, &v)
	s.fail(violationKind(err), v.Status(), err)
}

// peerClosed answers the peer's close frame.
func (s *Session) peerClosed(c protocol.Close) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ending()
	e.because(ReasonRemote, nil)
	e.closing.Received(c)
	if reply, ok := e.closing.Reply(); ok && !s.over {
		s.queueClose(e, reply)
		s.closeWithin(s.conf.closing)
	}
	if e.writeErr != nil { // there is no way to answer
		e.closing.EOF(e.writeErr)
		e.lost = true
	}
	s.setMode(modeEnding, 0)
}

// lost notes that nothing more comes: err is io.EOF for the end of the peer's
// stream.
func (s *Session) lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ending()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if e.writeErr != nil && err == nil {
		err = e.writeErr
	}
	e.because(lossKind(err), err)
	e.closing.EOF(err)
	e.lost = true
	s.over = true
	s.setMode(modeEnding, 0)
}

// stopped notes that there is nothing to read now. After a failed write nothing
// more can be hoped for.
func (s *Session) stopped() {
	if s.mode.Load()&modeBroken == 0 {
		return
	}
	s.mu.Lock()
	err := s.ending().writeErr
	s.mu.Unlock()
	s.lost(err)
}

// writeFailed notes that the peer takes no more. What it sent before may still
// be read, and tells more. s.mu is held.
func (s *Session) writeFailed(err error) {
	e := s.ending()
	e.writeErr = fmt.Errorf("websocket: write: %w", err)
	s.over = true
	s.setMode(modeBroken, 0)
	s.out = s.out[:0]
	s.dropEmptyOut()
	s.rare.queue.clear()
	s.kick(evRead | evHangUp)
}

// crashed ends the session because a callback panicked.
func (s *Session) crashed(v any, stack []byte) {
	if v == nil {
		v = errGoexit
	}
	s.conf.logger().Error("websocket: panic in a handler", slog.Any("panic", v), slog.String("stack", string(stack)))
	if s.phase != phaseOpen {
		return // it was Terminate
	}
	if s.in != nil {
		s.countReceived(0) // also the message that made it panic
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ending()
	if !e.failed && !e.lost {
		e.kind, e.err, e.panicked, e.stack = ReasonCrash, nil, v, stack
	}
	s.fail(ReasonCrash, websocket.StatusInternalError, nil)
}

// tooSlow gives up a peer that takes too little. Of what it is owed only the
// frame that it has begun to take is finished. s.mu is held.
func (s *Session) tooSlow() {
	s.dropUnsent()
	s.giveUp(ReasonError, websocket.StatusTryAgainLater, ErrSlowPeer)
}

// dropUnsent drops all frames of which nothing has left. s.mu is held.
func (s *Session) dropUnsent() {
	s.rare.queue.clear()
	s.out = s.out[:0]
	s.dropEmptyOut()
	r := s.rare
	if r.head == nil {
		return
	}
	end := 0
	for end < r.off {
		h, n, err := frame.ParseHeader(r.head[end:])
		if n == 0 || err != nil {
			return // it is ours, so it can't be
		}
		end += n + int(h.Length)
	}
	r.head = r.head[:min(end, len(r.head))]
}

// drained closes a session for Server.Shutdown, or because its connection of
// HTTP/2 takes no new streams and is to end, after what had come was worked
// through.
func (s *Session) drained() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := protocol.Close{Code: websocket.StatusGoingAway}
	if d := s.conf.srv.drain.Load(); d != nil {
		c = protocol.Close{Code: d.Code, Reason: d.Reason}
	}
	s.close(ReasonShutdown, c) // or it is closing already
}

// dropped ends the session at once.
func (s *Session) dropped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ending()
	e.because(ReasonShutdown, nil)
	e.closing.Fail(errForced)
	e.lost = true
	s.over = true
	s.setMode(modeEnding, 0)
}

// settle ends a turn: it writes what was gathered, and looks whether the
// session is over.
func (s *Session) settle(ev uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather.set(flushNow)
	if ev&evWrite != 0 {
		s.writable()
	}
	s.write()
	if s.rare == nil || s.rare.end == nil {
		return
	}
	e := s.rare.end
	if s.phase == phaseOpen && s.judge(e) {
		e.unsent = max(e.unsent, s.owed())
		if e.failed && !e.lost && !e.detached {
			s.phase = phaseLinger
			e.finWanted = true
			s.closeWithin(lingerTime)
			s.turn.add(evRead | evHangUp)
			s.sayFin(e)
		} else {
			s.let(e)
		}
		s.terminate(e)
	}
	if s.phase == phaseLinger {
		s.sayFin(e)
		if e.lost || s.rare.lingered >= lingerLimit {
			s.let(e)
		}
	}
	s.leave(e)
}

// sayFin ends our direction when everything is written, so that the peer reads
// the close frame before it sees the end (RFC 6455, section 7.1.1).
func (s *Session) sayFin(e *ending) {
	if e.finWanted && s.written() {
		e.finWanted = false
		s.link.closeWrite()
	}
}

// judge reports whether the session is over for its handler. s.mu is held.
func (s *Session) judge(e *ending) bool {
	return e.lost || e.failed || e.detached ||
		e.closing.State() == protocol.StateClosed && s.written()
}

// let lets go of the transport. s.mu is held.
func (s *Session) let(e *ending) {
	s.phase = phaseOver
	s.gone = true
	s.rare.closeAt, s.rare.writeAt, s.rare.authAt = 0, 0, 0
	s.conf.srv.clock.disarm(s)
	if !s.flushing {
		s.release()
	}
}

// release gives back what the session holds. s.mu is held, nobody writes, and
// nobody will have the turn for anything but to leave.
func (s *Session) release() {
	if s.released {
		return
	}
	s.released = true
	s.dropOut()
	s.rare.mail.clear()
	e := s.rare.end
	if e.detached {
		s.link.forget()
	} else {
		if c := s.codec(); c != nil {
			c.Close()
		}
		s.link.close(e.lost)
	}
	s.leave(e)
}

// leave tells the server that the session is gone, when it is. s.mu is held.
func (s *Session) leave(e *ending) {
	if e.terminated && s.released && !e.left {
		e.left = true
		s.conf.srv.left(s)
	}
}

// terminate calls Terminate. s.mu is held, and released meanwhile.
func (s *Session) terminate(e *ending) {
	r := Reason{Kind: e.kind, Err: e.err, Panic: e.panicked, Stack: e.stack, Unsent: e.unsent, Value: s.rare.value}
	if err := e.closing.Err(); err != nil {
		r.Close = err.(*websocket.CloseError)
	} else if !e.detached {
		r.Close = e.closeError()
	}
	groups := s.rare.groups
	s.rare.groups = nil
	s.rare.mail.clear()
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		e.terminated = true
	}()
	for _, g := range groups {
		g.forget(s)
	}
	s.callTerminate(r)
}

// closeError tells an ending in which nothing went wrong on the wire and no
// answer was awaited.
func (e *ending) closeError() *websocket.CloseError {
	c := e.closing
	c.EOF(nil)
	err := c.Err().(*websocket.CloseError)
	err.Cause = e.err
	return err
}

// callTerminate survives a panic.
func (s *Session) callTerminate(r Reason) {
	finished := false
	defer func() {
		if !finished {
			s.crashed(recover(), debug.Stack())
		}
	}()
	s.conf.srv.counters.ended(s.shard, r.Kind)
	s.h.Terminate(s, r)
	finished = true
}
