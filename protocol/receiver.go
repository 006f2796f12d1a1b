package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// stage is where in the stream a Receiver stands.
type stage uint8

const (
	stageIdle    stage = iota // between messages, nothing kept: the fast path may be tried
	stageHeader               // before or inside a header
	stagePayload              // inside the payload of a data frame
	stageControl              // inside the payload of a control frame
	stageClosed               // after a close frame
	stageFailed               // after an error
)

// Receiver turns the bytes a peer sends into events. It keeps its place at any
// byte, so the stream may be cut anywhere.
//
// A Receiver is made by [NewReceiver] or [Receiver.Init] and used by one
// goroutine at a time. It must not be copied.
type Receiver struct {
	codec    extension.Codec
	onHeader func(sent bool, h frame.Header)
	err      error
	scratch  []byte // borrowed: decoded data, or a control payload that came in pieces

	max  int64 // bytes of a message
	sum  int64 // bytes of the message, this frame included
	left int64 // bytes of this frame's payload still to come

	maxFragments, fragments int32 // 0: no limit
	maxEmpty, empty         int32
	burst, controls         int32

	msg  extension.Message
	hdr  [frame.MaxHeaderSize]byte
	nhdr uint8 // bytes of hdr that are there
	mask frame.Mask
	off  uint8 // of the payload's next byte in mask, modulo 4

	stage    stage
	rest     stage // where it stands between messages
	maskBit  byte  // what the peer's second byte must have
	codecRSV frame.RSV
	op       frame.Opcode // of this frame
	text     text
	fin      bool // this frame is its message's last
	open     bool // a message has begun and not ended
	first    bool // no event of the message was given yet
	coded    bool // the message goes through the codec
	check    bool // the message is text to be checked
	skipUTF8 bool
	lent     bool // the last event's Data is in scratch
}

// NewReceiver returns a Receiver for the end of a connection that role names.
// A nil o means the defaults.
func NewReceiver(role Role, o *Options) *Receiver {
	r := new(Receiver)
	r.Init(role, o)
	return r
}

// Init makes r a Receiver as NewReceiver does. It is for one that lies in
// another struct, and called once, before anything else.
func (r *Receiver) Init(role Role, o *Options) {
	if o == nil {
		o = &Options{}
	}
	r.codec = o.Codec
	r.onHeader = o.OnHeader
	r.max = maxSize(o.MaxMessageSize)
	r.maxFragments = count(o.MaxFragments, DefaultMaxFragments)
	r.maxEmpty = count(o.MaxEmptyFragments, DefaultMaxEmptyFragments)
	r.burst = count(o.ControlBurst, DefaultControlBurst)
	r.controls = r.burst
	r.skipUTF8 = o.SkipUTF8
	if role != RoleClient {
		r.maskBit = 0x80
	}
	if r.codec != nil {
		r.codecRSV = r.codec.RSV()
	}
	// The fast path knows neither tracing nor a codec that sees every message.
	if r.onHeader != nil || r.codec != nil && r.codecRSV == 0 {
		r.rest = stageHeader
	}
	r.stage = r.rest
}

// Next takes bytes from the front of p until it has an event or has used up p.
// It returns how many it took, and the event with ok true. ok false without an
// error means that it took all of p and needs more. Call it in a loop:
//
//	for {
//		n, ev, ok, err := r.Next(p)
//		p = p[n:]
//		if err != nil || !ok {
//			break
//		}
//		// use ev
//	}
//
// Next unmasks p in place. The event's Data points into p, or into memory the
// Receiver has borrowed: it is valid until the next call and while p is not
// changed. A call with an empty p gives borrowed memory back.
//
// An error is a [frame.Violation], or wraps one. It comes with the earliest
// byte that shows it, after all events before it were returned, and every
// later call returns it again. After a close frame all input is taken and
// ignored (RFC 6455, section 5.5.1).
func (r *Receiver) Next(p []byte) (n int, ev Event, ok bool, err error) {
	if n, op, data := r.NextWhole(p); n > 0 {
		ev.Kind, ev.Opcode, ev.First, ev.Final, ev.Data = EventData, op, true, true, data
		return n, ev, true, nil
	}
	return r.next(p)
}

