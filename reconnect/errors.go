package reconnect

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/lariat-go/websocket"
)

// What the methods of a [Client] return, to be found with [errors.Is].
var (
	// ErrDown refuses a message while there is no connection, unless the options
	// say that it is queued or dropped. It also stands for one that a connection
	// did not take because it was lost just then; the server has not got it.
	ErrDown = errors.New("websocket: the client is not connected: write again after OnConnect, or set WhileDown to Queue or Drop")

	// ErrOutboxFull refuses a message for which the outbox has no room.
	ErrOutboxFull = errors.New("websocket: the outbox is full: write less, wait until it is flushed, or raise its limits")

	// ErrClosed refuses what comes after the end of the client, or after
	// [Client.Close] was called. It matches [net.ErrClosed].
	ErrClosed = fmt.Errorf("websocket: the client is closed: start another one: %w", net.ErrClosed)

	// ErrUnsent: messages were left in the outbox when the client ended. Call
	// [Client.Flush] before Close to have them sent.
	ErrUnsent = errors.New("websocket: messages are left in the outbox: call Flush before Close")

	// ErrNotSent: [Client.Ack] was given the number of a message that was not
	// sent yet. Nothing was taken out of the outbox.
	ErrNotSent = errors.New("websocket: a message is acknowledged that was not sent: compare the numbers with those that Send returned")

	// ErrPermanent, wrapped in an error of Prepare, ends the client.
	ErrPermanent = errors.New("websocket: another attempt would not help")

	// ErrAsleep: the machine or the process stood still for a while, and
	// afterwards the server did not answer a ping.
	ErrAsleep = errors.New("websocket: no answer to a ping after a gap in time: the connection did not survive a sleep of the machine")

	errInCallback = errors.New("websocket: Flush is called by a callback and would wait for what comes after it: call it from another goroutine")
	errGoexit     = errors.New("websocket: a callback ended its goroutine by runtime.Goexit, as t.FailNow does: return instead")
	errPull       = &websocket.OptionError{Field: "Callbacks", Value: "some", Want: "nil, for Messages"}
)

// PanicError is why a client ended in whose callback, or Prepare, there was a
// panic.
type PanicError struct {
	Value any    // of the panic
	Stack []byte // of the goroutine, as runtime/debug.Stack gives it
}

// Error tells the value of the panic.
func (e *PanicError) Error() string {
	return fmt.Sprintf("websocket: a callback panicked: %v", e.Value)
}

// Unwrap returns the value of the panic where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// because is one of the errors above with its reason.
type because struct {
	kind error
	what string
	err  error
}

func (e *because) Error() string {
	return e.what + ": " + strings.TrimPrefix(e.err.Error(), "websocket: ")
}

func (e *because) Unwrap() []error { return []error{e.kind, e.err} }

// lost is for what a connection did not take.
func lost(err error) error {
	return &because{ErrDown, "websocket: the client is not connected", err}
}
