package client

import (
	"context"
	"io"
	"net/http"

	"github.com/lariat-go/websocket/internal/roundtrip"
)

// attempt is a request on one connection: the [roundtrip.Stream] of that, and
// what is to be told of it. A request that was refused unseen has several, one
// after the other; whoever still has an earlier one does no harm to the last.
type attempt struct {
	roundtrip.Stream
	x       *exchange
	session session
}

// open sends the head of the request on the connection there is, or on the next
// one.
func (x *exchange) open(ctx context.Context, r *http.Request, end bool) (roundtrip.Stream, error) {
	for {
		s, err := x.c.await(ctx, nil)
		if err != nil {
			return nil, err
		}
		st, err := s.open(ctx, r, end)
		if err == nil {
			x.c.carry(x.flow, s)
			return x.attempt(st, s, end), nil
		}
		if !x.c.again(ctx, x.flow, s, &err) {
			return nil, err
		}
	}
}

// attempt makes an attempt of a stream on which the head was sent.
func (x *exchange) attempt(st roundtrip.Stream, s session, end bool) *attempt {
	a := &x.first
	if a.x != nil {
		a = new(attempt)
	}
	*a = attempt{st, x, s}
	x.c.mu.Lock()
	x.last, x.closed, x.canceled = a, false, false
	x.c.mu.Unlock()
	x.tell(PhaseHead, nil)
	if end {
		x.tell(PhaseEnd, nil)
	}
	return a
}

// tell tells how far the request has come.
func (x *exchange) tell(p Phase, err error) {
	x.c.steps.request(RequestInfo{Ref: x.flow.ref, Phase: p, Request: x.req, Err: err})
}

// AwaitHead tells of the heads that come.
func (a *attempt) AwaitHead(ctx context.Context, h *roundtrip.Head) error {
	err := a.Stream.AwaitHead(ctx, h)
	if err == nil {
		phase := PhaseHead
		if h.Status < 200 {
			phase = PhaseInterim
		}
		a.x.c.steps.response(ResponseInfo{Ref: a.x.flow.ref, Phase: phase, Status: h.Status, Header: h.Header})
	}
	return err
}

// Read tells of the trailer.
func (a *attempt) Read(p []byte) (int, error) {
	n, err := a.Stream.Read(p)
	if err != nil && err != io.EOF {
		a.x.over(err)
	}
	if err == io.EOF {
		if t := a.Stream.Trailers(); t != nil {
			a.x.c.steps.response(ResponseInfo{Ref: a.x.flow.ref, Phase: PhaseTrailer, Header: t})
		}
	}
	return n, err
}

// WriteEnd and WriteTrailers tell that all was sent.
func (a *attempt) WriteEnd(p []byte) error {
	err := a.Stream.WriteEnd(p)
	a.x.tell(PhaseEnd, err)
	return err
}

func (a *attempt) WriteTrailers(h http.Header) error {
	err := a.Stream.WriteTrailers(h)
	a.x.tell(PhaseEnd, err)
	return err
}

// Abort tells that the request is given up.
func (a *attempt) Abort() {
	x := a.x
	x.c.mu.Lock()
	told := x.last != a || x.canceled || x.done
	if x.last == a {
		x.canceled = true
	}
	x.c.mu.Unlock()
	if !told {
		x.c.steps.cancel(x.flow.ref)
	}
	a.Stream.Abort()
}

// Close tells that it is done, unless roundTrip will.
func (a *attempt) Close() error {
	err := a.Stream.Close()
	x := a.x
	x.c.mu.Lock()
	last := x.last == a
	x.closed = x.closed || last
	answered := x.answered
	x.c.mu.Unlock()
	if last && answered {
		x.over(nil)
	}
	return err
}

// over notes the end of the request.
func (x *exchange) over(err error) {
	c := x.c
	c.mu.Lock()
	done, last := x.done, x.last
	x.done = true
	c.mu.Unlock()
	if done {
		return
	}
	var s session
	if last != nil {
		s = last.session
	}
	c.finish(x.flow, s)
	c.steps.response(ResponseInfo{Ref: x.flow.ref, Phase: PhaseEnd, Err: err})
}
