package httpconn

import (
	"maps"
	"slices"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
)

func (c *http2) receive(p []byte) error {
	c.gone = nil
	if c.err != nil {
		return c.err
	}
	if c.o.Now != nil {
		c.m.SetTime(c.o.Now())
	}
	for {
		n, ev, ok, err := c.m.Next(p)
		p = p[n:]
		switch {
		case err != nil:
			return c.fail(err)
		case ok:
			c.handle(&ev)
		case len(p) == 0:
			return nil
		}
	}
}

func (c *http2) handle(ev *h2.Event) {
	var s *stream
	if ev.Stream != nil {
		if s, _ = ev.Stream.Owner.(*stream); s == nil {
			return // cancelled
		}
	}
	switch ev.Kind {
	case h2.KindHead:
		c.head(s, ev.Head, ev.End)
	case h2.KindData:
		if len(ev.Data) > 0 {
			s.unread += len(ev.Data)
			c.add(Event{Kind: Data, ID: s.id, Data: ev.Data})
		}
		if ev.End {
			c.done(s)
		}
	case h2.KindTrailers:
		if ev.Head.TooLarge && !s.upgraded {
			c.m.Reset(ev.Stream, h2.ErrCodeCancel)
			c.failed(s, because(ErrLimit, "the trailer of the response"))
			return
		}
		if !s.upgraded && len(ev.Head.Fields) > 0 {
			c.add(Event{Kind: Trailer, ID: s.id, Header: h2http.Header(ev.Head.Fields)})
		}
		c.done(s)
	case h2.KindReset:
		c.failed(s, ev.Err)
	case h2.KindWindow:
		c.writable(s)
	case h2.KindSettings:
		c.add(Event{Kind: Ready})
	case h2.KindPong:
		c.add(Event{Kind: Pong, Data: append([]byte(nil), ev.Ping[:]...)})
	case h2.KindGoAway:
		c.add(Event{Kind: GoAway, Err: &h2.ConnError{Code: ev.Err.Code, Reason: ev.Err.Reason, Remote: true}})
	}
}

// head takes the head of a response.
func (c *http2) head(s *stream, h *h2.Head, end bool) {
	switch {
	case h.TooLarge:
		c.m.Reset(s.m, h2.ErrCodeCancel)
		c.failed(s, because(ErrLimit, "the head of the response"))
		return
	case h.Status < 200:
		if s.interim++; s.interim > maxInterim {
			c.m.Reset(s.m, h2.ErrCodeEnhanceYourCalm)
			c.failed(s, because(ErrLimit, "more than %d interim responses, the last one %d", maxInterim, h.Status))
			return
		}
		c.add(Event{Kind: Interim, ID: s.id, Status: h.Status, Header: h2http.Header(h.Fields)})
		return
	}
	ev := Event{Kind: Status, ID: s.id, Status: h.Status, Header: h2http.Header(h.Fields), End: end}
	s.answered = true
	if s.upgrade {
		s.status, s.header = ev.Status, ev.Header
		if h.Status < 300 {
			s.upgraded, ev.Kind = true, Upgraded
		}
	}
	c.add(ev)
	if end {
		c.done(s)
	}
}

// done ends the server's direction.
func (c *http2) done(s *stream) {
	c.add(Event{Kind: Done, ID: s.id})
	s.ended = true
	switch {
	case s.sent:
		c.over(s)
	case !s.upgraded:
		// RFC 9113, section 8.1: a response may be over before the request,
		// which nobody wants any more.
		c.reset(s, h2.ErrCodeCancel)
	}
}

// failed ends a stream.
func (c *http2) failed(s *stream, err error) {
	if !s.ended {
		s.ended = true
		c.add(Event{Kind: Failed, ID: s.id, Err: c.streamError(s, err)})
	}
	c.over(s)
}

// streamError names the stream in an error that does not.
func (c *http2) streamError(s *stream, err error) error {
	if _, ok := err.(*h2.StreamError); ok {
		return err
	}
	return &Error{ID: s.id, Err: err}
}

// writable tells those who wait to send more, on s or on all streams.
func (c *http2) writable(s *stream) {
	if s != nil {
		if s.blocked {
			s.blocked = false
			c.add(Event{Kind: Writable, ID: s.id})
		}
		return
	}
	waits := false
	for _, s := range c.streams {
		waits = waits || s.blocked
		s.blocked = false
	}
	if waits {
		c.add(Event{Kind: Writable})
	}
}

// fail ends the connection.
func (c *http2) fail(err error) error {
	c.err = err
	c.failAll(err, err)
	return err
}

// failAll ends the streams, and the connection with them. Those without a
// response have an error of their own.
func (c *http2) failAll(err, unanswered error) {
	for _, id := range slices.Sorted(maps.Keys(c.streams)) {
		s := c.streams[id]
		why := err
		if !s.answered {
			why = unanswered
		}
		c.failed(s, why)
	}
	c.conclude()
}

func (c *http2) receiveEOF() error {
	c.gone = nil
	if c.err != nil {
		return c.err
	}
	err := c.m.EOF()
	if err == nil && len(c.streams) == 0 {
		c.err = ErrClosed
		c.conclude()
		return nil
	}
	if _, ok := err.(*h2.ConnError); ok {
		return c.fail(err)
	}
	if err == nil {
		err = errCut("with requests under way")
	}
	c.err = &Error{Err: err}
	c.failAll(err, ErrNoResponse)
	return c.err
}
