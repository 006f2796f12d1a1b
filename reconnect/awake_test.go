package reconnect_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/reconnect"
)

// wall is a wall clock that can be moved, as it is while a machine sleeps:
// timers and the monotonic clock stand still then.
type wall struct{ ahead atomic.Int64 }

func (w *wall) now() time.Time            { return time.Now().Round(0).Add(time.Duration(w.ahead.Load())) }
func (w *wall) move(d time.Duration)      { w.ahead.Add(int64(d)) }
func (w *wall) set(o *reconnect.Options)  { o.SetClock(w.now) }
func refuseAll(ctx context.Context) error { return errors.New("down") }

// soon is how late a gap in time may be noticed.
const soon = 5 * time.Second

// R11: after eight hours of sleep a wait is over at once, and R10: so it is when
// somebody sets the clock ahead, but no more than that comes of it; a clock that
// is set back changes nothing.
func TestSleepWhileWaiting(t *testing.T) {
	for _, tc := range []struct {
		name  string
		moves time.Duration
		early bool
	}{
		{"R11 sleep", 8 * time.Hour, true},
		{"R10 ahead", time.Minute, true},
		{"R10 a little", 9 * time.Second, false},
		{"R10 back", -8 * time.Hour, false},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			s := newSite(t, nil)
			s.next = refuseAll
			var w wall
			o := options(s)
			o.MinWait, o.MaxWait = time.Minute, time.Hour
			w.set(o)
			c := start(t, nil, o)
			time.Sleep(2 * time.Minute) // attempts at 0 and 1 min, the next at 3 min
			synctest.Wait()
			if n := len(s.times()); n != 2 {
				t.Fatalf("%d attempts", n)
			}
			w.move(tc.moves)
			time.Sleep(soon)
			synctest.Wait()
			want := 2
			if tc.early {
				want = 3
			}
			if n := len(s.times()); n != want {
				t.Errorf("%d attempts, want %d", n, want)
			}
			// Nothing else goes by that clock: the next wait is what it would be.
			if i := c.Info(); tc.early && (i.Attempt != 3 || i.Next.Sub(s.begin.Add(s.times()[2])) != 4*time.Minute) {
				t.Errorf("%+v", i)
			}
		})
	}
}

// R11: a connection that did not survive the sleep is noticed within seconds, one
// that did is kept.
func TestSleepWhileUp(t *testing.T) {
	for _, dead := range []bool{true, false} {
		name := "R11 alive"
		if dead {
			name = "R11 dead"
		}
		bubble(t, name, func(t *testing.T) {
			s := newSite(t, sockets(echo))
			var w wall
			r := newRecorder()
			var why error
			r.failed = func(_ *reconnect.Client, err error) reconnect.Next {
				why = err
				return reconnect.Next{}
			}
			o := options(s)
			o.WebSocket = &websocket.ConnOptions{KeepAlive: websocket.KeepAlive{Interval: -1}}
			w.set(o)
			c := start(t, r, o)
			up(t, c)
			time.Sleep(time.Minute)
			synctest.Wait()
			if dead {
				s.last.Stall()
			}
			w.move(8 * time.Hour)
			time.Sleep(soon + 5*time.Second + 250*time.Millisecond) // the ping's time, and the wait
			synctest.Wait()
			if !dead {
				r.want(t, "connect")
				return
			}
			r.want(t, "connect", "error", "disconnect 250ms", "connect")
			if !errors.Is(why, reconnect.ErrAsleep) || c.Info().Connects != 2 {
				t.Errorf("OnError: %v", why)
			}
		})
	}
	bubble(t, "a slow callback is no dead peer", func(t *testing.T) {
		s := newSite(t, sockets(echo))
		r := newRecorder()
		r.message = func(*reconnect.Client, websocket.Message) { time.Sleep(time.Minute) }
		c := start(t, r, options(s))
		up(t, c)
		write(t, c, "x")
		synctest.Wait()
		c.Kick()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r.want(t, "connect", "message x")
	})
}

