package deflate

import (
	"encoding/binary"
	"math/bits"
)

// The compressor looks for earlier text through a table of hashed positions.
// Positions are counted modulo 1<<16: an entry that is older, or another
// message's, gives some distance that the comparison of the bytes refutes, so
// a table never needs to be moved along with the text.
const (
	minMatch = 4 // bytes; the hash is of that many

	wholeTableBits  = 14
	windowTableBits = 12

	// windowSize is the memory of a window, one size class of the runtime's.
	windowSize  = 16 << 10
	windowText  = windowSize - 2<<windowTableBits - 16
	windowChunk = 4 << 10

	maxTokens = 16 << 10 // in a block

	tokenMatch = 1 << 31

	lazyLength = 16 // a match this long is taken without a look at the next byte
	insertStep = 2  // between the positions entered for the bytes of a match
)

// A chunk fits the text that a window has room for.
const _ = uint(windowText - windowChunk)

// window is the text that a message may refer to, and its table. It is kept
// from message to message with context takeover, and borrowed for a fragmented
// message without.
type window struct {
	n     int    // bytes of text
	from  uint16 // position of the first, modulo 1<<16
	text  [windowText]byte
	table [1 << windowTableBits]uint16
}

func (w *window) reset() {
	w.n, w.from = 0, 0
	clear(w.table[:])
}

// encoder holds what compressing takes, between the blocks of one piece of a
// message. A token is a literal byte, or tokenMatch with the length less 3
// from bit 16 and the distance less 1 below it.
type encoder struct {
	bitWriter
	maxDist int
	level   int

	p          []byte // the piece
	done, from int    // bytes of p in tokens, and where the block begins

	n      int
	tokens [maxTokens]uint32
	lit    [maxLit]uint16 // how often each symbol occurs in the block
	dist   [maxDist]uint16
	codes  blockCodes

	table [1 << wholeTableBits]uint16
	chain [1 << maxWindowBits]uint16 // levels above 1: the position before, by position
}

func (e *encoder) reset(dst []byte, windowBits, level int) {
	e.bitWriter = bitWriter{dst: dst}
	e.maxDist, e.level = 1<<windowBits, level
	e.n, e.done, e.from = 0, 0, 0
}

// encodeWhole compresses p, a whole message that refers to nothing before it.
func (e *encoder) encodeWhole(p []byte) {
	e.p = p
	// A small message needs no large table: clearing it costs.
	tableBits := min(max(bits.Len(uint(len(p)/2)), 9), wholeTableBits)
	table := e.table[:1<<tableBits]
	clear(table)
	if e.level > 1 {
		clear(e.chain[:])
	}
	e.scan(p, 0, 0, table)
}

// encodeWindow compresses p, the next piece of the text in w.
func (e *encoder) encodeWindow(w *window, p []byte) {
	e.p = p
	if e.level > 1 {
		clear(w.table[:])
		clear(e.chain[:])
		for i := 0; i+minMatch <= w.n; i++ {
			e.insert(w.text[:], i, w.from, w.table[:])
		}
	}
	for len(p) > 0 {
		k := min(len(p), windowChunk)
		if w.n+k > len(w.text) {
			keep := min(e.maxDist, len(w.text)-windowChunk)
			cut := max(w.n-keep, 0)
			copy(w.text[:], w.text[cut:w.n])
			w.n -= cut
			w.from += uint16(cut)
		}
		at := w.n
		w.n += copy(w.text[at:], p[:k])
		e.scan(w.text[:w.n], at, w.from, w.table[:])
		p = p[k:]
	}
}

// flush writes what is left and returns the output. It ends with an empty
// stored block, whose length is left off at the end of a message (RFC 7692,
// section 7.2.1).
func (e *encoder) flush(final bool) []byte {
	if e.n > 0 {
		e.writeBlock()
	}
	e.p = nil
	e.reserve(8)
	e.put(0, 3)
	dst := e.align()
	e.dst = nil
	if !final {
		dst = append(dst, 0x00, 0x00, 0xff, 0xff)
	}
	return dst
}

func hash(v uint32, shift uint) uint32 { return v * 0x9e3779b1 >> (shift & 31) }

// insert enters the position of src[i] and returns the distance to the last
// one with the same hash.
func (e *encoder) insert(src []byte, i int, from uint16, table []uint16) uint16 {
	shift := uint(33 - bits.Len(uint(len(table))))
	h := hash(binary.LittleEndian.Uint32(src[i:]), shift)
	pos := from + uint16(i)
	before := table[h]
	table[h] = pos
	if e.level > 1 {
		e.chain[pos&(1<<maxWindowBits-1)] = before
	}
	return pos - before
}

