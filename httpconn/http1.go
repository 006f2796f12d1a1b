package httpconn

import (
	"net/http"

	"github.com/lariat-go/websocket/internal/h1"
)

// http1 is a connection of HTTP/1.1.
type http1 struct {
	o      *settings
	parser h1.ResponseParser
	body   h1.Body
	out    []byte
	events

	cur     *stream // the request under way, or what the connection was upgraded to
	refused *stream // an opening handshake whose answer ended in the last call
	spare   *stream
	lastID  StreamID
	last    bool  // no request follows the one under way
	err     error // why it is over
}

// stream is a request and its response.
type stream struct {
	id      StreamID
	method  string
	upgrade bool // an opening handshake
	fetched bool // the request left, or is about to
	keep    bool // the connection goes on after the response

	left  int64 // bytes of the request's body that are still to come; -1: not known
	sent  bool  // our direction has ended
	ended bool  // the server's direction has ended

	answered bool // the final response's head came
	accepted bool // Accepted was called
	upgraded bool
	status   int // of an answer to an opening handshake
	header   http.Header

	http2stream
}

func newHTTP1(o *settings) *http1 {
	c := &http1{o: o}
	c.parser.Init(o.limits())
	return c
}

func (c *http1) request(h head) (StreamID, error) {
	switch {
	case c.err != nil:
		return 0, c.err
	case c.cur != nil && c.cur.upgraded:
		return 0, ErrUpgraded
	case c.last:
		return 0, ErrClosed
	case c.cur != nil:
		return 0, ErrBusy
	}
	r := h1.Request{Method: h.method, Target: h.path, Host: h.authority, Header: h.header}
	switch {
	case h.body < 0:
		r.Body.Kind = h1.Chunked
	case h.body > 0 || hasBody(h.method):
		r.Body = h1.Framing{Kind: h1.Length, Length: h.body}
	}
	out, err := h1.AppendRequest(c.out, &r)
	if err != nil {
		return 0, because(ErrRequest, "%w", err)
	}
	c.out = out
	c.lastID++
	c.last = h.last
	s := c.spare
	if c.spare = nil; s == nil {
		s = &stream{}
	}
	*s = stream{id: c.lastID, method: h.method, upgrade: h.upgrade, left: h.body, sent: h.body == 0}
	c.cur = s
	return s.id, nil
}

// sending returns the stream of an id whose direction of ours is open.
func (c *http1) sending(id StreamID) (*stream, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case c.cur == nil || c.cur.id != id || c.cur.sent:
		return nil, ErrStream
	}
	return c.cur, nil
}

func (c *http1) write(id StreamID, p []byte) (int, error) {
	s, err := c.sending(id)
	if err != nil || len(p) == 0 {
		return 0, err
	}
	switch {
	case s.upgraded:
		c.out = append(c.out, p...)
	case s.left < 0:
		c.out = h1.AppendChunk(c.out, p)
	case int64(len(p)) > s.left:
		return 0, because(ErrRequest, "its body is %d bytes longer than Body says", int64(len(p))-s.left)
	default:
		c.out = append(c.out, p...)
		s.left -= int64(len(p))
		s.sent = s.left == 0
	}
	return len(p), nil
}

func (c *http1) end(id StreamID, trailer http.Header) error {
	s, err := c.sending(id)
	switch {
	case err != nil:
		return err
	case s.upgraded:
		s.sent = true
		return nil
	case s.left > 0:
		return because(ErrRequest, "%d bytes of its body are missing: send them, or call Cancel", s.left)
	}
	out, err := h1.AppendLastChunk(c.out, trailer)
	if err != nil {
		return because(ErrRequest, "%w", err)
	}
	c.out = out
	s.sent = true
	return nil
}

func (c *http1) cancel(id StreamID) error {
	if c.err != nil || c.cur == nil || c.cur.id != id {
		return ErrStream
	}
	c.close()
	return nil
}

// close ends the connection without a word.
func (c *http1) close() {
	if c.err == nil {
		c.err = ErrClosed
	}
	c.cur = nil
}

func (c *http1) drain() { c.last = true }

func (c *http1) output(dst []byte, keep bool) []byte {
	if c.cur != nil {
		c.cur.fetched = true
	}
	if !keep {
		out := c.out
		if c.out = nil; len(out) == 0 {
			return nil
		}
		return out
	}
	dst = append(dst, c.out...)
	if c.out = c.out[:0]; cap(c.out) > keepOutput {
		c.out = nil
	}
	return dst
}

func (c *http1) ready() bool { return true }

func (c *http1) isOpen() bool {
	return c.err == nil && !c.last && (c.cur == nil || !c.cur.upgraded)
}

func (c *http1) openRequests() int {
	if c.cur == nil {
		return 0
	}
	return 1
}

func (c *http1) finished() bool { return c.err != nil || c.last && c.cur == nil }

func (c *http1) consumed(StreamID, int) {}

func (c *http1) ping([8]byte) error { return because(ErrRequest, "HTTP/1.1 has no PING") }
