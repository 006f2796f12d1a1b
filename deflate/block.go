package deflate

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// bitWriter appends bits, lowest first, to dst.
type bitWriter struct {
	dst   []byte
	hold  uint64
	nhold uint // less than 8 between writes
}

// reserve makes room for n bytes, so that the writes that follow need not look.
func (w *bitWriter) reserve(n int) { w.dst = slices.Grow(w.dst, n+8) }

// put writes the n lowest bits of v, at most 56; v has no others.
func (w *bitWriter) put(v uint64, n uint) {
	w.hold |= v << (w.nhold & 63)
	w.nhold += n
	at := len(w.dst)
	binary.LittleEndian.PutUint64(w.dst[at:at+8], w.hold)
	k := w.nhold >> 3
	w.dst = w.dst[:at+int(k)]
	w.hold >>= k << 3 & 63
	w.nhold &= 7
}

// align fills up the last byte with zeros and returns the output.
func (w *bitWriter) align() []byte {
	if w.nhold > 0 {
		w.put(0, 8-w.nhold)
	}
	return w.dst
}

// A code is its bits, lowest first, from bit 8, and below how many they are.
type code uint32

// blockCodes are the Huffman codes of a block and what making them takes.
type blockCodes struct {
	lit   [maxLit]code
	dist  [maxDist]code
	order [19]code

	lens      [maxLit + maxDist]uint8
	orderFreq [19]uint16
	runs      [maxLit + maxDist]uint16 // symbol, and from bit 8 its extra bits
	nruns     int

	sorted, spare [maxLit]uint32
	tree          [maxLit]uint32
}

// The codes of RFC 1951, section 3.2.6.
var fixedLit, fixedDist = makeFixedCodes()

func makeFixedCodes() (lit [maxLit]code, dist [maxDist]code) {
	for i := range lit {
		switch {
		case i < 144:
			lit[i] = newCode(0x30+i, 8)
		case i < 256:
			lit[i] = newCode(0x190+i-144, 9)
		case i < 280:
			lit[i] = newCode(i-256, 7)
		default:
			lit[i] = newCode(0xc0+i-280, 8)
		}
	}
	for i := range dist {
		dist[i] = newCode(i, 5)
	}
	return lit, dist
}

func newCode(c, n int) code {
	return code(bits.Reverse16(uint16(c))>>(16-n))<<8 | code(n)
}

// writeBlock writes the tokens as the block that is smallest: with codes of
// its own, the fixed ones, or stored.
func (e *encoder) writeBlock() {
	c := &e.codes
	e.lit[256] = 1
	nlit, ndist := maxLit, maxDist
	for e.lit[nlit-1] == 0 {
		nlit--
	}
	for ndist > 1 && e.dist[ndist-1] == 0 {
		ndist--
	}
	extra := 0
	for i, n := range e.lit[257:nlit] {
		extra += int(n) * int(lengthExtra[i])
	}
	for i, n := range e.dist[:ndist] {
		extra += int(n) * int(distExtra[i])
	}
	c.make(e.lit[:nlit], maxCode, c.lit[:])
	c.make(e.dist[:ndist], maxCode, c.dist[:])
	norder, header := c.describe(nlit, ndist)
	dynamic := header + size(e.lit[:nlit], c.lit[:]) + size(e.dist[:ndist], c.dist[:])
	standard := size(e.lit[:nlit], fixedLit[:]) + size(e.dist[:ndist], fixedDist[:])
	raw := e.p[e.from:e.done]
	best := min(dynamic, standard) + extra

	switch {
	case 8*len(raw)+32+7 < best:
		e.store(raw)
	case standard <= dynamic:
		e.reserve(best/8 + 8)
		e.put(1<<1, 3)
		e.writeTokens(&fixedLit, &fixedDist)
	default:
		e.reserve(best/8 + 8)
		e.put(2<<1, 3)
		e.put(uint64(nlit-257|(ndist-1)<<5|(norder-4)<<10), 14)
		for _, s := range codeOrder[:norder] {
			e.put(uint64(c.order[s]&0xff), 3)
		}
		for _, r := range c.runs[:c.nruns] {
			s := r & 0xff
			k := c.order[s]
			n := uint(k & 0xff)
			v := uint64(k >> 8)
			if s >= 16 {
				v |= uint64(r>>8) << n
				n += runBits[s-16]
			}
			e.put(v, n)
		}
		e.writeTokens(&c.lit, &c.dist)
	}
	e.n, e.from = 0, e.done
	clear(e.lit[:])
	clear(e.dist[:])
}