// scan turns src[start:] into tokens. src[:start] is text before it, from the
// position of src[0].
func (e *encoder) scan(src []byte, start int, from uint16, table []uint16) {
	if e.level > 1 {
		e.scanDeep(src, start, from, table)
		return
	}
	maxDist := e.maxDist
	shift := uint(33 - bits.Len(uint(len(table))))
	emit, i := start, start
	last := len(src) - 8
	for i <= last {
		v := binary.LittleEndian.Uint32(src[i:])
		pos := from + uint16(i)
		h := hash(v, shift)
		dist := int(pos - table[h])
		table[h] = pos
		if uint(dist-1) >= uint(min(maxDist, i)) || binary.LittleEndian.Uint32(src[i-dist:]) != v {
			i += 1 + (i-emit)>>6
			continue
		}
		length := minMatch + matchLength(src[i-dist+minMatch:], src[i+minMatch:])
		next := i + 1
		if length < lazyLength && next <= last {
			// A longer match one byte on is worth the literal.
			v := binary.LittleEndian.Uint32(src[next:])
			pos := from + uint16(next)
			h := hash(v, shift)
			d := int(pos - table[h])
			table[h] = pos
			if uint(d-1) < uint(min(maxDist, next)) && binary.LittleEndian.Uint32(src[next-d:]) == v {
				if l := minMatch + matchLength(src[next-d+minMatch:], src[next+minMatch:]); l > length {
					i, length, dist = next, l, d
				}
			}
			next++
		}
		for i > emit && i > dist && src[i-1] == src[i-1-dist] {
			i--
			length++
		}
		e.literals(src[emit:i])
		e.match(length, dist)
		i += length
		emit = i
		for end := min(i, last); next < end; next += insertStep {
			table[hash(binary.LittleEndian.Uint32(src[next:]), shift)] = from + uint16(next)
		}
	}
	e.literals(src[emit:])
}

// scanDeep is scan for the levels above 1.
func (e *encoder) scanDeep(src []byte, start int, from uint16, table []uint16) {
	emit, i := start, start
	last := len(src) - 8
	for i <= last {
		length, dist := e.find(src, i, from, table, minMatch-1)
		if length < minMatch {
			i += 1 + (i-emit)>>6
			continue
		}
		// A longer match one byte on is worth the literal.
		next := i + 1
		for length < lazyLength && i < last {
			l, d := e.find(src, next, from, table, length)
			next++
			if l <= length {
				break
			}
			length, dist = l, d
			i++
		}
		for i > emit && i > dist && src[i-1] == src[i-1-dist] {
			i--
			length++
		}
		e.literals(src[emit:i])
		e.match(length, dist)
		end := i + length
		for ; next < end && next <= last; next++ {
			e.insert(src, next, from, table)
		}
		i, emit = end, end
	}
	e.literals(src[emit:])
}

// find enters the position of src[i] and returns the longest match for it that
// is longer than than, or a length of 0.
func (e *encoder) find(src []byte, i int, from uint16, table []uint16, than int) (length, dist int) {
	d := int(e.insert(src, i, from, table))
	most := min(e.maxDist, i)
	for tries := e.level * e.level; uint(d-1) < uint(most); tries-- {
		c := i - d
		if i+than < len(src) && src[c+than] == src[i+than] && binary.LittleEndian.Uint32(src[c:]) == binary.LittleEndian.Uint32(src[i:]) {
			if l := minMatch + matchLength(src[c+minMatch:], src[i+minMatch:]); l > than {
				length, dist, than = l, d, l
			}
		}
		if tries <= 1 {
			break
		}
		pos := from + uint16(i)
		next := int(pos - e.chain[(pos-uint16(d))&(1<<maxWindowBits-1)])
		if next <= d {
			break
		}
		d = next
	}
	return length, dist
}

// matchLength returns how many bytes at the beginning of a and b are the same;
// b is not longer than a.
func matchLength(a, b []byte) (n int) {
	a = a[:len(b)]
	for len(b)-n >= 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// literals adds a token for each byte of p.
func (e *encoder) literals(p []byte) {
	for len(p) > 0 {
		if e.n == maxTokens {
			e.writeBlock()
		}
		k := min(len(p), maxTokens-e.n)
		tokens := e.tokens[e.n : e.n+k]
		for i, b := range p[:k] {
			tokens[i] = uint32(b)
			e.lit[b]++
		}
		e.n += k
		e.done += k
		p = p[k:]
	}
}

// match adds tokens for length bytes from dist back.
func (e *encoder) match(length, dist int) {
	code := distCode(uint32(dist - 1))
	for length > 0 {
		if e.n == maxTokens {
			e.writeBlock()
		}
		l := min(length, maxMatch)
		if length > maxMatch && length < maxMatch+3 {
			l = length - 3 // leave enough for another
		}
		e.tokens[e.n] = tokenMatch | uint32(l-3)<<16 | uint32(dist-1)
		e.n++
		e.lit[257+int(lengthCodes[l-3])]++
		e.dist[code&31]++
		e.done += l
		length -= l
	}
}

// lengthCodes is the length code, less 257, of a length less 3.
var lengthCodes = makeLengthCodes()

func makeLengthCodes() (t [256]uint8) {
	for c, b := range lengthBase {
		for l := int(b); l < int(b)+1<<lengthExtra[c] && l <= maxMatch; l++ {
			t[l-3] = uint8(c)
		}
	}
	return t // 258 has a code of its own, which comes last
}

// distCode returns the distance code of a distance less 1: above 4, two for
// each power of two.
func distCode(d uint32) uint32 {
	if d < 4 {
		return d
	}
	n := uint32(bits.Len32(d)) - 1
	return 2*n + d>>(n-1)&1
}
