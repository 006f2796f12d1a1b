package deflate

import "github.com/lariat-go/websocket/frame"

// Where the inflater stands in the format of RFC 1951, section 3.2.
type place uint8

const (
	atBlock   place = iota // before a block's header
	atLength               // before the length of a stored block
	inStored               // in the bytes of a stored block
	atCounts               // before the three counts of a dynamic block
	inOrder                // in the code lengths of the code length code
	inLengths              // in the code lengths of the other two
	inCodes                // in the compressed data of a block
	pastFinal              // behind a block with BFINAL, at a byte's boundary
)

// inflater is the state of one message's decompression. It takes input in any
// pieces: it never reads a bit that it does not use, and stops between any
// two. It is borrowed for a message and returned at its end.
type inflater struct {
	hold   uint64 // input bits not yet used, lowest first
	nhold  uint   // how many; above them hold is 0
	at     place
	begun  bool // there was input
	final  bool // the block has BFINAL
	window int  // bytes that a distance may span
	fresh  int  // where in dst the text begins that distances may reach

	stored int // bytes that the stored block still has

	// The header of a dynamic block.
	nlit, ndist, ncode, have int
	lens                     [maxLit + maxDist + 2]uint8
	order                    [19]uint8
	orderTable               [1 << 7]entry

	// The tables of the block, own or fixed.
	lit, dist         []entry
	litMask, distMask uint64
	litTable          [litSize]entry
	distTable         [distSize]entry
}

func (f *inflater) reset(windowBits int) {
	f.hold, f.nhold, f.at, f.begun, f.final = 0, 0, atBlock, false, false
	f.window = 1 << windowBits
}

// finish says whether the message may end here, after n bytes of dst. RFC
// 7692, section 7.2.1: the sender takes the length of an empty stored block,
// 00 00 ff ff, off the end. So the message ends behind the header of such a
// block, or, where the sender has set BFINAL, behind that block. Nothing at all
// is the empty message (section 7.2.2: what is put back inflates to nothing).
func (f *inflater) finish(n int, h *history) error {
	if !f.begun {
		return nil
	}
	if f.nhold != 0 || f.at != atLength && f.at != pastFinal {
		return frame.ErrExtensionData
	}
	if f.final {
		f.fresh = n
		h.pos, h.n = 0, 0
	}
	return nil
}

// inflate appends to dst what p stands for. Not more than limit bytes are
// appended where limit is not negative; the next one is
// [frame.ErrMessageTooBig]. h is the text before dst.
func (f *inflater) inflate(dst, p []byte, limit int64, h *history) (out []byte, err error) {
	base := len(dst)
	f.fresh = base
	f.begun = f.begun || len(p) > 0
	d := decoder{f: f, p: p, dst: dst[:cap(dst)], n: base, end: -1, h: h}
	if limit >= 0 && limit < int64(maxInt-base) {
		d.end = base + int(limit)
	}
	err = d.run()
	return d.dst[:d.n], err
}

const maxInt = int(^uint(0) >> 1)

// decoder is one call of inflate.
type decoder struct {
	f   *inflater
	p   []byte // input left
	dst []byte // output, as long as its capacity
	n   int    // bytes of it that are written
	end int    // where the limit is, -1: nowhere
	h   *history
}

// room returns how many bytes can be written before the memory or the limit
// ends.
func (d *decoder) room() int {
	if d.end >= 0 && d.end < len(d.dst) {
		return d.end - d.n
	}
	return len(d.dst) - d.n
}

// grow makes room for n bytes, doubling the memory but not far beyond the
// limit. It makes less where the limit is nearer.
func (d *decoder) grow(n int) {
	need := d.n + n
	if d.end >= 0 {
		need = min(need, d.end)
	}
	if need <= len(d.dst) {
		return
	}
	size := max(need, 2*len(d.dst), d.n+4*len(d.p), d.n+minGrow)
	if d.end >= 0 && size > d.end/2 {
		size = d.end + slack // all at once, so that the sum stays below twice the limit
	}
	dst := make([]byte, size)
	copy(dst, d.dst[:d.n])
	d.dst = dst
}

const (
	maxMatch = 258
	slack    = 8 // bytes that the fast loop may write behind a match
	minGrow  = 512
)

// need fills hold up to n bits, at most 56; ok is false when the input ends
// first.
func (d *decoder) need(n uint) (ok bool) {
	f := d.f
	for f.nhold < n {
		if len(d.p) == 0 {
			return false
		}
		f.hold |= uint64(d.p[0]) << f.nhold
		f.nhold += 8
		d.p = d.p[1:]
	}
	return true
}

