//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
)

// The load generator's frames are what this library's own test would send: its
// parser reads them back.
func TestRingParses(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		ps := randomPayloads(3, size)
		r, err := newRing(opBinary, ps, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, chunk := range []int{1, 7, len(r.buf)} {
			e := &engine{spec: loadSpec{raw: true}, ring: r, checking: true, outstanding: 6}
			w := &wire{link: new(link), inflate: &inflator{}}
			for p := r.buf; len(p) > 0; p = p[min(chunk, len(p)):] {
				if err := e.parse(w, p[:min(chunk, len(p))]); err != nil {
					t.Fatalf("size %d, in pieces of %d: %v", size, chunk, err)
				}
			}
			if e.received != 6 || e.outstanding != 0 {
				t.Errorf("size %d, in pieces of %d: %d messages instead of 6", size, chunk, e.received)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	ps := randomPayloads(1, 200)
	r, err := newRing(opBinary, ps, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	good := append([]byte{finBit | opBinary, 126, 0, 200}, ps[0]...)
	for name, change := range map[string]func([]byte) []byte{
		"nothing":         func(b []byte) []byte { return b },
		"a masked echo":   func(b []byte) []byte { b[1] |= maskBit; return append(b, 0, 0, 0, 0) },
		"a changed byte":  func(b []byte) []byte { b[100]++; return b },
		"another opcode":  func(b []byte) []byte { b[0] = finBit | opText; return b },
		"a reserved bit":  func(b []byte) []byte { b[0] |= rsv1Bit; return b },
		"another length":  func(b []byte) []byte { b[3]--; return b },
		"a control frame": func(b []byte) []byte { b[0] = finBit | 9; return b },
	} {
		e := &engine{ring: r, checking: true}
		err := e.parse(&wire{link: new(link), inflate: &inflator{}}, change(bytes.Clone(good)))
		if (err != nil) != (name != "nothing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The compressed sequence may be repeated on one connection: it starts over with
// a message that refers to nothing before it.
func TestChainRepeats(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		ps, err := jsonPayloads(40, 1<<10)
		if err != nil {
			t.Fatal(err)
		}
		comp, err := compressor(takeover)
		if err != nil {
			t.Fatal(err)
		}
		var coded [][]byte
		sum := 0
		for _, p := range ps {
			c, err := comp(p)
			if err != nil {
				t.Fatal(err)
			}
			coded = append(coded, c)
			sum += len(c)
		}
		t.Logf("takeover %v: %d bytes per message of 1 KiB", takeover, sum/len(ps))
		in := &inflator{takeover: takeover}
		for round := range 3 {
			for i, c := range coded {
				p, err := in.message(c)
				if err != nil || !bytes.Equal(p, ps[i]) {
					t.Fatalf("takeover %v, round %d, message %d: %v", takeover, round, i, err)
				}
			}
		}
	}
}

func TestJSONPayloads(t *testing.T) {
	for _, size := range []int{256, 1 << 10, 16 << 10} {
		ps, err := jsonPayloads(64, size)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, p := range ps {
			if len(p) != size || !json.Valid(p) || seen[string(p)] {
				t.Fatalf("size %d: %d bytes, valid %v, seen %v", size, len(p), json.Valid(p), seen[string(p)])
			}
			seen[string(p)] = true
		}
	}
}

func TestMedian(t *testing.T) {
	if m := median([]float64{3, 1, 2}); m != 2 {
		t.Errorf("median of 3, 1, 2 is %v", m)
	}
	if m := median([]float64{4, 1, 2, 3}); m != 2.5 {
		t.Errorf("median of 4, 1, 2, 3 is %v", m)
	}
	if m := median(nil); !math.IsNaN(m) {
		t.Errorf("median of nothing is %v", m)
	}
	if s := grouped(1234567); s != "1,234,567" {
		t.Errorf("grouped: %s", s)
	}
}
