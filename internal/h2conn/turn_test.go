package h2conn_test

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// watcher calls a function.
type watcher struct {
	ready   func(h2conn.Events)
	overdue func()
}

func (w *watcher) Ready(ev h2conn.Events) { w.ready(ev) }

func (w *watcher) Overdue() {
	if w.overdue != nil {
		w.overdue()
	}
}

// echo makes a stream echo without a goroutine.
func echo(s *h2conn.Stream) {
	s.Watch(&watcher{ready: func(h2conn.Events) {
		for {
			b, _, err := s.TryRead()
			if err != nil {
				if err == io.EOF {
					s.CloseWrite()
				}
				return
			}
			s.TryWrite(b, nil)
			bufpool.Put(b)
		}
	}})
}

func TestWatch(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		var streams []*h2conn.Stream
		for range 50 {
			c, s := p.open()
			echo(s)
			streams = append(streams, c)
		}
		for range 20 {
			for _, c := range streams {
				must(t, second(c.Write([]byte("hello"))))
			}
			for _, c := range streams {
				if got := readFull(t, c, 5); string(got) != "hello" {
					t.Fatalf("read %q", got)
				}
			}
		}
		for _, c := range streams {
			must(t, c.WriteEnd([]byte("bye")))
			if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
				t.Fatalf("read %q, %v", got, err)
			}
		}
	})
}

// A callback that blocks holds up neither the others nor what was sent.
func TestWatchBlocked(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c1, s1 := p.open()
		c2, s2 := p.open()
		block, blocked, overdue := make(chan struct{}), make(chan struct{}), make(chan struct{})
		var calls atomic.Int32
		s1.Watch(&watcher{func(h2conn.Events) {
			b, _, err := s1.TryRead()
			if err != nil {
				return
			}
			s1.TryWrite(b, nil)
			bufpool.Put(b)
			if calls.Add(1) == 1 {
				close(blocked)
				<-block
			}
		}, sync.OnceFunc(func() { close(overdue) })})
		echo(s2)
		must(t, second(c1.Write([]byte("first"))))
		wait(t, blocked)
		must(t, second(c2.Write([]byte("other"))))
		readFull(t, c2, 5)
		readFull(t, c1, 5)
		wait(t, overdue)
		must(t, second(c1.Write([]byte("again")))) // beside the one that blocks
		readFull(t, c1, 5)
		close(block)
		must(t, second(c1.Write([]byte("third"))))
		readFull(t, c1, 5)
	})
}

// A callback that ends its goroutine does not end the connection.
func TestWatchGoexit(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		var calls atomic.Int32
		s.Watch(&watcher{ready: func(h2conn.Events) {
			b, _, err := s.TryRead()
			if err != nil {
				return
			}
			s.TryWrite(b, nil)
			bufpool.Put(b)
			if calls.Add(1) == 1 {
				runtime.Goexit()
			}
		}})
		for range 3 {
			must(t, second(c.Write([]byte("x"))))
			readFull(t, c, 1)
		}
	})
}

// A watched stream is told when it can write again, and when it is reset.
func TestWatchWritable(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		writable, over := make(chan struct{}, 100), make(chan error, 100)
		s.Watch(&watcher{ready: func(ev h2conn.Events) {
			if ev&h2conn.Writable != 0 {
				writable <- struct{}{}
			}
			if _, _, err := s.TryRead(); err != nil && !errors.Is(err, h2conn.ErrAgain) {
				over <- err
			}
		}})
		const total = 1 << 20
		data := make([]byte, total)
		go func() {
			sent := 0
			for sent < total {
				n, err := s.TryWrite(data[sent:], nil)
				if err != nil {
					return
				}
				if sent += n; sent < total {
					<-writable
				}
			}
		}()
		readFull(t, c, total)
		c.Abort(8)
		if err := wait(t, over); err == io.EOF {
			t.Error("a reset is told as an end")
		}
	})
}

// What a callback has read that was left behind is told to the peer all the same.
func TestWatchBlockedReads(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		overdue, all := make(chan struct{}), make(chan struct{})
		var calls atomic.Int32
		var got atomic.Int64
		s.Watch(&watcher{func(h2conn.Events) {
			if calls.Add(1) == 1 {
				<-overdue
			}
			for more := true; more; {
				var b []byte
				b, more, _ = s.TryRead()
				if len(b) > 0 && got.Add(int64(len(b))) == 1<<20 {
					close(all)
				}
				bufpool.Put(b)
			}
		}, sync.OnceFunc(func() { close(overdue) })})
		c.SetWriteDeadline(time.Now().Add(patience))
		must(t, second(c.Write(make([]byte, 1<<20))))
		wait(t, all)
	})
}
