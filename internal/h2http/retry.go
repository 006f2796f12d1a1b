package h2http

import (
	"context"
	"errors"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
)

const (
	// MaxRetries is how often a request is sent again that the server says it
	// has not looked at.
	MaxRetries = 5

	// MaxInterim is how many answers may come before the final one.
	MaxInterim = 8

	firstPause = 10 * time.Millisecond
)

// ErrNoHTTP2: a server does not speak HTTP/2. What opens streams returns it.
var ErrNoHTTP2 = errors.New("websocket: the server does not speak HTTP/2")

// Refused reports whether err says that the server has not looked at a request,
// so that it may be sent again (RFC 9113, section 8.7): the stream was refused,
// or is above the last one of a GOAWAY.
func Refused(err error) bool {
	se, ok := errors.AsType[*h2.StreamError](err)
	return ok && se.Code == h2.ErrCodeRefusedStream
}

// Pause waits before a request is sent again that was refused; retries is how
// often that was done. The first one is at once, the later ones leave the server
// more and more time to be done with others.
func Pause(ctx context.Context, retries int) error {
	if retries == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(firstPause << (retries - 1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
