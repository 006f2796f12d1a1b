package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
)

// session is "lariat connect" on one connection.
type session struct {
	*typist // whose ctx ends with --timeout, a signal, or waitForClose
	*websocket.Conn

	mu       sync.Mutex
	patience *time.Timer // runs when we have begun the closing handshake
	closed   sync.Once
}

// greet says what the connection is, to those who watch.
func (s *session) greet(url string) {
	text := fmt.Sprintf("connected to %s over %s", url, versionName(s.HTTPVersion()))
	switch {
	case s.pretty:
		text += "; /help lists what can be typed, Ctrl-D closes"
	case s.json || !s.flags.verbose:
		return
	}
	s.note("%s", s.errPaint(dim, text))
}

// run sends what is typed and prints what comes, until the connection ends.
func (s *session) run() error {
	go s.send()
	err := s.receive()
	if err == nil { // what was waited for has come
		defer time.AfterFunc(closeWait, func() { _ = s.CloseNow() }).Stop()
		_ = s.Conn.Close(websocket.StatusNormalClosure, "")
		return nil
	}
	f := endedBy(s.ctx)
	if f != nil {
		err = s.leave()
	}
	s.tellClose(err)
	in := s.inputErr.Load()
	switch {
	case f != nil && f.code != exitExpect:
		return cmp.Or(in, f)
	case f == nil:
		f = endFailure(s.ctx, err)
	}
	// That input could not be sent may be because the connection has ended:
	// then how it ended says more.
	if f == nil && in != nil {
		return in
	}
	if s.unmet() {
		return s.unmetFailure(f)
	}
	if f == nil {
		return nil
	}
	return f
}

// leave says goodbye when there is no time for messages any more, and returns
// how the connection ended.
func (s *session) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.WriteBatch(ctx, websocket.CloseFrame(websocket.StatusGoingAway, ""))
	for err == nil {
		_, _, err = s.Conn.Read(ctx)
	}
	return err
}

// receive reads until the connection ends, or what --expect and --count wait
// for has come; then the error is nil.
func (s *session) receive() error {
	for {
		t, p, err := s.Conn.Read(s.ctx)
		if err != nil {
			return err
		}
		s.waitForClose(false)
		if done, err := s.take(t, p); done || err != nil {
			return err
		}
	}
}

// waitForClose ends the reading when the peer is silent for closeWait from now
// on. It does nothing before we have begun to close.
func (s *session) waitForClose(begin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.patience != nil:
		s.patience.Reset(closeWait)
	case begin:
		s.patience = time.AfterFunc(closeWait, func() { s.giveUp(errNoClose) })
	}
}

var errNoClose = &failure{code: exitLost, msg: fmt.Sprintf("the peer did not answer the close frame for %v", closeWait)}

// tellClose shows how the connection has ended, to those who watch.
func (s *session) tellClose(err error) {
	var ce *websocket.CloseError
	if errors.As(err, &ce) {
		s.closedEvent(ce)
	}
}

// beginClose sends a close frame once; receive then waits for the peer's.
func (s *session) beginClose(code websocket.StatusCode, reason string) error {
	if _, err := frame.AppendClose(nil, code, reason); err != nil {
		return err
	}
	var err error
	s.closed.Do(func() {
		err = s.WriteBatch(s.ctx, websocket.CloseFrame(code, reason))
		s.waitForClose(true)
	})
	return err
}

// ping measures a round trip.
func (s *session) ping(ctx context.Context) (time.Duration, error) { return s.Conn.Ping(ctx) }

// unsent explains why line n could not be sent: the connection has ended. How
// tells the reader, unless it ended well: then the rest of the input has not
// been sent.
func (s *session) unsent(n int, err error) *failure {
	var ce *websocket.CloseError
	if errors.As(err, &ce) && (ce.Received == nil || closedFailure(ce) != nil) {
		return endFailure(s.ctx, err)
	}
	return fail(exitOther, "", "the connection was closed before line %d of the input could be sent", n)
}

// finish has nothing to do: what was written has been sent.
func (s *session) finish() *failure { return nil }
