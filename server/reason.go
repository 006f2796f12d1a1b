package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// ReasonKind says in a word why a session ended.
type ReasonKind uint8

// The reasons are Cowboy's; ReasonDetached is ours.
const (
	ReasonNormal      ReasonKind = iota // closed before it was a session; never seen by a Terminate
	ReasonStop                          // the handler asked: Stop, Close, or a close frame it sent
	ReasonTimeout                       // nothing came from the peer in IdleTimeout, or KeepAlive or HTTP/2's PING gave it up
	ReasonRemote                        // the peer sent a close frame; Close tells its code, 1005 for none
	ReasonBadEncoding                   // the peer sent text that is not UTF-8, closed with 1007
	ReasonBadFrame                      // the peer broke the protocol or a limit; Err is the violation
	ReasonClosed                        // the transport ended without a close frame, or was reset: RST, RST_STREAM with CANCEL
	ReasonError                         // the transport failed, or was reset with another code, or the peer took nothing; Err says how
	ReasonCrash                         // a callback panicked, closed with 1011; Panic and Stack tell
	ReasonShutdown                      // Server.Shutdown; over HTTP/2 also that of the http.Server
	ReasonDetached                      // the connection was handed over by Detach

	numReasons = iota
)

var reasonNames = [numReasons]string{
	"normal", "stop", "timeout", "remote", "bad encoding", "bad frame", "closed", "error", "crash", "shutdown", "detached",
}

// String returns the reason in lower case, "bad encoding".
func (k ReasonKind) String() string {
	if k >= numReasons {
		return "unknown reason"
	}
	return reasonNames[k]
}

// Reason is why a session ended.
type Reason struct {
	Kind ReasonKind

	// Close is the whole ending: both close frames, who was first, and what
	// went wrong. It is nil for ReasonDetached.
	Close *websocket.CloseError

	// Err is what went wrong, nil where nothing did: the [frame.Violation] for
	// ReasonBadFrame and ReasonBadEncoding, ErrIdleTimeout, ErrAuthTimeout,
	// ErrSlowPeer, [websocket.ErrWriteTimeout], [websocket.ErrKeepAlive], the
	// error of the transport.
	Err error

	Panic any    // ReasonCrash: what the callback panicked with
	Stack []byte // ReasonCrash: the stack at that point

	// Unsent is how many bytes were owed to the peer when it was decided that the
	// session is over. After a failure some of them may still leave.
	Unsent int

	// Value is what was given to [Session.SetShutdownReason].
	Value any
}

// String returns the reason with what there is to say about it.
func (r Reason) String() string {
	switch {
	case r.Kind == ReasonCrash:
		return fmt.Sprintf("crash: %v", r.Panic)
	case r.Kind == ReasonRemote && r.Close != nil && r.Close.Received != nil:
		return "remote: " + r.Close.Received.String()
	case r.Err != nil:
		return r.Kind.String() + ": " + r.Err.Error()
	}
	return r.Kind.String()
}

// LogValue is String: the stack of a panic is logged where it happens.
func (r Reason) LogValue() slog.Value { return slog.StringValue(r.String()) }

// violationKind returns the reason for what a peer did wrong.
func violationKind(err error) ReasonKind {
	if errors.Is(err, frame.ErrInvalidUTF8) {
		return ReasonBadEncoding
	}
	return ReasonBadFrame
}

// lossKind returns the reason for an error of the transport, nil for its end.
// A connection that was reset is as closed as one that was ended, and so is a
// stream of HTTP/2 that the peer wants no more, or whose connection is gone.
func lossKind(err error) ReasonKind {
	if err == nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) {
		return ReasonClosed
	}
	if se, ok := errors.AsType[*websocket.HTTP2StreamError](err); ok && se.Remote && (se.Code == h2.ErrCodeCancel || se.Code == h2.ErrCodeNo) {
		return ReasonClosed
	}
	if errors.Is(err, h2conn.ErrPingTimeout) {
		return ReasonTimeout
	}
	return ReasonError
}
