package client

import (
	"errors"
	"fmt"
	"net"

	"github.com/lariat-go/websocket/httpconn"
)

var (
	// ErrUpgraded: a request, or a second upgrade, was asked of a connection of
	// HTTP/1.1 that carries a socket: it is the socket's alone until it is made
	// anew. Open another Conn, or use HTTP/2.
	ErrUpgraded = httpconn.ErrUpgraded

	// ErrClosed: the Conn was ended by [Conn.Close], [Conn.Shutdown] or
	// [Conn.Detach], or over HTTP/1.1 by the user's close of its socket. It
	// matches [net.ErrClosed].
	ErrClosed = fmt.Errorf("websocket: the client connection is closed: open another one: %w", net.ErrClosed)

	// ErrOrigin: a request was for another server than the one the Conn is
	// connected to.
	ErrOrigin = errors.New("websocket: request for another server than the connection's: open a connection to that one")

	// ErrGoingAway: the server takes no new requests on this connection of
	// HTTP/2, on which others are still under way. When those are done it is made
	// anew; until then, use another Conn.
	ErrGoingAway = errors.New("websocket: the server takes no new requests on this connection: wait for those under way, or open another one")

	// ErrNoOwner: [Conn.Request] needs an [Owner] to tell of the response. Set one
	// in Options or by [Conn.SetOwner], or use [Conn.RoundTrip].
	ErrNoOwner = errors.New("websocket: Request tells an Owner of the response and there is none: set one, or use RoundTrip")

	errEnded = errors.New("websocket: the server ended the connection")
)

// GaveUpError says why a Conn is over that was not ended by its user: no
// retries were left, or another attempt would not have helped.
type GaveUpError struct {
	Attempts int   // since the last connection that lived
	Fatal    bool  // trying again would not have helped
	Err      error // of the last attempt, or why the connection was lost
}

// Error says how often it was tried, and the last reason.
func (e *GaveUpError) Error() string {
	switch {
	case e.Fatal:
		return fmt.Sprintf("websocket: gave up, as trying again would not help: %v", trimmed(e.Err))
	case e.Attempts == 0:
		return fmt.Sprintf("websocket: connection lost, and no retries are allowed: %v", trimmed(e.Err))
	}
	return fmt.Sprintf("websocket: gave up after attempt %d: %v", e.Attempts, trimmed(e.Err))
}

// Unwrap returns the last reason.
func (e *GaveUpError) Unwrap() error { return e.Err }
