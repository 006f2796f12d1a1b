package deflate

import (
	"encoding/binary"

	"github.com/lariat-go/websocket/frame"
)

// fastInput is the input that one round of the fast loop may look at.
const fastInput = 16

// fast decodes while there is enough input and room for the longest match.
func (d *decoder) fast() (ended bool, err error) {
	f := d.f
	p, dst, n := d.p, d.dst, d.n
	hold, nhold := f.hold, f.nhold
	lit, litMask, dist, distMask := f.lit, f.litMask, f.dist, f.distMask
	last := n + d.room() - (maxMatch + slack)
	i, lastIn := 0, len(p)-fastInput

loop:
	for i <= lastIn && n <= last {
		// Above nhold, hold has bits of the input as well: the same that the
		// next load puts there.
		hold |= binary.LittleEndian.Uint64(p[i:]) << (nhold & 63)
		i += int((63 - nhold) >> 3)
		nhold |= 56

		// Three codes of the first level have at most 30 bits.
		e := lit[hold&litMask]
		if e&kindLiteral != 0 {
			hold >>= e & 31
			nhold -= uint(e & 31)
			dst[n] = byte(e >> 16)
			n++
			e = lit[hold&litMask]
			if e&kindLiteral != 0 {
				hold >>= e & 31
				nhold -= uint(e & 31)
				dst[n] = byte(e >> 16)
				n++
				e = lit[hold&litMask]
				if e&kindLiteral != 0 {
					hold >>= e & 31
					nhold -= uint(e & 31)
					dst[n] = byte(e >> 16)
					n++
					continue
				}
			}
		}
		if e&kindTable != 0 {
			hold >>= e & 31
			nhold -= uint(e & 31)
			e = lit[uint64(e>>16)+hold&(1<<(e>>8&15)-1)]
		}
		hold >>= e & 31
		nhold -= uint(e & 31)
		if e&kindBase == 0 {
			switch {
			case e&kindLiteral != 0:
				dst[n] = byte(e >> 16)
				n++
				continue
			case e == 0:
				err = frame.ErrExtensionData
			default:
				ended = true
			}
			break loop
		}
		extra := e >> 8 & 15
		length := int(e>>16) + int(hold&(1<<extra-1))
		hold >>= extra
		nhold -= uint(extra)

		// A distance has at most 28 bits.
		if nhold < 28 {
			hold |= binary.LittleEndian.Uint64(p[i:]) << (nhold & 63)
			i += int((63 - nhold) >> 3)
			nhold |= 56
		}
		e = dist[hold&distMask]
		if e&kindTable != 0 {
			hold >>= e & 31
			nhold -= uint(e & 31)
			e = dist[uint64(e>>16)+hold&(1<<(e>>8&15)-1)]
		}
		hold >>= e & 31
		extra = e >> 8 & 15
		distance := int(e>>16) + int(hold&(1<<extra-1))
		hold >>= extra
		nhold -= uint(e&31) + uint(extra)

		from := n - distance
		if e == 0 || distance > f.window || from < f.fresh {
			// Before dst, or nowhere.
			if e == 0 {
				err = frame.ErrExtensionData
				break
			}
			d.n = n
			if err = d.match(length, distance); err != nil {
				break
			}
			n = d.n
			continue
		}
		end := n + length
		switch {
		case distance >= 8:
			// By words, up to slack-1 bytes too far.
			for n < end {
				binary.LittleEndian.PutUint64(dst[n:], binary.LittleEndian.Uint64(dst[from:]))
				n += 8
				from += 8
			}
			n = end
		case distance == 1:
			b := dst[from]
			for j := range dst[n:end] {
				dst[n+j] = b
			}
			n = end
		default:
			for ; n < end; n++ {
				dst[n] = dst[from]
				from++
			}
		}
	}
	d.p, d.n = p[i:], n
	f.hold, f.nhold = hold&(1<<nhold-1), nhold
	return ended, err
}
