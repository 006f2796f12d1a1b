package reconnect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// S0.2, S1.1, S1.2, S1.16, S3.20, S3.21, S3.22, S3.23, S3.24, C2, C8, C10: the client connects and upgrades again
// by itself, and tells of everything in its order.
func TestEvents(t *testing.T) {
	bubble(t, "S0.2 C2 S3.22", func(t *testing.T) {
		n := 0
		s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
			n++
			ctx := r.Context()
			c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "text %d", n))
			c.Write(ctx, websocket.MessageBinary, fmt.Appendf(nil, "binary %d", n))
			if n == 1 {
				c.Close(1012, "restart")
				return
			}
			readAll(c)
		}))
		r := newRecorder()
		var types []websocket.MessageType
		r.message = func(_ *reconnect.Client, m websocket.Message) { types = append(types, m.Type) } // C10, S3.24
		c := start(t, r, options(s))
		time.Sleep(time.Second)
		s.Down(nil)
		time.Sleep(900 * time.Millisecond) // 250 + 500 ms, and the third one is waited for
		s.Up()
		time.Sleep(time.Minute)
		if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
			t.Errorf("Close = %v", err)
		}
		over(t, c)
		r.want(t,
			"connect", "message text 1", "message binary 1", `close 1012 "restart"`, "disconnect 250ms",
			"connect", "message text 2", "message binary 2", "error", "disconnect 500ms",
			"attempt 3 failed",
			"connect", "message text 3", "message binary 3", `close 1000 "bye"`, "disconnect -1ns",
		)
		if want := slices.Repeat([]websocket.MessageType{websocket.MessageText, websocket.MessageBinary}, 3); !slices.Equal(types, want) {
			t.Errorf("C10: types %v", types)
		}
		if c.Err() != nil || c.Wait() != nil {
			t.Errorf("Err = %v", c.Err())
		}
	})
}

// S3.20: the header of the server's answer, at the first and every later connect.
func TestHeader(t *testing.T) {
	bubble(t, "S3.20", func(t *testing.T) {
		n := 0
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			w.Header().Set("X-Count", fmt.Sprint(n))
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"feed"}}})
			if err == nil {
				c.CloseNow()
			}
		}))
		got := headers{}
		o := options(s)
		o.Subprotocols = []string{"chat", "feed"}
		c := start(t, &got, o)
		time.Sleep(time.Second)
		c.CloseNow()
		if !slices.Equal(got.seen, []string{"1 feed", "2 feed", "3 feed"}) {
			t.Errorf("%q", got.seen)
		}
	})
}

// headers are callbacks that keep what the server answered.
type headers struct {
	reconnect.NopCallbacks
	seen []string
}

func (h *headers) OnConnect(c *reconnect.Client, header http.Header) {
	h.seen = append(h.seen, header.Get("X-Count")+" "+c.Conn().Subprotocol())
}

// S3.2: callbacks are serial, whatever goes on.
func TestSerial(t *testing.T) {
	s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
		for i := range 200 {
			if c.Write(r.Context(), websocket.MessageText, fmt.Append(nil, i)) != nil {
				return
			}
		}
		c.CloseNow()
	}))
	done := make(chan struct{})
	r := newRecorder()
	connects := 0
	r.connect = func(*reconnect.Client) {
		if connects++; connects == 20 {
			close(done)
		}
	}
	o := options(s)
	o.MinWait, o.MaxWait = time.Millisecond, time.Millisecond
	c := start(t, r, o)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					c.Write(context.Background(), websocket.MessageText, []byte("x"))
					c.Info()
					c.Kick()
					runtime.Gosched()
				}
			}
		})
	}
	<-done
	close(stop)
	wg.Wait()
	c.CloseNow()
	last := -1
	for _, l := range r.all() {
		switch {
		case l == "TWO AT ONCE":
			t.Fatal("two callbacks ran at once")
		case l == "connect":
			last = -1
		case strings.HasPrefix(l, "message "):
			// No message twice, none out of order, within a session.
			var n int
			fmt.Sscanf(l, "message %d", &n)
			if n != last+1 {
				t.Fatalf("%d came after %d", n, last)
			}
			last = n
		}
	}
}

