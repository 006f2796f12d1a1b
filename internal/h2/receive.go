package h2

import "github.com/lariat-go/websocket/internal/bufpool"

// phase is what the next bytes are.
type phase uint8

const (
	phaseHeader  phase = iota // the header of a frame
	phasePreface              // the client's preface
	phaseCollect              // a payload that is looked at when it is whole
	phasePad                  // the length of the padding of DATA
	phaseData                 // what DATA carries
	phaseSkip                 // what is of no interest
)

// mostDebug is how much of a GOAWAY is looked at.
const mostDebug = 8 + 256

// mostPadding is by how much HEADERS may be longer than what it carries: the
// padding, its length, and a priority.
const mostPadding = 255 + 1 + 5

// Next takes bytes the peer sent and returns the next event, if there is one:
// ok. It has to be called until n == len(in) and !ok. An error is a
// *ConnError; GOAWAY is queued, and all further calls return it.
func (c *Conn) Next(in []byte) (n int, ev Event, ok bool, err error) {
	if c.err != nil {
		return 0, ev, false, c.err
	}
	if c.opened || len(c.refused) > 0 {
		return 0, c.nextPending(), true, nil
	}
	for {
		var k int
		p := in[n:]
		switch c.phase {
		case phaseHeader:
			switch {
			case len(p) >= headerLen && c.have == 0:
				c.frame, k = parseHeader(p), headerLen
			case len(p) == 0:
				return n, ev, false, nil
			default:
				k = copy(c.head[c.have:], p)
				if c.have += uint8(k); c.have < headerLen {
					return n + k, ev, false, nil
				}
				c.frame, c.have = parseHeader(c.head[:]), 0
			}
			ok, err = c.begin(&ev)
		case phaseData:
			if len(p) == 0 {
				return n, ev, false, nil
			}
			k = min(int(c.left), len(p))
			ok = c.data(&ev, p[:k])
		case phasePad:
			if len(p) == 0 {
				return n, ev, false, nil
			}
			k = 1
			ok, err = c.padded(&ev, p[0])
		case phaseSkip:
			k = min(int(c.left), len(p))
			if c.left -= uint32(k); c.left > 0 {
				return n + k, ev, false, nil
			}
			c.phase = phaseHeader
		case phaseCollect:
			if len(c.partial) == 0 && len(p) >= int(c.left) {
				k = int(c.left)
				ok, err = c.whole(&ev, p[:k])
				break
			}
			if len(p) == 0 {
				return n, ev, false, nil
			}
			k = min(int(c.left)-len(c.partial), len(p))
			c.partial = append(bufpool.Grow(c.partial, k), p[:k]...)
			if len(c.partial) < int(c.left) {
				return n + k, ev, false, nil
			}
			partial := c.partial
			c.partial = nil
			ok, err = c.whole(&ev, partial)
			bufpool.Put(partial)
		case phasePreface:
			if len(p) == 0 {
				return n, ev, false, nil
			}
			k = min(len(Preface)-int(c.have), len(p))
			if string(p[:k]) != Preface[c.have:int(c.have)+k] {
				err = c.fail(ErrCodeProtocol, "what came first is not the preface of HTTP/2")
				break
			}
			if c.have += uint8(k); int(c.have) == len(Preface) {
				c.phase, c.have = phaseHeader, 0
			}
		}
		n += k
		if ok || err != nil {
			return n, ev, ok, err
		}
	}
}

// nextPending returns an event that follows from one there was.
func (c *Conn) nextPending() Event {
	if c.opened {
		c.opened = false
		return Event{Kind: KindWindow}
	}
	s := c.refused[0]
	c.refused = c.refused[1:]
	if len(c.refused) == 0 {
		c.refused = nil
	}
	const reason = "the server takes no more on this connection, and has not seen it"
	return Event{Kind: KindReset, Stream: s, Err: &StreamError{Stream: s.ID, Code: ErrCodeRefusedStream, Reason: reason, Remote: true}}
}

