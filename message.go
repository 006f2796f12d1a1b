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

// Outgoing is one item of [Conn.WriteBatch]: a message, a ping or a close
// frame. It is made by [Text], [Binary], [PingFrame] and [CloseFrame].
type Outgoing struct {
	opcode frame.Opcode
	data   []byte
	code   StatusCode
	reason string

	// NoCompress sends the message as it is also where compression was
	// agreed: for data that is compressed already, and for secrets that must
	// not share a compression context with what others can choose.
	NoCompress bool
}

// Text returns a text message. s must be UTF-8.
func Text(s string) Outgoing { return Outgoing{opcode: frame.OpText, data: []byte(s)} }

// TextBytes returns a text message whose bytes are not copied: p must not be
// changed before it was written.
func TextBytes(p []byte) Outgoing { return Outgoing{opcode: frame.OpText, data: p} }

// Binary returns a binary message. p is not copied and must not be changed
// before it was written.
func Binary(p []byte) Outgoing { return Outgoing{opcode: frame.OpBinary, data: p} }

// PingFrame returns a ping with up to 125 bytes of payload. Use [Conn.Ping] to wait
// for the answer.
func PingFrame(p []byte) Outgoing { return Outgoing{opcode: frame.OpPing, data: p} }

// CloseFrame returns a close frame, which begins the closing handshake, with the
// code and reason of [Conn.Close]. What follows it in a batch is dropped.
func CloseFrame(code StatusCode, reason string) Outgoing {
	return Outgoing{opcode: frame.OpClose, code: code, reason: reason}
}

// check judges an item before anything is sent. text says whether text is to
// be looked at as well.
func (o *Outgoing) check(text bool) error {
	switch o.opcode {
	case frame.OpClose:
		_, err := sendable(o.code, o.reason)
		return err
	case frame.OpPing:
		if len(o.data) > frame.MaxControlPayload {
			return frame.ErrControlTooLong
		}
	case frame.OpText:
		if text && !utf8.Valid(o.data) {
			return frame.ErrInvalidUTF8
		}
	case frame.OpBinary:
	default:
		return &OptionError{Field: "Outgoing", Value: o.opcode, Want: "an item made by Text, Binary, PingFrame or CloseFrame"}
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
