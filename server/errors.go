package server

import (
	"errors"
	"fmt"
	"net"

	"github.com/lariat-go/websocket/internal/poll"
)

// What a session's methods return, to be found with [errors.Is].
var (
	// ErrOver refuses what comes after the end: a close frame was sent, or the
	// session has ended. It is a [net.ErrClosed].
	ErrOver = fmt.Errorf("websocket: session is over: %w", net.ErrClosed)

	// ErrBackpressure: the session owes its peer more than Backlog.Hard, and
	// the message was dropped.
	ErrBackpressure = errors.New("websocket: the peer takes too little: message dropped, send less or wait until Congested is false")

	// ErrMailboxFull: as many values as Options.Mailbox allows wait for Info.
	ErrMailboxFull = errors.New("websocket: mailbox of the session is full: its callbacks do not keep up; post less, or raise Options.Mailbox")

	// ErrNotDetachable: see [Session.Detach].
	ErrNotDetachable = errors.New("websocket: session cannot be detached now: do it in Init or Message, with nothing unsent")
)

// What ends a session, as Err of a [Reason].
var (
	// ErrSlowPeer: the session owed its peer more than Backlog.Hard.
	ErrSlowPeer = errors.New("websocket: the peer takes too little, more than Backlog.Hard was owed to it")

	// ErrIdleTimeout: nothing came from the peer in IdleTimeout.
	ErrIdleTimeout = errors.New("websocket: nothing came from the peer within the idle timeout")

	// ErrAuthTimeout: Authenticated was not called within AuthTimeout.
	ErrAuthTimeout = errors.New("websocket: the peer did not authenticate in time")

	errTLSFlood = errors.New("websocket: the peer asks for new TLS keys and does not read the answers")

	errGoexit = errors.New("runtime.Goexit was called in a callback")
	errForced = fmt.Errorf("websocket: dropped at the end of the shutdown: %w", net.ErrClosed)
)

// errAgain is what a link's read returns when nothing is there.
var errAgain = poll.ErrAgain
