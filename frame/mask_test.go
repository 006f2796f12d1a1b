package frame_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lariat-go/websocket/frame"
)

// xorBytes is masking as RFC 6455, section 5.3, words it: octet i of the result
// is octet i of the data XOR octet i mod 4 of the key.
func xorBytes(m frame.Mask, p []byte, offset int64) {
	for i := range p {
		p[i] ^= m[(offset+int64(i))%4]
	}
}

func TestXOR(t *testing.T) {
	src := make([]byte, 600)
	rand.NewChaCha8([32]byte{1}).Read(src)
	got, want := make([]byte, len(src)), make([]byte, len(src))
	for _, m := range []frame.Mask{{0x37, 0xfa, 0x21, 0x3d}, {0, 0, 0, 0}, {0, 0, 0, 1}, {0xff, 0, 0, 0}} {
		for align := range 8 {
			for n := range 280 {
				for _, offset := range []int64{0, 1, 2, 3, 4, 1<<31 - 1, 1 << 31, 1<<32 + 2, 1<<62 + 3} {
					copy(got, src)
					copy(want, src)
					m.XOR(got[align:align+n], offset)
					xorBytes(m, want[align:align+n], offset)
					if !bytes.Equal(got, want) {
						t.Fatalf("mask %x, alignment %d, %d bytes, offset %d", m, align, n, offset)
					}
				}
			}
		}
	}
}

// A payload may be worked through in pieces of any size.
func TestXORInPieces(t *testing.T) {
	m := frame.Mask{1, 2, 3, 4}
	src := bytes.Repeat([]byte("payload data "), 20)
	whole := bytes.Clone(src)
	m.XOR(whole, 0)
	for size := 1; size <= len(src); size++ {
		p := bytes.Clone(src)
		for i := 0; i < len(p); i += size {
			m.XOR(p[i:min(i+size, len(p))], int64(i))
		}
		if !bytes.Equal(p, whole) {
			t.Fatalf("pieces of %d bytes", size)
		}
	}
}

func FuzzMask(f *testing.F) {
	for _, n := range []int{0, 1, 3, 4, 7, 8, 9, 15, 16, 31, 32, 63, 64, 65, 127, 128, 200} {
		f.Add(uint32(0x37fa213d), bytes.Repeat([]byte("Hello"), n)[:n], uint8(n), int64(n))
	}
	f.Add(uint32(0), []byte("zero key"), uint8(0), int64(1<<61))
	f.Fuzz(func(t *testing.T, key uint32, payload []byte, align uint8, offset int64) {
		m := frame.Mask{byte(key >> 24), byte(key >> 16), byte(key >> 8), byte(key)}
		offset &= 1<<62 - 1 // a place in a payload is never negative
		a := int(align % 16)
		got := append(make([]byte, a, a+len(payload)+8), payload...)
		want := bytes.Clone(got)
		m.XOR(got[a:], offset)
		xorBytes(m, want[a:], offset)
		if !bytes.Equal(got, want) {
			t.Fatalf("mask %x, alignment %d, offset %d: got %x, want %x", m, a, offset, got, want)
		}
		if rest := got[len(got):cap(got)]; !bytes.Equal(rest, make([]byte, len(rest))) {
			t.Fatalf("bytes behind the payload were changed: %x", rest)
		}
		m.XOR(got[a:], offset)
		if !bytes.Equal(got[a:], payload) {
			t.Fatal("masking twice does not give the payload back")
		}
		// As Append masks: a copy, the payload left alone.
		src := bytes.Clone(payload)
		if out := frame.Append(nil, frame.Header{Masked: true, Mask: m}, payload); !bytes.Equal(src, payload) {
			t.Fatal("Append changed the payload")
		} else if body := out[len(out)-len(payload):]; offset%4 == 0 && !bytes.Equal(body, want[a:]) {
			t.Fatalf("Append masked to %x, want %x", body, want[a:])
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{16, 125, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			m := frame.Mask{1, 2, 3, 4}
			b.SetBytes(int64(n))
			for b.Loop() {
				m.XOR(p, 0)
			}
		})
	}
}
