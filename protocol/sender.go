package protocol

import (
	"errors"
	"fmt"
	"net"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
)

// What a Sender refuses, beside the violations it will not commit.
var (
	// ErrMessageOpen refuses a new message while a fragmented one is open.
	ErrMessageOpen = errors.New("websocket: a fragmented message is open; send its final fragment first")

	// ErrOpcode refuses an opcode that does not fit the method: OpText and
	// OpBinary are for messages, OpPing, OpPong and OpClose for control.
	ErrOpcode = errors.New("websocket: opcode does not fit; messages take text or binary, control frames ping, pong or close")

	// ErrCloseSent refuses what must not follow our close frame. It is
	// [net.ErrClosed] too.
	ErrCloseSent = fmt.Errorf("websocket: close frame was sent, nothing may follow it: %w", net.ErrClosed)
)

// Sender turns messages into bytes to be sent. What it appends is always whole
// frames, and nothing when it returns an error.
//
// A Sender is made by [NewSender] or [Sender.Init] and used by one goroutine at
// a time. It must not be copied. That of a server without codec and OnHeader is
// not changed by AppendMessage, nor by AppendControl for pings and pongs: for
// these, one may serve any number of connections at the same time.
type Sender struct {
	codec    extension.Codec
	mask     func() frame.Mask // nil: frames are not masked
	onHeader func(sent bool, h frame.Header)
	err      error // what the codec failed with

	msg      extension.Message // the open message
	text     text
	open     bool
	off      bool // no coding
	closed   bool // a close frame was made
	plain    bool // no codec, no mask, no onHeader
	skipUTF8 bool
}

// NewSender returns a Sender for the end of a connection that role names. A
// nil o means the defaults.
func NewSender(role Role, o *Options) *Sender {
	s := new(Sender)
	s.Init(role, o)
	return s
}

// Init makes s a Sender as NewSender does. It is for one that lies in another
// struct, and called once, before anything else.
func (s *Sender) Init(role Role, o *Options) {
	if o == nil {
		o = &Options{}
	}
	s.codec = o.Codec
	s.mask = maskFunc(role, o)
	s.onHeader = o.OnHeader
	s.skipUTF8 = o.SkipUTF8
	s.plain = s.codec == nil && s.mask == nil && s.onHeader == nil
}

// AppendMessage appends the message p in one frame to dst. op is OpText or
// OpBinary. p is neither changed nor kept.
//
// The errors are [frame.ErrInvalidUTF8], [ErrMessageOpen], [ErrOpcode],
// [ErrCloseSent] and those of the codec.
func (s *Sender) AppendMessage(dst []byte, op frame.Opcode, p []byte) ([]byte, error) {
	// The server's common case: no key, no codec, nobody listening. Whatever is
	// unusual is left to the rest.
	if s.plain && !s.open && !s.closed && len(p) <= 0xFFFF &&
		(op == frame.OpBinary || op == frame.OpText && (s.skipUTF8 || validText(p))) {
		if len(p) <= 125 {
			dst = append(dst, 0x80|byte(op), byte(len(p)))
		} else {
			dst = append(dst, 0x80|byte(op), 126, byte(len(p)>>8), byte(len(p)))
		}
		return append(dst, p...), nil
	}
	if err := s.mayBegin(op, p); err != nil {
		return dst, err
	}
	if s.bypass() {
		return s.append(dst, frame.Header{Fin: true, Opcode: op}, p), nil
	}
	m := &s.msg
	*m = extension.Message{Opcode: op, First: true, Final: true, Skip: s.off}
	return s.appendCoded(dst, op, p)
}

// AppendMessageHeader appends the header of the message p to dst, and checks
// and counts p as sent: the caller sends p behind it, without a copy. ok false
// without an error means that p has to be masked or coded; AppendMessage does.
//
// The errors are those of [Sender.AppendMessage].
func (s *Sender) AppendMessageHeader(dst []byte, op frame.Opcode, p []byte) (out []byte, ok bool, err error) {
	if s.mask != nil || !s.bypass() {
		return dst, false, nil
	}
	if err := s.mayBegin(op, p); err != nil {
		return dst, false, err
	}
	h := frame.Header{Fin: true, Opcode: op, Length: int64(len(p))}
	if s.onHeader != nil {
		s.onHeader(true, h)
	}
	return frame.AppendHeader(dst, h), true, nil
}

// mayBegin says why p may not be sent as a message of its own.
func (s *Sender) mayBegin(op frame.Opcode, p []byte) error {
	switch {
	case s.closed:
		return ErrCloseSent
	case s.err != nil:
		return s.err
	case s.open:
		return ErrMessageOpen
	case op == frame.OpText:
		if !s.skipUTF8 && !validText(p) {
			return frame.ErrInvalidUTF8
		}
	case op != frame.OpBinary:
		return ErrOpcode
	}
	return nil
}

// bypass reports whether a message that begins now does not concern the codec.
// One that owns no reserved bit can't be left out: the peer could not tell.
func (s *Sender) bypass() bool {
	return s.codec == nil || s.off && s.codec.RSV() != 0
}

