package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
)

// endings are the ways in which a session ends. After each of them Terminate
// was called once, last, with the right reason (HD4, S4.14). What a callback
// that panics does is in panics_test.go, Detach in detach_test.go.
var endings = []struct {
	name    string
	f       funcs
	options server.Options
	act     func(h *host, g *guard, c *raw) // of the peer
	kind    server.ReasonKind
	code    websocket.StatusCode // of the Close of the Reason
	reason  string
	sent    websocket.StatusCode // our close frame's, 0 for none
	err     error
}{
	{
		name: "S4.18 peer closes without a code; ws_handler: terminate on normal close",
		act: func(_ *host, _ *guard, c *raw) {
			c.say(masked(0x88, ""))
			c.want("close:", "eof")
		},
		kind: server.ReasonRemote, code: 1005, sent: 1005,
	},
	{
		name: "S4.19 peer closes with code and reason; ws_handler: terminate on close with reason",
		act: func(_ *host, _ *guard, c *raw) {
			c.say(closeFrame(4711, "so long"))
			c.want("close:4711", "eof")
		},
		kind: server.ReasonRemote, code: 4711, reason: "so long", sent: 4711,
	},
	{
		name: "S4.20 S4.12 handler stops",
		f:    funcs{message: func(s *server.Session, _ websocket.Message) { s.Stop() }},
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("x"))
			c.want("close:1000")
			c.say(closeFrame(1000, ""))
			c.want("eof")
		},
		kind: server.ReasonStop, code: 1000, sent: 1000,
	},
	{
		name: "S4.20 handler closes with a code",
		f:    funcs{message: func(s *server.Session, _ websocket.Message) { s.Close(4000, "enough") }},
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("x"))
			c.want("close:4000 enough")
			c.say(closeFrame(4000, ""))
			c.want("eof")
		},
		kind: server.ReasonStop, code: 4000, sent: 4000,
	},
	{
		name: "S4.13 handler sends a close frame",
		f: funcs{message: func(s *server.Session, _ websocket.Message) {
			s.Send(websocket.Text("last"), websocket.CloseFrame(4001, ""), websocket.Text("never"))
		}},
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("x"))
			c.want("t:last", "close:4001")
			c.say(closeFrame(4001, "ok"))
			c.want("eof")
		},
		kind: server.ReasonStop, code: 4001, reason: "ok", sent: 4001,
	},
	{
		name: "S4.20 closed from another goroutine",
		act: func(_ *host, g *guard, c *raw) {
			g.session().Close(0, "")
			c.want("close:")
			c.say(masked(0x88, ""))
			c.want("eof")
		},
		kind: server.ReasonStop, code: 1005, sent: 1005,
	},
	{
		name:    "C7 peer never answers our close frame",
		f:       funcs{init: func(s *server.Session) { s.Stop() }},
		options: with(func(o *server.Options) { o.CloseTimeout = 50 * time.Millisecond }),
		act:     func(_ *host, _ *guard, c *raw) { c.want("close:1000") },
		kind:    server.ReasonStop, code: 1006, sent: 1000,
	},
	{
		name: "S4.21 nothing comes",
		f:    funcs{message: echo},
		options: with(func(o *server.Options) {
			o.IdleTimeout = 100 * time.Millisecond
		}),
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("x"))
			c.want("t:x", "close:1000")
			c.Close()
		},
		kind: server.ReasonTimeout, code: 1006, sent: 1000, err: server.ErrIdleTimeout,
	},
	{
		name:    "S4.21 half a frame comes",
		options: with(func(o *server.Options) { o.IdleTimeout = 100 * time.Millisecond }),
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("xyz")[:7])
			c.want("close:1000", "eof")
		},
		kind: server.ReasonTimeout, code: 1006, sent: 1000, err: server.ErrIdleTimeout,
	},
	{
		name: "S4.23 text that is not UTF-8",
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("\xff"))
			c.want("close:1007")
		},
		kind: server.ReasonBadEncoding, code: 1006, sent: 1007, err: frame.ErrInvalidUTF8,
	},
	{
		name: "S4.24 frame without a mask",
		act: func(_ *host, _ *guard, c *raw) {
			c.say([]byte{0x81, 1, 'x'})
			c.want("close:1002")
		},
		kind: server.ReasonBadFrame, code: 1006, sent: 1002, err: frame.ErrMaskRequired,
	},
	{
		name: "S4.24 reserved bit",
		act: func(_ *host, _ *guard, c *raw) {
			c.say(masked(0xC1, "x"))
			c.want("close:1002")
		},
		kind: server.ReasonBadFrame, code: 1006, sent: 1002, err: frame.ErrReservedBits,
	},
	{
		name:    "too large a message",
		options: with(func(o *server.Options) { o.MaxMessageSize = 5 }),
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("123456"))
			c.want("close:1009")
		},
		kind: server.ReasonBadFrame, code: 1006, sent: 1009, err: frame.ErrMessageTooBig,
	},
	{
		name: "too large a message when it is inflated",
		options: with(func(o *server.Options) {
			o.MaxMessageSize = 999
			o.Extensions = []extension.Extension{deflate.New(nil)}
		}),
		act: func(h *host, _ *guard, _ *raw) {
			c := h.dial(&websocket.DialOptions{ConnOptions: websocket.ConnOptions{Extensions: []extension.Extension{deflate.New(nil)}}})
			c.Write(h.context(), websocket.MessageText, []byte(strings.Repeat("x", 1000)))
			if _, _, err := c.Read(h.context()); websocket.CloseStatus(err) != 1009 {
				h.t.Error(err)
			}
		},
		kind: server.ReasonBadFrame, code: 1006, sent: 1009, err: frame.ErrMessageTooBig,
	},
	{
		name: "S4.25 end of the stream; ws_handler: terminate on abrupt socket close",
		f:    funcs{message: echo},
		act: func(_ *host, _ *guard, c *raw) {
			c.say(textFrame("x"))
			c.want("t:x")
			c.cut()
		},
		kind: server.ReasonClosed, code: 1006,
	},
	{
		name: "S4.25 S4.26 C9 reset", // ws_handler: terminate on abrupt socket close over HTTP/2 comes with HTTP/2, as do HD4's resets of streams
		act:  func(_ *host, g *guard, c *raw) { g.session(); c.reset() },
		kind: server.ReasonClosed, code: 1006,
	},
	{
		name: "the peer reads nothing",
		options: with(func(o *server.Options) {
			o.Backlog.Policy = server.PolicyDropNewest
			o.WriteTimeout = 200 * time.Millisecond
		}),
		act: func(h *host, g *guard, _ *raw) {
			s, p := g.session(), make([]byte, 256<<10)
			until(h.t, "the session is given up", func() bool { return errors.Is(s.Binary(p), server.ErrOver) })
		},
		kind: server.ReasonError, code: 1006, err: websocket.ErrWriteTimeout,
	},
	{
		name: "Shutdown",
		act: func(h *host, g *guard, c *raw) {
			g.session()
			done := make(chan server.Report, 1)
			go func() {
				r, err := h.Shutdown(h.context(), nil)
				if err != nil {
					h.t.Error(err)
				}
				done <- r
			}()
			c.want("close:1001")
			c.say(closeFrame(1001, ""))
			c.want("eof")
			if r := wait(h.t, done); r != (server.Report{Clean: 1}) {
				h.t.Errorf("%+v", r)
			}
		},
		kind: server.ReasonShutdown, code: 1001, sent: 1001,
	},
	{
		name: "Shutdown that is forced",
		act: func(h *host, g *guard, c *raw) {
			g.session()
			ctx, cancel := context.WithCancel(h.context())
			done := make(chan server.Report, 1)
			go func() {
				r, err := h.Shutdown(ctx, &server.Drain{Code: 1012, Reason: "restart"})
				if !errors.Is(err, context.Canceled) {
					h.t.Error(err)
				}
				done <- r
			}()
			c.want("close:1012 restart")
			cancel()
			if r := wait(h.t, done); r != (server.Report{Forced: 1}) {
				h.t.Errorf("%+v", r)
			}
		},
		kind: server.ReasonShutdown, code: 1006, sent: 1012,
	},
	{
		name:    "S4.11 hibernated, then the end of the stream",
		f:       funcs{init: func(s *server.Session) { s.Hibernate() }},
		options: with(func(o *server.Options) { o.Extensions = []extension.Extension{deflate.New(nil)} }),
		act:     func(_ *host, g *guard, c *raw) { g.session(); c.cut() },
		kind:    server.ReasonClosed, code: 1006,
	},
	{
		name:    "S4.11 hibernated by itself, then a close frame",
		options: with(func(o *server.Options) { o.HibernateAfter = 10 * time.Millisecond }),
		act: func(_ *host, _ *guard, c *raw) {
			c.say(masked(0x88, ""))
			c.want("close:", "eof")
		},
		kind: server.ReasonRemote, code: 1005, sent: 1005,
	},
}

