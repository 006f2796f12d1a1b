package interop_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/reconnect"
)

// What it may take until a keepalive notices that no packet arrives any more: its
// interval and its timeout, and a second for a busy machine.
const noticed = 3 * time.Second

// watcher tells what a client of package reconnect sees.
type watcher struct {
	reconnect.NopCallbacks
	up   chan struct{}
	down chan error
	text chan string
	fail chan error
}

func newWatcher() *watcher {
	return &watcher{up: make(chan struct{}, 9), down: make(chan error, 9), text: make(chan string, 9), fail: make(chan error, 99)}
}

func (w *watcher) OnConnect(*reconnect.Client, http.Header) { w.up <- struct{}{} }

func (w *watcher) OnMessage(_ *reconnect.Client, m websocket.Message)           { w.text <- string(m.Data) }
func (w *watcher) OnDisconnect(_ *reconnect.Client, err error, _ time.Duration) { w.down <- err }

func (w *watcher) OnConnectError(_ *reconnect.Client, err error, _ int) reconnect.Next {
	w.fail <- err
	return reconnect.Next{}
}

// soon returns what comes from a channel.
func soon[T any](t *testing.T, what string, c <-chan T, within time.Duration) T {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatalf("%s: there is no more", what)
		}
		return v
	case <-time.After(within):
		t.Fatalf("%s: nothing in %v", what, within)
	}
	panic("unreachable")
}

// A path on which packets are lost from one moment on is noticed by keepalives,
// and used again as soon as it is well: package reconnect over HTTP/1.1 and
// HTTP/2, and package client, whose connection has pings of its own over HTTP/2.
func TestSilence(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	for _, version := range []client.Protocol{client.HTTP1, client.HTTP2} {
		t.Run("reconnect "+version.String(), func(t *testing.T) {
			t.Parallel()
			testSilence(t, version)
		})
	}
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		testSilentConnection(t)
	})
}

func testSilence(t *testing.T, version client.Protocol) {
	s := newHTTP2Server(t, false, false, websocket.AcceptOptions{}, nil)
	w := newWatcher()
	c, err := reconnect.Start(t.Context(), s.address(), w, &reconnect.Options{
		MinWait: 100 * time.Millisecond, MaxWait: 400 * time.Millisecond,
		WhileDown: reconnect.Queue,
		WebSocket: &websocket.ConnOptions{KeepAlive: websocket.KeepAlive{Interval: time.Second, Timeout: time.Second}},
		Client:    client.Options{Protocols: []client.Protocol{version}, ConnectTimeout: 500 * time.Millisecond, UpgradeTimeout: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	soon(t, "connect", w.up, patience)
	echo := func(text string) {
		t.Helper()
		if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Error(err)
		}
		if got := soon(t, "echo", w.text, patience); got != text {
			t.Errorf("%q came back, want %q", got, text)
		}
	}
	echo("before")
	silence(t, s.port(), true)
	begin := time.Now()
	err = soon(t, "disconnect", w.down, noticed)
	if d := time.Since(begin); !errors.Is(err, websocket.ErrKeepAlive) || d < 500*time.Millisecond {
		t.Errorf("after %v: %v", d, err)
	}
	t.Logf("noticed in %v: %v", time.Since(begin), err)
	if err := c.Write(t.Context(), websocket.MessageText, []byte("meanwhile")); err != nil {
		t.Error(err)
	}
	err = soon(t, "attempt", w.fail, patience)
	if failure, ok := errors.AsType[*websocket.DialError](err); !ok || failure.Step != websocket.StepConnect || !failure.Timeout() {
		t.Errorf("an attempt failed by %v", err)
	}
	silence(t, s.port(), false)
	begin = time.Now()
	soon(t, "connect again", w.up, 2*time.Second)
	t.Logf("connected again in %v", time.Since(begin))
	if got := soon(t, "what was written meanwhile", w.text, patience); got != "meanwhile" {
		t.Errorf("%q came", got)
	}
	echo("after")
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// testSilentConnection has a connection with no socket on it, and an owner.
func testSilentConnection(t *testing.T) {
	s := newHTTP2Server(t, false, false, websocket.AcceptOptions{}, nil)
	o := client.NewOwner(0)
	c, err := client.Open(s.Listener.Addr().String(), &client.Options{
		Protocols: []client.Protocol{client.HTTP2}, KeepAlive: time.Second, Owner: o,
		ConnectTimeout: 500 * time.Millisecond, Retry: 100, RetryTimeout: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	awaitEvent[client.Up](t, o, patience)
	silence(t, s.port(), true)
	begin := time.Now()
	down := awaitEvent[client.Down](t, o, noticed)
	if d := time.Since(begin); down.Err == nil || d < 500*time.Millisecond {
		t.Errorf("after %v: %v", d, down.Err)
	}
	t.Logf("noticed in %v: %v", time.Since(begin), down.Err)
	if failed := awaitEvent[client.AttemptFailed](t, o, patience); !errors.Is(failed.Err, context.DeadlineExceeded) && failed.N < 1 {
		t.Errorf("attempt %d failed by %v", failed.N, failed.Err)
	}
	silence(t, s.port(), false)
	awaitEvent[client.Up](t, o, 2*time.Second)
}

// awaitEvent returns the next event of a kind.
func awaitEvent[E client.Event](t *testing.T, o *client.Owner, within time.Duration) E {
	t.Helper()
	for deadline := time.After(within); ; {
		select {
		case ev, ok := <-o.C:
			if e, is := ev.(E); is {
				return e
			}
			if !ok {
				t.Fatal("there are no more events")
			}
		case <-deadline:
			t.Fatalf("no %T in %v", *new(E), within)
		}
	}
}
