package h2http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

const (
	// DefaultContinueTimeout is how long a 100 (Continue) is waited for.
	DefaultContinueTimeout = time.Second

	// MaxRetries is how often a request is sent again that the server says it
	// has not looked at.
	MaxRetries = 5

	// MaxInterim is how many answers may come before the final one.
	MaxInterim = 8

	firstPause = 10 * time.Millisecond
)

// ErrNoHTTP2: a server does not speak HTTP/2. What opens streams returns it.
var ErrNoHTTP2 = errors.New("websocket: the server does not speak HTTP/2")

// ErrResponse: what the server answered is no answer.
var ErrResponse = errors.New("websocket: response cannot be used")

// Client makes exchanges of requests and responses.
type Client struct {
	// Open opens a stream. It waits for as long as the server takes no more.
	Open func(ctx context.Context, h *h2.Head, end bool) (*h2conn.Stream, error)

	// TLS, if not nil, returns the state of the TLS under a connection, nil for none.
	TLS func(c *h2conn.Conn) *tls.ConnectionState

	// ContinueTimeout is how long a request with Expect: 100-continue waits
	// for the answer before it sends its body all the same. 0 means 1 s,
	// negative that it waits for no answer.
	ContinueTimeout time.Duration
}

// RoundTrip sends a request on a stream of its own and returns the response as
// soon as its head is there, as an [http.RoundTripper] does. The bodies go as
// fast as they are read on the other side, in both directions at once.
//
// A request that the server says it has not looked at is sent again, up to five
// times, unless its body was begun and there is no GetBody. When Open returns
// [ErrNoHTTP2] the body is left as it is; after any other error it is closed.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	head, err := RequestHead(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	ctx := req.Context()
	for retries := 0; ; retries++ {
		res, x, err := c.try(req, head)
		if err == nil {
			return res, nil
		}
		if errors.Is(err, ErrNoHTTP2) {
			return nil, err
		}
		if !Refused(err) || retries == MaxRetries || ctx.Err() != nil {
			closeBody(req)
			return nil, err
		}
		if x != nil && x.begun() {
			if req, err = again(req, err); err != nil {
				return nil, err
			}
		}
		if Pause(ctx, retries) != nil {
			closeBody(req)
			return nil, ended(ctx)
		}
	}
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

// Refused reports whether err says that the server has not looked at a request,
// so that it may be sent again (RFC 9113, section 8.7): the stream was refused,
// or is above the last one of a GOAWAY.
func Refused(err error) bool {
	se, ok := errors.AsType[*h2.StreamError](err)
	return ok && se.Code == h2.ErrCodeRefusedStream
}

// again returns the request with its body from the beginning.
func again(req *http.Request, refusal error) (*http.Request, error) {
	closeBody(req)
	if req.GetBody == nil {
		return nil, fmt.Errorf("%w; its body was begun and it has no GetBody, so it was not sent again", refusal)
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("%w: GetBody: %w", ErrRequest, err)
	}
	next := *req
	next.Body = body
	return &next, nil
}

// try makes one attempt. The exchange is nil where no stream was opened.
func (c *Client) try(req *http.Request, head *h2.Head) (*http.Response, *exchange, error) {
	ctx := req.Context()
	sends := hasBody(req) || len(req.Trailer) > 0
	s, err := c.Open(ctx, head, !sends)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, nil, ended(ctx)
	case err != nil:
		return nil, nil, err
	}
	x := newExchange(req, s)
	x.hooks.opened(s)
	if sends {
		go x.send(c.ContinueTimeout)
	} else {
		x.sent = true
		x.hooks.wrote(nil)
	}
	h, end, err := x.await()
	if err != nil {
		x.finish(err)
		return nil, x, err
	}
	res := x.response(h, end)
	if c.TLS != nil {
		res.TLS = c.TLS(s.Conn())
	}
	return res, x, nil
}

// contextError is the end of a request's context.
type contextError struct{ err, cause error }

// ended returns the error of a request whose context ended.
func ended(ctx context.Context) error { return &contextError{ctx.Err(), context.Cause(ctx)} }

func (e *contextError) Error() string {
	text := "websocket: request: " + e.err.Error()
	if e.cause != e.err {
		text += ": " + e.cause.Error()
	}
	return text
}

func (e *contextError) Unwrap() []error { return []error{e.err, e.cause} }

// Timeout reports whether a deadline has passed, as a [net/url.Error] asks.
func (e *contextError) Timeout() bool { return errors.Is(e.err, context.DeadlineExceeded) }
