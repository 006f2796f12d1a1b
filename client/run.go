package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/dial"
)

// run makes connections and serves them, one after the other, until the Conn is
// over or a socket has taken the connection over.
func (c *Conn) run() {
	for {
		s := c.connect()
		if s == nil {
			return
		}
		c.up(s)
		err := s.serve()
		if err == errTaken {
			return // rejoin goes on
		}
		if !c.down(err) {
			return
		}
	}
}

// rejoin goes on for run when the socket that had taken the connection is over:
// local says that this end wanted it.
func (c *Conn) rejoin(err error, local bool) {
	if local {
		c.mu.Lock()
		if c.state != Over {
			c.set(Closing) // C1: a local close never connects again
		}
		c.mu.Unlock()
	}
	if c.down(err) {
		c.run()
	}
}

// connect makes attempts until one succeeds. nil means that the Conn is over.
func (c *Conn) connect() session {
	for {
		c.mu.Lock()
		if c.state == Closing {
			c.mu.Unlock()
			c.end(nil)
			return nil
		}
		c.set(Connecting)
		c.attempts++
		n, left := c.attempts, c.left
		c.mu.Unlock()
		c.steps.attempt(n, left)
		c.mail.post(Attempt{Source{c}, n, left})
		s, err := c.try()
		if err == nil {
			return s
		}
		c.mu.Lock()
		closing := c.state == Closing
		c.last = err
		c.mu.Unlock()
		wait := time.Duration(-1)
		if !closing && !fatal(err) {
			wait = c.nextTry(err)
		}
		c.steps.failed(n, wait, err)
		c.tellRetry(wait, err)
		c.mail.emit(AttemptFailed{Source{c}, n, err, wait})
		if !c.pause(wait) {
			if closing || c.closing() {
				c.end(nil)
			} else {
				c.end(&GaveUpError{Attempts: n, Fatal: fatal(err), Err: err})
			}
			return nil
		}
	}
}

// nextTry returns how long to wait before the next attempt, -1 when there is
// none: Gun's rules (S3.8 to S3.10).
func (c *Conn) nextTry(err error) time.Duration {
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	if left <= 0 {
		return -1
	}
	wait := c.o.RetryTimeout
	if c.o.RetryFunc != nil {
		left, wait = c.o.RetryFunc(left, err)
	} else {
		left--
	}
	left, wait = max(left, 0), max(wait, 0)
	c.mu.Lock()
	c.left = left
	c.mu.Unlock()
	return wait
}

// tellRetry tells of another attempt, if there is one.
func (c *Conn) tellRetry(wait time.Duration, err error) {
	if wait < 0 {
		return
	}
	c.mu.Lock()
	left := c.left
	c.mu.Unlock()
	c.steps.retry(left, wait, err)
}

// pause waits for d, and reports whether another attempt is due. A negative d
// means that none is.
func (c *Conn) pause(d time.Duration) bool {
	if d < 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Closing {
		c.set(Waiting)
	}
	for c.state != Closing {
		changed := c.change()
		c.mu.Unlock()
		select {
		case <-t.C:
			c.mu.Lock()
			return c.state != Closing
		case <-changed:
			c.mu.Lock()
		}
	}
	return false
}

// closing reports whether no other connection is to be made.
func (c *Conn) closing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == Closing
}

// try makes one attempt.
func (c *Conn) try() (session, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.mu.Lock()
	if c.cancel = cancel; c.state == Closing {
		cancel()
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.cancel = nil
		c.mu.Unlock()
	}()
	var offers []string
	for _, p := range c.o.Protocols {
		switch p {
		case HTTP1:
			offers = append(offers, dial.ALPNHTTP1)
		case HTTP2:
			offers = append(offers, dial.ALPNHTTP2)
		}
	}
	if i := slices.Index(c.o.Protocols, HTTP3); i >= 0 && (i == 0 || len(offers) == 0) {
		s, err := c.openHTTP3(ctx)
		if err == nil || len(offers) == 0 {
			return s, err
		}
	}
	d := &dial.Dialer{
		NetDial: c.o.Dial, Unix: c.o.Unix, TLSConfig: c.o.TLSConfig,
		LookupTimeout: c.o.DomainLookupTimeout, ConnectTimeout: c.o.ConnectTimeout, TLSHandshakeTimeout: c.o.TLSHandshakeTimeout,
	}
	if c.steps != nil {
		d.OnStep = c.steps.dialStep
	}
	l, err := d.Connect(ctx, &c.target, offers...)
	if err != nil {
		return nil, err
	}
	two := slices.Contains(offers, dial.ALPNHTTP2) && (!c.target.Secure || l.Proto == dial.ALPNHTTP2)
	if !two && !slices.Contains(offers, dial.ALPNHTTP1) {
		l.Socket.Close()
		return nil, fmt.Errorf("%w: add HTTP1 to Protocols", websocket.ErrNoHTTP2)
	}
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
	if two {
		return c.newSession2(l), nil
	}
	return c.newSession1(l), nil
}

