package deflate

import (
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// codec is one connection's state. Between messages it holds nothing but what
// context takeover keeps; while a message is unfinished it also borrows.
type codec struct {
	d    *deflater
	held int64 // bytes counted against the budget

	// Of what we send.
	outTakeover bool
	outBits     uint8
	out         *window // kept text; nil before the first message

	// Of what we receive.
	inTakeover bool
	inBits     uint8
	dead       error
	in         *inflater // of the message being read
	hist       history
}

func newCodec(d *deflater, p params, server bool, held int64) *codec {
	c := &codec{d: d, held: held}
	c.outTakeover, c.outBits = p.serverTakeover, uint8(p.serverBits)
	c.inTakeover, c.inBits = p.clientTakeover, uint8(p.clientBits)
	if !server {
		c.outTakeover, c.outBits, c.inTakeover, c.inBits = c.inTakeover, c.inBits, c.outTakeover, c.outBits
	}
	return c
}

// RSV returns [frame.RSV1], the "Per-Message Compressed" bit (RFC 7692,
// section 6).
func (c *codec) RSV() frame.RSV { return frame.RSV1 }

// ShareKey implements [extension.Sharer]: without takeover, what is sent
// depends on the settings alone.
func (c *codec) ShareKey() (key any, ok bool) {
	return shareKey{c.outBits, c.d.o.Level, c.d.o.Threshold}, !c.outTakeover
}

type shareKey struct {
	bits             uint8
	level, threshold int
}

// Encode appends p compressed to dst, or as it is. Each call's output can be
// sent at once: a piece that is not the last ends in a flush.
func (c *codec) Encode(dst, p []byte, m *extension.Message) ([]byte, error) {
	if m.First {
		m.Coded = !m.Skip && (!m.Final || len(p) >= c.d.o.Threshold)
	}
	if !m.Coded {
		return append(dst, p...), nil
	}
	e := encoders.Get()
	e.reset(dst, int(c.outBits), c.d.o.Level)
	if c.outTakeover || c.out != nil || !m.Final {
		if c.out == nil {
			c.out = windows.Get()
			c.out.reset()
		}
		e.encodeWindow(c.out, p)
	} else {
		e.encodeWhole(p)
	}
	dst = e.flush(m.Final)
	encoders.Put(e)
	if m.Final && !c.outTakeover && c.out != nil {
		windows.Put(c.out)
		c.out = nil
	}
	return dst, nil
}

// Rest implements [extension.Rester]: a sender need not refer to earlier
// messages (RFC 7692, section 7.1.1).
func (c *codec) Rest() {
	if c.out != nil {
		windows.Put(c.out)
		c.out = nil
	}
}

// Decode appends to dst what p inflates to. After an error the codec stays
// failed: the message's state is gone.
func (c *codec) Decode(dst, p []byte, m *extension.Message) ([]byte, error) {
	if c.dead != nil {
		return dst, c.dead
	}
	base := len(dst)
	if c.in == nil {
		c.in = inflaters.Get()
		c.in.reset(int(c.inBits))
	}
	limit := int64(-1)
	if m.Limit > 0 {
		limit = max(m.Limit-m.Size, 0)
	}
	dst, err := c.in.inflate(dst, p, limit, &c.hist)
	m.Size += int64(len(dst) - base)
	if err == nil && m.Final {
		err = c.in.finish(len(dst), &c.hist)
	}
	switch {
	case err != nil:
		c.dead = err
		c.release()
		return dst, err
	case !m.Final || c.inTakeover:
		c.hist.write(dst[c.in.fresh:], int(c.inBits))
	default:
		c.hist.release()
	}
	if m.Final {
		inflaters.Put(c.in)
		c.in = nil
	}
	return dst, nil
}

// release gives back what Decode has borrowed.
func (c *codec) release() {
	if c.in != nil {
		inflaters.Put(c.in)
		c.in = nil
	}
	c.hist.release()
}

// Close gives back what the connection holds, and its part of the budget.
func (c *codec) Close() {
	c.release()
	if c.out != nil {
		windows.Put(c.out)
		c.out = nil
	}
	c.d.used.Add(-c.held)
	c.held = 0
}

// The pools hold state that no connection needs at the moment. They are the
// package's only variables that change.
var (
	inflaters = bufpool.Pool[*inflater]{New: func() *inflater { return new(inflater) }}
	encoders  = bufpool.Pool[*encoder]{New: func() *encoder { return new(encoder) }}
	windows   = bufpool.Pool[*window]{New: func() *window { return new(window) }}
)

// history is the end of what was received, as far as the window reaches and
// the caller's memory no longer holds it: a ring, borrowed at the first write.
type history struct {
	ring []byte // its length is the window
	pos  int    // where the next byte goes
	n    int    // bytes held
}

// write adds p.
func (h *history) write(p []byte, bits int) {
	if len(p) == 0 {
		return
	}
	if h.ring == nil {
		h.ring = bufpool.Get(1 << bits)
	}
	w := len(h.ring)
	h.n = min(h.n+len(p), w)
	if len(p) >= w {
		copy(h.ring, p[len(p)-w:])
		h.pos = 0
		return
	}
	k := copy(h.ring[h.pos:], p)
	copy(h.ring, p[k:])
	h.pos = (h.pos + len(p)) & (w - 1)
}

// read copies the bytes that begin back bytes before the end to dst, which is
// not longer than back.
func (h *history) read(dst []byte, back int) {
	from := (h.pos - back) & (len(h.ring) - 1)
	k := copy(dst, h.ring[from:])
	copy(dst[k:], h.ring)
}

func (h *history) release() {
	if h.ring != nil {
		bufpool.Put(h.ring)
	}
	*h = history{}
}
