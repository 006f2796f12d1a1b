package frame

import "strconv"

// Opcode says how the payload of a frame is to be read (RFC 6455, section
// 5.2). It has four bits on the wire.
type Opcode uint8

// The opcodes of RFC 6455, section 11.8. All others are reserved.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xA
)

// IsControl reports whether o is a control opcode, known or reserved: its
// highest bit is set (RFC 6455, section 5.5).
func (o Opcode) IsControl() bool { return o&0x8 != 0 }

// IsReserved reports whether o has no meaning yet: 3 to 7 and 0xB to 0xF, and
// everything above four bits.
func (o Opcode) IsReserved() bool {
	return o > OpPong || o > OpBinary && o < OpClose
}

// String returns the opcode's name in lower case, "text" or "ping", or
// "opcode 0x3" for a reserved one.
func (o Opcode) String() string {
	switch o {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return "opcode 0x" + strconv.FormatUint(uint64(o), 16)
}