// C1, S0.21, S1.13: what this side closes is not connected again, unless Gun's
// way was asked for.
func TestLocalClose(t *testing.T) {
	ends := map[string]func(c *websocket.Conn){
		"Close":       func(c *websocket.Conn) { c.Close(1000, "enough") },
		"CloseNow":    func(c *websocket.Conn) { c.CloseNow() },
		"close frame": func(c *websocket.Conn) { c.WriteBatch(context.Background(), websocket.CloseFrame(1000, "enough")) },
	}
	for name, end := range ends {
		bubble(t, "C1 S1.13 "+name, func(t *testing.T) {
			s := newSite(t, sockets(echo))
			r := newRecorder()
			c := start(t, r, options(s))
			up(t, c)
			end(c.Conn())
			over(t, c)
			if len(s.times()) != 1 || c.Err() == nil {
				t.Errorf("%d dials, %v", len(s.times()), c.Err())
			}
		})
		bubble(t, "C1 S0.21 AfterLocalClose "+name, func(t *testing.T) {
			s := newSite(t, sockets(echo))
			r := newRecorder()
			o := options(s)
			o.AfterLocalClose = true
			c := start(t, r, o)
			up(t, c)
			end(c.Conn())
			synctest.Wait()
			time.Sleep(time.Second)
			up(t, c)
			if len(s.times()) != 2 {
				t.Errorf("%d dials", len(s.times()))
			}
			if err := c.Close(1000, ""); err != nil {
				t.Errorf("Close = %v", err)
			}
			over(t, c)
			if len(s.times()) != 2 || c.Err() != nil {
				t.Errorf("Close of the client: %d dials, %v", len(s.times()), c.Err())
			}
		})
	}
}

// states puts a client into each state, and calls f in it.
func states(t *testing.T, f func(t *testing.T, state string, start func(ctx context.Context) (*reconnect.Client, *recorder))) {
	for _, state := range []string{"dialling", "opening handshake", "Prepare", "OnConnect", "up", "OnMessage", "waiting", "OnConnectError", "closing", "closed"} {
		bubble(t, state, func(t *testing.T) {
			busy, free := make(chan struct{}), make(chan struct{})
			block := func() {
				select {
				case <-busy:
				default:
					close(busy)
				}
				<-free
			}
			s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if state == "opening handshake" {
					<-r.Context().Done()
					return
				}
				sockets(func(c *websocket.Conn, r *http.Request) {
					switch state {
					case "OnMessage":
						c.Write(r.Context(), websocket.MessageText, []byte("x"))
					case "closing":
						<-free // and does not answer
						return
					}
					readAll(c)
				}).ServeHTTP(w, r)
			}))
			r := newRecorder()
			o := options(s)
			switch state {
			case "dialling":
				s.next = func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				}
			case "Prepare":
				o.Prepare = func(ctx context.Context, _ int) (string, http.Header, error) {
					<-ctx.Done()
					return "", nil, ctx.Err()
				}
			case "OnConnect":
				r.connect = func(*reconnect.Client) { block() }
			case "OnMessage":
				r.message = func(*reconnect.Client, websocket.Message) { block() }
			case "waiting", "OnConnectError":
				s.next = func(context.Context) error { return errors.New("down") }
				if state == "OnConnectError" {
					r.connectError = func(*reconnect.Client, error, int) reconnect.Next {
						block()
						return reconnect.Next{}
					}
				}
			}
			f(t, state, func(ctx context.Context) (*reconnect.Client, *recorder) {
				c, err := reconnect.Start(ctx, addr, r, o)
				if err != nil {
					t.Fatal(err)
				}
				switch state {
				case "OnConnect", "OnMessage", "OnConnectError":
					<-busy
					time.AfterFunc(time.Second, func() { close(free) })
				case "closing":
					up(t, c)
					go c.Close(1000, "")
					time.AfterFunc(time.Second, func() { close(free) })
				case "closed":
					up(t, c)
					c.CloseNow()
				}
				synctest.Wait()
				return c, r
			})
		})
	}
}

