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

// run is the goroutine of a client: attempt, connection, wait, and again. What a
// client that waits for messages holds is above all the stack of its goroutine,
// so it waits not far down from here.
func (c *Client) run() {
	orderly := false
	defer c.end(&orderly)
	c.loop.Store(goroutine())
	for again := true; again; {
		var s *websocket.Conn
		if s, again = c.try(); s != nil {
			again = c.over(c.read(s))
		}
	}
	c.finish()
	orderly = true
}

// try makes one attempt, and waits when it fails. It returns the connection, or
// reports whether another attempt is due.
func (c *Client) try() (s *websocket.Conn, again bool) {
	ctx, n, ok := c.begin()
	if !ok {
		return nil, false
	}
	s, err := c.connect(ctx, n)
	c.mu.Lock()
	c.cancel()
	c.cancel = nil
	c.mu.Unlock()
	if err != nil {
		return nil, c.failed(n, err)
	}
	c.open(s)
	return s, true
}

// begin counts an attempt.
func (c *Client) begin() (ctx context.Context, n int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= Closing {
		return nil, 0, false
	}
	c.attempt++
	c.attempts++
	c.set(Connecting)
	c.began = c.since
	ctx, c.cancel = context.WithCancel(c.ctx)
	return ctx, c.attempt, true
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
	c.last = err
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
				c.header = n.header
			}
		}
	}
	wait := n.wait
	if again && !n.waits {
		wait = c.o.nextWait(c.waits, retryAfter(err, c.o.clock(), c.o.MaxRetryAfter))
		c.waits++
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
	end := c.since.Add(d)
	c.next = end
	c.mu.Unlock()
	if c.o.OnWait != nil {
		c.o.OnWait(d, n, err)
	}
	t := time.NewTimer(time.Until(end))
	defer t.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.state < Closing {
		if c.kicked {
			c.kicked = false
			// Many such reasons must not make as many attempts.
			if sooner := c.began.Add(c.o.MinWait); sooner.Before(end) {
				end = sooner
				t.Reset(time.Until(end))
			}
		}
		changed := c.change()
		c.mu.Unlock()
		select {
		case <-t.C:
			c.mu.Lock()
			return c.state < Closing
		case <-changed:
		}
		c.mu.Lock()
	}
	return false
}

// open has a connection that was just made, calls OnConnect and lets everybody
// write.
func (c *Client) open(s *websocket.Conn) {
	c.began = time.Now()
	c.mu.Lock()
	c.conn, c.broken = s, false
	c.connects++
	closing := c.state >= Closing
	if !closing {
		c.set(Opening)
	}
	c.mu.Unlock()
	if closing {
		s.Close(websocket.StatusGoingAway, "")
		return
	}
	c.log(slog.LevelInfo, "websocket: connected", slog.Any("peer", s.RemoteAddr()))
	c.cb.OnConnect(c, s.Header())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Opening {
		c.kicked = false // it was for an attempt, and that was made
		c.set(Up)
		c.startPump()
	}
}

// read reads messages and calls OnMessage with each, until the connection ends.
// Between messages the connection holds no buffer.
func (c *Client) read(s *websocket.Conn) error {
	if c.pull != nil {
		return c.pull.offer(s)
	}
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
const keptMessages = 64

// over deals with the end of the connection and waits. It reports whether another
// attempt is due.
func (c *Client) over(err error) bool {
	healthy := time.Since(c.began) >= c.o.Healthy
	c.down()
	err = c.why(err)
	lives := c.note(err)
	if healthy {
		c.waits = 0
		c.mu.Lock()
		c.attempt = 0
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
	n := c.attempt // this goroutine alone writes it
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

// dropCarrier closes what is below the connection. That may take a second, which
// nobody has to wait for.
func (c *Client) dropCarrier() {
	if k := c.carrier; k != nil {
		c.carrier = nil
		c.aux.Go(func() { k.Close() })
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
		gone := *e
		gone.Cause = own
		return &gone
	}
	return err
}

// end is the last thing that a goroutine of run does. Unless everything went its
// way, which is orderly, a callback has panicked or ended the goroutine.
func (c *Client) end(orderly *bool) {
	v := recover()
	if v == nil && *orderly {
		return
	}
	err := errGoexit
	if v != nil {
		stack := debug.Stack()
		err = &PanicError{Value: v, Stack: stack}
		c.log(slog.LevelError, "websocket: a callback panicked", slog.Any("value", v), slog.String("stack", string(stack)))
	}
	c.mu.Lock()
	s := c.conn
	c.err = err
	if c.state < Closing {
		c.stop()
	}
	c.mu.Unlock()
	if s != nil {
		s.Close(websocket.StatusInternalError, "")
	}
	c.finish()
}

// finish says that the client has ended.
func (c *Client) finish() {
	if c.unwatch != nil && c.unwatch() {
		c.leaving.Done()
	}
	c.mu.Lock()
	c.conn = nil
	if c.state < Closing {
		c.stop()
	}
	c.mu.Unlock()
	c.dropCarrier()
	c.aux.Wait()
	c.leaving.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(Closed)
	c.alarm.Stop()
	if c.done != nil {
		close(c.done)
	}
}

func (c *Client) log(l slog.Level, text string, attrs ...slog.Attr) {
	if c.o.Logger != nil {
		c.o.Logger.LogAttrs(context.Background(), l, text, attrs...)
	}
}