// NextWhole is a quicker Next for the most frequent event: a message in one
// frame, uncompressed, that begins at the front of p and is all in it. It returns
// how many bytes that was, the message's opcode and its data, which lies in p.
// n is 0 for everything else; [Receiver.Next] is to be called then.
func (r *Receiver) NextWhole(p []byte) (n int, op frame.Opcode, data []byte) {
	if r.stage != stageIdle || len(p) < 4 {
		return 0, 0, nil
	}
	b0, size := p[0], int(p[1]&0x7F)
	if b0 != 0x80|byte(frame.OpText) && b0 != 0x80|byte(frame.OpBinary) || p[1]&0x80 != r.maskBit {
		return 0, 0, nil
	}
	h := 2
	if size >= 126 {
		if size = int(binary.BigEndian.Uint16(p[2:])); p[1]&0x7F == 127 || size < 126 {
			return 0, 0, nil
		}
		h = 4
	}
	h += int(r.maskBit >> 5) // the four bytes of the masking-key
	n = h + size
	if n > len(p) || int64(size) > r.max {
		return 0, 0, nil
	}
	data = p[h:n:n]
	op = frame.Opcode(b0 & 0x0F)
	known := op != frame.OpText || r.skipUTF8 // that nothing is wrong with the text
	switch {
	case r.maskBit == 0:
	case known:
		frame.Mask(p[h-4:h]).XOR(data, 0)
	default:
		known = unmaskText(frame.Mask(p[h-4:h]), data, 0)
	}
	if !known && !validText(data) {
		r.fail(frame.ErrInvalidUTF8)
		return 0, 0, nil // Next tells
	}
	return n, op, data
}

func (r *Receiver) next(p []byte) (n int, ev Event, ok bool, err error) {
	if r.lent {
		r.giveBack()
	}
	for {
		var k int
		switch r.stage {
		case stageIdle, stageHeader:
			if n == len(p) {
				return n, Event{}, false, nil
			}
			k, err = r.takeHeader(p[n:])
		case stagePayload:
			k, ok, err = r.takePayload(p[n:], &ev)
			if !ok && err == nil && r.stage == stagePayload {
				return n + k, Event{}, false, nil
			}
		case stageControl:
			k, ok, err = r.takeControl(p[n:], &ev)
			if !ok && err == nil {
				return n + k, Event{}, false, nil
			}
		case stageClosed:
			return len(p), Event{}, false, nil
		case stageFailed:
			return n, Event{}, false, r.err
		}
		n += k
		if ok || err != nil {
			return n, ev, ok, err
		}
	}
}

// takeHeader reads a header, or as much of it as there is.
func (r *Receiver) takeHeader(p []byte) (n int, err error) {
	b, had := p, int(r.nhdr)
	if had > 0 {
		b = r.hdr[:had+copy(r.hdr[had:], p)]
	}
	if v := r.judge(b); v != 0 {
		return 0, r.fail(v)
	}
	h, n, _ := frame.ParseHeader(b) // judge has found all of its errors
	if n == 0 {
		r.nhdr = uint8(copy(r.hdr[:], b))
		r.stage = stageHeader
		return len(p), nil
	}
	r.nhdr = 0
	if r.onHeader != nil {
		r.onHeader(false, h)
	}
	r.op, r.fin, r.mask, r.off, r.left = h.Opcode, h.Fin, h.Mask, 0, h.Length
	r.stage = stagePayload
	switch {
	case h.Opcode.IsControl():
		r.stage = stageControl
		if h.Opcode != frame.OpClose && r.burst > 0 {
			r.controls--
		}
		return n - had, nil
	case h.Opcode != frame.OpContinuation:
		r.begin(h)
	}
	r.sum += h.Length
	if r.maxFragments > 0 {
		r.fragments++
	}
	if r.maxEmpty > 0 && !h.Fin && h.Length == 0 {
		r.empty++
	}
	if r.coded {
		// The limit may have been changed since the last frame.
		r.msg.Limit = r.limit()
	}
	return n - had, nil
}

