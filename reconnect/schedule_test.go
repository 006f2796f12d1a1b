package reconnect_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// hour is how long the schedules below are watched.
const hour = time.Hour

// schedule returns when attempts begin, in the first hour: each takes as long as
// is said, and between them are the waits from 250 ms to 30 s, doubled each time.
func schedule(takes time.Duration) (at []time.Duration) {
	wait := 250 * time.Millisecond
	for now := time.Duration(0); now < hour; {
		at = append(at, now)
		now += takes + wait
		wait = min(2*wait, 30*time.Second)
	}
	return at
}

// The schedule of waits of the first hour, with all chance taken out of it, for
// each way in which an attempt can come to nothing. S0.24: it goes on for ever by
// default (C11); C12: a step takes 10 s at most.
func TestFirstHour(t *testing.T) {
	refuse := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	for _, tc := range []struct {
		name    string
		handler http.Handler
		dial    func(ctx context.Context) error
		takes   time.Duration
		check   func(err error) bool
	}{
		{
			name: "R1 refused", dial: func(context.Context) error { return errors.New("connection refused") },
			check: func(err error) bool {
				e, ok := errors.AsType[*websocket.DialError](err)
				return ok && e.Step == websocket.StepConnect
			},
		},
		{
			name: "R2 blackhole", takes: 10 * time.Second,
			dial: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			},
			check: func(err error) bool {
				e, ok := errors.AsType[*websocket.DialError](err)
				return ok && e.Timeout()
			},
		},
		{
			name: "R3 no such name", dial: func(context.Context) error { return &net.DNSError{Err: "no such host", IsNotFound: true} },
			check: func(err error) bool {
				e, ok := errors.AsType[*net.DNSError](err)
				return ok && e.IsNotFound
			},
		},
		{
			name: "R5 accepted and closed",
			handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, _ := http.NewResponseController(w).Hijack()
				c.Close()
			}),
			check: func(err error) bool {
				e, ok := errors.AsType[*websocket.HandshakeError](err)
				return ok && e.Status == 0
			},
		},
		{
			name: "C12 no answer to the opening handshake", takes: 10 * time.Second,
			handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			check:   func(err error) bool { return errors.Is(err, context.DeadlineExceeded) || isTimeout(err) },
		},
		{name: "503", handler: refuse(503), check: status(503)},
		{name: "500", handler: refuse(500), check: status(500)},
		{name: "R9 redirect that is not followed", handler: refuse(302), check: status(302)},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			s := newSite(t, tc.handler)
			s.next = tc.dial
			r := newRecorder()
			failures := 0
			r.connectError = func(_ *reconnect.Client, err error, attempt int) reconnect.Next {
				failures++
				if attempt != failures || !tc.check(err) {
					t.Errorf("attempt %d, %d by count: %v", attempt, failures, err)
				}
				return reconnect.Next{}
			}
			c := start(t, r, options(s))
			time.Sleep(hour - time.Nanosecond)
			synctest.Wait()
			if got, want := s.times(), schedule(tc.takes); !slices.Equal(got, want) {
				t.Errorf("attempts at %v\nwant        %v", got, want)
			}
			if s.most != 1 {
				t.Errorf("%d dials at the same time", s.most)
			}
			if i := c.Info(); i.Attempts != len(s.times()) || i.Err == nil || i.Connects != 0 {
				t.Errorf("%+v", i)
			}
		})
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && e.Timeout()
}

func status(want int) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*websocket.HandshakeError](err)
		return ok && e.Status == want
	}
}

// R7: a server that accepts, and is gone after 100 ms, again and again. The waits
// begin anew only after a connection that lived for 10 s.
func TestFlapping(t *testing.T) {
	bubble(t, "R7", func(t *testing.T) {
		lives := 100 * time.Millisecond
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) {
			time.Sleep(lives)
			c.CloseNow()
		}))
		r := newRecorder()
		o := options(s)
		o.Jitter = nil // R7 is about the waits as they are
		start(t, r, o)
		time.Sleep(time.Minute)
		synctest.Wait()
		n := len(s.times())
		if n > 20 || n < 3 {
			t.Errorf("R7: %d attempts in the first minute", n)
		}
	})
	bubble(t, "healthy", func(t *testing.T) {
		lives := make(chan time.Duration, 16)
		for _, d := range []time.Duration{0, 9999 * time.Millisecond, 10 * time.Second, 0, 0} {
			lives <- d
		}
		s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) {
			d, more := time.Duration(0), false
			select {
			case d, more = <-lives:
			default:
			}
			if !more {
				readAll(c)
				return
			}
			time.Sleep(d)
			c.CloseNow()
		}))
		r := newRecorder()
		c := start(t, r, options(s))
		time.Sleep(time.Minute)
		synctest.Wait()
		var waits []string
		for _, l := range r.all() {
			if l != "connect" && l != "error" {
				waits = append(waits, l)
			}
		}
		want := []string{"disconnect 250ms", "disconnect 500ms", "disconnect 250ms", "disconnect 500ms", "disconnect 1s"}
		if !slices.Equal(waits, want) {
			t.Errorf("%q, want %q", waits, want)
		}
		if i := c.Info(); i.State != reconnect.Up || i.Attempt != 3 || i.Connects != 6 {
			t.Errorf("%+v", i)
		}
	})
}

// readAll reads until the connection ends.
func readAll(c *websocket.Conn) {
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return
		}
	}
}

// R8, S3.10: the server's Retry-After is waited for, within bounds, and the
// jitter comes on top.
func TestRetryAfterObeyed(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		status      int
		limit       time.Duration
		want        time.Duration
	}{
		{"R8 0", "0", 503, 0, 250 * time.Millisecond},
		{"R8 30", "30", 503, 0, 30*time.Second + 250*time.Millisecond},
		{"R8 30 with 429", "30", 429, 0, 30*time.Second + 250*time.Millisecond},
		{"R8 -1", "-1", 503, 0, 250 * time.Millisecond},
		{"R8 1e9", "1000000000", 503, 0, 5*time.Minute + 250*time.Millisecond},
		{"R8 date", "date", 503, 0, time.Minute + 250*time.Millisecond},
		{"limit", "30", 503, time.Second, 1250 * time.Millisecond},
		{"not obeyed", "30", 503, -1, 250 * time.Millisecond},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				value := tc.value
				if value == "date" {
					value = time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
				}
				w.Header().Set("Retry-After", value)
				w.WriteHeader(tc.status)
			}))
			o := options(s)
			o.MaxRetryAfter = tc.limit
			var waits []time.Duration
			o.OnWait = func(wait time.Duration, attempt int, err error) {
				waits = append(waits, wait)
				if attempt != len(waits) || err == nil {
					t.Errorf("OnWait: attempt %d, %v", attempt, err)
				}
			}
			c := start(t, newRecorder(), o)
			synctest.Wait()
			if i := c.Info(); i.State != reconnect.Waiting || time.Until(i.Next) != tc.want {
				t.Errorf("%v until %v", i.State, time.Until(i.Next))
			}
			time.Sleep(tc.want)
			synctest.Wait()
			if got := s.times(); len(got) != 2 || got[1] != tc.want {
				t.Errorf("attempts at %v, want one at %v", got, tc.want)
			}
			if len(waits) != 2 || waits[0] != tc.want {
				t.Errorf("OnWait: %v", waits)
			}
		})
	}
}
