package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lariat-go/websocket"
)

// Drain says how [Server.Shutdown] ends sessions. The zero value and nil mean
// all defaults.
type Drain struct {
	// Over is the time over which the sessions are closed, evenly, so that
	// their clients do not all come back at once. Default 0: all at once.
	Over time.Duration

	// Code and Reason are sent in the close frames. Default 1001, going away,
	// and no reason.
	Code   websocket.StatusCode
	Reason string

	// RetryAfter is told to those who come meanwhile, with the 503. Default
	// 5 s.
	RetryAfter time.Duration
}

// Report is what came of a [Server.Shutdown]: how many sessions ended by
// themselves or by a closing handshake, and how many had to be dropped, because
// their peer did not answer within CloseTimeout or because the context ended.
type Report struct {
	Clean, Forced int
}

// forceGrace is how long sessions that were dropped are waited for: long enough
// for Terminate, and not for a callback that hangs.
const forceGrace = 500 * time.Millisecond

// Shutdown ends the server: from now on requests are answered 503, and every
// session gets a close frame, after what its peer had sent before was given to
// its handler and answered. Shutdown returns when all sessions are gone. When
// ctx ends before that, the rest are dropped, and the error is that of ctx. A
// session's callback that never returns is left behind.
//
// http.Server.Shutdown does not know of sessions, and waits for none, except over
// HTTP/2, where it closes them with 1001 and waits for their connections. Call
// this one first, or by http.Server.RegisterOnShutdown and wait for it:
//
//	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
//	defer cancel()
//	report, err := ws.Shutdown(ctx, &server.Drain{Over: 10 * time.Second})
//	err = errors.Join(err, httpServer.Shutdown(ctx))
//
// A second call waits, too, and reports on what was left. A Code or Reason that
// cannot be sent is an error, and nothing has begun then.
func (srv *Server) Shutdown(ctx context.Context, o *Drain) (Report, error) {
	d, err := o.withDefaults()
	if err != nil {
		return Report{}, err
	}
	srv.drain.CompareAndSwap(nil, d)
	srv.mu.Lock()
	list, before := slices.Clone(srv.sessions), srv.ended
	srv.mu.Unlock()
	srv.drainAll(ctx, list, d.Over)
	select {
	case <-srv.gone():
		return srv.report(before), nil
	case <-ctx.Done():
	}
	srv.dropAll()
	grace := time.NewTimer(forceGrace)
	defer grace.Stop()
	select {
	case <-srv.gone():
	case <-grace.C:
	}
	return srv.report(before), context.Cause(ctx)
}

// report counts the sessions that ended since before, and those that hang.
func (srv *Server) report(before Report) Report {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return Report{Clean: srv.ended.Clean - before.Clean, Forced: srv.ended.Forced - before.Forced + len(srv.sessions)}
}

func (o *Drain) withDefaults() (*Drain, error) {
	var d Drain
	if o != nil {
		d = *o
	}
	d.Code = cmp.Or(d.Code, websocket.StatusGoingAway)
	d.RetryAfter = cmp.Or(d.RetryAfter, 5*time.Second)
	item := websocket.CloseFrame(d.Code, d.Reason)
	return &d, item.Check()
}

// drainAll closes sessions one after another, over a time.
func (srv *Server) drainAll(ctx context.Context, list []*Session, over time.Duration) {
	if over <= 0 || len(list) < 2 {
		for _, s := range list {
			s.kick(evDrain)
		}
		return
	}
	gone, begun := srv.gone(), time.Now()
	step := over / time.Duration(len(list))
	tick := time.NewTicker(max(step, 10*time.Millisecond))
	defer tick.Stop()
	for i := 0; i < len(list); {
		for ; i < len(list) && time.Since(begun) >= time.Duration(i)*step; i++ {
			list[i].kick(evDrain)
		}
		if i == len(list) {
			return
		}
		select {
		case <-tick.C:
		case <-gone: // by themselves
			return
		case <-ctx.Done():
			return
		}
	}
}

// dropAll drops what is left.
func (srv *Server) dropAll() {
	srv.mu.Lock()
	list := slices.Clone(srv.sessions)
	srv.mu.Unlock()
	for _, s := range list {
		s.mu.Lock()
		if !s.released {
			e := s.ending()
			e.because(ReasonShutdown, nil) // not because of what breaks now
			e.forced = true
			s.link.abort()
		}
		s.mu.Unlock()
		s.kick(evDrop)
	}
}

// gone returns a channel that is closed when there is no session.
func (srv *Server) gone() <-chan struct{} {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.empty == nil {
		srv.empty = make(chan struct{})
	}
	c := srv.empty
	srv.settle()
	return c
}
