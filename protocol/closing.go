package protocol

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/lariat-go/websocket/frame"
)

// State is how far a connection has come on its way to its end.
type State uint8

// The states of a connection after the opening handshake.
const (
	StateOpen    State = iota // messages flow
	StateClosing              // one close frame has passed, or is owed
	StateClosed               // nothing is left to do but to close the transport
)

// String returns "open", "closing" or "closed".
func (s State) String() string {
	switch s {
	case StateOpen:
		return "open"
	case StateClosing:
		return "closing"
	case StateClosed:
		return "closed"
	}
	return "unknown state"
}

// Close is what a close frame says. Code is [frame.StatusNoStatusRcvd] for one
// without payload.
type Close struct {
	Code   frame.StatusCode
	Reason string
}

// ClosingHandshake remembers how a connection ends (RFC 6455, section 7). Its
// owner tells it what happens, in any order; it tells what is to be done and,
// at the end, what the ending was. The first of each kind of event counts.
//
// The zero value is ready. It is used by one goroutine at a time.
type ClosingHandshake struct {
	sent, received       Close
	cause                error
	owed                 frame.StatusCode // for a violation; 0: there was none
	hasSent, hasReceived bool
	remoteFirst          bool
	ended                bool // nothing more comes
	broken               bool // nothing more can be sent
}

// Sent says that a close frame was sent.
func (h *ClosingHandshake) Sent(c Close) {
	if !h.hasSent {
		h.sent, h.hasSent = c, true
	}
}

// Received says that a close frame came.
func (h *ClosingHandshake) Received(c Close) {
	if !h.hasReceived {
		h.received, h.hasReceived = c, true
		h.remoteFirst = !h.hasSent
	}
}

// Fail says that the connection can't go on: the peer broke the protocol, when
// cause is or wraps a [frame.Violation], or the transport can't be used any
// more, as after a failed write or a timeout. What comes after both close
// frames is not told by Err. A nil cause does nothing.
func (h *ClosingHandshake) Fail(cause error) {
	if cause == nil {
		return
	}
	var v frame.Violation
	if !errors.As(cause, &v) {
		h.ended, h.broken = true, true
	}
	if h.cause == nil && !h.complete() {
		h.cause = cause
		if !h.broken {
			h.owed = v.Status()
		}
	}
}

// EOF says that nothing more comes from the transport: nil and [io.EOF] stand
// for the clean end of the peer's stream, after which something can still be
// sent, anything else for a transport that broke.
func (h *ClosingHandshake) EOF(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		h.Fail(err)
		return
	}
	h.ended = true
	if h.cause == nil && !h.hasReceived {
		h.cause = io.ErrUnexpectedEOF
	}
}

// complete reports whether both close frames have passed: "an endpoint
// considers the WebSocket connection closed" then (RFC 6455, section 5.5.1).
func (h *ClosingHandshake) complete() bool { return h.hasSent && h.hasReceived }

// State returns how far the ending is. A connection that was failed for a
// violation is closed as soon as its close frame was sent: there is no answer
// to wait for (RFC 6455, section 7.1.7).
func (h *ClosingHandshake) State() State {
	switch {
	case h.ended || h.complete() || h.cause != nil && h.hasSent:
		return StateClosed
	case h.hasSent || h.hasReceived || h.cause != nil:
		return StateClosing
	}
	return StateOpen
}

// Reply returns the close frame that is owed to the peer: the status code of a
// violation, or the echo of the code that came, empty for an empty one. It
// returns false when none is owed, when one was sent already, and when the
// transport broke. Call [ClosingHandshake.Sent] when it was sent.
func (h *ClosingHandshake) Reply() (Close, bool) {
	switch {
	case h.hasSent || h.broken:
		return Close{}, false
	case h.owed != 0:
		return Close{Code: h.owed}, true
	}
	return Close{Code: h.received.Code}, h.hasReceived
}

// Err returns the ending as a *[CloseError], once both close frames have
// passed, the connection was failed or the transport has ended; before that,
// nil.
func (h *ClosingHandshake) Err() error {
	if !h.ended && h.cause == nil && !h.complete() {
		return nil
	}
	e := &struct {
		CloseError
		sent, received Close
	}{
		CloseError: CloseError{Code: frame.StatusAbnormalClosure, RemoteFirst: h.remoteFirst, Cause: h.cause},
		sent:       h.sent,
		received:   h.received,
	}
	if h.hasSent {
		e.Sent = &e.sent
	}
	if h.hasReceived {
		e.Received, e.Code, e.Reason = &e.received, h.received.Code, h.received.Reason
	}
	return &e.CloseError
}

// CloseError tells the whole ending of a connection. It matches [net.ErrClosed]
// and, through Cause, the violation or the transport's error.
type CloseError struct {
	// Code and Reason are those of the peer's close frame; Code is
	// [frame.StatusNoStatusRcvd] when the frame had none and
	// [frame.StatusAbnormalClosure] when no close frame came (RFC 6455,
	// section 7.1.5).
	Code   frame.StatusCode
	Reason string

	Sent        *Close // our close frame, nil when none was sent
	Received    *Close // the peer's, nil when none came
	RemoteFirst bool   // the peer's came before ours was sent

	// Cause is why the connection was given up: a [frame.Violation],
	// [io.ErrUnexpectedEOF] when the transport ended without a close frame, or
	// the transport's error. It is nil after a closing handshake.
	Cause error
}

// Error tells in one line who closed first, with what codes, and the cause.
func (e *CloseError) Error() string {
	var b strings.Builder
	b.WriteString("websocket: ")
	var v frame.Violation
	failed := errors.As(e.Cause, &v) && e.Sent != nil && e.Sent.Code == v.Status()
	switch {
	case e.Received != nil && (e.RemoteFirst || e.Sent == nil):
		fmt.Fprintf(&b, "closed by the peer with %v", e.Received)
		if e.Sent != nil {
			fmt.Fprintf(&b, ", answered with %v", e.Sent)
		}
	case e.Sent == nil:
		b.WriteString("connection lost without a close frame")
	case failed:
		fmt.Fprintf(&b, "failed with %v", e.Sent)
	case e.Received != nil:
		fmt.Fprintf(&b, "closed with %v, the peer answered %v", e.Sent, e.Received)
	default:
		fmt.Fprintf(&b, "closed with %v, the peer did not answer", e.Sent)
	}
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(strings.TrimPrefix(e.Cause.Error(), "websocket: "))
	}
	return b.String()
}

// Unwrap returns Cause.
func (e *CloseError) Unwrap() error { return e.Cause }

// Is reports whether target is [net.ErrClosed].
func (e *CloseError) Is(target error) bool { return target == net.ErrClosed }

// String returns the code with its name and the reason, quoted and cut to 64
// bytes.
func (c *Close) String() string {
	switch {
	case len(c.Reason) > maxQuoted:
		return fmt.Sprintf("%v %q...", c.Code, c.Reason[:maxQuoted])
	case c.Reason != "":
		return fmt.Sprintf("%v %q", c.Code, c.Reason)
	}
	return c.Code.String()
}

// maxQuoted is how many bytes of the peer's an error text quotes.
const maxQuoted = 64