// take returns n bits, which [decoder.need] has seen to.
func (f *inflater) take(n uint) int {
	v := f.hold & (1<<n - 1)
	f.hold >>= n
	f.nhold -= n
	return int(v)
}

// run works until the input is used up.
func (d *decoder) run() error {
	for {
		more, err := d.step()
		if err != nil || !more {
			return err
		}
	}
}

// step does what is next; more is false when that needs more input.
func (d *decoder) step() (more bool, err error) {
	f := d.f
	switch f.at {
	case pastFinal:
		// RFC 7692, section 7.2.1: the next block follows. It begins a new
		// stream, without the text of the last.
		if len(d.p) == 0 {
			return false, nil
		}
		f.at = atBlock
		fallthrough
	case atBlock:
		if !d.need(3) {
			return false, nil
		}
		f.final = f.take(1) == 1
		return true, d.block(f.take(2))
	case atLength:
		if !d.need(32) {
			return false, nil
		}
		n := f.take(16)
		if f.take(16) != n^0xffff {
			return false, frame.ErrExtensionData
		}
		f.stored, f.at = n, inStored
		return true, nil
	case inStored:
		return d.copyStored()
	case atCounts:
		if !d.need(14) {
			return false, nil
		}
		f.nlit, f.ndist, f.ncode = f.take(5)+257, f.take(5)+1, f.take(4)+4
		if f.nlit > maxLit || f.ndist > maxDist {
			return false, frame.ErrExtensionData
		}
		f.order, f.have, f.at = [19]uint8{}, 0, inOrder
		return true, nil
	case inOrder:
		for ; f.have < f.ncode; f.have++ {
			if !d.need(3) {
				return false, nil
			}
			f.order[codeOrder[f.have]] = uint8(f.take(3))
		}
		if !f.buildOrder() {
			return false, frame.ErrExtensionData
		}
		f.have, f.at = 0, inLengths
		return true, nil
	case inLengths:
		return d.readLengths()
	default:
		return d.codes()
	}
}

// block begins a block of the given type.
func (d *decoder) block(kind int) error {
	f := d.f
	switch kind {
	case 0:
		f.take(f.nhold & 7)
		f.at = atLength
	case 1:
		f.lit, f.litMask = fixed.lit[:], uint64(len(fixed.lit)-1)
		f.dist, f.distMask = fixed.dist[:], uint64(len(fixed.dist)-1)
		f.at = inCodes
	case 2:
		f.at = atCounts
	default:
		return frame.ErrExtensionData
	}
	return nil
}

// endBlock follows the last bit of a block.
func (d *decoder) endBlock() {
	f := d.f
	f.at = atBlock
	if f.final {
		// RFC 7692, section 7.2.1: zero bits up to the byte's end. Whole bytes
		// of the next block may be on hold.
		f.take(f.nhold & 7)
		f.at = pastFinal
		if f.nhold > 0 {
			f.at = atBlock
		}
		f.fresh = d.n
		d.h.pos, d.h.n = 0, 0
	}
}

func (d *decoder) copyStored() (more bool, err error) {
	f := d.f
	for f.stored > 0 {
		// Bytes may be on hold from before the block's length.
		if f.nhold == 0 && len(d.p) == 0 {
			return false, nil
		}
		if d.room() == 0 {
			d.grow(min(f.stored, len(d.p)+8))
		}
		switch k := min(f.stored, d.room()); {
		case k == 0:
			return false, frame.ErrMessageTooBig
		case f.nhold > 0:
			d.dst[d.n] = byte(f.take(8))
			d.n++
			f.stored--
		default:
			k = copy(d.dst[d.n:d.n+k], d.p)
			d.p = d.p[k:]
			d.n += k
			f.stored -= k
		}
	}
	d.endBlock()
	return true, nil
}