// R14: the end of the context of Start, in each state, ends the client, and a
// connection with 1001.
func TestContextEnds(t *testing.T) {
	cause := errors.New("the service stops")
	states(t, func(t *testing.T, state string, start func(ctx context.Context) (*reconnect.Client, *recorder)) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		c, r := start(ctx)
		begin := time.Now()
		cancel(cause)
		over(t, c)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("R14: it took %v", took)
		}
		if own := state == "closing" || state == "closed"; errors.Is(c.Err(), cause) == own {
			t.Errorf("R14: Err = %v", c.Err())
		}
		if i := slices.Index(r.all(), `close 1001 ""`); (i >= 0) != (state == "up" || state == "OnConnect" || state == "OnMessage") {
			t.Errorf("R14: %q", r.all())
		}
		if i := c.Info(); i.State != reconnect.Closed {
			t.Errorf("%+v", i)
		}
	})
	bubble(t, "R14 before Start", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		s := newSite(t, sockets(echo))
		c, err := reconnect.Start(ctx, addr, nil, options(s))
		if err != nil {
			t.Fatal(err)
		}
		over(t, c)
		if !errors.Is(c.Wait(), cause) {
			t.Errorf("Err = %v", c.Err())
		}
	})
}

// R15: Close in each state, in a wait above all. Nothing is left of the client
// when Close returns: in a bubble, a goroutine that is left fails the test.
func TestCloseEverywhere(t *testing.T) {
	for _, now := range []bool{false, true} {
		states(t, func(t *testing.T, state string, start func(ctx context.Context) (*reconnect.Client, *recorder)) {
			c, r := start(t.Context())
			begin := time.Now()
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if now {
						c.CloseNow()
					} else if err := c.Close(1000, ""); err != nil && state != "closing" {
						t.Errorf("R15: Close = %v", err)
					}
				})
			}
			wg.Wait()
			took := time.Since(begin)
			select {
			case <-c.Done():
			default:
				t.Error("R15: it has not ended")
			}
			limit := 100 * time.Millisecond
			if strings.HasPrefix(state, "On") || state == "closing" {
				limit = time.Second // so long does the callback take, or the server
			}
			if took > limit {
				t.Errorf("R15: it took %v", took)
			}
			if c.Err() != nil {
				t.Errorf("Err = %v", c.Err())
			}
			n := len(r.all())
			time.Sleep(time.Hour)
			if got := r.all(); len(got) != n {
				t.Errorf("R15: called after the end: %q", got[n:])
			}
		})
	}
}

// C10 of the limits: Close is bounded also when a callback holds the client up for
// good.
func TestCloseIsBounded(t *testing.T) {
	bubble(t, "callback that does not return", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		free := make(chan struct{})
		r := newRecorder()
		r.connect = func(*reconnect.Client) { <-free }
		c := start(t, r, options(s))
		synctest.Wait()
		begin := time.Now()
		if err := c.Close(1000, ""); err != nil || time.Since(begin) > 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		select {
		case <-c.Done():
			t.Error("it ended under its callback")
		default:
		}
		close(free)
		over(t, c)
	})
	bubble(t, "bad code", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		c := start(t, nil, options(s))
		up(t, c)
		for _, code := range []websocket.StatusCode{1005, 1006, 999} {
			if err := c.Close(code, ""); err == nil {
				t.Errorf("Close(%d) was taken", code)
			}
		}
		if err := c.Close(1000, strings.Repeat("x", 124)); err == nil {
			t.Error("a long reason was taken")
		}
		if c.Info().State != reconnect.Up {
			t.Error("a Close that was refused ended the client")
		}
	})
}

// A callback may call everything.
func TestCallsInCallbacks(t *testing.T) {
	bubble(t, "S3.2", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		r := newRecorder()
		ctx := t.Context()
		all := func(c *reconnect.Client) {
			c.Write(ctx, websocket.MessageText, []byte("x"))
			c.Send(ctx, websocket.MessageBinary, nil)
			c.Flush(ctx)
			c.Ack(0)
			c.Kick()
			c.Info()
			c.Err()
			c.Conn()
		}
		r.connect = all
		r.message = func(c *reconnect.Client, _ websocket.Message) {
			if len(r.all()) > 10 {
				c.Close(1000, "done")
			}
			all(c)
		}
		r.closed = func(c *reconnect.Client, _ websocket.StatusCode) reconnect.Next {
			all(c)
			c.Close(1000, "")
			c.CloseNow()
			return reconnect.Retry(0)
		}
		r.disconnect = func(c *reconnect.Client, _ error, _ time.Duration) {
			all(c)
			c.Close(1000, "")
		}
		c := start(t, r, options(s))
		over(t, c)
		if got := r.all(); got[len(got)-1] != "disconnect -1ns" || got[len(got)-2] != `close 1000 "done"` {
			t.Errorf("%q", got)
		}
		if c.Err() != nil {
			t.Errorf("Err = %v", c.Err())
		}
	})
	bubble(t, "after Close no message comes", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
			for range 10 {
				c.Write(r.Context(), websocket.MessageText, []byte("x"))
			}
			readAll(c)
		}))
		r := newRecorder()
		r.message = func(c *reconnect.Client, _ websocket.Message) { c.Close(1000, "") }
		c := start(t, r, options(s))
		over(t, c)
		r.want(t, "connect", "message x", `close 1000 ""`, "disconnect -1ns")
	})
}

