package protocol

import "github.com/lariat-go/websocket/frame"

// EventKind says what an [Event] is.
type EventKind uint8

// The kinds of events.
const (
	EventData  EventKind = iota + 1 // a piece of a message, or all of it
	EventPing                       // to be answered with a pong of the same Data
	EventPong                       // an answer to a ping, or unsolicited
	EventClose                      // the peer's close frame; nothing comes after it
)

// String returns the kind in lower case, "data" or "ping".
func (k EventKind) String() string {
	switch k {
	case EventData:
		return "data"
	case EventPing:
		return "ping"
	case EventPong:
		return "pong"
	case EventClose:
		return "close"
	}
	return "unknown event"
}

// Event is what the peer sent.
type Event struct {
	Kind EventKind

	// Opcode is OpText or OpBinary for data, also in the pieces that came in
	// continuation frames; else the opcode of the control frame.
	Opcode frame.Opcode

	// First and Final say whether Data begins and whether it ends the
	// message. Both are set for control frames.
	First, Final bool

	// Code is the status code of a close frame; [frame.StatusNoStatusRcvd]
	// when it had none.
	Code frame.StatusCode

	// Data is a piece of the message, or the payload of a control frame. It
	// is empty only where it stands for an empty payload or ends a message.
	Data []byte

	// Reason is the reason of a close frame.
	Reason string
}