// readLengths reads the code lengths of a dynamic block and builds its tables.
func (d *decoder) readLengths() (more bool, err error) {
	f := d.f
	total := f.nlit + f.ndist
	for f.have < total {
		// A code and its extra bits have at most 14 bits; the last ones of
		// the input may be fewer and still suffice.
		enough := d.need(14)
		e := f.orderTable[f.hold&(1<<7-1)]
		n := uint(e & 31)
		sym := int(e >> 16)
		extra := uint(e>>8) & 15
		if e == 0 || n+extra > f.nhold {
			if enough {
				return false, frame.ErrExtensionData
			}
			return false, nil
		}
		f.take(n)
		if sym < 16 {
			f.lens[f.have] = uint8(sym)
			f.have++
			continue
		}
		var l uint8
		rep := 3 + f.take(extra)
		switch sym {
		case 16:
			if f.have == 0 {
				return false, frame.ErrExtensionData
			}
			l = f.lens[f.have-1]
		case 18:
			rep += 8
		}
		if f.have+rep > total {
			return false, frame.ErrExtensionData
		}
		for range rep {
			f.lens[f.have] = l
			f.have++
		}
	}
	if f.lens[256] == 0 {
		return false, frame.ErrExtensionData // a block that could not end
	}
	lit, ok1 := buildTable(f.litTable[:], f.lens[:f.nlit], litMeaning[:], litBits)
	dist, ok2 := buildTable(f.distTable[:], f.lens[f.nlit:total], distMeaning[:], distBits)
	if !ok1 || !ok2 {
		return false, frame.ErrExtensionData
	}
	f.lit, f.litMask = f.litTable[:], 1<<lit-1
	f.dist, f.distMask = f.distTable[:], 1<<dist-1
	f.at = inCodes
	return true, nil
}

// orderMeaning is what the symbols of the code length code mean.
var orderMeaning = makeOrderMeaning()

func makeOrderMeaning() (t [19]entry) {
	for i := range t {
		t[i] = kindBase | entry(i)<<16
	}
	t[16] |= 2 << 8
	t[17] |= 3 << 8
	t[18] |= 7 << 8
	return t
}

// buildOrder builds the table of the code length code, always 7 bits wide.
func (f *inflater) buildOrder() (ok bool) {
	width, ok := buildTable(f.orderTable[:], f.order[:], orderMeaning[:], 7)
	for ; width < 7; width++ {
		copy(f.orderTable[1<<width:], f.orderTable[:1<<width])
	}
	return ok
}

// codes decodes the data of a block, quickly while there is much input, and
// then symbol by symbol.
func (d *decoder) codes() (more bool, err error) {
	f := d.f
	for {
		if len(d.p) >= fastInput {
			if d.room() < maxMatch+slack {
				d.grow(maxMatch + slack)
			}
			if d.room() >= maxMatch+slack {
				ended, err := d.fast()
				if err != nil {
					return false, err
				}
				if ended {
					d.endBlock()
					return true, nil
				}
				if len(d.p) >= fastInput {
					continue // out of room
				}
			}
		}
		// A length and a distance together have at most 48 bits. Where there
		// are fewer left, the zeros that stand for the missing ones are not
		// acted upon: more would be used than there are.
		enough := d.need(48)
		hold := f.hold
		e, n := look(f.lit, f.litMask, hold)
		if e&kindLiteral != 0 && n <= f.nhold {
			f.take(n)
			if d.room() == 0 {
				d.grow(1)
				if d.room() == 0 {
					return false, frame.ErrMessageTooBig
				}
			}
			d.dst[d.n] = byte(e >> 16)
			d.n++
			continue
		}
		if e&kindEnd != 0 && n <= f.nhold {
			f.take(n)
			d.endBlock()
			return true, nil
		}
		extra := uint(e>>8) & 15
		length := int(e>>16) + int(hold>>n&(1<<extra-1))
		n += extra
		e2, n2 := look(f.dist, f.distMask, hold>>n)
		extra = uint(e2>>8) & 15
		distance := int(e2>>16) + int(hold>>(n+n2)&(1<<extra-1))
		n += n2 + extra
		if e == 0 || e2 == 0 || n > f.nhold {
			if enough {
				return false, frame.ErrExtensionData
			}
			return false, nil
		}
		f.take(n)
		if err := d.match(length, distance); err != nil {
			return false, err
		}
	}
}

// look finds the entry for the bits at the low end of hold, and how many of
// them its code has.
func look(table []entry, mask, hold uint64) (e entry, n uint) {
	e = table[hold&mask]
	n = uint(e & 31)
	if e&kindTable != 0 {
		sub := uint64(1)<<(e>>8&15) - 1
		e = table[uint64(e>>16)+hold>>n&sub]
		n += uint(e & 31)
	}
	return e, n
}

// match appends length bytes from distance back, as many as the limit lets.
func (d *decoder) match(length, distance int) error {
	have := d.n - d.f.fresh
	if distance > d.f.window || distance > have+d.h.n {
		return frame.ErrExtensionData
	}
	if d.room() < length {
		d.grow(length)
	}
	k := min(length, d.room())
	end := d.n + k
	if back := distance - have; back > 0 {
		n := min(k, back)
		d.h.read(d.dst[d.n:d.n+n], back)
		d.n += n
	}
	for d.n < end {
		d.n += copy(d.dst[d.n:end], d.dst[d.n-distance:d.n])
	}
	if k < length {
		return frame.ErrMessageTooBig
	}
	return nil
}
