package websocket

import (
	"unicode/utf8"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

// MessageType is the type of a data message.
type MessageType = frame.Opcode

// The types of messages (RFC 6455, section 5.6).
const (
	MessageText   MessageType = frame.OpText   // UTF-8
	MessageBinary MessageType = frame.OpBinary // any bytes
)

// Message is one whole data message.
type Message struct {
	Type MessageType
	Data []byte
}

// Outgoing is one item to be sent, of [Conn.WriteBatch] for instance: a message,
// a ping or a close frame. [Text], [TextBytes], [Binary], [PingFrame] and
// [CloseFrame] make it; a shell that takes items from others looks at the fields.
type Outgoing struct {
	// Opcode says what it is: [frame.OpText] or [frame.OpBinary] for a message,
	// [frame.OpPing] for a ping, [frame.OpClose] for a close frame. Nothing else
	// is sent.
	Opcode frame.Opcode

	// Data is the message, or the payload of a ping, up to 125 bytes. It must
	// not be changed before it was written. A close frame has none.
	Data []byte

	// Code and Reason are those of a close frame, with the rules of
	// [Conn.Close]. Messages and pings make nothing of them.
	Code   StatusCode
	Reason string

	// NoCompress sends the message as it is also where compression was
	// agreed: for data that is compressed already, and for secrets that must
	// not share a compression context with what others can choose.
	NoCompress bool
}

// Text returns a text message. s must be UTF-8.
func Text(s string) Outgoing { return Outgoing{Opcode: frame.OpText, Data: []byte(s)} }

// TextBytes returns a text message whose bytes are not copied: p must not be
// changed before it was written.
func TextBytes(p []byte) Outgoing { return Outgoing{Opcode: frame.OpText, Data: p} }

// Binary returns a binary message. p is not copied and must not be changed
// before it was written.
func Binary(p []byte) Outgoing { return Outgoing{Opcode: frame.OpBinary, Data: p} }

// PingFrame returns a ping with up to 125 bytes of payload. Use [Conn.Ping] to wait
// for the answer.
func PingFrame(p []byte) Outgoing { return Outgoing{Opcode: frame.OpPing, Data: p} }

// CloseFrame returns a close frame, which begins the closing handshake, with the
// code and reason of [Conn.Close]. What follows it in a batch is dropped.
func CloseFrame(code StatusCode, reason string) Outgoing {
	return Outgoing{Opcode: frame.OpClose, Code: code, Reason: reason}
}

// Check returns what speaks against sending o: [frame.ErrInvalidUTF8] for a text
// that is not UTF-8, [frame.ErrControlTooLong] for a ping, the error of
// [Conn.Close] for a code or reason that cannot be sent, an [*OptionError] for
// what is none of those. Conn checks what it sends by itself; Check is for
// a program that wants to know before.
func (o *Outgoing) Check() error { return o.check(true) }

// check judges an item before anything is sent. text says whether text is to
// be looked at as well.
func (o *Outgoing) check(text bool) error {
	switch o.Opcode {
	case frame.OpClose:
		if len(o.Data) > 0 {
			return &OptionError{Field: "Outgoing.Data", Value: len(o.Data), Want: "no bytes: a close frame has Code and Reason"}
		}
		_, err := sendable(o.Code, o.Reason)
		return err
	case frame.OpPing:
		if len(o.Data) > frame.MaxControlPayload {
			return frame.ErrControlTooLong
		}
	case frame.OpText:
		if text && !utf8.Valid(o.Data) {
			return frame.ErrInvalidUTF8
		}
	case frame.OpBinary:
	default:
		return &OptionError{Field: "Outgoing", Value: o.Opcode, Want: "OpText, OpBinary, OpPing or OpClose, as Text, Binary, PingFrame and CloseFrame set it"}
	}
	return nil
}

// StatusCode says why a connection was closed (RFC 6455, section 7.4).
type StatusCode = frame.StatusCode

// The registered status codes.
const (
	StatusNormalClosure       = frame.StatusNormalClosure
	StatusGoingAway           = frame.StatusGoingAway
	StatusProtocolError       = frame.StatusProtocolError
	StatusUnsupportedData     = frame.StatusUnsupportedData
	StatusNoStatusRcvd        = frame.StatusNoStatusRcvd
	StatusAbnormalClosure     = frame.StatusAbnormalClosure
	StatusInvalidPayloadData  = frame.StatusInvalidPayloadData
	StatusPolicyViolation     = frame.StatusPolicyViolation
	StatusMessageTooBig       = frame.StatusMessageTooBig
	StatusMandatoryExtension  = frame.StatusMandatoryExtension
	StatusInternalError       = frame.StatusInternalError
	StatusServiceRestart      = frame.StatusServiceRestart
	StatusTryAgainLater       = frame.StatusTryAgainLater
	StatusBadGateway          = frame.StatusBadGateway
	StatusTLSHandshakeFailure = frame.StatusTLSHandshakeFailure
)

// CloseError is the ending of a connection: the codes and reasons of both
// sides, who was first, and what went wrong, if anything.
type CloseError = protocol.CloseError
