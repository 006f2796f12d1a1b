package extension

import "github.com/lariat-go/websocket/frame"

// Param is one parameter of an offer. Value is empty when the parameter has
// none.
type Param struct{ Name, Value string }

// Offer is one element of a Sec-WebSocket-Extensions header: an extension's
// name with its parameters, in their order. A client's header holds offers, a
// server's the ones it accepted.
type Offer struct {
	Name   string
	Params []Param
}

// Extension is the configuration of an extension. One value serves any number
// of connections at the same time.
type Extension interface {
	// Name is the registered name, "permessage-deflate".
	Name() string

	// Offer returns what a client offers, in its order of preference.
	Offer() []Offer

	// Accept is the server's answer to one offer of that name. ok is false
	// when the offer is declined; the next one is tried then.
	Accept(o Offer) (response Offer, c Codec, ok bool)

	// Confirm is the client's check of the server's answer to its offers. An
	// error fails the opening handshake.
	Confirm(response Offer) (Codec, error)
}

// Codec is an extension's state on one connection. Encode is called by one
// goroutine at a time and Decode by one goroutine at a time, but the two may
// run side by side.
type Codec interface {
	// RSV returns the reserved bits the codec owns (RFC 6455, section 9.1).
	RSV() frame.RSV

	// Encode appends to dst what p, the next piece of a message, is sent as.
	// p is not changed and not kept.
	Encode(dst, p []byte, m *Message) ([]byte, error)

	// Decode appends to dst what the next piece of a received message, p, is
	// read as. p may be any part of the payload, also an empty one. It is
	// called for messages whose first frame has the codec's bits. p is not
	// kept. The errors are [frame.ErrMessageTooBig], as soon as the message
	// grows past m.Limit, and [frame.ErrExtensionData]; dst then holds what
	// came before.
	Decode(dst, p []byte, m *Message) ([]byte, error)

	// Close gives back what the codec holds. It is called once, when neither
	// Encode nor Decode runs nor will be called again.
	Close()
}

// Sharer is implemented by a Codec whose Encode may keep nothing from one
// message to the next. Those with ok and an equal key make the same bytes of
// the same message, so a frame can be built once for all of them.
type Sharer interface {
	ShareKey() (key any, ok bool)
}

// Rester is implemented by a Codec that can forget what it keeps of messages it
// has sent, for a connection that will be idle: the memory goes back, and the
// next messages come out a little longer. Rest is called when Encode may be
// called, and not in the middle of a message.
type Rester interface {
	Rest()
}

// Message tells a Codec of the message that a piece belongs to. The same value
// is passed for all pieces of one message.
type Message struct {
	Opcode frame.Opcode // OpText or OpBinary
	First  bool         // the piece is the first of the message
	Final  bool         // the piece is the last of the message
	Limit  int64        // Decode: most bytes the message may have in all; 0 or less means any number
	Size   int64        // Decode: bytes of the message so far, counted by the codec
	Skip   bool         // Encode: the caller wants the message sent as it is
	Coded  bool         // Encode: set at the first piece when the codec changes the message, and kept
}
