package wstest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
)

// handlersEnd is how long handlers may go on after the end of the test has
// dropped their connections.
const handlersEnd = 5 * time.Second

// Server accepts connections at the returned URL, "ws://127.0.0.1:4321", on
// any path, and calls the handler for each, on a goroutine of its own. When
// the handler returns, its connection is closed with 1000.
//
// At the end of the test the connections still open are dropped. A handler
// that goes on nevertheless, and one that panics, fails the test.
func Server(t testing.TB, handler func(*websocket.Conn), o *websocket.AcceptOptions) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("wstest: %v", err)
	}
	s := &server{t: t, handler: handler, options: o, conns: make(map[*websocket.Conn]struct{})}
	hs := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("wstest: the server stopped: %v", err)
		}
	}()
	t.Cleanup(func() {
		hs.Close()
		<-served
		s.end()
	})
	return "ws://" + l.Addr().String()
}

// server is the http.Handler behind [Server].
type server struct {
	t        testing.TB
	handler  func(*websocket.Conn)
	options  *websocket.AcceptOptions
	handlers sync.WaitGroup

	mu    sync.Mutex
	over  bool
	conns map[*websocket.Conn]struct{}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		return
	}
	defer s.handlers.Done()
	c, err := websocket.Accept(w, r, s.options)
	if err != nil {
		return // the refusal was answered; the client sees it
	}
	if !s.add(c) {
		c.CloseNow()
		return
	}
	defer func() {
		if v := recover(); v != nil {
			s.t.Errorf("wstest: the handler panicked: %v\n%s", v, debug.Stack())
		}
		// After this the peer's close frame has come, or the connection is
		// gone: either way there is nothing more to say to it.
		c.Close(websocket.StatusNormalClosure, "")
		s.remove(c)
	}()
	s.handler(c)
}

// begin counts a handler, unless the end has come.
func (s *server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.handlers.Add(1)
	}
	return !s.over
}

func (s *server) add(c *websocket.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.conns[c] = struct{}{}
	}
	return !s.over
}

func (s *server) remove(c *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// end drops what is open and waits for the handlers.
func (s *server) end() {
	s.mu.Lock()
	s.over = true
	for c := range s.conns {
		c.CloseNow()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(handlersEnd):
		stacks := make([]byte, 1<<20)
		s.t.Errorf("wstest: a handler still runs %v after its connection was dropped; it must return when Read or Write fails\n%s",
			handlersEnd, stacks[:runtime.Stack(stacks, true)])
	}
}

// Echo is a handler that sends every message back, until the connection ends.
func Echo(c *websocket.Conn) {
	defer c.CloseNow() // after an ending it does nothing
	ctx := context.Background()
	var buf []byte
	for {
		mt, p, err := c.Append(ctx, buf[:0])
		if err != nil {
			return
		}
		buf = p
		if c.Write(ctx, mt, p) != nil {
			return
		}
	}
}
