package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

// validText is [utf8.Valid], quicker for the short ASCII that most messages
// are.
func validText(p []byte) bool { return ascii(p) || utf8.Valid(p) }

const highBits = 0x8080808080808080

// ascii reports whether p has only ASCII. It looks at eight words a turn.
func ascii(p []byte) bool {
	for len(p) >= 64 {
		b := p[:64:64]
		w := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:]) |
			binary.LittleEndian.Uint64(b[32:]) | binary.LittleEndian.Uint64(b[40:]) |
			binary.LittleEndian.Uint64(b[48:]) | binary.LittleEndian.Uint64(b[56:])
		if w&highBits != 0 {
			return false
		}
		p = p[64:]
	}
	var w uint64
	for len(p) >= 8 {
		w |= binary.LittleEndian.Uint64(p)
		p = p[8:]
	}
	for _, b := range p {
		w |= uint64(b)
	}
	return w&highBits == 0
}

// text checks UTF-8 that comes in pieces. It fails at the first byte that no
// continuation could make valid, also inside a rune that a piece left
// unfinished. The zero value stands at the start of a text.
type text struct {
	need   uint8 // bytes the open rune still lacks
	lo, hi uint8 // what the next one of them may be
}

// valid reports whether p may follow what came before. After false the value
// is of no further use.
func (t *text) valid(p []byte) bool {
	for t.need > 0 && len(p) > 0 {
		if !t.step(p[0]) {
			return false
		}
		p = p[1:]
	}
	i := openRune(p)
	if !validText(p[:i]) {
		return false
	}
	if i == len(p) {
		return true
	}
	if !t.begin(p[i]) {
		return false
	}
	for _, b := range p[i+1:] {
		if !t.step(b) {
			return false
		}
	}
	return true
}

// openRune returns where in p the rune begins that p ends within, or len(p).
// Only the lead byte's length counts; whether the bytes are right is left to
// others.
func openRune(p []byte) int {
	for k := 1; k <= 3 && k <= len(p); k++ {
		switch b := p[len(p)-k]; {
		case b < 0x80:
			return len(p)
		case b < 0xC0:
			continue
		case b < 0xE0 && k < 2, b >= 0xE0 && b < 0xF0 && k < 3, b >= 0xF0:
			return len(p) - k
		default:
			return len(p)
		}
	}
	return len(p)
}

// done reports whether no rune is open.
func (t *text) done() bool { return t.need == 0 }

// begin opens the rune that b leads. It returns false for a byte that leads
// none of several bytes. The ranges are those of RFC 3629, section 4.
func (t *text) begin(b byte) bool {
	t.lo, t.hi = 0x80, 0xBF
	switch {
	case b < 0xC2 || b > 0xF4:
		return false
	case b < 0xE0:
		t.need = 1
	case b < 0xF0:
		t.need = 2
		switch b {
		case 0xE0:
			t.lo = 0xA0
		case 0xED:
			t.hi = 0x9F
		}
	default:
		t.need = 3
		switch b {
		case 0xF0:
			t.lo = 0x90
		case 0xF4:
			t.hi = 0x8F
		}
	}
	return true
}

// step takes the next byte of the open rune.
func (t *text) step(b byte) bool {
	if b < t.lo || b > t.hi {
		return false
	}
	t.need--
	t.lo, t.hi = 0x80, 0xBF
	return true
}
