package httpconn

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
)

// What a call is refused with. Nothing was changed by it.
var (
	// ErrBusy: there is a request under way over HTTP/1.1, or the server takes
	// no more streams over HTTP/2. Try again after a Done or Failed, or over
	// HTTP/2 a Ready.
	ErrBusy = errors.New("websocket: the connection is busy: wait until a response is over")

	// ErrNotReady: before the server's SETTINGS it is not known whether it
	// allows WebSockets over HTTP/2. Wait for the event Ready.
	ErrNotReady = errors.New("websocket: the server's SETTINGS are not known: wait for the event Ready")

	// ErrUpgraded: the connection of HTTP/1.1 has become a WebSocket, and takes
	// no more requests. Open another one.
	ErrUpgraded = errors.New("websocket: the connection was upgraded: open another one for requests")

	// ErrClosed: the connection takes no more requests, or is over. Open another
	// one.
	ErrClosed = errors.New("websocket: the connection takes no more requests: open another one")

	// ErrStream: there is no such stream, or no more: its response is over, it
	// failed or was cancelled, or End was called.
	ErrStream = errors.New("websocket: no such stream, or it is over: take one that Request or Upgrade has returned, before its last event")

	// ErrRequest: a request, a body or a trailer cannot be sent as it is. That of
	// requests of package client is the same.
	ErrRequest = h2http.ErrRequest

	// ErrScheme: the URL of an opening handshake is for a connection with TLS
	// and this one has none, or the other way round.
	ErrScheme = errors.New("websocket: scheme and connection do not fit")

	// ErrNotUpgraded: there is no answer to an opening handshake to be accepted.
	ErrNotUpgraded = errors.New("websocket: no answer to an opening handshake: wait for Upgraded or Status, and call Accepted before the next Receive")
)

// What the server did. An [*Error] wraps one of these.
var (
	// ErrMalformed: what the server sent is no response of HTTP/1.1 (RFC 9112).
	ErrMalformed = h1.ErrMalformed

	// ErrVersion: the server speaks HTTP, but neither HTTP/1.1 nor 1.0.
	ErrVersion = h1.ErrVersion

	// ErrFraming: it is not clear where a body ends (RFC 9112, section 6.3),
	// which is how responses are smuggled.
	ErrFraming = h1.ErrFraming

	// ErrLimit: a head, a line, the line before a chunk or a trailer is longer
	// than is accepted, or there are more than 8 interim responses.
	ErrLimit = h1.ErrLimit

	// ErrUnsolicited: the server sent something that answers no request.
	ErrUnsolicited = errors.New("bytes that answer no request")

	// ErrUnexpectedUpgrade: the server answered 101 to a request that asked for
	// no upgrade.
	ErrUnexpectedUpgrade = errors.New("101 Switching Protocols, which was not asked for")

	// ErrNoResponse: the connection ended before the response began. A request
	// that does no harm when it is made twice may be made again, on another one.
	ErrNoResponse = errors.New("the connection ended before a response: try again on another one")
)

// HTTP2StreamError is the end of one stream of HTTP/2, by a RST_STREAM of either
// side: its Code (RFC 9113, section 7), whether it came from the server (Remote),
// and the number of the Stream. REFUSED_STREAM says that the server has not
// looked at the request.
type HTTP2StreamError = h2.StreamError

// HTTP2ConnError is the end of a connection of HTTP/2, by a GOAWAY of either side
// with a code that is not NO_ERROR, and so the end of all its streams.
type HTTP2ConnError = h2.ConnError

// Error is what the server did, or did not do, to a stream or the connection.
type Error struct {
	ID  StreamID // the stream, 0 for the connection
	Err error    // the reason
}

// Error says what happened.
func (e *Error) Error() string {
	text := "websocket: "
	if e.ID != 0 {
		text = fmt.Sprintf("websocket: request %d: ", e.ID)
	}
	return text + strings.TrimPrefix(e.Err.Error(), "websocket: ")
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// errCut is for a connection that ended in the middle of something.
func errCut(what string) error {
	return fmt.Errorf("the connection ended %s: %w", what, io.ErrUnexpectedEOF)
}

// reason is one of the errors above, with what was found.
type reason struct{ kind, cause error }

func (r *reason) Error() string {
	return r.kind.Error() + ": " + strings.TrimPrefix(r.cause.Error(), "websocket: ")
}

func (r *reason) Unwrap() []error { return []error{r.kind, r.cause} }

func because(kind error, format string, args ...any) error {
	return &reason{kind: kind, cause: fmt.Errorf(format, args...)}
}
