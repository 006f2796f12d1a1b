package h2

import (
	"cmp"
	"slices"
	"strconv"
)

// drain is how far an orderly end is.
type drain uint8

const (
	notDraining drain = iota
	draining          // GOAWAY with the highest id was sent, and a PING
	drained           // GOAWAY with the last id was sent
)

// drainPing is what the PING after the first GOAWAY carries.
const drainPing = "draining"

// Drain announces that no new streams are taken: GOAWAY with the highest id and
// a PING, and GOAWAY with the last stream's id when that is answered (RFC 9113,
// section 6.8). A client opens no more streams.
func (c *Conn) Drain() {
	if c.err != nil || c.drain != notDraining {
		return
	}
	if c.cfg.Role == RoleClient {
		c.drainLast()
		return
	}
	c.drain = draining
	c.goAway(maxStream, ErrCodeNo, "")
	c.Ping([8]byte([]byte(drainPing)))
}

// DrainNow goes on with Drain though the peer has not answered: from now on its
// requests are ignored.
func (c *Conn) DrainNow() {
	if c.err == nil && c.drain == draining {
		c.drainLast()
	}
}

func (c *Conn) drainLast() {
	c.drain = drained
	c.lastGone = c.lastPeer
	c.goAway(c.lastGone, ErrCodeNo, "")
}

func (c *Conn) goAway(last uint32, code ErrCode, debug string) {
	n := uint32(8 + len(debug))
	c.room(headerLen + int(n))
	c.ctl = appendUint32(appendUint32(appendHeader(c.ctl, frameHeader{length: n, typ: FrameGoAway}), last), uint32(code))
	c.ctl = append(c.ctl, debug...)
	c.traceSent(FrameInfo{Type: FrameGoAway, Length: n, Code: code, Value: last})
}

// Fail ends the connection: GOAWAY with code. What else was to be sent is
// dropped, and Next returns the error from now on.
func (c *Conn) Fail(code ErrCode, reason string) *ConnError {
	if c.err != nil {
		return c.err
	}
	c.err = &ConnError{Code: code, Reason: reason}
	c.dropOutput()
	last := c.lastPeer
	if c.drain == drained {
		last = c.lastGone // RFC 9113, section 6.8: it must not grow
	}
	c.goAway(last, code, reason[:min(len(reason), 128)])
	return c.err
}

func (c *Conn) fail(code ErrCode, reason string) error { return c.Fail(code, reason) }

// failWith is fail for an error of the decoder.
func (c *Conn) failWith(err error) error {
	if e, ok := err.(*ConnError); ok {
		return c.Fail(e.Code, e.Reason)
	}
	return c.Fail(ErrCodeInternal, err.Error())
}

// onGoAway takes GOAWAY. Streams of ours above the last are over; each has an
// event of its own.
func (c *Conn) onGoAway(ev *Event, h *frameHeader, p []byte) (ok bool, err error) {
	last, code := readUint32(p)&maxStream, ErrCode(readUint32(p[4:]))
	c.traceReceived(h, FrameInfo{Code: code, Value: last})
	if c.goneAway {
		if err := c.nonProgress("GOAWAY frames"); err != nil {
			return false, err
		}
	}
	c.goneAway = true
	debug := ""
	if len(p) > 8 {
		debug = strconv.Quote(string(p[8:min(len(p), 8+64)]))
	}
	if code != ErrCodeNo && c.remote == nil {
		c.remote = &ConnError{Code: code, Reason: debug, Remote: true}
	}
	if c.cfg.Role == RoleClient {
		for id, s := range c.streams {
			if id > last {
				c.refused = append(c.refused, s)
			}
		}
		slices.SortFunc(c.refused, func(a, b *Stream) int { return cmp.Compare(a.ID, b.ID) })
		for _, s := range c.refused {
			if !s.is(closed) {
				c.gone.reset(s.ID)
				c.close(s)
			}
		}
	}
	*ev = Event{Kind: KindGoAway, LastStream: last, Err: &StreamError{Code: code, Reason: debug, Remote: true}}
	return true, nil
}

// GoingAway reports that no new streams can be opened (client) or are taken
// (server).
func (c *Conn) GoingAway() bool {
	return c.err != nil || c.goneAway || c.drain == drained
}

// Drained reports that a GOAWAY was exchanged and no stream is left: the
// connection may be closed when HasOutput is false.
func (c *Conn) Drained() bool {
	return c.err != nil || (c.goneAway || c.drain == drained) && c.Idle() && len(c.refused) == 0
}
