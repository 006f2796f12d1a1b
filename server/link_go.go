package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
)

// goLink is the link over anything that the poller can't watch: a goroutine
// waits for the peer, and one more for the kernel while it takes too little.
type goLink struct {
	s *Session
	t stream.Transport

	woken atomic.Bool // a goroutine is on its way to call ready

	mu      sync.Mutex
	buf     []byte        // what the reader read, borrowed
	err     error         // or why nothing more comes
	lent    []byte        // what read returned last, borrowed
	wanted  bool          // the session wants more
	look    chan struct{} // tells the reader of a change
	writing int           // bytes on their way in another goroutine
	written chan struct{} // closed when they are, where somebody waits for that
	last    int           // our direction ends with this many bytes more; 0: not known
	werr    error
	over    bool          // closed, or somebody else's
	started bool          // the reader was started
	reading chan struct{} // closed by the reader at its end

	catchUp
	watch *time.Timer // see Session.watch; guarded by Session.mu
}

// Sizes in bytes.
const (
	goReadBits = 14 // read buffers of 16 KiB
	writeChunk = 64 << 10
	writePiece = 16 << 10 // between two deadlines
)

func newGoLink(s *Session, t stream.Transport) *goLink {
	return &goLink{s: s, t: t, look: make(chan struct{}, 1), reading: make(chan struct{})}
}

// start starts the reader, unless the session is over already.
func (l *goLink) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.started, l.wanted = true, true
		go l.serve()
	}
}

// serve reads for the session until the transport ends.
func (l *goLink) serve() {
	over := false
	defer func() {
		if !over { // a callback ended this goroutine
			go l.serve()
			return
		}
		close(l.reading)
	}()
	for l.begin() {
		buf, err := l.t.ReadBorrow(goReadBits)
		l.mu.Lock()
		l.buf, l.err = buf, err
		if l.over && !l.detaching() {
			l.drop()
		}
		l.mu.Unlock()
		l.s.ready(nil, evRead|evHangUp, false)
		if err != nil {
			break
		}
	}
	over = true
}

// begin waits until the session wants more, and reports whether it ever will.
func (l *goLink) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (!l.wanted || l.buf != nil) && !l.over { // it may have wanted while there was a read under way
		l.mu.Unlock()
		<-l.look
		l.mu.Lock()
	}
	l.wanted = false
	return !l.over
}

func (l *goLink) detaching() bool { return l.s.mode.Load()&modeDetached != 0 }

func (l *goLink) read([]byte) ([]byte, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bufpool.Put(l.lent)
	l.lent = nil
	switch {
	case l.buf != nil:
		l.lent, l.buf = l.buf, nil
		return l.lent, true, nil
	case l.err != nil:
		return nil, false, l.err
	}
	l.wanted = true
	l.tell()
	return nil, false, errAgain
}

// tell has the reader look again. l.mu is held.
func (l *goLink) tell() {
	select {
	case l.look <- struct{}{}:
	default:
	}
}

// drop gives back what nobody will look at. l.mu is held.
func (l *goLink) drop() {
	bufpool.Put(l.lent)
	bufpool.Put(l.buf)
	l.lent, l.buf = nil, nil
}

func (l *goLink) done()     {}
func (l *goLink) edge(bool) {}

func (l *goLink) write(p, tail []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.werr != nil || l.writing > 0 || l.over {
		return 0, l.werr
	}
	if l.last > 0 {
		if e, ok := l.t.Unwrap().(interface{ EndAfter(n int) }); ok {
			e.EndAfter(l.last)
		}
	}
	n, err := l.t.TryWrite(p, tail)
	if total := len(p) + len(tail); err != nil || n == total {
		return n, err
	}
	chunk := bufpool.Get(min(len(p)+len(tail)-n, writeChunk))[:0]
	if n < len(p) {
		chunk = append(chunk, p[n:min(len(p), n+cap(chunk))]...)
		n += len(chunk)
	}
	if n >= len(p) {
		k := min(cap(chunk)-len(chunk), len(tail)-(n-len(p)))
		chunk = append(chunk, tail[n-len(p):][:k]...)
		n += k
	}
	l.writing = len(chunk)
	go l.send(chunk)
	return n, nil
}

