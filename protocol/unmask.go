package protocol

import (
	"encoding/binary"

	"github.com/lariat-go/websocket/frame"
)

// unmaskText unmasks p like [frame.Mask.XOR] and reports in the same pass
// whether the result is all ASCII, the common kind of text, which then needs no
// pass of its own to be checked.
func unmaskText(m frame.Mask, p []byte, offset int) (ascii bool) {
	k32 := binary.LittleEndian.Uint32(m[:])
	if r := uint(offset&3) * 8; r != 0 {
		k32 = k32>>r | k32<<(32-r) // the key turned so that its first byte meets p[0]
	}
	k := uint64(k32)<<32 | uint64(k32)
	var seen uint64 // every bit that was set anywhere
	for len(p) >= 64 {
		b := p[:64:64]
		w0 := binary.LittleEndian.Uint64(b[0:]) ^ k
		binary.LittleEndian.PutUint64(b[0:], w0)
		w1 := binary.LittleEndian.Uint64(b[8:]) ^ k
		binary.LittleEndian.PutUint64(b[8:], w1)
		w2 := binary.LittleEndian.Uint64(b[16:]) ^ k
		binary.LittleEndian.PutUint64(b[16:], w2)
		w3 := binary.LittleEndian.Uint64(b[24:]) ^ k
		binary.LittleEndian.PutUint64(b[24:], w3)
		w4 := binary.LittleEndian.Uint64(b[32:]) ^ k
		binary.LittleEndian.PutUint64(b[32:], w4)
		w5 := binary.LittleEndian.Uint64(b[40:]) ^ k
		binary.LittleEndian.PutUint64(b[40:], w5)
		w6 := binary.LittleEndian.Uint64(b[48:]) ^ k
		binary.LittleEndian.PutUint64(b[48:], w6)
		w7 := binary.LittleEndian.Uint64(b[56:]) ^ k
		binary.LittleEndian.PutUint64(b[56:], w7)
		seen |= w0 | w1 | w2 | w3 | w4 | w5 | w6 | w7
		p = p[64:]
	}
	for len(p) >= 8 {
		w := binary.LittleEndian.Uint64(p) ^ k
		seen |= w
		binary.LittleEndian.PutUint64(p, w)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(k)
		seen |= uint64(p[i])
		k >>= 8 // at most seven bytes are left
	}
	return seen&highBits == 0
}
