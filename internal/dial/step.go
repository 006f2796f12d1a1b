package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lariat-go/websocket/internal/stream"
)

// Step is a step on the way to a connection.
type Step string

// The steps, in their order. Those of proxies come once for each.
const (
	StepLookup  Step = "lookup"  // of the name
	StepConnect Step = "connect" // to the server or the first proxy
	StepProxy   Step = "proxy"   // through a proxy to the server, or to the next proxy
	StepTLS     Step = "TLS"     // handshake, with a proxy or the server
)

// Info is about a step, for Dialer.OnStep: it begins, or it has ended (Done).
type Info struct {
	Step Step
	Addr string // the name that is looked up, or whom the step is with: "example.com:443", or a path

	Done  bool
	Addrs []string      // Done, of a lookup: what was found; of a connect: the address that answered
	Took  time.Duration // Done
	Err   error         // Done: an *Error

	// TLS is what was agreed on, of StepTLS without an error.
	TLS *tls.ConnectionState
}

// report is a step under way.
type report struct {
	to    func(Info)
	begun time.Time
	Info
}

// begin tells that a step begins.
func (d *Dialer) begin(step Step, addr string) *report {
	r := &report{to: d.OnStep, Info: Info{Step: step, Addr: addr}}
	if r.to != nil {
		r.begun = time.Now()
		r.to(r.Info)
	}
	return r
}

// end tells that it has ended.
func (r *report) end(err error) {
	if r.to != nil {
		r.Done, r.Took, r.Err = true, time.Since(r.begun), err
		r.to(r.Info)
	}
}

// Error says why a server was not reached. It wraps the error of the net or
// crypto/tls package, if there is one.
type Error struct {
	Step Step
	Addr string // of the server, or of the proxy: "example.com:443", or a path
	Err  error

	// Status and Header are what an HTTP proxy answered when it refused to
	// connect to the server; else 0 and nil.
	Status int
	Header http.Header
}

// Error says what was tried, with whom, and what happened.
func (e *Error) Error() string {
	var what string
	switch e.Step {
	case StepLookup:
		what = "lookup of "
	case StepConnect:
		what = "connect to "
	case StepProxy:
		what = "proxy "
	default:
		what = "TLS handshake with "
	}
	return "websocket: " + what + e.Addr + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a timeout was the reason.
func (e *Error) Timeout() bool {
	return stream.IsTimeout(e.Err) || errors.Is(e.Err, context.DeadlineExceeded)
}

// timeoutError is the cause of a context whose step took too long.
type timeoutError struct {
	option string
	d      time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("took longer than %s, %v", e.option, e.d)
}

// Timeout is true, as for the errors of package net.
func (e *timeoutError) Timeout() bool { return true }

// Is makes it an os.ErrDeadlineExceeded.
func (e *timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// WithStep bounds a step to what an option says; 0 or less is no bound.
func WithStep(ctx context.Context, option string, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, &timeoutError{option, d})
}

// StepError returns the error for a step that was bound to ctx, nil when err is
// nil.
func StepError(ctx context.Context, step Step, addr string, err error) error {
	if err == nil {
		return nil
	}
	if ended := WhyEnded(ctx, err); ended != nil {
		err = ended
	}
	return &Error{Step: step, Addr: addr, Err: err}
}

// WhyEnded returns why ctx ended, nil if it has not. err, the consequence, may
// be a little ahead of it: a deadline on a socket and the context's own timer
// run down apart from each other.
func WhyEnded(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ok && stream.IsTimeout(err) && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	ended, cause := ctx.Err(), context.Cause(ctx)
	if _, ok := errors.AsType[*timeoutError](cause); ok || cause == ended {
		return cause
	}
	return fmt.Errorf("%w: %w", ended, cause)
}

// During returns err with what was being done before its text, which names the
// package no second time.
func During(what string, err error) error { return &during{what, err} }

type during struct {
	what string
	err  error
}

func (e *during) Error() string { return e.what + strings.TrimPrefix(e.err.Error(), "websocket: ") }

func (e *during) Unwrap() error { return e.err }

// Hopeless reports whether the next attempt would find the same as the one that
// has failed with err: a certificate that is no good, a server that speaks nothing
// of what was offered, a proxy that does not take the password.
func Hopeless(err error) bool {
	if de, ok := errors.AsType[*Error](err); ok && unknownUser(de.Status) {
		return true
	}
	return untrusted(err) || noProtocol(err)
}
