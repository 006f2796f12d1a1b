package client

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2"
)

// steps tells of what a connection does: the Hooks, TraceTo and the Logger of
// its options. Nil, when there are none of them, costs nothing.
type steps struct {
	hooks  Hooks
	tracer *tracer      // nil: none
	log    *slog.Logger // nil: none
}

// newSteps returns nil where nobody is to be told. addr names the connection in
// the log.
func newSteps(o *Options, addr string) *steps {
	if o.Hooks == nil && o.TraceTo == nil && o.Logger == nil {
		return nil
	}
	s := &steps{}
	if o.Hooks != nil {
		s.hooks = *o.Hooks
	}
	if o.TraceTo != nil {
		s.tracer = newTracer(o.TraceTo)
	}
	if o.Logger != nil {
		s.log = o.Logger.With("addr", addr)
	}
	return s
}

// attempt: the nth attempt begins.
func (s *steps) attempt(n, left int) {
	if s == nil {
		return
	}
	if f := s.hooks.Attempt; f != nil {
		f(n, left)
	}
	if t := s.tracer; t != nil {
		t.note("attempt %d, %s left", n, count(int64(left), "retry", "retries"))
	}
}

// failed: an attempt did. wait is negative when no other follows. Hooks hear of
// it by retry or terminate.
func (s *steps) failed(n int, wait time.Duration, err error) {
	if s == nil {
		return
	}
	if t := s.tracer; t != nil {
		t.note("attempt %d failed: %s", n, trimmed(err))
	}
	if l := s.log; l == nil {
		return
	} else if wait < 0 {
		l.Warn("attempt to connect failed", "attempt", n, "err", err)
	} else {
		l.Warn("attempt to connect failed", "attempt", n, "wait", wait, "err", err)
	}
}

// dialStep: a step of an attempt begins, or is done.
func (s *steps) dialStep(i dial.Info) {
	if s == nil {
		return
	}
	f := s.hooks.Connect
	switch i.Step {
	case dial.StepLookup:
		f = s.hooks.Lookup
	case dial.StepProxy:
		f = s.hooks.Proxy
	case dial.StepTLS:
		f = s.hooks.TLS
	}
	if f != nil {
		f(Step{Addr: i.Addr, Done: i.Done, Addrs: i.Addrs, Took: i.Took, Err: i.Err, TLS: i.TLS})
	}
	if t := s.tracer; t != nil {
		t.dialStep(i)
	}
}

// up: the connection can be used.
func (s *steps) up(p Protocol) {
	if s == nil {
		return
	}
	if f := s.hooks.Up; f != nil {
		f(p)
	}
	if t := s.tracer; t != nil {
		t.note("up: %v", p)
	}
	if l := s.log; l != nil {
		l.Info("connection is up", "protocol", p)
	}
}

// request: a request comes to its next phase.
func (s *steps) request(i RequestInfo) {
	if s == nil {
		return
	}
	if f := s.hooks.Request; f != nil {
		f(i)
	}
	if t := s.tracer; t != nil {
		t.request(i)
	}
}

// response: a response comes to its next phase.
func (s *steps) response(i ResponseInfo) {
	if s == nil {
		return
	}
	if f := s.hooks.Response; f != nil {
		f(i)
	}
	if t := s.tracer; t != nil {
		t.response(i)
	}
}

// cancel: a request was given up.
func (s *steps) cancel(ref Ref) {
	if s == nil {
		return
	}
	if f := s.hooks.Cancel; f != nil {
		f(ref)
	}
	if t := s.tracer; t != nil {
		t.note("#%d cancelled", ref)
	}
}

// upgrade: an opening handshake begins, or is done.
func (s *steps) upgrade(i UpgradeInfo) {
	if s == nil {
		return
	}
	if f := s.hooks.Upgrade; f != nil {
		f(i)
	}
	if t := s.tracer; t != nil {
		t.upgrade(i)
	}
}

// trace returns the trace of a socket, and of its opening handshake: user's,
// and what the steps want to know of it.
func (s *steps) trace(ref Ref, user *websocket.Trace) *websocket.Trace {
	if s == nil || s.hooks.Frame == nil && s.tracer == nil {
		return user
	}
	var t websocket.Trace
	if user != nil {
		t = *user
	}
	hook, tr, users := s.hooks.Frame, s.tracer, t.Frame
	t.Frame = func(sent bool, h frame.Header) {
		if users != nil {
			users(sent, h)
		}
		if hook != nil {
			hook(ref, sent, h)
		}
		if tr != nil {
			tr.frame(ref, sent, h)
		}
	}
	if tr == nil {
		return &t
	}
	request, response := t.Request, t.Response
	t.Request = func(method, target string, header http.Header) {
		if request != nil {
			request(method, target, header)
		}
		tr.sent("#%d %s %s", ref, method, target)
	}
	t.Response = func(status int, header http.Header) {
		if response != nil {
			response(status, header)
		}
		tr.received("#%d %d %s", ref, status, http.StatusText(status))
	}
	return &t
}

// http2 returns what wants to know of frames of HTTP/2, nil for nobody.
func (s *steps) http2() func(h2.FrameInfo) {
	if s == nil || s.tracer == nil {
		return nil
	}
	return s.tracer.http2
}

// disconnect: the connection is over. err is nil when this end wanted it, wait
// negative when no other is made.
func (s *steps) disconnect(err error, wait time.Duration) {
	if s == nil {
		return
	}
	if f := s.hooks.Disconnect; f != nil {
		f(err)
	}
	if t := s.tracer; t != nil {
		if err == nil {
			t.note("down: ended by this end")
		} else {
			t.note("down: %s", trimmed(err))
		}
	}
	if l := s.log; l == nil {
		return
	} else if err == nil {
		l.Info("connection is down")
	} else if wait < 0 {
		l.Info("connection is down", "err", err)
	} else {
		l.Info("connection is down", "wait", wait, "err", err)
	}
}

// retry: another attempt follows after wait.
func (s *steps) retry(left int, wait time.Duration, err error) {
	if s == nil {
		return
	}
	if f := s.hooks.Retry; f != nil {
		f(left, wait, err)
	}
	if t := s.tracer; t != nil {
		t.note("next attempt in %v, %s left", wait, count(int64(left), "retry", "retries"))
	}
}

// terminate: the Conn is over for good.
func (s *steps) terminate(err error) {
	if s == nil {
		return
	}
	if f := s.hooks.Terminate; f != nil {
		f(err)
	}
	if t := s.tracer; t != nil {
		if err == nil {
			t.note("over")
		} else {
			t.note("over: %s", trimmed(err))
		}
	}
	if l := s.log; l != nil && err != nil {
		l.Error("gave up connecting", "err", err)
	}
}

// handlerFailed: the handler of a socket returned an error, or panicked.
func (s *steps) handlerFailed(ref Ref, err error, stack []byte) {
	if s == nil {
		return
	}
	if t := s.tracer; t != nil {
		t.note("#%d handler failed: %s", ref, trimmed(err))
	}
	if l := s.log; l == nil {
		return
	} else if stack != nil {
		l.Error("handler of a socket panicked", "ref", ref, "err", err, "stack", string(stack))
	} else {
		l.Error("handler of a socket failed", "ref", ref, "err", err)
	}
}

// count is n and its unit.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
