package frame

import "encoding/binary"

const (
	// MaxHeaderSize is the length of the longest header in bytes: two, eight
	// of extended payload length, four of masking-key.
	MaxHeaderSize = 14

	// MaxControlPayload is the longest payload of a control frame in bytes
	// (RFC 6455, section 5.5).
	MaxControlPayload = 125
)

// RSV holds the three reserved bits of a frame, which belong to extensions
// (RFC 6455, section 5.2).
type RSV uint8

// The reserved bits, as they stand in the first byte of a header.
const (
	RSV1 RSV = 0x40
	RSV2 RSV = 0x20
	RSV3 RSV = 0x10
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	opBits  = 0x0F
	maskBit = 0x80
	lenBits = 0x7F

	len16 = 126 // two bytes of length follow
	len64 = 127 // eight bytes of length follow
)

// Header is everything of a frame but its payload (RFC 6455, section 5.2).
type Header struct {
	Fin    bool // the last frame of a message
	RSV    RSV
	Opcode Opcode
	Masked bool
	Mask   Mask  // meaningful when Masked
	Length int64 // of the payload, in bytes; never negative
}

// AppendHeader appends the shortest encoding of h to dst. A negative Length is
// written as 0.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.RSV)&rsvBits | byte(h.Opcode)&opBits
	if h.Fin {
		b0 |= finBit
	}
	var b1 byte
	if h.Masked {
		b1 = maskBit
	}
	switch {
	case h.Length <= 125:
		dst = append(dst, b0, b1|byte(max(h.Length, 0)))
	case h.Length <= 0xFFFF:
		dst = append(dst, b0, b1|len16, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b0, b1|len64)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// ParseHeader reads the header at the front of p and returns it with its
// length in bytes. It returns n == 0 and no error when p ends inside the
// header. It looks at MaxHeaderSize bytes at the most.
//
// The errors are those of the encoding alone: [ErrLengthNotMinimal] and
// [ErrLengthOverflow]. Whether the frame is allowed where it stands depends on
// the connection and is judged by the protocol package.
func ParseHeader(p []byte) (h Header, n int, err error) {
	if len(p) < 2 {
		return Header{}, 0, nil
	}
	h.Fin = p[0]&finBit != 0
	h.RSV = RSV(p[0] & rsvBits)
	h.Opcode = Opcode(p[0] & opBits)
	h.Masked = p[1]&maskBit != 0
	n = 2
	switch l := p[1] & lenBits; l {
	case len16:
		if len(p) < 4 {
			return Header{}, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
		n = 4
		// "the minimal number of bytes MUST be used to encode the length".
		if h.Length <= 125 {
			return Header{}, 0, ErrLengthNotMinimal
		}
	case len64:
		// "the most significant bit MUST be 0": seen at its first byte.
		if len(p) > 2 && p[2]&0x80 != 0 {
			return Header{}, 0, ErrLengthOverflow
		}
		if len(p) < 10 {
			return Header{}, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint64(p[2:]))
		n = 10
		if h.Length <= 0xFFFF {
			return Header{}, 0, ErrLengthNotMinimal
		}
	default:
		h.Length = int64(l)
	}
	if h.Masked {
		if len(p) < n+4 {
			return Header{}, 0, nil
		}
		h.Mask = Mask(p[n : n+4])
		n += 4
	}
	return h, n, nil
}

// Append appends a whole frame to dst: the header, with its Length set to
// len(payload), and the payload, masked by h.Mask when h.Masked. payload is
// read only.
func Append(dst []byte, h Header, payload []byte) []byte {
	h.Length = int64(len(payload))
	dst = AppendHeader(dst, h)
	start := len(dst)
	dst = append(dst, payload...)
	if h.Masked {
		h.Mask.XOR(dst[start:], 0)
	}
	return dst
}
