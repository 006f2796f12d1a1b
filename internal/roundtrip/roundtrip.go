package roundtrip

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lariat-go/websocket/internal/h2http"
)

// DefaultContinueTimeout is how long a 100 (Continue) is waited for.
const DefaultContinueTimeout = time.Second

// ErrResponse: what the server answered is no answer.
var ErrResponse = errors.New("websocket: response cannot be used")

// Client makes exchanges of requests and responses.
type Client struct {
	// Open sends the head of a request, and with end says that nothing follows
	// it. It waits for as long as the server takes no more.
	Open func(ctx context.Context, req *http.Request, end bool) (Stream, error)

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
// [h2http.ErrNoHTTP2] the body is left as it is; after any other error it is
// closed.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	for retries := 0; ; retries++ {
		x, err := c.try(req)
		if err == nil {
			return &x.res, nil
		}
		if errors.Is(err, h2http.ErrNoHTTP2) {
			return nil, err
		}
		if !h2http.Refused(err) || retries == h2http.MaxRetries || ctx.Err() != nil {
			closeBody(req)
			return nil, err
		}
		if x != nil && x.begun() {
			if req, err = again(req, err); err != nil {
				return nil, err
			}
		}
		if h2http.Pause(ctx, retries) != nil {
			closeBody(req)
			return nil, ended(ctx)
		}
	}
}

// again returns the request with its body from the beginning.
func again(req *http.Request, refusal error) (*http.Request, error) {
	closeBody(req)
	if req.GetBody == nil {
		return nil, fmt.Errorf("%w; its body was begun and it has no GetBody, so it was not sent again", refusal)
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("%w: GetBody: %w", h2http.ErrRequest, err)
	}
	next := *req
	next.Body = body
	return &next, nil
}

// try makes one attempt. The exchange is nil where no stream was opened.
func (c *Client) try(req *http.Request) (*exchange, error) {
	ctx := req.Context()
	sends := h2http.HasBody(req) || len(req.Trailer) > 0
	s, err := c.Open(ctx, req, !sends)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ended(ctx)
	case err != nil:
		return nil, err
	}
	x := newExchange(req, s)
	x.hooks.opened(s)
	if sends {
		go x.send(c.ContinueTimeout)
	} else {
		x.sent = true
		x.hooks.wrote(nil)
	}
	if err := x.await(); err != nil {
		x.finish(err)
		return x, err
	}
	x.respond()
	return x, nil
}

// closeBody does so where there is a body.
func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
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
