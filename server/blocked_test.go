package server_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// blocker is a session whose handler blocks in Message until gate is closed.
type blocker struct {
	*guard
	in, gate chan struct{}
}

func blocking(t *testing.T, before func(*server.Session)) *blocker {
	b := &blocker{in: make(chan struct{}), gate: make(chan struct{})}
	first := true
	b.guard = guarded(t, &funcs{message: func(s *server.Session, m websocket.Message) {
		if !first {
			echo(s, m)
			return
		}
		first = false
		if before != nil {
			before(s)
		}
		close(b.in)
		<-b.gate
		s.Text("unblocked")
	}})
	return b
}

// HD3: a handler that does not return stops nobody but its own session. What it
// had sent, and what others send, leaves meanwhile.
func TestBlockedSends(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		b := blocking(t, func(s *server.Session) { s.Text("before") })
		h := b.serve(engine, nil)
		c := h.raw(nil)
		c.say(append(textFrame("block"), textFrame("later")...))
		wait(t, b.in)
		c.want("t:before")
		s := b.session()
		for range 3 {
			s.Text("from outside")
			c.want("t:from outside")
		}
		close(b.gate)
		c.want("t:unblocked", "t:later")
	})
}

// HD3, in Init, which runs on the goroutine of the http.Handler.
func TestBlockedInit(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		gate := make(chan struct{})
		g := guarded(t, &funcs{message: echo, init: func(s *server.Session) { s.Text("before"); <-gate }})
		c := g.serve(engine, nil).raw(nil)
		c.say(textFrame("later"))
		c.want("t:before")
		g.session().Text("from outside")
		c.want("t:from outside")
		close(gate)
		c.want("t:later")
	})
}

// HD3: reads pause while a handler blocks, and the rules of idleness still run:
// the peer is told; Terminate waits for the handler.
func TestBlockedIdle(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		b := blocking(t, nil)
		h := b.serve(engine, &server.Options{IdleTimeout: 50 * time.Millisecond})
		c := h.raw(nil)
		c.say(textFrame("block"))
		wait(t, b.in)
		c.want("close:1000")
		if len(b.over) > 0 {
			t.Error("Terminate while Message runs")
		}
		close(b.gate)
		if r := b.reason(); r.Kind != server.ReasonTimeout {
			t.Errorf("%+v", r)
		}
	})
}

// HD3: Shutdown forces at its deadline: the transport is dropped though the
// handler has not returned.
func TestBlockedShutdown(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		b := blocking(t, nil)
		h := b.serve(engine, nil)
		c := h.raw(nil)
		c.say(textFrame("block"))
		wait(t, b.in)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		r, err := h.Shutdown(ctx, nil)
		if !errors.Is(err, context.DeadlineExceeded) || r != (server.Report{Forced: 1}) {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := io.ReadAll(c.br); err != nil {
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Error(err)
			}
		}
		close(b.gate)
		if r := b.reason(); r.Kind != server.ReasonShutdown {
			t.Errorf("%+v", r)
		}
	})
}

// A peer that takes what it is sent while a handler blocks is not one that takes
// nothing: WriteTimeout does not strike, and what waits goes on.
func TestBlockedWrites(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const size = 8 << 20
		b := blocking(t, func(s *server.Session) { s.Binary(make([]byte, size)) })
		o := &server.Options{Backlog: server.Backlog{Hard: -1}}
		o.WriteTimeout = 200 * time.Millisecond
		if raceEnabled { // a client may take nothing for that long
			o.WriteTimeout = time.Second
		}
		c := b.serve(engine, o).raw(nil)
		c.say(textFrame("block"))
		wait(t, b.in)
		if b0, p, err := c.next(); b0 != 0x82 || len(p) != size || err != nil {
			t.Fatalf("%x, %d bytes, %v", b0, len(p), err)
		}
		c.SetReadDeadline(time.Now().Add(o.WriteTimeout * 3 / 2))
		if b0, p, err := c.next(); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("%x, %q, %v", b0, p, err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		close(b.gate)
		if !hasTLS(engine) { // a TLS client is no good after a read that timed out in the middle of a record
			c.want("t:unblocked")
		}
	})
}

func hasTLS(engine string) bool { return engine == "poll+tls" || engine == "goroutine+tls" }
