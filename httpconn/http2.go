package httpconn

import (
	"errors"
	"math"
	"net/http"
	"slices"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
)

// http2 is a connection of HTTP/2.
type http2 struct {
	o   *settings
	m   h2.Conn
	out []byte // taken from m
	events

	streams map[StreamID]*stream
	gone    []*stream // opening handshakes whose streams ended in the last call
	err     error     // why it is over
}

// http2stream is what a stream has over HTTP/2.
type http2stream struct {
	m       *h2.Stream
	interim int
	blocked bool // Body took less than all
	unread  int  // bytes of Data that Consumed has not heard of
}

func newHTTP2(o *settings) *http2 {
	c := &http2{o: o, streams: map[StreamID]*stream{}}
	c.m.Init(o.config())
	return c
}

func (c *http2) request(h head) (StreamID, error) {
	switch {
	case c.err != nil:
		return 0, c.err
	case h.upgrade && c.m.GoingAway():
		return 0, ErrClosed
	case h.upgrade && !c.m.Settled():
		return 0, ErrNotReady
	case h.upgrade && !c.m.PeerExtendedConnect():
		return 0, handshake.ErrExtendedConnectDisabled
	}
	fields, err := h2http.AppendFields(make([]h2.Field, 0, len(h.header)), h.header, nil)
	if err != nil {
		return 0, because(ErrRequest, "%w", err)
	}
	head := h2.Head{
		Method: h.method, Scheme: h.scheme, Authority: h.authority, Path: h.path, Protocol: h.protocol,
		Fields: fields, ContentLength: h.body,
	}
	if h.body == 0 && !hasBody(h.method) {
		head.ContentLength = -1
	}
	end := h.body == 0 && !h.upgrade
	m, err := c.m.Open(&head, end)
	switch {
	case errors.Is(err, h2.ErrNoSlot):
		return 0, ErrBusy
	case errors.Is(err, h2.ErrGoingAway):
		return 0, ErrClosed
	case err != nil:
		return 0, because(ErrRequest, "%w", err)
	}
	s := &stream{id: StreamID(m.ID), method: h.method, upgrade: h.upgrade, left: h.body, sent: end}
	if h.upgrade {
		s.left = -1
	}
	s.m, m.Owner = m, s
	c.streams[s.id] = s
	return s.id, nil
}

// sending returns the stream of an id whose direction of ours is open.
func (c *http2) sending(id StreamID) (*stream, error) {
	s := c.streams[id]
	switch {
	case c.err != nil:
		return nil, c.err
	case s == nil || s.sent || s.upgrade && !s.upgraded:
		return nil, ErrStream
	}
	return s, nil
}

func (c *http2) write(id StreamID, p []byte) (n int, err error) {
	s, err := c.sending(id)
	if err != nil || len(p) == 0 {
		return 0, err
	}
	if s.left >= 0 && int64(len(p)) > s.left {
		return 0, because(ErrRequest, "its body is %d bytes longer than Body says", int64(len(p))-s.left)
	}
	last := s.left == int64(len(p))
	for n < len(p) {
		k, err := c.m.Write(s.m, p[n:], nil, last)
		switch {
		case err != nil:
			return n, ErrStream
		case k > 0:
			n += k
		case c.m.Staged() > 0:
			// There may be a window, but no more room.
			c.out = c.m.Output(c.out, math.MaxInt)
		default:
			s.blocked = true
			if s.left > 0 {
				s.left -= int64(n)
			}
			return n, nil
		}
	}
	if s.left > 0 {
		s.left -= int64(n)
		s.sent = s.left == 0
	}
	c.ended(s)
	return n, nil
}

func (c *http2) end(id StreamID, trailer http.Header) error {
	s, err := c.sending(id)
	switch {
	case err != nil:
		return err
	case s.left > 0:
		return because(ErrRequest, "%d bytes of its body are missing: send them, or call Cancel", s.left)
	case s.upgraded:
		trailer = nil
	}
	fields, err := h2http.AppendFields(nil, trailer, nil)
	if err != nil {
		return because(ErrRequest, "%w", err)
	}
	if err := c.m.Trailers(s.m, fields); err != nil {
		return ErrStream
	}
	s.sent = true
	c.ended(s)
	return nil
}

// ended forgets s when both directions have ended.
func (c *http2) ended(s *stream) {
	if s.sent && s.ended {
		c.over(s)
	}
}

func (c *http2) over(s *stream) {
	delete(c.streams, s.id)
	s.m.Owner = nil
	if s.upgrade && s.answered && !s.accepted {
		c.gone = append(c.gone, s)
	}
}

func (c *http2) cancel(id StreamID) error {
	s := c.streams[id]
	if c.err != nil || s == nil {
		return ErrStream
	}
	c.reset(s, h2.ErrCodeCancel)
	return nil
}

// reset gives a stream up.
func (c *http2) reset(s *stream, code h2.ErrCode) {
	c.over(s)
	c.m.Reset(s.m, code)
}

func (c *http2) drain() { c.m.Drain() }

func (c *http2) close() {
	if c.err != nil {
		return
	}
	c.m.Drain()
	c.err = ErrClosed
	c.conclude()
}

// conclude gives back what the machine has borrowed.
func (c *http2) conclude() {
	c.out = c.m.Output(c.out, math.MaxInt)
	c.m.Free()
	clear(c.streams)
}

func (c *http2) output(dst []byte, keep bool) []byte {
	if len(c.out) > 0 {
		if dst == nil {
			dst = c.out
		} else {
			dst = append(dst, c.out...)
		}
		c.out = nil
	}
	if c.err == nil && c.m.HasOutput() {
		dst = c.m.Output(dst, math.MaxInt)
	}
	return dst
}

func (c *http2) consumed(id StreamID, n int) {
	if s := c.streams[id]; s != nil && c.err == nil {
		n = max(0, min(n, s.unread))
		s.unread -= n
		c.m.Consumed(s.m, n)
	}
}

func (c *http2) ready() bool { return c.m.Settled() }

func (c *http2) ping(data [8]byte) error {
	if c.err != nil {
		return c.err
	}
	c.m.Ping(data)
	return nil
}

func (c *http2) isOpen() bool { return c.err == nil && !c.m.GoingAway() }

func (c *http2) openRequests() int { return len(c.streams) }

func (c *http2) finished() bool {
	return c.err != nil || c.m.GoingAway() && len(c.streams) == 0
}

// accept returns the stream whose answer is to be accepted.
func (c *http2) accept(id StreamID) *stream {
	s := c.streams[id]
	if s == nil {
		i := slices.IndexFunc(c.gone, func(s *stream) bool { return s.id == id })
		if i < 0 {
			return nil
		}
		s = c.gone[i]
	}
	if !s.upgrade || !s.answered {
		return nil
	}
	return s
}

// reject gives a WebSocket up that was opened, and not accepted.
func (c *http2) reject(s *stream) {
	if c.streams[s.id] == s {
		c.reset(s, h2.ErrCodeCancel)
	}
}
