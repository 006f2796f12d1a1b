package client

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
)

// Ref names a request or a socket of a Conn. 0 is the connection itself.
type Ref uint64

// Event is what an [Owner] gets: one of [Attempt], [AttemptFailed], [Up], [Down], [GaveUp],
// [Upgraded], [Message], [Closed], [Response], [Body], [Failure].
type Event interface {
	// Of returns the connection it is about.
	Of() *Conn
}

// Source is the part that all events share.
type Source struct{ Conn *Conn }

// Of returns the connection.
func (s Source) Of() *Conn { return s.Conn }

type (
	// Attempt: a connection is being made.
	Attempt struct {
		Source
		N    int // counted from 1, anew after a connection that lived
		Left int // retries after this one
	}

	// AttemptFailed: it could not be made. Another attempt follows after Wait,
	// or GaveUp when Wait is negative.
	AttemptFailed struct {
		Source
		N    int
		Err  error
		Wait time.Duration
	}

	// Up: the connection can be used. Exactly one Down follows.
	Up struct {
		Source
		Protocol Protocol
		TLS      *tls.ConnectionState // nil without TLS
	}

	// Down: the connection is lost, or was ended.
	Down struct {
		Source
		Err    error         // nil when this side ended it
		Killed []Ref         // requests and sockets that ended with it
		Wait   time.Duration // until the next attempt; negative when there is none
	}

	// GaveUp: nothing more will come. It is the last event of a Conn that was
	// not ended by Close or Shutdown.
	GaveUp struct {
		Source
		Err error // what Conn.Err returns
	}

	// Upgraded: a socket is open.
	Upgraded struct {
		Source
		Ref         Ref
		Socket      *websocket.Conn
		Subprotocol string
		Header      http.Header
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
		Err    *websocket.CloseError
	}

	// Response is the head of a response: to a request made by [Conn.Request],
	// or to an upgrade that was refused. Interim ones have a Status below 200.
	Response struct {
		Source
		Ref    Ref
		Status int
		Header http.Header
		End    bool // no Body follows
	}

	// Body is a piece of a response's body. Data is the owner's.
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
