package deflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
)

// dynamicHead begins a dynamic block whose code length code has 4 bits for
// each of its lengths 0 to 15, in which the lengths are then written.
func dynamicHead(nlit, ndist int, lens ...int) *bitString {
	b := new(bitString).num(0, 1).num(2, 2).num(nlit-257, 5).num(ndist-1, 5).num(15, 4)
	for _, s := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		if s > 15 {
			b.num(0, 3)
		} else {
			b.num(4, 3)
		}
	}
	for _, l := range lens {
		b.code(l, 4)
	}
	return b
}

// lens returns n lengths, 0 but for those given by place.
func lens(n int, set map[int]int) []int {
	l := make([]int, n)
	for i, v := range set {
		l[i] = v
	}
	return l
}

type inflateCase struct {
	name string
	in   []byte
	want string
	err  error
}

func inflateCases(t testing.TB) []inflateCase {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	text := string(jsonText(3000, 1))
	big := string(jsonText(60_000, 2))
	long := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 40)
	bad := frame.ErrExtensionData
	// Ten times two literals of 10 bits and a length of 15 and 5 extra bits.
	wide := dynamicHead(286, 1, append(lens(286, map[int]int{'a': 1, 'b': 2, 'c': 3, 'd': 4, 'e': 5, 'f': 6, 'g': 7, 'h': 8, 'i': 9, 'j': 10, 'k': 11, 'l': 12, 'm': 13, 256: 14, 'o': 15, 284: 15}), 1)...)
	for range 10 {
		wide.code(0x3fe, 10).code(0x3fe, 10).code(0x7fff, 15).num(31, 5).code(0, 1)
	}
	one := func(lit map[int]int, dist ...int) *bitString {
		return dynamicHead(286, len(dist), append(lens(286, lit), dist...)...)
	}
	return []inflateCase{
		// RFC 7692, section 7.2.3.
		{"7.2.3.1 one fixed block", []byte(hello), "Hello", nil},
		{"7.2.3.3 no compression", []byte("\x00\x05\x00\xfa\xffHello\x00"), "Hello", nil},
		{"7.2.3.4 D6 BFINAL", []byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello", nil},
		{"7.2.3.5 two blocks", []byte("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), "Hello", nil},
		{"7.2.3.6 D1 the empty message", []byte{0}, "", nil},

		{"D1 an empty fixed block", []byte{2, 0}, "", nil},
		{"D2 no payload", nil, "", nil},
		{"D5 truncated", []byte(hello[:6]), "Hello", bad},
		{"D5 ends behind a stored block", []byte("\x00\x05\x00\xfa\xffHello"), "Hello", bad},
		{"D5 ends in a stored block", []byte("\x00\x05\x00\xfa\xffHel"), "Hel", bad},
		{"D5 ends in a length", []byte("\x00\x05\x00\xfa"), "", bad},
		{"D5 the length is not cut off", []byte(hello + "\x00\x00\xff\xff"), "Hello", bad},
		{"D5 wrong complement", []byte("\x00\x05\x00\xfa\xfeHello\x00"), "", bad},
		{"D5 reserved block type", []byte{7}, "", bad},
		{"D5 garbage", []byte("\xde\xad\xbe\xef garbage and more of it"), "", bad},
		{"D5 distance before the message", new(bitString).num(2, 3).lit("a").code(1, 7).code(1, 5).end().close(), "a", bad},
		{"D5 distance before the message, much behind it", append(new(bitString).num(2, 3).lit("a").code(1, 7).code(1, 5).p, make([]byte, 40)...), "a", bad},
		{"D5 length symbol 286", new(bitString).num(2, 3).lit("a").code(0xc6, 8).code(0, 5).end().close(), "a", bad},
		{"D5 distance symbol 30", append(new(bitString).num(2, 3).lit("a").code(1, 7).code(30, 5).end().close(), 0, 0, 0), "a", bad},
		{"D5 length symbol 286, much behind it", append(new(bitString).num(2, 3).lit("a").code(0xc6, 8).p, make([]byte, 40)...), "a", bad},
		{"D5 distance symbol 30, much behind it", append(new(bitString).num(2, 3).lit("a").code(1, 7).code(30, 5).p, make([]byte, 40)...), "a", bad},
		{"D5 ends in a distance", new(bitString).num(2, 3).lit("a").code(1, 7).code(29, 5).p, "a", bad},
		{"D6 BFINAL, no byte behind it", []byte("\xf3\x48\xcd\xc9\xc9\x07\x00"), "Hello", nil},
		{"D6 BFINAL, garbage behind it", []byte("\xf3\x48\xcd\xc9\xc9\x07\x00\xde\xad"), "Hello", bad},
		{"D6 BFINAL, then another block", []byte("\xf3\x48\xcd\xc9\xc9\x07\x00" + hello), "HelloHello", nil},
		{"D6 BFINAL in an empty stored block", append([]byte("\x00\x05\x00\xfa\xffHello"), 1), "Hello", nil},
		{"D6 BFINAL, then a distance into the block before", append([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00"), new(bitString).num(2, 3).code(1, 7).code(1, 5).end().close()...), "Hello", bad},
		{"D11 1 MiB of zeros", standard(t, make([]byte, 1<<20), 6), string(make([]byte, 1<<20)), nil},

		{"stored, fixed and dynamic", []byte("\x00\x02\x00\xfd\xffab" + string(standard(t, []byte(text), 6))), "ab" + text, nil},
		{"many blocks", standard(t, []byte(big), 6), big, nil},
		{"dynamic, then stored", standard(t, append(jsonText(40_000, 3), noise(70_000, 3)...), 6), string(jsonText(40_000, 3)) + string(noise(70_000, 3)), nil},
		{"codes only", standard(t, []byte(big), flate.HuffmanOnly), big, nil},
		{"noise", standard(t, noise(70_000, 1), 6), string(noise(70_000, 1)), nil},
		{"distances 1 to 26", standard(t, []byte("aaaaaaaaaaababababababcabcabcabcabcabc"+long), 9), "aaaaaaaaaaababababababcabcabcabcabcabc" + long, nil},

		// Codes as zlib judges them. Literals a and b, the end, lengths 3 (257).
		{"two codes", one(map[int]int{'a': 1, 256: 1}, 0).code(0, 1).code(0, 1).code(1, 1).close(), "aa", nil},
		{"one code of one bit", one(map[int]int{256: 1}, 0).code(0, 1).close(), "", nil},
		{"one code of one bit, the other used", append(one(map[int]int{256: 1}, 0).code(1, 1).close(), 0, 0), "", bad},
		{"one code of two bits", one(map[int]int{256: 2}, 0).code(0, 2).close(), "", bad},
		{"no end", one(map[int]int{'a': 1, 'b': 1}, 0).close(), "", bad},
		{"incomplete", one(map[int]int{'a': 2, 'b': 2, 256: 2}, 0).close(), "", bad},
		{"too many", one(map[int]int{'a': 1, 'b': 1, 256: 1}, 0).close(), "", bad},
		{"too many distances", one(map[int]int{'a': 1, 256: 1}, 1, 1, 1).close(), "", bad},
		{"one distance", one(map[int]int{'a': 2, 256: 2, 257: 1}, 1).code(2, 2).code(0, 1).code(0, 1).code(3, 2).close(), "aaaa", nil},
		{"one distance, the other used", append(one(map[int]int{'a': 2, 256: 2, 257: 1}, 1).code(2, 2).code(0, 1).code(1, 1).close(), 0, 0, 0, 0, 0, 0, 0), "a", bad},
		{"no distance, used", append(one(map[int]int{'a': 2, 256: 2, 257: 1}, 0).code(2, 2).code(0, 1).code(0, 1).close(), make([]byte, 20)...), "a", bad},
		{"fifteen bits", one(map[int]int{'a': 1, 'b': 2, 'c': 3, 'd': 4, 'e': 5, 'f': 6, 'g': 7, 'h': 8, 'i': 9, 'j': 10, 'k': 11, 'l': 12, 'm': 13, 'n': 14, 'o': 15, 256: 15}, 0).
			code(0x7ffe, 15).code(0x3ffe, 14).code(0x7fe, 11).code(0x3fe, 10).code(0, 1).code(0x7ffe, 15).code(0x7ffe, 15).code(0x7fff, 15).close(), "onkjaoo", nil},
		{"wide codes", wide.code(0x3ffe, 14).close(), strings.Repeat("j", 2600), nil},
		{"287 codes", append(new(bitString).num(4, 3).num(30, 5).num(0, 5).num(15, 4).p, make([]byte, 60)...), "", bad},
		{"31 distances", append(new(bitString).num(4, 3).num(0, 5).num(30, 5).num(15, 4).p, make([]byte, 60)...), "", bad},
		{"no code length codes", append(new(bitString).num(4, 3).num(0, 5).num(0, 5).num(0, 4).num(0, 12).p, make([]byte, 60)...), "", bad},
		{"incomplete code length codes", append(new(bitString).num(4, 3).num(0, 5).num(0, 5).num(0, 4).num(2, 3).num(2, 3).num(2, 3).num(0, 3).p, make([]byte, 60)...), "", bad},
		{"repeat of nothing", append(new(bitString).num(4, 3).num(0, 5).num(0, 5).num(0, 4).num(1, 3).num(0, 3).num(1, 3).num(0, 3).code(0, 1).p, make([]byte, 60)...), "", bad},
		{"repeat past the end", append(new(bitString).num(4, 3).num(0, 5).num(0, 5).num(0, 4).num(0, 3).num(1, 3).num(1, 3).num(0, 3).
			code(1, 1).num(127, 7).code(1, 1).num(127, 7).p, make([]byte, 60)...), "", bad},
		{"ends in the counts", []byte{4}, "", bad},
		{"ends in the code length codes", new(bitString).num(4, 3).num(0, 14).p, "", bad},
		{"ends in the lengths", dynamicHead(257, 1, 8, 8).p, "", bad},
	}
}

// Every case gives the same whole, cut in two at every place, and byte by byte,
// with and without a limit.
func TestInflate(t *testing.T) {
	for _, tc := range inflateCases(t) {
		t.Run(tc.name, func(t *testing.T) {
			check := func(limit int64, cuts ...int) {
				t.Helper()
				got, err := decode(agreed(t, nil), tc.in, limit, cuts...)
				if string(got) != tc.want || !errors.Is(err, tc.err) {
					t.Fatalf("limit %d, cut at %.20d: got %.80q (%d bytes), %v; want %.80q (%d bytes), %v", limit, cuts, got, len(got), err, tc.want, len(tc.want), tc.err)
				}
			}
			check(0)
			check(int64(max(len(tc.want), 1)))
			check(0, everyByte(len(tc.in))...)
			if len(tc.want) > 0 {
				check(int64(len(tc.want)), everyByte(len(tc.in))...)
			}
			if len(tc.in) < 5000 && len(tc.want) < 5000 {
				for i := range len(tc.in) + 1 {
					check(0, i)
				}
			}
		})
	}
}

// The judges of the other tests agree with the table, so that it tests them.
func TestJudge(t *testing.T) {
	for _, tc := range inflateCases(t) {
		out, _, err := judge(tc.in, nil)
		if (err == nil) != (tc.err == nil) || err == nil && string(out) != tc.want {
			t.Errorf("%s: the standard library has %.80q, %v", tc.name, out, err)
		}
	}
}

// 7.2.3.2: the second message refers to the first.
func TestInflateTakeover(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		for _, cuts := range [][]int{nil, {1}, {2}, everyByte(5)} {
			c := agreed(t, &deflate.Options{ClientContextTakeover: takeover})
			if got, err := decode(c, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), 0); string(got) != "Hello" || err != nil {
				t.Fatalf("got %q, %v", got, err)
			}
			got, err := decode(c, []byte("\xf2\x00\x11\x00\x00"), 0, cuts...)
			if takeover && (string(got) != "Hello" || err != nil) {
				t.Fatalf("got %q, %v", got, err)
			}
			// D8: without takeover there is nothing to refer to.
			if !takeover && !errors.Is(err, frame.ErrExtensionData) {
				t.Fatalf("D8: got %q, %v", got, err)
			}
		}
	}
}

// D6: after BFINAL the next message starts fresh.
func TestInflateFinalTakeover(t *testing.T) {
	for _, in := range []string{"\xf3\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\xf2\x48\xcd\xc9\xc9\x07\x80\x00"} {
		c := agreed(t, &deflate.Options{ClientContextTakeover: true})
		if got, err := decode(c, []byte(in), 0); string(got) != "Hello" || err != nil {
			if in[0] == 0xf3 {
				t.Fatalf("got %q, %v", got, err)
			}
			continue
		}
		if got, err := decode(c, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), 0); string(got) != "Hello" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	c := agreed(t, &deflate.Options{ClientContextTakeover: true})
	decode(c, []byte("\xf3\x48\xcd\xc9\xc9\x07\x00"), 0)
	if _, err := decode(c, []byte("\xf2\x00\x11\x00\x00"), 0); !errors.Is(err, frame.ErrExtensionData) {
		t.Fatalf("a distance across BFINAL: %v", err)
	}
	c = agreed(t, &deflate.Options{ClientContextTakeover: true})
	decode(c, []byte("\x00\x05\x00\xfa\xffHello\x01"), 0)
	if _, err := decode(c, []byte("\xf2\x00\x11\x00\x00"), 0); !errors.Is(err, frame.ErrExtensionData) {
		t.Fatalf("a distance across an empty BFINAL block: %v", err)
	}
}

// Distances reach back through messages, cut anyhow, as far as the window.
func TestInflateHistory(t *testing.T) {
	var coded bytes.Buffer
	w, _ := flate.NewWriter(&coded, 9)
	r := uint64(1)
	whole, parts, bytewise := agreed(t, &deflate.Options{ClientContextTakeover: true}), agreed(t, &deflate.Options{ClientContextTakeover: true}), agreed(t, &deflate.Options{ClientContextTakeover: true})
	for i := range 60 {
		r = r*6364136223846793005 + 1442695040888963407
		msg := jsonText(int(r>>33)%3000, uint64(i)%7)
		if i%10 == 9 {
			msg = append(jsonText(40_000, uint64(i)), msg...)
		}
		coded.Reset()
		w.Write(msg)
		w.Flush()
		p := coded.Bytes()[:coded.Len()-4]
		for _, got := range []struct {
			c    extension.Codec
			cuts []int
		}{{whole, nil}, {parts, []int{len(p) / 3, len(p) / 2}}, {bytewise, everyByte(len(p))}} {
			out, err := decode(got.c, p, 0, got.cuts...)
			if err != nil || !bytes.Equal(out, msg) {
				t.Fatalf("message %d in %d pieces: %v", i, len(got.cuts)+1, err)
			}
		}
	}
}

// D3, D4: at the limit it passes, one byte further it does not, and what comes
// before the limit is there.
func TestInflateLimit(t *testing.T) {
	for _, text := range [][]byte{make([]byte, 70_000), jsonText(5000, 1), noise(5000, 1), jsonText(64, 3)} {
		p := standard(t, text, 6)
		for _, cuts := range [][]int{nil, {len(p) / 3, len(p) / 2}, everyByte(len(p))} { // D4: three segments
			n := int64(len(text))
			if got, err := decode(agreed(t, nil), p, n, cuts...); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("D4 at the limit of %d: %v", n, err)
			}
			for _, limit := range []int64{n - 1, n / 2, 1} {
				got, err := decode(agreed(t, nil), p, limit, cuts...)
				if !errors.Is(err, frame.ErrMessageTooBig) || int64(len(got)) != limit || !bytes.Equal(got, text[:limit]) {
					t.Fatalf("D4 limit %d of %d: %d bytes, %v", limit, n, len(got), err)
				}
			}
		}
	}
}

// D3: a bomb costs memory and time by the limit, not by its size.
func TestInflateBomb(t *testing.T) {
	const limit = 1 << 20
	// 64 MiB in 65 KB: each MiB refers to itself only.
	bomb := bytes.Repeat(append(standard(t, make([]byte, 1<<20), 9), 0, 0, 0xff, 0xff), 64)
	for _, pieces := range []int{1, 16} {
		c := agreed(t, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m := extension.Message{First: true, Limit: limit}
		var n int
		var err error
		for i := range pieces {
			m.Final = i == pieces-1
			var out []byte
			out, err = c.Decode(nil, bomb[i*len(bomb)/pieces:(i+1)*len(bomb)/pieces], &m)
			n += len(out)
			m.First = false
			if err != nil {
				break
			}
		}
		runtime.ReadMemStats(&after)
		if !errors.Is(err, frame.ErrMessageTooBig) || n != limit || m.Size != limit {
			t.Fatalf("%d bytes, size %d, %v", n, m.Size, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 2*limit+(128<<10) {
			t.Errorf("%d pieces: allocated %d bytes for a limit of %d", pieces, got, limit)
		}
	}
}

// Memory that is there is used, and the bytes in it stay.
func TestInflateAppends(t *testing.T) {
	p := standard(t, jsonText(2000, 1), 6)
	for _, room := range []int{0, 1, 100, 1999, 2000, 2007, 2008, 2266, 4000} {
		buf := append(make([]byte, 0, 5+room), "head:"...)
		m := extension.Message{First: true, Final: true}
		got, err := agreed(t, nil).Decode(buf, p, &m)
		if err != nil || string(got) != "head:"+string(jsonText(2000, 1)) {
			t.Fatalf("room for %d: %v", room, err)
		}
		if room > 2300 && &got[0] != &buf[0] {
			t.Errorf("room for %d, but other memory was taken", room)
		}
	}
	// What stands in dst before is not text to refer to.
	m := extension.Message{First: true, Final: true}
	if _, err := agreed(t, nil).Decode([]byte("Hello"), []byte("\xf2\x00\x11\x00\x00"), &m); !errors.Is(err, frame.ErrExtensionData) {
		t.Fatalf("a distance into the caller's bytes: %v", err)
	}
}

// D10: a distance beyond the agreed window is damage, one byte nearer not.
func TestInflateWindow(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, over := range []int{0, 1} {
			if bits == 15 && over == 1 {
				continue // no code for it
			}
			window := 1 << bits
			text := noise(window+over, 1)
			b := &bitString{p: []byte{0, byte(len(text)), byte(len(text) >> 8), ^byte(len(text)), ^byte(len(text) >> 8)}}
			b.p = append(b.p, text...)
			b.n = 8 * len(b.p)
			p := bytes.Clone(b.p)
			// A length of 3 from window+over back: the distance code is
			// that of the last (or first) of its range.
			b.num(2, 3).code(1, 7)
			if over == 0 {
				b.code(2*bits-1, 5).num(1<<(bits-2)-1, bits-2)
			} else {
				b.code(2*bits, 5).num(0, bits-1)
			}
			b.end()
			whole := b.close()
			for _, cuts := range [][]int{nil, {len(p)}, everyByte(len(whole))} {
				c := agreed(t, &deflate.Options{ClientMaxWindowBits: bits}, "client_max_window_bits")
				got, err := decode(c, whole, 0, cuts...)
				if over == 0 && (err != nil || !bytes.Equal(got, append(bytes.Clone(text), text[:3]...))) {
					t.Errorf("D10 window of %d, distance of %d: %v", window, window, err)
				}
				if over == 1 && (!errors.Is(err, frame.ErrExtensionData) || len(got) != len(text)) {
					t.Errorf("D10 window of %d, distance of %d: %v", window, window+1, err)
				}
			}
		}
	}
}

// D7: after an error a connection stays failed, and the next one is not harmed.
func TestInflateAfterError(t *testing.T) {
	text := jsonText(3000, 1)
	good := standard(t, text, 6)
	for i := range 1000 {
		c := agreed(t, &deflate.Options{ClientContextTakeover: i%2 == 0})
		in, limit, want := good[:len(good)-2-i%100], int64(0), frame.ErrExtensionData
		if i%3 == 0 {
			in, limit, want = good, int64(1+i), frame.ErrMessageTooBig
		}
		for range 2 {
			if _, err := decode(c, in, limit, i%len(in)); !errors.Is(err, want) {
				t.Fatalf("D7: got %v, want %v", err, want)
			}
		}
		c.Close()
		if got, err := decode(agreed(t, nil), good, 0, len(good)/2); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("D7: the next connection has %v", err)
		}
	}
}

// D9: a message that is not coded may stand between two that are; the codec
// does not hear of it (the bit on a second fragment is the protocol's affair).
// D12: neither does it look at the text's encoding.
func TestInflateForeignText(t *testing.T) {
	c := agreed(t, nil)
	text := []byte("\xff\xfe\xfd not UTF-8")
	if got, err := decode(c, standard(t, text, 6), 0); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestInflateNoAllocs(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		c := agreed(t, &deflate.Options{ClientContextTakeover: takeover})
		p := standard(t, jsonText(1024, 1), 6)
		buf := make([]byte, 0, 2048)
		m := new(extension.Message)
		n := testing.AllocsPerRun(200, func() {
			*m = extension.Message{First: true, Final: true, Limit: 1 << 20}
			if _, err := c.Decode(buf, p, m); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 && !raceEnabled {
			t.Errorf("takeover %t: %v allocations", takeover, n)
		}
	}
}

func ExampleNew() {
	// What websocket.Dial and websocket.Accept do with the extension.
	server := deflate.New(nil)
	client := deflate.New(nil)
	offer := client.Offer()[0]
	response, s, _ := server.Accept(offer)
	c, err := client.Confirm(response)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	defer c.Close()

	text := strings.Repeat("to be or not to be, ", 50)
	m := extension.Message{Opcode: frame.OpText, First: true, Final: true}
	wire, _ := s.Encode(nil, []byte(text), &m)

	m = extension.Message{Opcode: frame.OpText, First: true, Final: true, Limit: 1 << 20}
	got, err := c.Decode(nil, wire, &m)
	fmt.Println(len(text), "bytes became fewer than 100:", len(wire) < 100)
	fmt.Println(string(got) == text, err)
	// Output:
	// 1000 bytes became fewer than 100: true
	// true <nil>
}
