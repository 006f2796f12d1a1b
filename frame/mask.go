package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask is the masking-key of a frame (RFC 6455, section 5.3). A client takes a
// fresh one, from a strong source of randomness, for every frame.
type Mask [4]byte

// XOR masks or unmasks p in place; the two are the same. offset is the place
// of p[0] in the payload, so a payload can be worked through in pieces.
func (m Mask) XOR(p []byte, offset int64) {
	// The key turned so that its first byte meets p[0].
	k32 := bits.RotateLeft32(binary.LittleEndian.Uint32(m[:]), -8*int(offset&3))
	if len(p) < 8 {
		for i := range p {
			p[i] ^= byte(k32)
			k32 = bits.RotateLeft32(k32, -8)
		}
		return
	}
	k := uint64(k32)<<32 | uint64(k32)

	// The last eight bytes are read now and written at the end: with them no
	// loop over single bytes is needed, wherever the words before them end.
	end := p[len(p)-8:]
	last := binary.LittleEndian.Uint64(end) ^ bits.RotateLeft64(k, -8*(len(p)&3))

	for len(p) >= 64 {
		xor32(p[:32:32], k)
		xor32(p[32:64:64], k)
		p = p[64:]
	}
	if len(p) >= 32 {
		xor32(p[:32:32], k)
		p = p[32:]
	}
	for len(p) > 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
		p = p[8:]
	}
	binary.LittleEndian.PutUint64(end, last)
}

// xor32 works through 32 bytes; it is small enough to be inlined.
func xor32(b []byte, k uint64) {
	_ = b[31]
	binary.LittleEndian.PutUint64(b[0:], binary.LittleEndian.Uint64(b[0:])^k)
	binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^k)
	binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^k)
	binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^k)
}
