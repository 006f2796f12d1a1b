package deflate_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// texts are messages of all kinds and sizes.
func texts() [][]byte {
	return [][]byte{
		{},
		[]byte("a"), []byte("Hello"), []byte("Hello Hello"), jsonText(100, 1), jsonText(1000, 2), jsonText(1000, 3),
		jsonText(9000, 4), noise(1000, 1), noise(70_000, 2), jsonText(300, 5), bytes.Repeat([]byte("ab"), 3000),
		make([]byte, 259), make([]byte, 260), make([]byte, 261), make([]byte, 70_000), jsonText(30_000, 6), noise(200, 3), jsonText(1000, 7),
		slices.Concat(noise(40_000, 4), noise(1000, 4)), []byte("żółć 漢字 🙂"), noise(5, 5),
	}
}

// skewed returns a block of noise, in which the search for matches gives up,
// and one of letters as frequent as Fibonacci's numbers: their best code is
// deeper than 15 bits.
func skewed(seed uint64) []byte {
	p := noise(16<<10, seed)
	a, b := 1, 2 // the end of the block is the other 1
	for s := range 18 {
		p = append(p, bytes.Repeat([]byte{byte(s)}, a)...)
		a, b = b, a+b
	}
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(p)-(16<<10), func(i, j int) {
		i, j = i+(16<<10), j+(16<<10)
		p[i], p[j] = p[j], p[i]
	})
	return p
}

// Blocks that are full at any place, codes that must be made shallower, and
// matches that are just longer than the longest.
func TestBlockLimits(t *testing.T) {
	s, c := pair(t, &deflate.Options{Threshold: -1, ServerMaxWindowBits: 8}, nil)
	for i := range 16 {
		for _, text := range [][]byte{append(noise(i, 1), jsonText(100_000, uint64(i))...), skewed(uint64(i)), make([]byte, 250+i)} {
			coded := encode(t, s, text, 1)
			if got, err := decode(c, coded, 0); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("text %d: %v", i, err)
			}
			if got, _, err := judge(coded, nil); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("text %d: the standard library: %v", i, err)
			}
		}
	}
}

// Every window, takeover and level: the messages come back, three readers
// agree on them, and no distance leaves the window.
func TestRoundTrip(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{false, true} {
			for _, level := range []int{1, 1 + bits%8} {
				t.Run(fmt.Sprintf("window %d takeover %t level %d", bits, takeover, level), func(t *testing.T) {
					o := &deflate.Options{
						Threshold: -1, Level: level, ServerMaxWindowBits: bits, ClientMaxWindowBits: bits,
						ServerContextTakeover: takeover, ClientContextTakeover: takeover,
					}
					s, c := pair(t, o, o)
					var dict, dictBack []byte
					for i, text := range texts() {
						pieces := 1 + i%3
						coded := encode(t, s, text, pieces)
						got, err := decode(c, coded, int64(len(text)), len(coded)/2)
						if err != nil || !bytes.Equal(got, text) {
							t.Fatalf("message %d: %v", i, err)
						}
						if len(coded) > len(text)+len(text)>>10+10*pieces {
							t.Errorf("message %d of %d bytes became %d", i, len(text), len(coded))
						}
						want, next, err := judge(coded, dict)
						if err != nil || !bytes.Equal(want, text) {
							t.Fatalf("message %d: the standard library: %v", i, err)
						}
						if len(text) <= 10_000 {
							w, err := walk(coded, dict)
							if err != nil || !bytes.Equal(w.out, text) {
								t.Fatalf("message %d: the walker: %v", i, err)
							}
							if w.farthest > 1<<bits {
								t.Fatalf("message %d: a distance of %d in a window of %d", i, w.farthest, 1<<bits)
							}
						}
						back := encode(t, c, text, pieces)
						got, err = decode(s, back, 0)
						if err != nil || !bytes.Equal(got, text) {
							t.Fatalf("message %d back: %v", i, err)
						}
						_, nextBack, err := judge(back, dictBack)
						if err != nil {
							t.Fatalf("message %d back: the standard library: %v", i, err)
						}
						if takeover {
							dict, dictBack = next[max(len(next)-1<<15, 0):], nextBack[max(len(nextBack)-1<<15, 0):]
						}
					}
				})
			}
		}
	}
}

// All three types of block are used, each where it is smallest.
func TestBlockTypes(t *testing.T) {
	s, _ := pair(t, &deflate.Options{Threshold: -1}, nil)
	for i, text := range [][]byte{noise(500, 1), []byte("Hello Hello Hello"), jsonText(1000, 1)} {
		w, err := walk(encode(t, s, text, 1), nil)
		want := [3]int{1, 0, 0} // the end of the message
		want[i]++
		if err != nil || w.blocks != want {
			t.Errorf("%.20q: blocks %v, %v; want %v", text, w.blocks, err, want)
		}
	}
}

// D1 and RFC 7692, section 7.2.3.6: the empty message is one byte.
func TestEncodeEmpty(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		s, _ := pair(t, &deflate.Options{Threshold: -1, ServerContextTakeover: takeover}, &deflate.Options{ServerContextTakeover: true})
		if got := encode(t, s, nil, 1); !bytes.Equal(got, []byte{0}) {
			t.Errorf("D1: takeover %t: got %x", takeover, got)
		}
	}
}