// begin starts a message.
func (r *Receiver) begin(h frame.Header) {
	r.open, r.first = true, true
	r.sum, r.fragments, r.empty = 0, 0, 0
	r.text = text{}
	r.check = h.Opcode == frame.OpText && !r.skipUTF8
	r.coded = r.codec != nil && h.RSV == r.codecRSV
	r.msg = extension.Message{Opcode: h.Opcode, First: true}
}

// limit is the size limit as a codec wants it.
func (r *Receiver) limit() int64 {
	if r.max == math.MaxInt64 {
		return 0
	}
	return r.max
}

// judge looks at a header, or the beginning of one, and returns the violation
// that its earliest byte shows, or 0. b is not empty.
func (r *Receiver) judge(b []byte) frame.Violation {
	op := frame.Opcode(b[0] & 0x0F)
	fin := b[0]&0x80 != 0
	if rsv := frame.RSV(b[0] & 0x70); rsv != 0 {
		// "MUST be 0 unless an extension is negotiated that defines meanings":
		// a codec's bits mark the first frame of a message (RFC 7692, 6.1).
		if rsv != r.codecRSV || op.IsControl() || op == frame.OpContinuation {
			return frame.ErrReservedBits
		}
	}
	switch {
	case op.IsReserved():
		return frame.ErrReservedOpcode
	case op.IsControl():
		// "MUST NOT be fragmented".
		if !fin {
			return frame.ErrControlFragmented
		}
		if r.burst > 0 && r.controls == 0 && op != frame.OpClose {
			return frame.ErrTooManyControls
		}
	case op == frame.OpContinuation:
		if !r.open {
			return frame.ErrUnexpectedContinuation
		}
		if r.maxFragments > 0 && r.fragments == r.maxFragments {
			return frame.ErrTooManyFragments
		}
	case r.open:
		return frame.ErrExpectedContinuation
	}
	if len(b) < 2 {
		return 0
	}

	if b[1]&0x80 != r.maskBit {
		if r.maskBit != 0 {
			return frame.ErrMaskRequired
		}
		return frame.ErrMaskForbidden
	}
	size := b[1] & 0x7F
	if op.IsControl() {
		switch {
		case size > frame.MaxControlPayload:
			return frame.ErrControlTooLong
		case op == frame.OpClose && size == 1:
			return frame.ErrCloseTooShort
		}
		return 0
	}
	if size == 0 && !fin && r.maxEmpty > 0 && r.empties(op) == r.maxEmpty {
		return frame.ErrTooManyFragments
	}
	return r.judgeLength(op, size, b[2:])
}

// empties is how many empty fragments the message has had when a frame of
// opcode op comes.
func (r *Receiver) empties(op frame.Opcode) int32 {
	if op != frame.OpContinuation {
		return 0
	}
	return r.empty
}

// judgeLength judges the payload length of a data frame, of which b may hold
// only the first bytes: what they say already is the least it can be.
func (r *Receiver) judgeLength(op frame.Opcode, size byte, b []byte) frame.Violation {
	var sum int64
	if op == frame.OpContinuation {
		sum = r.sum
	}
	bytes := 0
	switch size {
	case 126:
		bytes = 2
	case 127:
		bytes = 8
	default:
		return r.judgeSize(sum, int64(size))
	}
	var least int64
	for i := 0; i < bytes && i < len(b); i++ {
		least |= int64(b[i]) << (8 * (bytes - 1 - i))
		switch {
		case least < 0:
			// "the most significant bit MUST be 0".
			return frame.ErrLengthOverflow
		case bytes == 2 && i == 1 && least < 126, bytes == 8 && i == 5 && least == 0:
			// "the minimal number of bytes MUST be used".
			return frame.ErrLengthNotMinimal
		}
		if v := r.judgeSize(sum, least); v != 0 {
			return v
		}
	}
	return 0
}

