package frame

import "encoding/binary"

// Mask is the masking-key of a frame (RFC 6455, section 5.3). A client takes a
// fresh one, from a strong source of randomness, for every frame.
type Mask [4]byte

// XOR masks or unmasks p in place; the two are the same. offset is the place
// of p[0] in the payload, so a payload can be worked through in pieces.
func (m Mask) XOR(p []byte, offset int64) {
	// The key turned so that its first byte meets p[0].
	k32 := binary.LittleEndian.Uint32(m[:])
	if r := uint(offset&3) * 8; r != 0 {
		k32 = k32>>r | k32<<(32-r)
	}
	if k32 == 0 {
		return
	}
	k := uint64(k32)<<32 | uint64(k32)
	for len(p) >= 64 {
		b := p[:64:64]
		binary.LittleEndian.PutUint64(b[0:], binary.LittleEndian.Uint64(b[0:])^k)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^k)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^k)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^k)
		binary.LittleEndian.PutUint64(b[32:], binary.LittleEndian.Uint64(b[32:])^k)
		binary.LittleEndian.PutUint64(b[40:], binary.LittleEndian.Uint64(b[40:])^k)
		binary.LittleEndian.PutUint64(b[48:], binary.LittleEndian.Uint64(b[48:])^k)
		binary.LittleEndian.PutUint64(b[56:], binary.LittleEndian.Uint64(b[56:])^k)
		p = p[64:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^k)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(k)
		k = k>>8 | k<<56
	}
}
