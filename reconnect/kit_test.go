package reconnect_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// noContext is what nobody should give.
var noContext context.Context

const addr = "ws://192.0.2.1/feed"

// site is a server in memory, and how often it was dialled.
type site struct {
	*wstest.Listener

	mu      sync.Mutex
	dialing int // now
	most    int // at the same time
	dialed  []time.Duration
	begin   time.Time
	next    func(ctx context.Context) error // of dials: before each
	last    *wstest.PipeConn                // the client's end
}

// newSite serves handler until the end of the test or its bubble.
func newSite(t *testing.T, handler http.Handler) *site {
	t.Helper()
	s := &site{Listener: wstest.NewListener(nil), begin: time.Now()}
	var handlers sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		handler.ServeHTTP(w, r)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(s.Listener)
	}()
	t.Cleanup(func() {
		s.Listener.Cut()
		srv.Close()
		<-served
		handlers.Wait()
	})
	return s
}

// sockets is a server that calls f with each connection, and then closes it with
// 1000 unless that was done.
func sockets(f func(c *websocket.Conn, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			f(c, r)
			c.Close(websocket.StatusNormalClosure, "")
		}
	})
}

func echo(c *websocket.Conn, _ *http.Request) { wstest.Echo(c) }

// Dial is for the options of clients.
func (s *site) Dial(ctx context.Context, network, to string) (net.Conn, error) {
	s.mu.Lock()
	s.dialing++
	s.most = max(s.most, s.dialing)
	s.dialed = append(s.dialed, time.Since(s.begin))
	next := s.next
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.dialing--
		s.mu.Unlock()
	}()
	if next != nil {
		if err := next(ctx); err != nil {
			return nil, err
		}
	}
	c, err := s.Listener.Dial(ctx, network, to)
	if err == nil {
		s.mu.Lock()
		s.last = c.(*wstest.PipeConn)
		s.mu.Unlock()
	}
	return c, err
}

// times returns when it was dialled, since the beginning.
func (s *site) times() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dialed)
}

// recorder keeps what is called, with the time since its beginning, and calls
// what a test has to say in answer.
type recorder struct {
	connect      func(c *reconnect.Client)
	message      func(c *reconnect.Client, m websocket.Message)
	closed       func(c *reconnect.Client, code websocket.StatusCode) reconnect.Next
	failed       func(c *reconnect.Client, err error) reconnect.Next
	connectError func(c *reconnect.Client, err error, attempt int) reconnect.Next
	disconnect   func(c *reconnect.Client, err error, wait time.Duration)

	begin time.Time
	mu    sync.Mutex
	log   []string
	times []time.Duration
	runs  int // callbacks that run now
}

var _ reconnect.Callbacks = (*recorder)(nil)

func newRecorder() *recorder { return &recorder{begin: time.Now()} }

func (r *recorder) note(format string, args ...any) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs++; r.runs > 1 {
		r.log = append(r.log, "TWO AT ONCE")
	}
	r.log = append(r.log, fmt.Sprintf(format, args...))
	r.times = append(r.times, time.Since(r.begin))
	return func() {
		r.mu.Lock()
		r.runs--
		r.mu.Unlock()
	}
}

// all returns what was called so far.
func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// want compares all that was called.
func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	if got := r.all(); !slices.Equal(got, want) {
		t.Errorf("called was %q\nwant       %q", got, want)
	}
}

func (r *recorder) OnConnect(c *reconnect.Client, _ http.Header) {
	defer r.note("connect")()
	if r.connect != nil {
		r.connect(c)
	}
}

func (r *recorder) OnMessage(c *reconnect.Client, m websocket.Message) {
	defer r.note("message %s", m.Data)()
	if r.message != nil {
		r.message(c, m)
	}
}

func (r *recorder) OnClose(c *reconnect.Client, code websocket.StatusCode, reason string) reconnect.Next {
	defer r.note("close %d %q", code, reason)()
	if r.closed != nil {
		return r.closed(c, code)
	}
	return reconnect.Next{}
}

func (r *recorder) OnError(c *reconnect.Client, err error) reconnect.Next {
	defer r.note("error")()
	if r.failed != nil {
		return r.failed(c, err)
	}
	return reconnect.Next{}
}

func (r *recorder) OnDisconnect(c *reconnect.Client, err error, wait time.Duration) {
	defer r.note("disconnect %v", wait)()
	if r.disconnect != nil {
		r.disconnect(c, err, wait)
	}
}

func (r *recorder) OnConnectError(c *reconnect.Client, err error, attempt int) reconnect.Next {
	defer r.note("attempt %d failed", attempt)()
	if r.connectError != nil {
		return r.connectError(c, err, attempt)
	}
	return reconnect.Next{}
}

// most is a jitter that leaves nothing to chance.
func most(d time.Duration) time.Duration { return d }

// options returns options for a site, without chance.
func options(s *site) *reconnect.Options {
	o := &reconnect.Options{Jitter: most}
	o.Client.Dial = s.Dial
	return o
}

// start starts a client that ends with the test.
func start(t *testing.T, cb reconnect.Callbacks, o *reconnect.Options) *reconnect.Client {
	t.Helper()
	c, err := reconnect.Start(context.Background(), addr, cb, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// up waits until c is up.
func up(t *testing.T, c *reconnect.Client) {
	t.Helper()
	if err := c.AwaitUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// write writes a text.
func write(t *testing.T, c *reconnect.Client, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Errorf("Write(%q) = %v", text, err)
	}
}

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Helper()
		synctest.Test(t, f)
	})
}

// over waits until c has ended and checks that it left no goroutine: in a bubble
// nothing else may run then.
func over(t *testing.T, c *reconnect.Client) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(time.Minute):
		t.Fatal("the client does not end")
	}
}