// send writes what the transport did not take at once, however long that takes,
// as long as there is some progress.
func (l *goLink) send(chunk []byte) {
	var err error
	for p := chunk; len(p) > 0 && err == nil; {
		if d := l.s.conf.writing; d > 0 {
			l.t.SetWriteDeadline(time.Now().Add(d))
		}
		before := stream.Unsent(l.t)
		var n int
		n, err = l.t.Write(p[:min(len(p), writePiece)])
		p = p[n:]
		if stream.IsTimeout(err) {
			if err = nil; n+before-stream.Unsent(l.t) < progress {
				err = websocket.ErrWriteTimeout
			}
		}
	}
	bufpool.Put(chunk)
	l.t.SetWriteDeadline(time.Time{})
	l.mu.Lock()
	l.writing, l.werr = 0, err
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
	l.mu.Unlock()
	l.s.ready(nil, evWrite, false)
}

func (l *goLink) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.werr
}

func (l *goLink) unsent() int { return stream.Unsent(l.t) + l.pending() }

func (l *goLink) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writing
}

// await waits until nothing is being written, or for c.
func (l *goLink) await(c <-chan time.Time) bool {
	l.mu.Lock()
	if l.writing == 0 {
		l.mu.Unlock()
		return true
	}
	written := make(chan struct{})
	l.written = written
	l.mu.Unlock()
	select {
	case <-written:
		return true
	case <-c:
		return false
	}
}

func (l *goLink) endAfter(n int) {
	l.mu.Lock()
	l.last = n
	l.mu.Unlock()
}

func (l *goLink) closeWrite() {
	if c, ok := l.t.Unwrap().(interface{ CloseWrite() error }); ok {
		l.sayGoodbye(c.CloseWrite)
	}
}

// sayGoodbye calls a method that over TLS writes, and so may wait: in a goroutine
// that crypto/tls ends after five seconds. So it does where what was written is
// waited for.
func (l *goLink) sayGoodbye(f func() error) {
	if _, ok := l.tls(); ok || l.borrowed() != nil {
		go f()
	} else {
		f()
	}
}

// borrowed returns a channel that is closed when the handler of net/http may
// return, nil where it may at any time: it is lent its stream, as
// [websocket.Accepted] says.
func (l *goLink) borrowed() <-chan struct{} {
	if d, ok := l.t.Unwrap().(interface{ Done() <-chan struct{} }); ok {
		return d.Done()
	}
	return nil
}

// tls returns what is under TLS.
func (l *goLink) tls() (net.Conn, bool) {
	if c, ok := l.t.Unwrap().(interface{ NetConn() net.Conn }); ok {
		return c.NetConn(), true
	}
	return nil, false
}

func (l *goLink) abort() { l.closeNow() }

func (l *goLink) closeNow() {
	if c, ok := l.tls(); ok {
		c.Close()
		return
	}
	l.sayGoodbye(func() error {
		stream.Cancel(l.t, l.s.HTTPVersion())
		return l.t.Close()
	})
}

func (l *goLink) close(hard bool) {
	l.mu.Lock()
	l.over = true
	l.drop()
	l.tell()
	l.mu.Unlock()
	if hard {
		l.closeNow()
	} else {
		l.sayGoodbye(l.closeSoftly)
	}
}

// closeSoftly ends our direction first, where that is apart from the peer's, and
// unless it went with the close frame.
func (l *goLink) closeSoftly() error {
	if h, ok := l.t.Unwrap().(interface {
		EndAfter(n int)
		CloseWrite() error
	}); ok {
		h.CloseWrite()
	}
	return l.t.Close()
}

func (l *goLink) wake() {
	if l.woken.CompareAndSwap(false, true) {
		go func() {
			l.woken.Store(false)
			l.s.ready(nil, 0, false)
		}()
	}
}

func (l *goLink) needsWorker() bool { return false }

// detach stops the reader, which may be the caller.
func (l *goLink) detach() (websocket.Stream, []byte, error) {
	l.mu.Lock()
	if l.writing > 0 {
		l.mu.Unlock()
		return nil, nil, ErrNotDetachable
	}
	l.over = true
	waits := l.started && l.lent == nil && l.buf == nil && l.err == nil // the reader waits for the peer
	l.tell()
	l.mu.Unlock()
	if waits {
		l.t.SetReadDeadline(time.Unix(1, 0))
		<-l.reading
		l.t.SetReadDeadline(time.Time{})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.t, append([]byte(nil), l.buf...), nil
}

func (l *goLink) forget() {
	l.mu.Lock()
	l.drop()
	l.mu.Unlock()
}

func (l *goLink) remoteAddr() net.Addr {
	if a, ok := l.t.Unwrap().(interface{ RemoteAddr() net.Addr }); ok {
		return a.RemoteAddr()
	}
	return nil
}

func (l *goLink) localAddr() net.Addr {
	if a, ok := l.t.Unwrap().(interface{ LocalAddr() net.Addr }); ok {
		return a.LocalAddr()
	}
	return nil
}