// judgeSize compares with the limit a frame of the given size, after sum bytes
// of the same message. Nothing here can overflow.
func (r *Receiver) judgeSize(sum, size int64) frame.Violation {
	switch {
	case size > r.max:
		return frame.ErrFrameTooBig
	case size > r.max-sum:
		return frame.ErrMessageTooBig
	}
	return 0
}

// unmask takes from the front of p what belongs to this frame's payload. For a
// text on the wire it may find out that the piece is ASCII.
func (r *Receiver) unmask(p []byte) (data []byte, ascii bool) {
	n := min(int64(len(p)), r.left)
	p = p[:n:n]
	r.left -= n
	if r.maskBit == 0 {
		return p, false
	}
	if r.check && !r.coded && r.stage == stagePayload {
		ascii = unmaskText(r.mask, p, int(r.off))
	} else {
		r.mask.XOR(p, int64(r.off))
	}
	r.off = uint8(int(r.off)+len(p)) & 3
	return p, ascii
}

// takePayload takes payload of a data frame. It gives no event for a piece
// that is empty and does not end the message.
func (r *Receiver) takePayload(p []byte, ev *Event) (n int, ok bool, err error) {
	data, ascii := r.unmask(p)
	n = len(data)
	end := r.left == 0
	final := end && r.fin
	if end {
		r.stage = stageHeader
	}
	if n == 0 && !final {
		return 0, false, nil
	}
	if r.coded {
		if data, err = r.decode(data, final); err != nil {
			if r.check && !r.text.valid(data) {
				err = frame.ErrInvalidUTF8 // in what came before
			}
			return n, false, r.fail(err)
		}
	}
	if r.check && (!(ascii && r.text.done()) && !r.text.valid(data) || final && !r.text.done()) {
		return n, false, r.fail(frame.ErrInvalidUTF8)
	}
	if len(data) == 0 {
		if r.lent {
			r.giveBack()
			data = nil
		}
		if !final {
			return n, false, nil
		}
	}
	ev.Kind, ev.Opcode, ev.First, ev.Final, ev.Data = EventData, r.msg.Opcode, r.first, final, data
	r.first = false
	if final {
		r.open = false
		if !r.lent {
			r.stage = r.rest
		}
	}
	return n, true, nil
}

// decode runs a piece of a coded message through the codec, into borrowed
// memory. Beside an error it returns what came before it.
func (r *Receiver) decode(p []byte, final bool) ([]byte, error) {
	if r.scratch == nil {
		r.scratch = bufpool.Get(max(min(8*len(p), maxScratch), minScratch))
	}
	r.msg.Final = final
	out, err := r.codec.Decode(r.scratch[:0], p, &r.msg)
	r.msg.First = false
	if err != nil {
		var v frame.Violation
		if !errors.As(err, &v) {
			err = fmt.Errorf("%w: %w", frame.ErrExtensionData, err)
		}
		return out, err
	}
	r.scratch, r.lent = out, true
	return out, nil
}

// What is borrowed before the codec has shown what it makes of the data, in
// bytes.
const (
	minScratch = 4 << 10
	maxScratch = 64 << 10
)