// Kick ends a wait, but no two attempts are closer than MinWait; it probes a
// connection; in an attempt it shortens the wait after it.
func TestKick(t *testing.T) {
	bubble(t, "waiting", func(t *testing.T) {
		s := newSite(t, nil)
		s.next = refuseAll
		o := options(s)
		o.MinWait, o.MaxWait = time.Second, time.Hour
		c := start(t, nil, o)
		time.Sleep(10 * time.Minute) // the last attempt was at 511 s
		synctest.Wait()
		before := len(s.times())
		for range 100 {
			c.Kick()
		}
		synctest.Wait()
		if n := len(s.times()); n != before+1 {
			t.Errorf("%d attempts more", n-before)
		}
		for range 100 {
			c.Kick()
			synctest.Wait()
		}
		if n := len(s.times()); n != before+1 {
			t.Errorf("%d attempts more", n-before)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(s.times()); n != before+2 {
			t.Errorf("%d attempts more", n-before)
		}
		c.Kick()
		begin := time.Now()
		c.CloseNow()
		if time.Since(begin) != 0 {
			t.Error("Close waited for the pause")
		}
		c.Kick()
	})
	bubble(t, "in an attempt", func(t *testing.T) {
		s := newSite(t, nil)
		s.next = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		o := options(s)
		o.MinWait, o.MaxWait = time.Second, time.Hour
		c := start(t, nil, o)
		time.Sleep(5 * time.Second)
		c.Kick()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := s.times(); len(got) != 2 || got[1] != 10*time.Second {
			t.Errorf("attempts at %v", got)
		}
	})
	bubble(t, "up", func(t *testing.T) {
		pings := make(chan struct{}, 10)
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{OnPing: func([]byte) { pings <- struct{}{} }}}
			if c, err := websocket.Accept(w, r, o); err == nil {
				readAll(c)
			}
		}))
		c := start(t, nil, options(s))
		up(t, c)
		c.Kick()
		synctest.Wait()
		if len(pings) != 1 {
			t.Errorf("%d pings", len(pings))
		}
	})
}

// S1.15: pings are sent by default after 15 s of silence, and a peer that does not
// answer within 15 s more is given up; both can be set, or turned off.
func TestKeepAlive(t *testing.T) {
	for _, tc := range []struct {
		name string
		k    websocket.KeepAlive
		in   time.Duration // until the dead peer is noticed; 0: not
	}{
		{"S1.15 default", websocket.KeepAlive{}, 30 * time.Second},
		{"S1.15 own", websocket.KeepAlive{Interval: 4 * time.Second, Timeout: time.Second}, 5 * time.Second},
		{"S1.15 none", websocket.KeepAlive{Interval: -1}, 0},
	} {
		bubble(t, tc.name, func(t *testing.T) {
			s := newSite(t, sockets(echo))
			r := newRecorder()
			var why error
			r.failed = func(_ *reconnect.Client, err error) reconnect.Next {
				why = err
				return reconnect.Stop()
			}
			o := options(s)
			o.WebSocket = &websocket.ConnOptions{KeepAlive: tc.k}
			var pings atomic.Int32
			o.WebSocket.Trace = &websocket.Trace{Frame: func(sent bool, h frame.Header) {
				if sent && h.Opcode == frame.OpPing {
					pings.Add(1)
				}
			}}
			c := start(t, r, o)
			up(t, c)
			time.Sleep(10 * time.Minute)
			if n := pings.Load(); (n == 0) != (tc.in == 0) || tc.in == 30*time.Second && (n < 35 || n > 41) {
				t.Errorf("%d pings in ten minutes", n)
			}
			s.last.Stall()
			begin := time.Now()
			if tc.in == 0 {
				time.Sleep(time.Hour)
				r.want(t, "connect")
				return
			}
			over(t, c)
			if took := time.Since(begin); took > tc.in+tc.in/8 || !errors.Is(why, websocket.ErrKeepAlive) {
				t.Errorf("%v after %v", why, took)
			}
		})
	}
}
