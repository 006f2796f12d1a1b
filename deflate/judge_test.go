package deflate_test

import (
	"errors"
	"math/bits"
)

// walker reads a DEFLATE stream one bit at a time, straight from RFC 1951, and
// notes the longest distance. It shares nothing with the package.
type walker struct {
	p        []byte
	bit      int
	out      []byte // with what was before
	farthest int
	blocks   [3]int // by type
}

var errWalk = errors.New("not a DEFLATE stream")

func (w *walker) bits(n int) (v int) {
	for i := range n {
		if w.bit>>3 >= len(w.p) {
			panic(errWalk)
		}
		v |= int(w.p[w.bit>>3]>>(w.bit&7)&1) << i
		w.bit++
	}
	return v
}

// book has the symbols of each code length, in order, and the first code.
type book struct {
	symbols [16][]int
	first   [16]int
}

func newBook(lens []int) (b book) {
	for s, l := range lens {
		if l > 0 {
			b.symbols[l] = append(b.symbols[l], s)
		}
	}
	for l := 1; l < 16; l++ {
		b.first[l] = (b.first[l-1] + len(b.symbols[l-1])) << 1
	}
	return b
}

// symbol reads a code, a bit at a time until there is one like it.
func (w *walker) symbol(b *book) int {
	code := 0
	for l := 1; l < 16; l++ {
		code = code<<1 | w.bits(1)
		if k := code - b.first[l]; k >= 0 && k < len(b.symbols[l]) {
			return b.symbols[l][k]
		}
	}
	panic(errWalk)
}

// walk reads the message p, which must be in the form of RFC 7692, after the
// text before.
func walk(p, before []byte) (w *walker, err error) {
	w = &walker{p: append(append([]byte(nil), p...), 0, 0, 0xff, 0xff), out: append([]byte(nil), before...)}
	defer func() {
		if r := recover(); r != nil {
			err = errWalk
		}
	}()
	for w.bit+7 < 8*len(w.p) {
		final := w.bits(1)
		kind := w.bits(2)
		w.blocks[kind]++
		var lit, dist []int
		switch kind {
		case 0:
			w.bit = (w.bit + 7) &^ 7
			n := w.bits(16)
			if w.bits(16) != n^0xffff {
				panic(errWalk)
			}
			for range n {
				w.out = append(w.out, byte(w.bits(8)))
			}
		case 1:
			for i := range 288 {
				lit = append(lit, map[bool]int{true: 8, false: 9}[i < 144 || i >= 280])
				if i >= 256 && i < 280 {
					lit[i] = 7
				}
			}
			for range 30 {
				dist = append(dist, 5)
			}
			w.data(lit, dist)
		case 2:
			nlit, ndist, n := w.bits(5)+257, w.bits(5)+1, w.bits(4)+4
			order := make([]int, 19)
			for _, s := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
				order[s] = w.bits(3)
			}
			var lens []int
			orders := newBook(order)
			for len(lens) < nlit+ndist {
				switch s := w.symbol(&orders); s {
				case 16:
					for range 3 + w.bits(2) {
						lens = append(lens, lens[len(lens)-1])
					}
				case 17:
					lens = append(lens, make([]int, 3+w.bits(3))...)
				case 18:
					lens = append(lens, make([]int, 11+w.bits(7))...)
				default:
					lens = append(lens, s)
				}
			}
			w.data(lens[:nlit], lens[nlit:nlit+ndist])
		}
		if final == 1 {
			panic(errWalk) // we never set it
		}
	}
	if w.bit != 8*len(w.p) {
		panic(errWalk)
	}
	w.out = w.out[len(before):]
	return w, nil
}

func (w *walker) data(litLens, distLens []int) {
	lit, dist := newBook(litLens), newBook(distLens)
	for {
		s := w.symbol(&lit)
		if s == 256 {
			return
		}
		if s < 256 {
			w.out = append(w.out, byte(s))
			continue
		}
		// Section 3.2.5, as arithmetic.
		length := s - 254
		if s >= 265 && s < 285 {
			extra := (s - 261) / 4
			length = (4+(s-261)%4)<<extra + 3 + w.bits(extra)
		} else if s == 285 {
			length = 258
		}
		d := w.symbol(&dist)
		distance := d + 1
		if d >= 4 {
			extra := d/2 - 1
			distance = (2+d%2)<<extra + 1 + w.bits(extra)
		}
		w.farthest = max(w.farthest, distance)
		for range length {
			w.out = append(w.out, w.out[len(w.out)-distance])
		}
	}
}

// bitString writes bits in the order of RFC 1951, section 3.1.1: numbers
// lowest bit first, codes highest bit first.
type bitString struct {
	p []byte
	n int
}

func (b *bitString) num(v, n int) *bitString {
	for i := range n {
		if b.n&7 == 0 {
			b.p = append(b.p, 0)
		}
		b.p[b.n>>3] |= byte(v >> i & 1 << (b.n & 7))
		b.n++
	}
	return b
}

func (b *bitString) code(v, n int) *bitString {
	return b.num(int(bits.Reverse32(uint32(v))>>(32-n)), n)
}

// lit adds literals, end the end, of a fixed block.
func (b *bitString) lit(s string) *bitString {
	for i := range len(s) {
		b.code(0x30+int(s[i]), 8)
	}
	return b
}

func (b *bitString) end() *bitString { return b.code(0, 7) }

// close adds the header of the empty stored block that ends a message.
func (b *bitString) close() []byte { return b.num(0, 3).p }