// size returns the bits that the symbols take.
func size(freq []uint16, codes []code) (n int) {
	codes = codes[:len(freq)]
	for i, f := range freq {
		n += int(f) * int(codes[i]&0xff)
	}
	return n
}

// store writes p in stored blocks.
func (e *encoder) store(p []byte) {
	for len(p) > 0 {
		n := min(len(p), 1<<16-1)
		e.reserve(n + 8)
		e.put(0, 3)
		e.align()
		e.put(uint64(n)|uint64(n^0xffff)<<16, 32)
		e.dst = append(e.dst, p[:n]...)
		p = p[n:]
	}
}

// writeTokens writes the block's tokens and its end.
func (e *encoder) writeTokens(lit *[maxLit]code, dist *[maxDist]code) {
	dst, at := e.dst[:cap(e.dst)], len(e.dst)
	hold, nhold := e.hold, e.nhold
	tokens := e.tokens[:e.n]
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if t < tokenMatch {
			c := lit[t&0xff]
			hold |= uint64(c>>8) << (nhold & 63)
			nhold += uint(c & 0xff)
			// Two more literals fit as well: 7+3*15 bits.
			if i+1 < len(tokens) && tokens[i+1] < tokenMatch {
				i++
				c := lit[tokens[i]&0xff]
				hold |= uint64(c>>8) << (nhold & 63)
				nhold += uint(c & 0xff)
				if i+1 < len(tokens) && tokens[i+1] < tokenMatch {
					i++
					c := lit[tokens[i]&0xff]
					hold |= uint64(c>>8) << (nhold & 63)
					nhold += uint(c & 0xff)
				}
			}
		} else {
			// At most 7+15+5+15+13 bits.
			l := t >> 16 & 0xff
			s := lengthCodes[l]
			c := lit[257+int(s)]
			hold |= uint64(c>>8) << (nhold & 63)
			nhold += uint(c & 0xff)
			hold |= uint64(l+3-uint32(lengthBase[s])) << (nhold & 63)
			nhold += uint(lengthExtra[s])
			d := t & 0xffff
			k := distCode(d)
			c = dist[k]
			hold |= uint64(c>>8) << (nhold & 63)
			nhold += uint(c & 0xff)
			hold |= uint64(d+1-uint32(distBase[k])) << (nhold & 63)
			nhold += uint(distExtra[k])
		}
		binary.LittleEndian.PutUint64(dst[at:], hold)
		at += int(nhold >> 3)
		hold >>= nhold & 56
		nhold &= 7
	}
	e.dst, e.hold, e.nhold = dst[:at], hold, nhold
	end := lit[256]
	e.put(uint64(end>>8), uint(end&0xff))
}

// make builds the best code of at most longest bits for the frequencies.
func (c *blockCodes) make(freq []uint16, longest int, codes []code) {
	n := 0
	var most uint16
	for s, f := range freq {
		codes[s] = 0
		if f != 0 {
			c.sorted[n] = uint32(f)<<16 | uint32(s)
			n++
			most |= f
		}
	}
	list := c.sorted[:n]
	switch n {
	case 0:
		// RFC 1951, section 3.2.7: one distance code of no use.
		codes[0] = newCode(0, 1)
		return
	case 1:
		codes[list[0]&0xffff] = newCode(0, 1)
		return
	}
	sortByFreq(list, c.spare[:n], most)
	var count [maxCode + 1]int
	c.depths(list, longest, &count)

	// The rarest symbols, which come first, get the longest codes.
	i := 0
	for l := longest; l > 0; l-- {
		for range count[l] {
			codes[list[i]&0xffff] = code(l)
			i++
		}
	}
	var next [maxCode + 1]int
	k := 0
	for l := 1; l <= longest; l++ {
		k = (k + count[l-1]) << 1
		next[l] = k
	}
	for s := range freq {
		if l := int(codes[s] & maxCode); l != 0 {
			codes[s] = newCode(next[l], l)
			next[l]++
		}
	}
}

