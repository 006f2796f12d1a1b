package reconnect

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// run is the goroutine of a client: attempt, connection, wait, and again.
func (c *Client) run() {
	defer c.end()
	c.loop.Store(goroutine())
	for again := true; again; {
		again = c.turn()
	}
	c.ended = true
}

// turn makes one attempt, lives through the connection, if one comes of it, and
// waits. It reports whether another attempt is due.
func (c *Client) turn() bool {
	n, ok := c.begin()
	if !ok {
		return false
	}
	s, err := c.connect(n)
	if err != nil {
		return c.failed(n, err)
	}
	return c.live(s)
}

// begin counts an attempt.
func (c *Client) begin() (n int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= Closing {
		return 0, false
	}
	c.info.Attempt++
	c.info.Attempts++
	c.set(Connecting)
	c.began = time.Now()
	return c.info.Attempt, true
}

// failed deals with an attempt that came to nothing.
func (c *Client) failed(n int, err error) bool {
	if !c.note(err) {
		return false // Close broke it off
	}
	c.log(slog.LevelWarn, "websocket: attempt failed", slog.Int("attempt", n), slog.Any("error", err))
	next := c.cb.OnConnectError(c, err, n)
	hopeful := c.o.Policy.afterFailure(err)
	gaveUp := &client.GaveUpError{Attempts: n, Fatal: !hopeful, Err: err}
	wait, again := c.decide(next, hopeful && c.mayRetry(n), gaveUp)
	return again && c.pause(wait, n, err)
}

// mayRetry reports whether Options.Retry allows another attempt after the n-th.
func (c *Client) mayRetry(n int) bool { return c.o.Retry == 0 || n <= c.o.Retry }

// note keeps why an attempt failed or a connection ended. It reports whether the
// client lives on.
func (c *Client) note(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.info.Err = err
	return c.state < Closing
}

// decide says what comes next: by what a callback returned, or by what the
// options say, which is again. err is what Err is if nothing does.
func (c *Client) decide(n Next, again bool, err error) (time.Duration, bool) {
	switch n.kind {
	case nextStop:
		again = false
		if g, ok := errors.AsType[*client.GaveUpError](err); ok {
			err = g.Err
		}
	case nextRetry:
		again = true
		if n.changes {
			if n.url != "" {
				c.url = n.url
			}
			if n.header != nil {
				c.head = n.header
			}
		}
	}
	wait := n.wait
	if again && !n.waits {
		wait = c.waits.next(retryAfter(err, c.o.clock(), c.o.MaxRetryAfter))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state >= Closing:
		return -1, false
	case !again:
		c.err = err
		return -1, false
	}
	return wait, true
}

// pause waits for d, or until it is told that there is reason to try at once. It
// reports whether the client lives on.
func (c *Client) pause(d time.Duration, n int, err error) bool {
	c.mu.Lock()
	if c.state >= Closing {
		c.mu.Unlock()
		return false
	}
	c.set(Waiting)
	end := time.Now().Add(d)
	c.info.Next = end
	c.mu.Unlock()
	if c.o.OnWait != nil {
		c.o.OnWait(d, n, err)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	case <-c.wake:
	}
	// Many such reasons must not make as many attempts.
	if sooner := time.Until(c.began.Add(c.o.MinWait)); sooner < time.Until(end) {
		t.Reset(max(sooner, 0))
	}
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// live lives through a connection and reports whether there is to be another
// attempt, after a wait that is over when it returns.
func (c *Client) live(s *websocket.Conn) bool {
	up := time.Now()
	err := c.serve(s)
	c.down()
	err = c.why(err)
	lives := c.note(err)
	if time.Since(up) >= c.o.Healthy {
		c.waits.reset()
		c.mu.Lock()
		c.info.Attempt = 0
		c.mu.Unlock()
	}
	c.log(slog.LevelInfo, "websocket: connection ended", slog.Any("error", err))
	e := judge(err)
	var next Next
	if e.framed {
		next = c.cb.OnClose(c, e.code, e.reason)
	} else {
		next = c.cb.OnError(c, err)
	}
	again := c.o.Policy.afterClose(e.code)
	if e.local {
		again = c.o.AfterLocalClose
	}
	n := c.info.Attempt // this goroutine alone writes it
	cause := err
	if again && !c.mayRetry(n) {
		again, cause = false, &client.GaveUpError{Attempts: n, Err: err}
	}
	wait := time.Duration(-1)
	if lives {
		wait, again = c.decide(next, again, cause)
	}
	c.cb.OnDisconnect(c, err, wait)
	return lives && again && c.pause(wait, n, err)
}

// serve has a connection from the moment it is open to its end, and returns how
// that was.
func (c *Client) serve(s *websocket.Conn) error {
	c.mu.Lock()
	closing := c.state >= Closing
	c.conn, c.broken = s, false
	c.info.Connects++
	if !closing {
		c.set(Opening)
	}
	c.mu.Unlock()
	if closing {
		s.Close(websocket.StatusGoingAway, "")
	} else {
		c.log(slog.LevelInfo, "websocket: connected", slog.Any("peer", s.RemoteAddr()))
		c.cb.OnConnect(c, s.Header())
		c.open()
	}
	if c.pull != nil {
		return c.offer(s)
	}
	return c.read(s)
}

// open lets everybody write, after OnConnect, and flushes the outbox.
func (c *Client) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Opening {
		select {
		case <-c.wake: // it was for an attempt, and that was made
		default:
		}
		c.set(Up)
		c.startPump()
	}
}

