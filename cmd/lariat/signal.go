package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return "stopped by signal: " + e.signal.String() }

// withSignals returns a context that ends at the first SIGINT or SIGTERM, with
// a *signalError as its cause. The second one ends the process at once.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-ch:
			signal.Stop(ch) // the next one is not ours
			cancel(&signalError{s})
		case <-ctx.Done():
			signal.Stop(ch)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// signalOf returns the signal that ended ctx, or nil.
func signalOf(ctx context.Context) os.Signal {
	var s *signalError
	if errors.As(context.Cause(ctx), &s) {
		return s.signal
	}
	return nil
}
