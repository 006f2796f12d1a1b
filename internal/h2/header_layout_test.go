package h2

import (
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func headerUnhex(t *testing.T, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What RFC 7541 forbids. The block is that of trailers.
func TestHeaderCompression(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		code      ErrCode
	}{
		{"nothing", "", 0},
		{"a literal", "00 01 61 01 62", 0},
		{"an index of 0 (2.3.3)", "80", ErrCodeCompression},
		{"an index beyond the table (2.3.3)", "be", ErrCodeCompression},
		{"a name's index beyond the table", "7e 01 62", ErrCodeCompression},
		{"an index of 2^35 - 1", "ff 80 ff ff ff 7f", ErrCodeCompression},
		{"an integer in six bytes (5.1)", "ff 80 80 80 80 80 00", ErrCodeCompression},
		{"an integer in five bytes", "0f 80 80 80 80 00 01 62", 0},
		{"an integer that ends early", "ff 80", ErrCodeCompression},
		{"padding of more than 7 bits (5.2)", "00 01 61 82 1f ff", ErrCodeCompression},
		{"padding of zeroes (5.2)", "00 01 61 81 00", ErrCodeCompression},
		{"EOS (5.2)", "00 01 61 84 ff ff ff ff", ErrCodeCompression},
		{"Huffman in a name", "00 81 1f 01 62", 0},
		{"a name that ends early", "00 03 61", ErrCodeCompression},
		{"no value", "00 01 61", ErrCodeCompression},
		{"a value that ends early", "00 01 61 02 62", ErrCodeCompression},
		{"only a first byte", "40", ErrCodeCompression},
		{"a string of 2^35 bytes", "00 01 61 7f 80 ff ff ff 7f", ErrCodeEnhanceYourCalm},

		{"a size update (6.3)", "20", 0},
		{"a size update to 4096", "3f e1 1f", 0},
		{"a size update to 4097", "3f e2 1f", ErrCodeCompression},
		{"a size update to 2^32 + 1", "3f e2 ff ff ff 0f", ErrCodeCompression},
		{"two size updates, then a field", "20 3f e1 1f 00 01 61 01 62", 0},
		{"two size updates, neither of 0", "3f 11 3f e1 1f 00 01 61 01 62", 0},
		{"a size update that ends early", "3f e1", ErrCodeCompression},
		{"a size update after a field (4.2)", "00 01 61 01 62 3f e1 1f", ErrCodeCompression},
		{"a size update to 0 after a field, with an empty table", "00 01 61 01 62 20", ErrCodeCompression},
		{"a size update between fields", "20 00 01 61 01 62 20 00 01 61 01 62", ErrCodeCompression},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := headerUnhex(t, c.hex)
			for _, mode := range []blockMode{modeTrailers, modeDiscard} {
				r := headerDecode(t, headerServer, mode, p)
				if c.code == 0 && (r.err != nil || r.bad != "") || c.code != 0 && (r.err == nil || r.err.Code != c.code) {
					t.Fatal(r)
				}
			}
		})
	}
}

// Size updates are in force: what they evict can't be referred to, and what is
// added after them can.
func TestHeaderSizeUpdate(t *testing.T) {
	const add, ref, smaller, none, full = "40 01 61 01 62 40 01 63 01 64", "be", "3f 03", "20", "3f e1 1f"
	for _, c := range []struct {
		name   string
		blocks []string
		ok     bool
	}{
		{"referred to", []string{add, ref + "bf"}, true},
		{"evicted by a size of 34", []string{add, smaller + "bf"}, false},
		{"not evicted by a size of 34", []string{add, smaller + ref}, true},
		{"evicted by the smaller of two", []string{add, smaller + full + "bf"}, false},
		{"not evicted by the smaller of two", []string{add, smaller + full + ref}, true},
		{"evicted by none", []string{add, none + full + ref}, false},
		{"in a block of its own", []string{add, none + full, ref}, false},
		{"added after it", []string{add, none + full + add, ref + "bf"}, true},
		{"a table of 0 keeps nothing", []string{none + add + ref}, false},
		{"and still doesn't", []string{none, add, ref}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, split := range []bool{false, true} {
				var d decoder
				d.init(RoleClient, &Config{})
				for i, b := range c.blocks {
					p := headerUnhex(t, b)
					fragments := [][]byte{p}
					for j := range p {
						if split {
							fragments = append(fragments[:j], p[j:j+1])
						}
					}
					r := headerDecodeWith(t, &d, modeTrailers, fragments...)
					if ok := r.err == nil; ok != (c.ok || i < len(c.blocks)-1) {
						t.Fatal(split, i, r)
					}
				}
			}
		})
	}
}

// The layout finds the fields that hpack does.
func TestHeaderLayout(t *testing.T) {
	p := packHeader(headerOrder(headerEdit(headerConnect, "", "cookie", "a=b", "a", "", "x-long", strings.Repeat("\xfe", 300)))...)
	l := layout{maxString: 1000}
	ends := 0
	for i := range p {
		from, done, err := l.walk(p[i : i+1])
		if err != nil || from != 0 || (done == 1) != l.atField() {
			t.Fatal(i, from, done, err)
		}
		ends += done
	}
	n := 0
	if _, err := hpack.NewDecoder(tableSize, func(hpack.HeaderField) { n++ }).Write(p); err != nil || n != ends || n != l.fields {
		t.Fatal(n, ends, l.fields, err)
	}
}