// Each piece of a fragmented message can be read as soon as it is there, and
// the four bytes are left off only at the end (RFC 7692, section 7.2.1).
func TestEncodeFragments(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		o := &deflate.Options{ServerContextTakeover: takeover}
		s, c := pair(t, o, o)
		for range 3 {
			m, r := extension.Message{First: true}, extension.Message{First: true}
			for i, piece := range []string{"one, ", "", "one, one, two, ", "and the end"} {
				m.First, m.Final = i == 0, i == 3
				r.First, r.Final = m.First, m.Final
				p, err := s.Encode(nil, []byte(piece), &m)
				if err != nil || !m.Coded {
					t.Fatalf("%v, coded %t", err, m.Coded)
				}
				if tail := bytes.HasSuffix(p, []byte("\x00\x00\xff\xff")); tail == m.Final {
					t.Errorf("piece %d ends in %x", i, p)
				}
				got, err := c.Decode(nil, p, &r)
				if err != nil || string(got) != piece {
					t.Fatalf("piece %d: got %q, %v", i, got, err)
				}
			}
		}
	}
}

// Rest forgets what was sent; the peer need not know.
func TestRest(t *testing.T) {
	o := &deflate.Options{ServerContextTakeover: true, Threshold: -1}
	s, c := pair(t, o, o)
	s.(extension.Rester).Rest() // nothing is kept yet
	text := bytes.Repeat([]byte("what was said before "), 20)
	var sizes [3]int
	for i := range sizes {
		if i == 2 {
			s.(extension.Rester).Rest()
		}
		p := encode(t, s, text, 1)
		got, err := c.Decode(nil, p, &extension.Message{First: true, Final: true})
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("message %d: %q, %v", i, got, err)
		}
		sizes[i] = len(p)
	}
	if sizes[1] >= sizes[0] || sizes[2] != sizes[0] {
		t.Errorf("messages of %d bytes, want the second shorter and the third like the first", sizes)
	}
}

func TestThreshold(t *testing.T) {
	for _, tc := range []struct {
		threshold, size int
		final, skip     bool
		want            bool
	}{
		{0, 511, true, false, false},
		{0, 512, true, false, true},
		{0, 0, true, false, false},
		{0, 10, false, false, true}, // of a fragmented message the size is not known
		{100, 99, true, false, false},
		{100, 100, true, false, true},
		{-1, 0, true, false, true},
		{-1, 1000, true, true, false},  // D14: sent as it is
		{-1, 1000, false, true, false}, // D14
	} {
		s, _ := pair(t, &deflate.Options{Threshold: tc.threshold, ServerContextTakeover: true}, &deflate.Options{ServerContextTakeover: true})
		text := bytes.Repeat([]byte("x"), tc.size)
		m := extension.Message{First: true, Final: tc.final, Skip: tc.skip}
		got, err := s.Encode([]byte("head:"), text, &m)
		if err != nil || m.Coded != tc.want || !bytes.HasPrefix(got, []byte("head:")) {
			t.Fatalf("%+v: coded %t, %v", tc, m.Coded, err)
		}
		if !tc.want && !bytes.Equal(got[5:], text) {
			t.Errorf("%+v: changed", tc)
		}
		// What is decided at the first piece holds.
		m.First, m.Final = false, true
		if _, err = s.Encode(nil, nil, &m); err != nil || m.Coded != tc.want {
			t.Errorf("%+v: coded %t at the second piece, %v", tc, m.Coded, err)
		}
	}
}

// A message that is sent as it is does not become part of the context, at
// either end.
func TestSkipKeepsContext(t *testing.T) {
	o := &deflate.Options{ServerContextTakeover: true}
	s, c := pair(t, o, o)
	secret := noise(600, 9)
	for _, skip := range []bool{false, true, false} {
		m := extension.Message{First: true, Final: true, Skip: skip}
		p, err := s.Encode(nil, secret, &m)
		if err != nil || m.Coded == skip {
			t.Fatal(err)
		}
		if skip {
			continue
		}
		if got, err := decode(c, p, 0); err != nil || !bytes.Equal(got, secret) {
			t.Fatal(err)
		}
	}
}

// Takeover pays, and a larger window or level does not make it worse.
func TestSizes(t *testing.T) {
	size := func(o deflate.Options) (n int) {
		s, _ := pair(t, &o, &deflate.Options{ServerContextTakeover: true})
		for i := range 20 {
			n += len(encode(t, s, jsonText(1024, uint64(i)), 1))
		}
		return n
	}
	plain := size(deflate.Options{})
	if got := size(deflate.Options{ServerContextTakeover: true}); got > plain*7/10 {
		t.Errorf("%d bytes with takeover, %d without", got, plain)
	}
	if got := size(deflate.Options{Level: 9}); got > plain {
		t.Errorf("%d bytes at level 9, %d at level 1", got, plain)
	}
	if got := size(deflate.Options{ServerMaxWindowBits: 8}); got < plain || got > 20*1024 {
		t.Errorf("%d bytes with the smallest window, %d with the largest", got, plain)
	}
	if plain > 20*1024/2 {
		t.Errorf("%d bytes for 20 KiB", plain)
	}
}