// read reads messages and calls OnMessage with each, until the connection ends.
// Between messages the connection holds no buffer.
func (c *Client) read(s *websocket.Conn) error {
	var batch []websocket.Message
	for {
		var err error
		if batch, err = s.ReadBatch(context.Background(), batch[:0]); err != nil {
			return err
		}
		c.turns.Add(1)
		for i := range batch {
			if c.stopped.Load() {
				break
			}
			c.cb.OnMessage(c, batch[i])
		}
		c.turns.Add(1)
		if cap(batch) > keptMessages {
			batch = nil
		}
	}
}

// keptMessages is how large the list of messages may be that is used again.
const keptMessages = 256

// down takes the connection away, which has ended, from those who write to it.
func (c *Client) down() {
	c.mu.Lock()
	c.conn = nil
	if c.state < Closing {
		c.set(Connecting)
	}
	c.notify()
	c.mu.Unlock()
	c.aux.Wait()
	c.mu.Lock()
	c.box.rewind()
	c.mu.Unlock()
	c.dropCarrier()
}

// dropCarrier closes what is below the connection.
func (c *Client) dropCarrier() {
	if c.carrier != nil {
		c.carrier.Close()
		c.carrier = nil
	}
}

// why returns why the connection ended: where the client gave it up itself, its
// own reason comes first.
func (c *Client) why(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.lostBy
	c.lostBy = nil
	if e, ok := errors.AsType[*websocket.CloseError](err); ok && own != nil && e.Received == nil {
		lost := *e
		lost.Cause = own
		return &lost
	}
	return err
}

// end is the last thing that the goroutine does.
func (c *Client) end() {
	v := recover()
	var err error
	switch {
	case v != nil:
		err = &PanicError{Value: v, Stack: debug.Stack()}
		c.log(slog.LevelError, "websocket: a callback panicked", slog.Any("value", v), slog.String("stack", string(debug.Stack())))
	case !c.ended:
		err = errGoexit
	}
	c.awake.stop()
	if c.unwatch() {
		c.leaving.Done()
	}
	c.stopped.Store(true)
	c.mu.Lock()
	s := c.conn
	c.conn = nil
	if err != nil {
		c.err = err
	}
	if c.state < Closing {
		c.set(Closing)
	}
	c.mu.Unlock()
	c.cancel()
	if s != nil {
		s.Close(websocket.StatusInternalError, "")
	}
	c.dropCarrier()
	c.aux.Wait()
	c.leaving.Wait()
	c.mu.Lock()
	c.set(Closed)
	c.mu.Unlock()
	close(c.done)
}

func (c *Client) log(l slog.Level, text string, attrs ...slog.Attr) {
	if c.o.Logger != nil {
		c.o.Logger.LogAttrs(context.Background(), l, text, attrs...)
	}
}