// AppendFragment appends a fragment of a message to dst. The first one opens
// the message with op OpText or OpBinary; the following are continuation
// frames, whose op is that of the message or OpContinuation; final ends it.
// Control frames may come between. Text is checked as it comes, and a rune may
// be cut by fragments.
//
// The errors are [frame.ErrInvalidUTF8], [frame.ErrUnexpectedContinuation],
// [ErrMessageOpen] when op begins another message, [ErrOpcode], [ErrCloseSent]
// and those of the codec. After ErrInvalidUTF8 the message is as before the
// call.
func (s *Sender) AppendFragment(dst []byte, op frame.Opcode, p []byte, final bool) ([]byte, error) {
	if err := s.mayGoOn(op); err != nil {
		return dst, err
	}
	t := text{}
	if s.open {
		t = s.text
	} else {
		s.msg = extension.Message{Opcode: op, First: true, Skip: s.off}
	}
	if s.msg.Opcode == frame.OpText && !s.skipUTF8 && (!t.valid(p) || final && !t.done()) {
		return dst, frame.ErrInvalidUTF8
	}
	coded := s.codec != nil && !(s.msg.Skip && s.codec.RSV() != 0)
	if s.open {
		op = frame.OpContinuation
	}
	s.text, s.open = t, !final
	s.msg.Final = final
	if coded {
		return s.appendCoded(dst, op, p)
	}
	s.msg.First = false
	return s.append(dst, frame.Header{Fin: final, Opcode: op}, p), nil
}

// mayGoOn says why no fragment of opcode op may be sent.
func (s *Sender) mayGoOn(op frame.Opcode) error {
	switch {
	case s.closed:
		return ErrCloseSent
	case s.err != nil:
		return s.err
	case op != frame.OpContinuation && op != frame.OpText && op != frame.OpBinary:
		return ErrOpcode
	case !s.open && op == frame.OpContinuation:
		return frame.ErrUnexpectedContinuation
	case s.open && op != frame.OpContinuation && op != s.msg.Opcode:
		return ErrMessageOpen
	}
	return nil
}

// append appends a frame that needs no codec.
func (s *Sender) append(dst []byte, h frame.Header, p []byte) []byte {
	if s.mask != nil {
		h.Masked, h.Mask = true, s.mask()
	}
	if s.onHeader != nil {
		h.Length = int64(len(p))
		s.onHeader(true, h)
	}
	return frame.Append(dst, h, p)
}

// appendCoded appends p as s.msg's next frame, through the codec. The header
// is known only afterwards, so room is left for it.
func (s *Sender) appendCoded(dst []byte, op frame.Opcode, p []byte) ([]byte, error) {
	h := frame.Header{Fin: s.msg.Final, Opcode: op, Masked: s.mask != nil, Length: int64(len(p))}
	var room [frame.MaxHeaderSize]byte
	start := len(dst)
	body := start + len(frame.AppendHeader(room[:0], h))
	out, err := s.codec.Encode(append(dst, room[:body-start]...), p, &s.msg)
	if err != nil {
		// What the peer's codec knows and what ours does differ now.
		s.err = fmt.Errorf("websocket: extension failed to encode a message: %w", err)
		return dst, s.err
	}
	if s.msg.First && s.msg.Coded {
		h.RSV = s.codec.RSV()
	}
	s.msg.First = false
	h.Length = int64(len(out) - body)
	if h.Masked {
		h.Mask = s.mask()
		h.Mask.XOR(out[body:], 0)
	}
	if s.onHeader != nil {
		s.onHeader(true, h)
	}
	head := frame.AppendHeader(room[:0], h)
	if n := start + len(head); n != body {
		// The payload came out in another size class.
		if n > body {
			out = append(out, head[:n-body]...)
			copy(out[n:], out[body:])
		} else {
			out = out[:n+copy(out[n:], out[body:])]
		}
	}
	copy(out[start:], head)
	return out, nil
}

// AppendControl appends a ping, a pong or a close frame with the payload p, 125
// bytes at the most. Control frames may come between the fragments of a
// message. After a close frame only pongs are possible: a peer that has not
// closed yet may still be owed some (RFC 6455, section 5.5.2).
//
// The errors are [frame.ErrControlTooLong], [ErrOpcode], [ErrCloseSent], and
// for the payload of a close frame those of [frame.ParseClose].
func (s *Sender) AppendControl(dst []byte, op frame.Opcode, p []byte) ([]byte, error) {
	switch {
	case op != frame.OpPing && op != frame.OpPong && op != frame.OpClose:
		return dst, ErrOpcode
	case s.closed && op != frame.OpPong:
		return dst, ErrCloseSent
	case len(p) > frame.MaxControlPayload:
		return dst, frame.ErrControlTooLong
	}
	if op == frame.OpClose {
		if _, _, err := frame.ParseClose(p); err != nil {
			return dst, err
		}
		s.closed = true
	}
	return s.append(dst, frame.Header{Fin: true, Opcode: op}, p), nil
}

// AppendClose appends a close frame with a status code and a reason of at most
// [frame.MaxCloseReason] bytes. [frame.StatusNoStatusRcvd] without a reason
// gives the frame without payload. Only pongs can be appended afterwards.
//
// The errors are [ErrCloseSent] and those of [frame.AppendClose].
func (s *Sender) AppendClose(dst []byte, code frame.StatusCode, reason string) ([]byte, error) {
	if s.closed {
		return dst, ErrCloseSent
	}
	var buf [frame.MaxControlPayload]byte
	p, err := frame.AppendClose(buf[:0], code, reason)
	if err != nil {
		return dst, err
	}
	s.closed = true
	return s.append(dst, frame.Header{Fin: true, Opcode: frame.OpClose}, p), nil
}

// SetCoding turns the codec on, as it is at first, or off: messages begun while
// it is off are sent as they are.
func (s *Sender) SetCoding(on bool) { s.off = !on }

// Coding reports whether there is a codec and it is on.
func (s *Sender) Coding() bool { return s.codec != nil && !s.off }
