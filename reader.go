package websocket

import (
	"context"
	"io"
	"slices"
)

// Reader waits for the next message and returns its type and a reader for its
// bytes, as they come: for messages that are large, or are to be worked
// through on their way. The reader is used under ctx, and is valid until the
// next call of a read method of the Conn, which skips what is left of the
// message. At the message's end it returns io.EOF; an end of the connection
// before that is another error. When ctx ends in the middle of the message, the
// connection goes on, without the rest of that message.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	r := &messageReader{c: c, ctx: ctx}
	if c.hasPart() {
		t, p := c.takePart(nil, slices.Grow)
		r.rest = p
		c.loose.reader = r
		return t, r, nil
	}
	ev, err := c.next(ctx)
	if err != nil {
		return 0, nil, err
	}
	r.rest, r.final = ev.Data, ev.Final
	c.loosen().reader = r
	return ev.Opcode, r, nil
}

// messageReader reads one message. rest is what next gave and was not taken
// yet.
type messageReader struct {
	c     *Conn
	ctx   context.Context
	rest  []byte
	final bool
}

func (r *messageReader) Read(p []byte) (int, error) {
	c := r.c
	if err := c.resumeRead(r); err != nil {
		return 0, err
	}
	defer c.endRead()
	for len(r.rest) == 0 {
		if r.final {
			c.loose = nil
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		if rest, coded := c.recv.Payload(); !coded && c.off == len(c.buf) && rest >= int64(len(p)) && len(p) >= 4096 {
			return r.readDirect(p)
		}
		ev, err := c.next(r.ctx)
		if err != nil {
			return 0, err
		}
		r.rest, r.final = ev.Data, ev.Final
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// readDirect reads payload straight into p, all of which it may fill.
func (r *messageReader) readDirect(p []byte) (int, error) {
	n, err := r.c.readInto(r.ctx, p)
	if err != nil {
		return 0, err
	}
	_, ev, _, err := r.c.recv.Next(p[:n])
	if err != nil {
		return 0, r.c.violated(err)
	}
	r.final = ev.Final
	return n, nil
}

// resumeRead takes the right to read for r, if r is still the one to read.
func (c *Conn) resumeRead(r *messageReader) error {
	if !c.reading.CompareAndSwap(readFree, readHeld) {
		return c.beginLate(r.ctx)
	}
	var err error
	current := c.loose != nil && c.loose.reader == r
	switch {
	case !current && r.final && len(r.rest) == 0:
		err = io.EOF
	case !current:
		err = ErrReaderStale
	case c.ended.Load():
		err = c.closeError()
	}
	if err != nil {
		c.endRead()
	}
	return err
}