// The same messages give the same bytes on every connection, whatever went
// through the pools before.
func TestEncodeSame(t *testing.T) {
	for _, o := range []*deflate.Options{{}, {ServerContextTakeover: true}, {Level: 5}, {Level: 5, ServerContextTakeover: true}} {
		var want []byte
		for i := range 4 {
			s, _ := pair(t, o, &deflate.Options{ServerContextTakeover: true})
			var got []byte
			for j := range 5 {
				got = append(got, encode(t, s, jsonText(5000, uint64(j)), 1+j%2)...)
			}
			if i > 0 && !bytes.Equal(got, want) {
				t.Errorf("%+v: connection %d: %d bytes, first %d", o, i, len(got), len(want))
			}
			want = got
			encode(t, s, jsonText(20_000, uint64(i)), 1)
			s.Close()
		}
	}
}

// The text is neither changed nor kept.
func TestEncodeKeepsNothing(t *testing.T) {
	o := &deflate.Options{ServerContextTakeover: true}
	s, c := pair(t, o, o)
	text := jsonText(2000, 1)
	for range 3 {
		p := bytes.Clone(text)
		coded := encode(t, s, p, 2)
		if !bytes.Equal(p, text) {
			t.Fatal("the text was changed")
		}
		clear(p)
		if got, err := decode(c, coded, 0); err != nil || !bytes.Equal(got, text) {
			t.Fatal(err)
		}
		clear(coded)
	}
}

// Between messages a connection holds at most 64 KiB with takeover both ways,
// and nothing without; before the first message nothing either.
func TestMemory(t *testing.T) {
	const n = 50
	heap := func() int64 {
		// More than once, since a pool keeps its values over one collection.
		runtime.GC()
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	text := jsonText(70_000, 1)
	coded := standard(t, text, 6)
	for _, tc := range []struct {
		takeover, used bool
		most           int64
	}{{false, true, 256}, {true, false, 256}, {true, true, 49_152 + 256}} {
		e := deflate.New(&deflate.Options{ServerContextTakeover: tc.takeover, ClientContextTakeover: tc.takeover})
		codecs := make([]extension.Codec, n)
		before := heap()
		for i := range codecs {
			_, codecs[i], _ = e.Accept(offer())
			if tc.used {
				encode(t, codecs[i], text, 2)
				if _, err := decode(codecs[i], coded, 0, 7); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := (heap() - before) / n
		t.Logf("takeover %t, used %t: %d bytes per connection", tc.takeover, tc.used, got)
		if got > tc.most && !raceEnabled {
			t.Errorf("takeover %t, used %t: %d bytes per connection, want %d at most", tc.takeover, tc.used, got, tc.most)
		}
		for _, c := range codecs {
			c.Close()
		}
	}
}

// Close gives everything back, in the middle of messages too.
func TestClose(t *testing.T) {
	before := bufpool.Outstanding()
	for _, takeover := range []bool{false, true} {
		o := &deflate.Options{ServerContextTakeover: takeover, ClientContextTakeover: takeover}
		_, c, _ := deflate.New(o).Accept(offer())
		m := extension.Message{First: true}
		if _, err := c.Encode(nil, jsonText(1000, 1), &m); err != nil {
			t.Fatal(err)
		}
		m = extension.Message{First: true}
		if _, err := c.Decode(nil, standard(t, jsonText(1000, 1), 6), &m); err != nil {
			t.Fatal(err)
		}
		if takeover && bufpool.Outstanding() == before {
			t.Error("nothing is borrowed in the middle of a message")
		}
		c.Close()
	}
	if got := bufpool.Outstanding(); got != before {
		t.Errorf("%d slices are still lent", got-before)
	}
}

func TestEncodeNoAllocs(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		s, _ := pair(t, &deflate.Options{ServerContextTakeover: takeover}, &deflate.Options{ServerContextTakeover: true})
		text := jsonText(1024, 1)
		buf := make([]byte, 0, 2048)
		m := new(extension.Message)
		n := testing.AllocsPerRun(200, func() {
			*m = extension.Message{First: true, Final: true}
			if _, err := s.Encode(buf, text, m); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 && !raceEnabled {
			t.Errorf("takeover %t: %v allocations", takeover, n)
		}
	}
}

// Encode and Decode of one codec may run side by side, and so may codecs.
func TestSideBySide(t *testing.T) {
	o := &deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true}
	done := make(chan error)
	for range 4 {
		s, c := pair(t, o, o)
		talk := func(from, to extension.Codec) {
			for i := range 50 {
				text := jsonText(1000, uint64(i))
				m := extension.Message{First: true, Final: true}
				p, err := from.Encode(nil, text, &m)
				if err == nil {
					var got []byte
					if got, err = decode(to, p, 0); err == nil && !bytes.Equal(got, text) {
						err = fmt.Errorf("message %d came back otherwise", i)
					}
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}
		go talk(s, c)
		go talk(c, s)
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