// begin looks at the header of a frame and decides on its payload.
func (c *Conn) begin(ev *Event) (ok bool, err error) {
	h := &c.frame
	c.left = h.length
	switch {
	case !c.peer.came && h.length == 'H'<<16|'T'<<8|'T' && h.typ == 'P':
		return false, c.fail(ErrCodeProtocol, "the peer speaks HTTP/1 and not HTTP/2 there: connect with HTTP/1.1")
	case h.length > c.cfg.MaxFrameSize:
		return false, c.fail(ErrCodeFrameSize, "a frame over MAX_FRAME_SIZE")
	case !c.peer.came && (h.typ != FrameSettings || h.has(FlagAck)):
		return false, c.fail(ErrCodeProtocol, "what came first is not SETTINGS")
	case (c.block.id != 0) != (h.typ == FrameContinuation):
		return false, c.fail(ErrCodeProtocol, "a header block that is interrupted, or CONTINUATION without one")
	case c.block.id != 0 && c.block.id != h.stream:
		return false, c.fail(ErrCodeProtocol, "a header block that goes on on another stream")
	}
	if code, reason := checkHeader(h); code != 0 {
		return false, c.fail(code, reason)
	}
	c.phase = phaseCollect
	switch h.typ {
	case FrameData:
		return c.onData(ev, h)
	case FramePushPromise:
		// A client can't push, and to servers we say ENABLE_PUSH 0 (RFC 9113,
		// section 8.4).
		return false, c.fail(ErrCodeProtocol, "PUSH_PROMISE")
	case FrameHeaders:
		if uint64(h.length) > uint64(c.cfg.MaxHeaderBytes)+mostPadding {
			return false, c.fail(ErrCodeEnhanceYourCalm, "a header block far over the limit")
		}
	case FrameContinuation:
		if h.length > c.cfg.MaxHeaderBytes {
			return false, c.fail(ErrCodeEnhanceYourCalm, "a header block far over the limit")
		}
	case FrameSettings:
		if h.length > maxSettings*6 {
			return false, c.fail(ErrCodeEnhanceYourCalm, "too many settings in a frame")
		}
	case FramePriority:
		if h.length != 5 {
			c.phase = phaseSkip
			c.traceReceived(h, FrameInfo{})
			return c.strayError(ev, h.stream, ErrCodeFrameSize, "PRIORITY of a wrong length")
		}
	case FrameGoAway:
		c.left = min(h.length, mostDebug)
	case FrameRSTStream, FramePing, FrameWindowUpdate:
	case framePriorityUpdate:
		c.phase = phaseSkip
		c.traceReceived(h, FrameInfo{})
		return false, c.update("PRIORITY_UPDATE frames")
	default:
		// RFC 9113, section 5.5: unknown types are ignored.
		c.phase = phaseSkip
		c.traceReceived(h, FrameInfo{})
		return false, c.nonProgress("frames of unknown types")
	}
	return false, nil
}

// whole takes the payload of every frame but DATA.
func (c *Conn) whole(ev *Event, p []byte) (ok bool, err error) {
	h := &c.frame
	c.phase = phaseHeader
	switch h.typ {
	case FrameHeaders:
		return c.onHeaders(ev, h, p)
	case FrameContinuation:
		return c.onContinuation(ev, h, p)
	case FrameSettings:
		return c.onSettings(ev, h, p)
	case FramePriority:
		return c.onPriority(ev, h, p)
	case FrameRSTStream:
		return c.onReset(ev, h, ErrCode(readUint32(p)))
	case FramePing:
		return c.onPing(ev, h, [8]byte(p))
	case FrameGoAway:
		if c.left = h.length - uint32(len(p)); c.left > 0 {
			c.phase = phaseSkip
		}
		return c.onGoAway(ev, h, p)
	}
	return c.onWindowUpdate(ev, h, readUint32(p)&maxWindow)
}

// EOF says that the peer's bytes have ended. The error is nil when that is in
// order: between frames, and for a server before the preface began. It is a
// *ConnError after a GOAWAY with an error code, and wraps io.ErrUnexpectedEOF
// within a frame.
func (c *Conn) EOF() error {
	switch {
	case c.err != nil:
		return c.err
	case c.remote != nil:
		return c.remote
	case c.phase == phaseHeader && c.have == 0 && c.block.id == 0, c.phase == phasePreface && c.have == 0:
		return nil
	}
	return errCut
}