// fatal reports whether another attempt would fail as well: what is wrong are the
// options, or what server and proxy are.
func fatal(err error) bool {
	_, ok := errors.AsType[*websocket.OptionError](err)
	return ok || dial.Hopeless(err) || errors.Is(err, websocket.ErrNoHTTP2)
}

// up says that s can be used.
func (c *Conn) up(s session) {
	p := s.protocol()
	c.mu.Lock()
	c.session, c.protocol = s, p
	c.ups++
	c.since = time.Now()
	var state *tls.ConnectionState
	if c.link != nil {
		state = c.link.TLS()
	}
	closing := c.state == Closing
	c.mu.Unlock()
	c.steps.up(p)
	c.mail.post(Up{Source{c}, p, state})
	if closing {
		s.close()
		return
	}
	c.mu.Lock()
	if c.state != Closing {
		c.set(Connected)
	} else {
		defer s.close()
	}
	c.mu.Unlock()
}

// down says that the connection is over because of err, and reports whether
// another one is to be made.
func (c *Conn) down(err error) bool {
	c.mu.Lock()
	closing := c.state == Closing
	if !closing {
		c.set(Connecting)
	}
	s := c.session
	c.session, c.link = nil, nil
	lived := time.Since(c.since) >= c.leastLife()
	c.mu.Unlock()
	if s != nil {
		s.close()
	}
	c.awaitPumps() // what they have to tell comes before Down
	killed := c.killed()
	if err == nil && !closing {
		err = errEnded
	}
	if closing {
		err = nil
	}
	wait := time.Duration(-1)
	switch {
	case closing || c.o.Retry == 0 || fatal(err):
	case lived || asked(err):
		c.mu.Lock()
		c.left, c.attempts = c.o.Retry, 0
		c.mu.Unlock()
		wait = 0
	default:
		wait = c.nextTry(err)
	}
	c.mu.Lock()
	c.last = err
	n := c.attempts
	c.mu.Unlock()
	c.steps.disconnect(err, wait)
	c.tellRetry(wait, err)
	c.mail.emit(Down{Source{c}, err, killed, wait})
	switch {
	case closing:
		c.end(nil)
		return false
	case c.pause(wait):
		return true
	case c.closing():
		c.end(nil)
		return false
	}
	if c.o.Retry == 0 {
		n = 0
	}
	c.end(&GaveUpError{Attempts: n, Fatal: fatal(err), Err: err})
	return false
}

// end says that the Conn is over for good.
func (c *Conn) end(err error) {
	c.mu.Lock()
	c.err = err
	c.link = nil
	c.set(Over)
	c.mu.Unlock()
	c.steps.terminate(err)
	if err != nil {
		c.mail.emit(GaveUp{Source{c}, err})
	}
	c.mail.close()
	close(c.done)
}

// leastLife is how long a connection has to live for retries to be counted anew.
func (c *Conn) leastLife() time.Duration {
	if c.o.RetryTimeout == 0 {
		return DefaultRetryTimeout // no wait is no reason to go round and round
	}
	return max(c.o.RetryTimeout, minLife)
}

// minLife is the least of it.
const minLife = time.Second

// asked reports whether a connection of HTTP/1.1 was over because of what was
// asked of it: it says nothing about the next one.
func asked(err error) bool { return err == errLast || err == errGivenUp || err == errEarly }

// lose says that s is of no more use, ahead of down.
func (c *Conn) lose(s session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == s && c.state == Connected {
		c.set(Connecting)
	}
}