func with(set func(*server.Options)) (o server.Options) {
	set(&o)
	return o
}

// HD4: terminate exactly once, in each of the endings. S4.16, HD5: nothing is left
// behind (leakcheck in TestMain).
func TestTerminate(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, e := range endings {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				g := guarded(t, &e.f)
				h := g.serve(engine, &e.options)
				var c *raw
				if e.sent != 1009 || e.options.Extensions == nil {
					c = h.raw(nil, "Sec-WebSocket-Extensions: permessage-deflate")
				}
				e.act(h, g, c)
				r := g.reason()
				if r.Kind != e.kind || r.Close == nil {
					t.Fatalf("%+v", r)
				}
				if r.Close.Code != e.code || r.Close.Reason != e.reason {
					t.Errorf("%v", r.Close)
				}
				sent := websocket.StatusCode(0)
				if r.Close.Sent != nil {
					sent = r.Close.Sent.Code
				}
				if sent != e.sent {
					t.Errorf("sent %v, want %v", sent, e.sent)
				}
				if e.err != nil && !errors.Is(r.Err, e.err) {
					t.Errorf("%v, want %v", r.Err, e.err)
				}
				if e.kind == server.ReasonClosed && !errors.Is(r.Close, io.ErrUnexpectedEOF) && r.Err == nil {
					t.Errorf("%v", r.Close)
				}
				if !errors.Is(r.Close, net.ErrClosed) || r.Value != nil || r.Panic != nil {
					t.Errorf("%+v", r)
				}
			})
		}
	})
}