// takeControl takes payload of a control frame. One that is all there is used
// in place; else it is collected.
func (r *Receiver) takeControl(p []byte, ev *Event) (n int, ok bool, err error) {
	data, _ := r.unmask(p)
	n = len(data)
	if r.left > 0 || r.scratch != nil {
		if r.scratch == nil {
			r.scratch = bufpool.Get(frame.MaxControlPayload)[:0]
		}
		r.scratch = append(r.scratch, data...)
		data = r.scratch
		if r.left > 0 {
			if r.op == frame.OpClose {
				err = r.judgeClose(data)
			}
			return n, false, err
		}
		r.lent = true
	}
	ev.Opcode, ev.First, ev.Final, ev.Data = r.op, true, true, data
	switch r.op {
	case frame.OpPing:
		ev.Kind = EventPing
	case frame.OpPong:
		ev.Kind = EventPong
	default:
		ev.Kind = EventClose
		if ev.Code, ev.Reason, err = frame.ParseClose(data); err != nil {
			*ev = Event{}
			return n, false, r.fail(err)
		}
		r.stage = stageClosed
		return n, true, nil
	}
	r.stage = stageHeader
	if !r.open && !r.lent {
		r.stage = r.rest
	}
	return n, true, nil
}

// judgeClose judges the payload of a close frame of which only the beginning
// is there.
func (r *Receiver) judgeClose(p []byte) error {
	if len(p) < 2 {
		return nil
	}
	if !frame.StatusCode(binary.BigEndian.Uint16(p)).Sendable() {
		return r.fail(frame.ErrCloseStatus)
	}
	if t := (text{}); !t.valid(p[2:]) {
		return r.fail(frame.ErrInvalidUTF8)
	}
	return nil
}

// fail makes err the answer to every later call.
func (r *Receiver) fail(err error) error {
	r.Close()
	r.err, r.stage, r.open = err, stageFailed, false
	return err
}

func (r *Receiver) giveBack() {
	bufpool.Put(r.scratch)
	r.scratch, r.lent = nil, false
	if r.stage == stageHeader && !r.open && r.nhdr == 0 {
		r.stage = r.rest
	}
}

// Payload returns how many bytes of the current data frame's payload are still
// to come, 0 between frames, and whether the message goes through the codec.
// What is not coded may be read from the transport straight into the memory it
// is meant for, and then be given to Next there.
func (r *Receiver) Payload() (remaining int64, coded bool) {
	if r.stage != stagePayload {
		return 0, r.open && r.coded
	}
	return r.left, r.coded
}

// InMessage reports whether a message has begun and not ended.
func (r *Receiver) InMessage() bool { return r.open }

// AtRest reports whether r stands between messages and keeps nothing of what is
// to come: no beginning of a header, no frame, no message. It is false
// after a close frame and after an error. A Receiver at rest can be put away and
// another one take its place; all that is lost is the count of control frames
// ([Options.ControlBurst]) and the limit of SetMaxMessageSize.
func (r *Receiver) AtRest() bool {
	return r.stage <= stageHeader && !r.open && r.nhdr == 0
}

// Fresh reports whether r is as Init has left it: at rest, with nothing borrowed
// and every ping and pong of [Options.ControlBurst] still allowed. Then one
// Receiver may serve many connections in turn.
func (r *Receiver) Fresh() bool {
	return r.AtRest() && r.scratch == nil && r.controls == r.burst
}

// SetMaxMessageSize changes [Options.MaxMessageSize]: 0 means the default, a
// negative n no limit. It holds from the next frame.
func (r *Receiver) SetMaxMessageSize(n int64) { r.max = maxSize(n) }

// RefillControls allows n more pings and pongs, up to [Options.ControlBurst].
func (r *Receiver) RefillControls(n int) {
	if n > 0 {
		r.controls = int32(min(int64(r.controls)+int64(n), int64(r.burst)))
	}
}

// RefillAfter allows as many more pings and pongs as are due ns nanoseconds after
// the last time: half of [Options.ControlBurst] each second. It returns false
// when that is none yet, and the time is to be counted on.
func (r *Receiver) RefillAfter(ns int64) bool {
	const second = 1e9
	n := min(ns, 2*second) * int64(r.burst) / (2 * second)
	r.RefillControls(int(n))
	return n > 0
}

// Close gives back borrowed memory, and ends the validity of the last event.
// It leaves the codec alone.
func (r *Receiver) Close() {
	if r.scratch != nil {
		r.giveBack()
	}
}
