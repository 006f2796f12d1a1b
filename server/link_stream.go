package server

import (
	"errors"
	"net"
	"sync/atomic"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// streamLink is the link over a stream of HTTP/2. The goroutine that reads the
// connection runs the callbacks of all its sessions, as a worker does in the
// poller, and what they send leaves in one piece.
type streamLink struct {
	s *Session
	t *h2conn.Stream
	catchUp
	lent  []byte      // what read returned last, borrowed
	woken atomic.Bool // a goroutine is on its way to call ready
}

// Ready implements [h2conn.Watcher].
func (l *streamLink) Ready(ev h2conn.Events) {
	var e uint32
	if ev&h2conn.Readable != 0 {
		e |= evRead
	}
	if ev&h2conn.Writable != 0 {
		e |= evWrite
	}
	l.s.ready(nil, e, true)
}

// Overdue implements [h2conn.Watcher].
func (l *streamLink) Overdue() { l.s.isOverdue() }

func (l *streamLink) read([]byte) ([]byte, bool, error) {
	l.forget()
	b, more, err := l.t.TryRead()
	if errors.Is(err, h2conn.ErrAgain) {
		err = errAgain
	}
	l.lent = b
	return b, more, err
}

func (l *streamLink) done()                             { l.forget() }
func (l *streamLink) edge(bool)                         {}
func (l *streamLink) write(p, tail []byte) (int, error) { return l.t.TryWrite(p, tail) }
func (l *streamLink) pending() int                      { return 0 }
func (l *streamLink) unsent() int                       { return 0 }
func (l *streamLink) endAfter(n int)                    { l.t.EndAfter(n) }
func (l *streamLink) closeWrite()                       { l.t.CloseWrite() }
func (l *streamLink) abort()                            { l.t.Abort(uint32(h2.ErrCodeCancel)) }
func (l *streamLink) needsWorker() bool                 { return false }
func (l *streamLink) remoteAddr() net.Addr              { return l.t.RemoteAddr() }
func (l *streamLink) localAddr() net.Addr               { return l.t.LocalAddr() }

// flush tells a session that does not read of the end.
func (l *streamLink) flush() error {
	if l.s.mode.Load()&modePaused == 0 {
		return nil
	}
	return l.t.Err()
}

func (l *streamLink) close(hard bool) {
	l.forget()
	if hard {
		l.abort()
	} else {
		l.t.CloseWrite() // unless it went with the close frame
		l.t.Close()
	}
}

func (l *streamLink) wake() {
	if l.woken.CompareAndSwap(false, true) {
		go func() {
			l.woken.Store(false)
			l.s.ready(nil, 0, false)
		}()
	}
}

func (l *streamLink) detach() (websocket.Stream, []byte, error) {
	l.t.Watch(nil)
	return l.t, nil, nil
}

func (l *streamLink) forget() {
	bufpool.Put(l.lent)
	l.lent = nil
}