// A Close in the last callback does not hide why the client ended.
func TestCloseAtTheEnd(t *testing.T) {
	bubble(t, "OnDisconnect", func(t *testing.T) {
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) { c.Close(1008, "") }))
		r := newRecorder()
		r.disconnect = func(c *reconnect.Client, _ error, wait time.Duration) {
			if wait < 0 {
				c.Close(1000, "")
			}
		}
		c := start(t, r, options(s))
		over(t, c)
		if websocket.CloseStatus(c.Err()) != 1008 {
			t.Errorf("Err = %v", c.Err())
		}
	})
}

// A callback that panics, or ends its goroutine, ends the client, and the
// connection with 1011.
func TestPanics(t *testing.T) {
	boom := errors.New("boom")
	for _, where := range []string{"Prepare", "OnConnect", "OnMessage", "OnClose", "OnError", "OnDisconnect", "OnConnectError", "OnWait"} {
		for _, how := range []string{"panic", "Goexit"} {
			bubble(t, where+" "+how, func(t *testing.T) {
				fail := func() {
					if how == "panic" {
						panic(boom)
					}
					runtime.Goexit()
				}
				codes := make(chan websocket.StatusCode, 1)
				s := newSite(t, sockets(func(c *websocket.Conn, r *http.Request) {
					switch where {
					case "OnMessage":
						c.Write(r.Context(), websocket.MessageText, []byte("x"))
					case "OnClose", "OnDisconnect":
						c.Close(1012, "")
						return
					case "OnError", "OnWait":
						c.CloseNow()
						return
					}
					_, _, err := c.Read(context.Background())
					codes <- websocket.CloseStatus(err)
				}))
				r := newRecorder()
				o := options(s)
				switch where {
				case "Prepare":
					o.Prepare = func(context.Context, int) (string, http.Header, error) {
						fail()
						return "", nil, nil
					}
				case "OnConnect":
					r.connect = func(*reconnect.Client) { fail() }
				case "OnMessage":
					r.message = func(*reconnect.Client, websocket.Message) { fail() }
				case "OnClose":
					r.closed = func(*reconnect.Client, websocket.StatusCode) reconnect.Next {
						fail()
						return reconnect.Next{}
					}
				case "OnError":
					r.failed = func(*reconnect.Client, error) reconnect.Next {
						fail()
						return reconnect.Next{}
					}
				case "OnDisconnect":
					r.disconnect = func(*reconnect.Client, error, time.Duration) { fail() }
				case "OnConnectError":
					s.next = func(context.Context) error { return io.EOF }
					r.connectError = func(*reconnect.Client, error, int) reconnect.Next {
						fail()
						return reconnect.Next{}
					}
				case "OnWait":
					o.OnWait = func(time.Duration, int, error) { fail() }
				}
				c := start(t, r, o)
				over(t, c)
				e, ok := errors.AsType[*reconnect.PanicError](c.Err())
				if ok != (how == "panic") || ok && (e.Value != boom || !strings.Contains(string(e.Stack), "lifecycle_test.go") || !errors.Is(c.Err(), boom)) || c.Err() == nil {
					t.Errorf("Err = %v", c.Err())
				}
				if where == "OnConnect" || where == "OnMessage" {
					if code := <-codes; code != 1011 {
						t.Errorf("the server saw %d", code)
					}
				}
			})
		}
	}
}