// depths counts the codes of each length: Huffman's tree, built in place from
// the sorted frequencies, with what is too deep pulled up.
func (c *blockCodes) depths(list []uint32, longest int, count *[maxCode + 1]int) {
	// tree[i] is the weight of the i-th inner node until it has a parent, and
	// that parent's index from then on.
	n := len(list)
	tree := c.tree[:n-1]
	leaf, node := 0, 0
	for i := range tree {
		w := uint32(0)
		for range 2 {
			if node == i || leaf < n && list[leaf]>>16 <= tree[node] {
				w += list[leaf] >> 16
				leaf++
			} else {
				w += tree[node]
				tree[node] = uint32(i)
				node++
			}
		}
		tree[i] = w
	}
	// From the root, the last, down: tree[i] becomes the node's depth. On each
	// level, what is not an inner node is a leaf.
	tree[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		tree[i] = tree[tree[i]] + 1
	}
	places, depth := 1, 0
	for i := n - 2; places > 0; depth++ {
		inner := 0
		for i >= 0 && int(tree[i]) == depth {
			inner++
			i--
		}
		count[min(depth, longest)] += places - inner
		places = 2 * inner
	}
	// Kraft's sum, in units of the longest code, must be 1<<longest.
	sum := 0
	for l := 1; l <= longest; l++ {
		sum += count[l] << (longest - l)
	}
	for ; sum > 1<<longest; sum-- {
		l := longest - 1
		for count[l] == 0 {
			l--
		}
		count[l]--
		count[l+1] += 2
		count[longest]--
	}
}

// sortByFreq sorts by the upper half, which has only the bits of most, keeping
// the order of equals. spare is as long as list.
func sortByFreq(list, spare []uint32, most uint16) {
	if len(list) <= 24 {
		for i := 1; i < len(list); i++ {
			v, j := list[i], i
			for ; j > 0 && list[j-1] > v; j-- {
				list[j] = list[j-1]
			}
			list[j] = v
		}
		return
	}
	sortByByte(spare, list, 16)
	if most < 1<<8 {
		copy(list, spare)
		return
	}
	sortByByte(list, spare, 24)
}

func sortByByte(dst, src []uint32, shift uint) {
	var place [256]uint16
	for _, v := range src {
		place[v>>shift&0xff]++
	}
	sum := uint16(0)
	for i, n := range place {
		place[i] = sum
		sum += n
	}
	for _, v := range src {
		b := v >> shift & 0xff
		dst[place[b]] = v
		place[b]++
	}
}

// runBits are the extra bits of the symbols 16 to 18.
var runBits = [3]uint{2, 3, 7}

// describe makes the code length code for the two codes, RFC 1951, section
// 3.2.7. It returns how many of its lengths are written and the bits of the
// whole header.
func (c *blockCodes) describe(nlit, ndist int) (norder, header int) {
	for i, k := range c.lit[:nlit] {
		c.lens[i] = uint8(k)
	}
	for i, k := range c.dist[:ndist] {
		c.lens[nlit+i] = uint8(k)
	}
	lens := c.lens[:nlit+ndist]
	c.nruns = 0
	clear(c.orderFreq[:])
	for i := 0; i < len(lens); {
		l := lens[i]
		n := 1
		for i+n < len(lens) && lens[i+n] == l {
			n++
		}
		i += n
		if l != 0 {
			c.run(uint16(l), 0)
			n--
		}
		for n >= 3 {
			switch {
			case l != 0:
				k := min(n, 6)
				c.run(16, k-3)
				n -= k
			case n <= 10:
				c.run(17, n-3)
				n = 0
			default:
				k := min(n, 138)
				c.run(18, k-11)
				n -= k
			}
		}
		for range n {
			c.run(uint16(l), 0)
		}
	}
	c.make(c.orderFreq[:], 7, c.order[:])
	norder = 19
	for norder > 4 && c.order[codeOrder[norder-1]] == 0 {
		norder--
	}
	header = 14 + 3*norder + size(c.orderFreq[:], c.order[:])
	for i, b := range runBits {
		header += int(c.orderFreq[16+i]) * int(b)
	}
	return norder, header
}

func (c *blockCodes) run(symbol uint16, extra int) {
	c.runs[c.nruns] = symbol | uint16(extra)<<8
	c.nruns++
	c.orderFreq[symbol]++
}
