package server

import (
	"net/http"

	"github.com/lariat-go/websocket"
)

// Handler is what a program does with one session. Its methods are callbacks:
// those of one session never run at the same time, whatever goroutine runs
// them, and what one of them did is seen by the next. Those of different
// sessions run side by side.
//
// What a callback sends is gathered and leaves in one write after it, or after
// all messages that came in one read. A callback may block; the other sessions
// go on, and what its own session receives waits in the kernel, so the peer is
// slowed down by flow control.
//
// A callback that panics ends its session with 1011 and [ReasonCrash]; the
// process lives. Embed [NopHandler] to write only the methods needed.
type Handler interface {
	// Init is called once, first, after the opening handshake. It runs on the
	// goroutine of the http.Handler, before ServeHTTP returns.
	Init(s *Session)

	// Message is called for each text or binary message. m.Data lies in the
	// read buffer: it is valid until Message returns, and may be changed until
	// then.
	Message(s *Session, m websocket.Message)

	// Info is called for each value given to [Session.Post], in the order of
	// the calls.
	Info(s *Session, info any)

	// Terminate is called exactly once, last, however the session ended.
	// Nothing can be sent any more. A session that was handed over by
	// [Session.Detach] ends with [ReasonDetached].
	Terminate(s *Session, r Reason)
}

// ControlHandler is a [Handler] that wants to see pings and pongs, by callbacks
// like the others. Pings are answered in any case. The payload is valid until
// the method returns.
type ControlHandler interface {
	Ping(s *Session, payload []byte)
	Pong(s *Session, payload []byte)
}

// NopHandler is a [Handler] that does nothing, to be embedded.
type NopHandler struct{}

// Init does nothing.
func (NopHandler) Init(*Session) {}

// Message does nothing.
func (NopHandler) Message(*Session, websocket.Message) {}

// Info does nothing.
func (NopHandler) Info(*Session, any) {}

// Terminate does nothing.
func (NopHandler) Terminate(*Session, Reason) {}

// Upgrade decides what becomes of a request. It returns the handler of a new
// session, with options of its own or nil for the defaults; or it answers the
// request itself, as any http.Handler does, and returns a nil Handler.
//
// It runs on the goroutine of the http.Handler, and is the last to see the
// request: whatever the session needs of it is taken out here, or by
// [Options.RequestFilter]. Headers set on w are sent with the answer that
// accepts. A request that is no good opening handshake is refused afterwards
// (with 426 when it is none at all), and the Handler is forgotten.
type Upgrade func(w http.ResponseWriter, r *http.Request) (Handler, *Options)
