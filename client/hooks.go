package client

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
)

// Hooks are told of every step of a connection, as Gun's event handlers are, for
// measuring and debugging. What they are told of is in the order of its
// happening; for what is to be done about it there are an [Owner] and the
// methods of [Conn]. Each may be nil.
//
// They are called by the goroutines that do the work, several at the same time
// when several things are under way. They must be quick, must not call methods
// of the Conn or of a socket, and must not keep or change what they are given.
//
// A whole life over HTTP/1.1 is Attempt, Lookup and Connect (each when it begins
// and when it is done), perhaps Proxy and TLS, Up, Request and Response, Upgrade,
// Frame, Disconnect, and then Retry or Terminate.
type Hooks struct {
	// Attempt: a connection is being made, for the nth time since one lived.
	Attempt func(n, left int)

	// Lookup, Connect, Proxy and TLS are the steps of making it: the name is
	// looked up, TCP or the unix socket connected, the way through a proxy opened,
	// TLS agreed on with the server or with a proxy. Each is told of when it
	// begins and when it is done. Proxy and TLS come once for each proxy and each
	// layer.
	Lookup  func(Step)
	Connect func(Step)
	Proxy   func(Step)
	TLS     func(Step)

	// Up: the connection can be used, and speaks p.
	Up func(p Protocol)

	// Request and Response are about requests of [Conn.RoundTrip] and
	// [Conn.Request], in their phases.
	Request  func(RequestInfo)
	Response func(ResponseInfo)

	// Cancel: a request was given up by its context, [Conn.Cancel] or the close
	// of its body.
	Cancel func(ref Ref)

	// Upgrade: an opening handshake begins, and is done. When it is done without
	// an error, a socket is open.
	Upgrade func(UpgradeInfo)

	// Frame: the header of a frame came, or a frame is about to leave, on a
	// socket. The Trace of [websocket.ConnOptions] has it too, without the Ref.
	Frame func(ref Ref, sent bool, h frame.Header)

	// Disconnect: the connection is lost, by err, or was ended by this end (nil).
	Disconnect func(err error)

	// Retry: another attempt follows after wait. err is why the last one failed,
	// or the connection was lost.
	Retry func(left int, wait time.Duration, err error)

	// Terminate: the Conn is over for good. err is a [*GaveUpError], nil when it
	// was ended by this end.
	Terminate func(err error)
}

// Step is what the hooks of a step get.
type Step struct {
	Addr  string               // the name that is looked up, or whom the step is with
	Done  bool                 // it has ended; else it begins
	Addrs []string             // Lookup, done: what was found; Connect, done: who answered
	Took  time.Duration        // done
	Err   error                // done: a *websocket.DialError
	TLS   *tls.ConnectionState // TLS, done without an error
}

// Phase is how far a request or its response has come.
type Phase uint8

// The phases, in their order. A request has Begin, Head and End; a response has
// Interim, as often as one comes, Head, Trailer if there is one, and End. What
// fails has End, with an error, as the next one.
const (
	PhaseBegin   Phase = iota // a request waits for its turn
	PhaseInterim              // a response with a status below 200 came
	PhaseHead                 // the head was sent, or came
	PhaseTrailer              // the trailer came
	PhaseEnd                  // all was sent, or read, or it failed
)

// String returns the phase in lower case.
func (p Phase) String() string {
	return [...]string{"begin", "interim", "head", "trailer", "end"}[p]
}

// RequestInfo is about a request that is sent.
type RequestInfo struct {
	Ref     Ref
	Phase   Phase // Begin, Head or End
	Request *http.Request
	Err     error // End
}

// ResponseInfo is about a response that is received.
type ResponseInfo struct {
	Ref    Ref
	Phase  Phase       // Interim, Head, Trailer or End
	Status int         // Interim and Head
	Header http.Header // Interim and Head; Trailer: the trailer
	Err    error       // End
}

// UpgradeInfo is about an opening handshake.
type UpgradeInfo struct {
	Ref    Ref
	Path   string
	Done   bool
	Socket *websocket.Conn // done, without an error
	Err    error           // done
}
