package main

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/frame"
)

// ownerCapacity is how many events may wait to be printed.
const ownerCapacity = 64

// owning is "lariat connect --owner-events": the owner of a connection.
type owning struct {
	*typist
	url      *url.URL
	dial     *websocket.DialOptions
	requests []*plainRequest
	conn     *client.Conn
	started  chan struct{} // closed when the first socket is open
	ended    chan struct{} // closed when the end has begun
	ending   sync.Once
	why      atomic.Pointer[failure] // nil: it ended well
	refused  atomic.Int64            // lines that were not sent
	up       atomic.Bool             // there is a connection, as far as was told
	down     chan struct{}           // closed when that is lost; of the goroutine that tells

	mu     sync.Mutex
	socket *websocket.Conn // nil while there is none
	gone   chan struct{}   // closed when that has ended
}

func (a *app) ownerEvents(ctx context.Context, u *url.URL, w *watcher, requests []*plainRequest, o *websocket.DialOptions) error {
	co, err := w.flags.clientOptions(u, &o.ConnOptions)
	if err != nil {
		return err
	}
	owner := client.NewOwner(ownerCapacity)
	co.Owner = owner
	co.Retry = w.flags.retry // 0: the default
	co.RetryTimeout = w.flags.maxWait
	co.ClosingTimeout = closeWait
	own := &owning{
		typist: &typist{watcher: w}, url: u, dial: o, requests: requests,
		started: make(chan struct{}), ended: make(chan struct{}),
	}
	own.to = own
	own.ctx, own.giveUp = context.WithCancelCause(ctx)
	defer own.giveUp(nil)
	if err := own.open(a.in); err != nil {
		return err
	}
	defer own.restore()
	if own.conn, err = w.flags.openClient(ctx, u, co); err != nil {
		return err
	}
	return own.run(owner)
}

// run prints the events until the connection is over.
func (w *owning) run(owner *client.Owner) error {
	go w.sendLines()
	go func() {
		select {
		case <-w.ended:
		case <-w.conn.Done():
		case <-w.ctx.Done():
			w.end(websocket.StatusGoingAway, endedBy(w.ctx))
		}
		<-w.conn.Done()
		// The last events, Down and GaveUp, may still be on their way.
		if !w.up.Load() && w.conn.Err() == nil {
			owner.Close()
		}
	}()
	for ev := range owner.C {
		if err := w.tell(ev); err != nil {
			w.end(websocket.StatusGoingAway, asFailure(err))
		}
		if w.last(ev) {
			owner.Close()
		}
	}
	f, in := w.why.Load(), w.inputErr.Load()
	switch {
	case in != nil && (f == nil || f.code == exitExpect):
		return in
	case w.unmet() && (f == nil || f.code != exitInterrupted):
		return w.unmetFailure(f)
	case f != nil:
		return f
	}
	return refusedFailure(w.refused.Load(), "")
}

// last reports whether nothing comes after an event.
func (w *owning) last(ev client.Event) bool {
	switch ev := ev.(type) {
	case client.Up:
		w.up.Store(true)
	case client.Down:
		w.up.Store(false)
		select {
		case <-w.ended:
			return ev.Wait < 0
		default:
			select {
			case <-w.conn.Done():
				return w.conn.Err() == nil
			default:
			}
		}
	case client.GaveUp:
		return true
	}
	return false
}

// sendLines reads the input when there is a socket for the first time.
func (w *owning) sendLines() {
	select {
	case <-w.started:
		w.send()
	case <-w.conn.Done():
	}
}

// tell prints an event, and does what follows from it.
func (w *owning) tell(ev client.Event) error {
	name, e := ownerEvent(ev)
	if err := w.event(name, e); err != nil {
		return err
	}
	switch ev := ev.(type) {
	case client.Up:
		w.down = make(chan struct{})
		go w.connected(w.down)
	case client.Down:
		close(w.down)
	case client.Upgraded:
		w.has(ev.Socket)
	case client.Message:
		if w.notice(ev.Data) {
			w.end(websocket.StatusNormalClosure, nil)
		}
	case client.Closed:
		w.has(nil)
		// Over HTTP/2 the connection stays when a socket ends; that was all it was
		// for.
		if ev.Socket.HTTPVersion() != 1 {
			go w.without(ev.Err, w.down)
		}
	case client.GaveUp:
		w.stop(w.flags.clientFailure(w.ctx, w.url, ev.Err))
	}
	return nil
}

