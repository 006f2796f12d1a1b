package websocket

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lariat-go/websocket/handshake"
)

// HandshakeError is a refused or failed opening handshake: the status, header
// and bounded body of the answer, if there was one, and the reason.
type HandshakeError = handshake.Error

// What goes wrong without a fault in what the peer sends. They are found with
// [errors.Is]. The first four, and ErrWriterAbandoned, end the connection; the
// others refuse a call.
var (
	// ErrKeepAlive: nothing came from the peer within the time [KeepAlive] gives.
	ErrKeepAlive = errors.New("websocket: keepalive: nothing came from the peer in time")

	// ErrWriteTimeout: the peer took less than 1 KiB in WriteTimeout.
	ErrWriteTimeout = errors.New("websocket: write timed out: the peer takes no data")

	// ErrCloseTimeout: the closing handshake was not over in CloseTimeout.
	ErrCloseTimeout = errors.New("websocket: closing handshake timed out")

	// ErrHalfWritten: the context of a write ended when part of the frame had
	// left, so nothing can be sent after it.
	ErrHalfWritten = errors.New("websocket: write was canceled in the middle of a frame, the connection is lost")

	// ErrConcurrentRead: two goroutines read at the same time.
	ErrConcurrentRead = errors.New("websocket: another goroutine is reading: only one may read at a time")

	// ErrReaderStale: a message reader was used after a later read.
	ErrReaderStale = errors.New("websocket: message reader is used after a later read of the connection")

	// ErrWriterClosed: a message writer was used after Close.
	ErrWriterClosed = errors.New("websocket: message writer is closed")

	// ErrWriterAbandoned: the context of a message writer ended before its
	// Close, when part of the message had left.
	ErrWriterAbandoned = errors.New("websocket: message writer was abandoned in the middle of a message, the connection is lost")
)

var errCloseNow = fmt.Errorf("websocket: dropped by CloseNow: %w", net.ErrClosed)

// CloseStatus returns the status code of the peer's close frame when err is or
// wraps a [*CloseError], 1005 for one without a code and 1006 when none came;
// otherwise 0.
func CloseStatus(err error) StatusCode {
	if ce, ok := errors.AsType[*CloseError](err); ok {
		return ce.Code
	}
	return 0
}

// cleanEnding reports whether the peer closed because it was done: browsers
// send no code then, unless the page gives one.
func cleanEnding(err error) bool {
	switch CloseStatus(err) {
	case StatusNormalClosure, StatusGoingAway, StatusNoStatusRcvd:
		return true
	}
	return false
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)
