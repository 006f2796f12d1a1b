package deflate

import "math/bits"

// A decoding table is indexed by the next bits of the input. An entry holds
//
//	bits 0 to 4    bits of the code, in a second-level table those after the first level's
//	bits 8 to 11   extra bits that follow, or the index width of the second-level table
//	bits 12 to 15  the kind
//	bits 16 to 31  literal, base of a length or distance, place of the second-level table
//
// and is 0 where no code leads.
type entry uint32

const (
	kindLiteral entry = 1 << 12
	kindEnd     entry = 1 << 13 // end of block
	kindTable   entry = 1 << 14 // second level
	kindBase    entry = 1 << 15 // length or distance
)

const (
	litBits  = 10 // index width of the first level
	distBits = 8
	maxCode  = 15 // longest code, RFC 1951, section 3.2.7

	maxLit  = 286
	maxDist = 30

	// Second-level tables are needed for pairs of codes or more.
	litSize  = 1<<litBits + (maxLit/2)<<(maxCode-litBits)
	distSize = 1<<distBits + (maxDist/2)<<(maxCode-distBits)
)

// RFC 1951, section 3.2.5.
var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// codeOrder is the order of the code length codes, RFC 1951, section 3.2.7.
var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// What each symbol means; the code's bits are added for each block.
var (
	litMeaning  = makeLitMeaning()
	distMeaning = makeDistMeaning()
)

func makeLitMeaning() (t [288]entry) {
	for i := range 256 {
		t[i] = kindLiteral | entry(i)<<16
	}
	t[256] = kindEnd
	for i, b := range lengthBase {
		t[257+i] = kindBase | entry(b)<<16 | entry(lengthExtra[i])<<8
	}
	return t // 286 and 287 stay 0, they must not occur
}

func makeDistMeaning() (t [32]entry) {
	for i, b := range distBase {
		t[i] = kindBase | entry(b)<<16 | entry(distExtra[i])<<8
	}
	return t
}

// fixed holds the tables of RFC 1951, section 3.2.6.
var fixed = makeFixed()

type fixedTables struct {
	lit  [1 << 9]entry
	dist [1 << 5]entry
}

func makeFixed() *fixedTables {
	var lens [288 + 32]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		case i < 288:
			lens[i] = 8
		default:
			lens[i] = 5
		}
	}
	t := new(fixedTables)
	buildTable(t.lit[:], lens[:288], litMeaning[:], litBits)
	buildTable(t.dist[:], lens[288:], distMeaning[:], distBits)
	return t
}

// buildTable fills table for the codes of the given lengths and returns the
// index width of its first level, at most width. ok is false when the lengths
// do not make a code: too many, or too few unless there is a single one of one
// bit or none at all, which zlib lets pass.
func buildTable(table []entry, lens []uint8, meaning []entry, width int) (indexWidth int, ok bool) {
	var count, next [maxCode + 1]int
	for _, l := range lens {
		count[l]++
	}
	longest := maxCode
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	if longest == 0 {
		table[0], table[1] = 0, 0
		return 1, true
	}
	code := 0
	var first [maxCode + 1]int // place in sorted of the first symbol of each length
	for l := 1; l <= longest; l++ {
		code = (code + count[l-1]*min(l-1, 1)) << 1
		next[l] = code
		first[l] = first[l-1] + count[l-1]*min(l-1, 1)
	}
	if full := code + count[longest]; full != 1<<longest && (full != 1 || longest != 1) {
		return 0, false
	}
	var sorted [288]uint16
	place := first
	for s, l := range lens {
		if l != 0 {
			sorted[place[l]] = uint16(s)
			place[l]++
		}
	}

	// The first level, doubled for each bit: a code of l bits stands at its
	// reversed value and every 1<<l further.
	width = min(width, longest)
	table[0] = 0
	for l := 1; l <= width; l++ {
		copy(table[1<<(l-1):1<<l], table)
		c := next[l]
		for _, s := range sorted[first[l]:place[l]] {
			table[bits.Reverse16(uint16(c))>>(16-l)] = withBits(meaning[s], l)
			c++
		}
	}
	if longest == width {
		return width, true
	}

	// The second level. Codes that share their first bits follow each other.
	free, sub := 1<<width, longest-width
	prefix := -1
	for l := width + 1; l <= longest; l++ {
		c := next[l]
		for _, s := range sorted[first[l]:place[l]] {
			rev := int(bits.Reverse16(uint16(c)) >> (16 - l))
			c++
			if head := rev & (1<<width - 1); head != prefix {
				prefix = head
				table[head] = kindTable | entry(free)<<16 | entry(sub)<<8 | entry(width)
				free += 1 << sub
			}
			e, at := withBits(meaning[s], l-width), free-1<<sub
			for j := rev >> width; j < 1<<sub; j += 1 << (l - width) {
				table[at+j] = e
			}
		}
	}
	return width, true
}

// withBits returns what e means at the end of a code of n bits.
func withBits(e entry, n int) entry {
	if e == 0 {
		return 0
	}
	return e | entry(n)
}