// connected makes the requests and opens the socket, on a connection that is up
// until down is closed.
func (w *owning) connected(down <-chan struct{}) {
	err := w.flags.before(w.ctx, w.printer, w.url, w.conn, w.dial.Header, w.requests)
	if err == nil {
		_, err = w.conn.Upgrade(w.ctx, w.url.RequestURI(), &client.UpgradeOptions{Header: w.dial.Header})
	}
	if err == nil {
		return
	}
	if !final(err) && lostSoon(down) {
		return // there may be another Up
	}
	f := asFailure(err)
	if f.code == exitOther {
		f = w.flags.clientFailure(w.ctx, w.url, err)
	}
	w.end(websocket.StatusGoingAway, f)
}

// without ends it when a socket has ended and its connection has not.
func (w *owning) without(err *websocket.CloseError, down <-chan struct{}) {
	if err.Received == nil && lostSoon(down) {
		return
	}
	w.end(websocket.StatusNormalClosure, endFailure(w.ctx, err))
}

// lostSoon reports whether the loss of the connection, which closes down, is the
// reason for a failure that was told before.
func lostSoon(down <-chan struct{}) bool {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-down:
		return true
	case <-t.C:
		return false
	}
}

// final reports whether an opening handshake, or a request before it, has failed
// for another reason than the loss of the connection.
func final(err error) bool {
	if f, ok := errors.AsType[*failure](err); ok && f.err == nil {
		return true
	}
	if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok && refused.Status != 0 {
		return true
	}
	_, option := errors.AsType[*websocket.OptionError](err)
	return option || versionFailure("", err) != nil
}

// has notes the socket there is.
func (w *owning) has(c *websocket.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.socket != nil {
		close(w.gone)
	}
	w.socket = c
	if c != nil {
		w.gone = make(chan struct{})
		select {
		case <-w.started:
		default:
			close(w.started)
		}
	}
}

func (w *owning) current() *websocket.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.socket
}

// stop notes why it ends, the first time.
func (w *owning) stop(why *failure) (first bool) {
	w.ending.Do(func() {
		w.why.Store(why)
		close(w.ended)
		first = true
	})
	return first
}

// end closes for good, in the background.
func (w *owning) end(code websocket.StatusCode, why *failure) {
	if w.stop(why) {
		go w.shut(code, "")
	}
}

// shut closes the socket, if there is one, and then the connection. What the
// server has sent before its own close frame still comes.
func (w *owning) shut(code websocket.StatusCode, reason string) {
	w.mu.Lock()
	c, gone := w.socket, w.gone
	w.mu.Unlock()
	if c != nil && c.WriteBatch(context.Background(), websocket.CloseFrame(code, reason)) == nil {
		t := time.NewTimer(closeWait)
		defer t.Stop()
		select {
		case <-gone:
		case <-t.C:
		}
	}
	_ = w.conn.Shutdown(context.Background()) // bounded by ClosingTimeout
}

// Write sends a line on the socket there is.
func (w *owning) Write(ctx context.Context, t websocket.MessageType, p []byte) error {
	c := w.current()
	if c == nil {
		return errNotOpen
	}
	return c.Write(ctx, t, p)
}

var errNotOpen = errors.New("not sent: there is no socket")

// unsent tells that a line was not sent; the next one may be.
func (w *owning) unsent(n int, err error) *failure {
	w.refused.Add(1)
	w.note("line %d %v", n, plainError(err))
	return nil
}

func (w *owning) ping(ctx context.Context) (time.Duration, error) {
	c := w.current()
	if c == nil {
		return 0, errNotOpen
	}
	return c.Ping(ctx)
}

// beginClose ends it for good, in the background.
func (w *owning) beginClose(code websocket.StatusCode, reason string) error {
	if _, err := frame.AppendClose(nil, code, reason); err != nil {
		return err
	}
	if w.stop(nil) {
		go w.shut(code, reason)
	}
	return nil
}

// finish has nothing to do: what was written has been sent.
func (w *owning) finish() *failure { return nil }
