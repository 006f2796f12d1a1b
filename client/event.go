package client

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
)

// Ref names a request or a socket of a Conn, from 1 on; it is used once in the
// life of a Conn. 0 is the connection itself.
type Ref uint64

// Event is what an [Owner] gets, by value: one of [Attempt], [AttemptFailed], [Up],
// [Down], [GaveUp], [Upgraded], [Message], [Closed], [Response], [Body] and
// [Failure]. A type switch tells them apart; more kinds may be added.
type Event interface {
	// Of returns the connection it is about.
	Of() *Conn
}

// Source is the part that all events share.
type Source struct{ Conn *Conn }

// Of returns the connection.
func (s Source) Of() *Conn { return s.Conn }

// The events of a connection: Attempt and AttemptFailed, as often as it takes;
// Up, and after it one Down; GaveUp.
type (
	// Attempt: a connection is being made.
	Attempt struct {
		Source
		N    int // counted from 1, anew after a connection that lived
		Left int // retries after this one
	}

	// AttemptFailed: it could not be made. Another attempt follows after Wait;
	// GaveUp follows when Wait is negative, and nothing if this end was closing.
	AttemptFailed struct {
		Source
		N    int
		Err  error // a *websocket.DialError, most of the time
		Wait time.Duration
	}

	// Up: the connection can be used. Exactly one Down follows.
	Up struct {
		Source
		Protocol Protocol
		TLS      *tls.ConnectionState // nil without TLS
	}

	// Down: the connection is lost, or was ended. It comes behind all that is
	// told of the sockets and requests on it.
	Down struct {
		Source
		Err    error         // nil when this end wanted it
		Killed []Ref         // requests and sockets that ended with it, in their order
		Wait   time.Duration // until the next attempt; negative when there is none
	}

	// GaveUp: the Conn is over. It is the last event of a Conn that was not
	// ended by Close or Shutdown.
	GaveUp struct {
		Source
		Err error // what Conn.Err returns
	}
)

// The events of a socket: Upgraded, or what is told of a refusal (Response, Body)
// or of another failure (Failure); then Message, and Closed last.
type (
	// Upgraded: a socket is open. Its messages follow as events, unless its
	// subprotocol has a handler; write to it, and do not read it.
	Upgraded struct {
		Source
		Ref         Ref
		Socket      *websocket.Conn
		Subprotocol string      // what the server has chosen, of those offered
		Header      http.Header // of the response
	}

	// Message came on a socket. Data is the owner's.
	Message struct {
		Source
		Ref    Ref
		Socket *websocket.Conn
		Type   websocket.MessageType
		Data   []byte
	}

	// Closed: a socket has ended.
	Closed struct {
		Source
		Ref    Ref
		Socket *websocket.Conn
		Err    *websocket.CloseError // never nil
	}
)

// The events of a request: Response, also for each interim one, and then Body
// until its End; or Failure, in place of any of them.
type (
	// Response is the head of a response: to a request made by [Conn.Request],
	// or to an upgrade that was refused. Interim ones have a Status below 200.
	Response struct {
		Source
		Ref    Ref
		Status int
		Header http.Header
		End    bool // no Body follows
	}

	// Body is a piece of a response's body. Data is the owner's; it may be empty
	// at the End.
	Body struct {
		Source
		Ref     Ref
		Data    []byte
		End     bool
		Trailer http.Header // with End
	}

	// Failure: a request or an upgrade came to nothing.
	Failure struct {
		Source
		Ref Ref
		Err error
	}
)
