package httpconn

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h1"
)

func (c *http1) receive(p []byte) error {
	c.refused = nil
	for len(p) > 0 && c.err == nil {
		s := c.cur
		switch {
		case s == nil || !s.fetched:
			return c.fail(because(ErrUnsolicited, "the server sent %.64q", p[:min(len(p), 64)]))
		case s.upgraded:
			c.add(Event{Kind: Data, ID: s.id, Data: p})
			return nil
		case s.answered:
			n, data, err := c.body.Next(p)
			if len(data) > 0 {
				c.add(Event{Kind: Data, ID: s.id, Data: data})
			}
			if err != nil {
				return c.fail(err)
			}
			p = p[n:]
			c.bodyDone()
		default:
			n, r, err := c.parser.Next(p)
			if err != nil {
				return c.fail(c.spoken(p, err))
			}
			p = p[n:]
			if r == nil {
				break
			}
			if err := c.head(r); err != nil {
				return c.fail(err)
			}
		}
	}
	return c.err
}

// spoken adds to the error for an answer that is not HTTP/1.1 what it may be.
func (c *http1) spoken(p []byte, err error) error {
	switch {
	case p[0] == 0x15:
		return fmt.Errorf("%w (a TLS alert): the server wants TLS", err)
	case c.cur.upgrade && errors.Is(err, h1.ErrVersion):
		return fmt.Errorf("%w: %w", handshake.ErrHTTPVersion, err)
	}
	return err
}

// head takes the head of a response.
func (c *http1) head(r *h1.Response) error {
	s := c.cur
	f, err := r.Framing(s.method)
	switch {
	case err != nil:
		return err
	case r.Interim():
		c.add(Event{Kind: Interim, ID: s.id, Status: r.Status, Header: r.Header})
		return nil
	case r.Status == http.StatusSwitchingProtocols:
		return c.upgraded(r)
	}
	s.answered, s.keep = true, keepAlive(r)
	if s.upgrade {
		s.status, s.header = r.Status, r.Header
	}
	c.body.Reset(f, c.o.limits())
	c.add(Event{Kind: Status, ID: s.id, Status: r.Status, Header: r.Header, End: c.body.Done()})
	c.bodyDone()
	return nil
}

// upgraded takes a 101.
func (c *http1) upgraded(r *h1.Response) error {
	s := c.cur
	switch {
	case !s.upgrade:
		return ErrUnexpectedUpgrade
	case r.Minor < 1:
		return fmt.Errorf("%w: the server answered 101 over HTTP/1.0", handshake.ErrHTTPVersion)
	}
	s.answered, s.upgraded, s.sent = true, true, false
	s.status, s.header = r.Status, r.Header
	c.add(Event{Kind: Upgraded, ID: s.id, Status: r.Status, Header: r.Header})
	return nil
}

// keepAlive reports whether the connection goes on after the response (RFC 9112,
// section 9.3).
func keepAlive(r *h1.Response) bool {
	lines := r.Header["Connection"]
	if r.Minor == 0 {
		return extension.HasToken(lines, "keep-alive") && !extension.HasToken(lines, "close")
	}
	return !extension.HasToken(lines, "close")
}

// bodyDone ends the response when its body has.
func (c *http1) bodyDone() {
	if !c.body.Done() {
		return
	}
	s := c.cur
	if t := c.body.Trailer(); len(t) > 0 {
		c.add(Event{Kind: Trailer, ID: s.id, Header: t})
	}
	c.add(Event{Kind: Done, ID: s.id})
	// A request that was not sent to its end can't be followed by another one.
	c.last = c.last || !s.keep || !s.sent
	c.over(s)
}

// over takes a stream out that has ended.
func (c *http1) over(s *stream) {
	s.ended = true
	c.cur = nil
	if s.upgrade {
		c.refused = s
	} else {
		c.spare = s
	}
}

// fail ends the connection.
func (c *http1) fail(err error) error {
	c.err = &Error{Err: err}
	if s := c.cur; s != nil {
		c.add(Event{Kind: Failed, ID: s.id, Err: &Error{ID: s.id, Err: err}})
		c.over(s)
	}
	return c.err
}

func (c *http1) receiveEOF() error {
	c.refused = nil
	s := c.cur
	switch {
	case c.err != nil:
		return c.err
	case s == nil:
	case s.upgraded:
		c.add(Event{Kind: Done, ID: s.id})
		c.over(s)
	case !s.answered && c.parser.InHead():
		return c.fail(errCut("in the head of the response"))
	case !s.answered:
		return c.fail(ErrNoResponse)
	default:
		if err := c.body.EOF(); err != nil {
			return c.fail(errCut("in the body of the response"))
		}
		c.bodyDone()
	}
	c.err = ErrClosed
	return nil
}

// accept returns the stream whose answer is to be accepted.
func (c *http1) accept(id StreamID) *stream {
	for _, s := range [...]*stream{c.cur, c.refused} {
		if s != nil && s.id == id && s.upgrade && s.answered {
			return s
		}
	}
	return nil
}

// reject gives a WebSocket up that was opened, and not accepted.
func (c *http1) reject(*stream) { c.close() }
