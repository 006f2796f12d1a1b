package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/wstest"
)

// hookLog notes what the hooks are told.
type hookLog struct {
	mu   sync.Mutex
	list []string
}

func (l *hookLog) add(a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, strings.TrimSpace(fmt.Sprintln(a...)))
}

func (l *hookLog) hooks() *client.Hooks {
	step := func(name string) func(client.Step) {
		return func(s client.Step) {
			switch {
			case !s.Done:
				l.add(name, s.Addr, "begins")
			case s.Err != nil:
				l.add(name, s.Addr, "failed")
			default:
				l.add(name, s.Addr, "done", s.Addrs)
			}
		}
	}
	return &client.Hooks{
		Attempt: func(n, left int) { l.add("attempt", n, left) },
		Lookup:  step("lookup"),
		Connect: step("connect"),
		Proxy:   step("proxy"),
		TLS:     step("TLS"),
		Up:      func(p client.Protocol) { l.add("up", p) },
		Request: func(i client.RequestInfo) {
			l.add("request", i.Ref, i.Phase, i.Request.Method, i.Request.URL.Path, failed(i.Err))
		},
		Response: func(i client.ResponseInfo) {
			l.add("response", i.Ref, i.Phase, i.Status, failed(i.Err))
		},
		Cancel: func(ref client.Ref) { l.add("cancel", ref) },
		Upgrade: func(i client.UpgradeInfo) {
			l.add("upgrade", i.Ref, i.Path, i.Done, i.Socket != nil, failed(i.Err))
		},
		Frame:      func(ref client.Ref, sent bool, h frame.Header) { l.add("frame", ref, sent, h.Opcode, h.Length) },
		Disconnect: func(err error) { l.add("disconnect", failed(err)) },
		Retry:      func(left int, wait time.Duration, err error) { l.add("retry", left, wait, failed(err)) },
		Terminate:  func(err error) { l.add("terminate", failed(err)) },
	}
}

func failed(err error) string {
	if err != nil {
		return "failed"
	}
	return ""
}

// The hooks are told of a whole life in its order.
func TestHooks(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		var log hookLog
		life(t, p, &client.Options{Hooks: log.hooks()})
		want := []string{
			"attempt 1 5", "connect 192.0.2.1:80 begins", "connect 192.0.2.1:80 done [pipe:b]", "up " + p.String(),
			"request 1 begin GET /login", "request 1 head GET /login", "request 1 end GET /login", "response 1 head 200", "response 1 end 0",
			"upgrade 2 /refuse false false", "upgrade 2 /refuse true false failed",
			"upgrade 3 /ws?room=1 false false", "upgrade 3 /ws?room=1 true true",
			"frame 3 true text 6", "frame 3 false text 6",
			"disconnect failed", "retry 4 5s failed",
			"attempt 2 4", "connect 192.0.2.1:80 begins", "connect 192.0.2.1:80 done [pipe:b]", "up " + p.String(),
			"request 4 begin GET /again", "request 4 head GET /again", "request 4 end GET /again", "response 4 head 200", "response 4 end 0",
			"disconnect", "terminate",
		}
		if !slices.Equal(log.list, want) {
			t.Errorf("hooks:\n%s\nwant:\n%s", strings.Join(log.list, "\n"), strings.Join(want, "\n"))
		}
	})
}

// Attempts that fail, and the end of them.
func TestHooksGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.NewListener(nil)
		ln.Down(nil)
		var log hookLog
		c := open(t, ln, &client.Options{Hooks: log.hooks(), Retry: 1})
		gaveUp(t, c)
		want := []string{
			"attempt 1 1", "connect 192.0.2.1:80 begins", "connect 192.0.2.1:80 failed", "retry 0 5s failed",
			"attempt 2 0", "connect 192.0.2.1:80 begins", "connect 192.0.2.1:80 failed", "terminate failed",
		}
		if !slices.Equal(log.list, want) {
			t.Errorf("hooks:\n%s\nwant:\n%s", strings.Join(log.list, "\n"), strings.Join(want, "\n"))
		}
	})
}

// A request that is given up is told of as such, and so is an upgrade.
func TestHooksCancel(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		var log hookLog
		begun := make(chan struct{})
		mux := http.NewServeMux()
		mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
		})
		c := open(t, newNet(t, mux), &client.Options{Hooks: log.hooks(), Protocols: []client.Protocol{p}, Retry: -1})
		up(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-begun
			cancel()
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/slow", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.RoundTrip(req); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled request: %v", err)
		}
		if _, err := c.Upgrade(ctx, "/ws", nil); err == nil {
			t.Error("upgraded with a context that has ended")
		}
		synctest.Wait()
		log.mu.Lock()
		defer log.mu.Unlock()
		for _, want := range []string{"cancel 1", "response 1 end 0 failed", "upgrade 2 /ws false false", "upgrade 2 /ws true false failed"} {
			if !slices.Contains(log.list, want) {
				t.Errorf("hooks:\n%s\nwant also %s", strings.Join(log.list, "\n"), want)
			}
		}
	})
}

// A trace of the socket's options is told of its frames besides the hooks.
func TestHooksAndTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log, trace hookLog
		ln := newNet(t, site())
		o := &client.Options{Hooks: log.hooks(), TraceTo: &lines{}}
		o.WebSocket.Trace = &websocket.Trace{
			Frame:    func(sent bool, h frame.Header) { trace.add(sent, h.Opcode, h.Length) },
			Request:  func(method, target string, _ http.Header) { trace.add(method, target) },
			Response: func(status int, _ http.Header) { trace.add(status) },
		}
		c := open(t, ln, o)
		s, err := c.Upgrade(t.Context(), "/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		echo(t, s, "Hello!")
		same(t, trace.list, []string{"GET /ws", "101", "true text 6", "false text 6"})
	})
}
