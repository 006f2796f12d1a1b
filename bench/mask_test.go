//go:build linux

package main

import (
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"github.com/lariat-go/websocket/frame"
)

// BenchmarkMask compares the masking of payloads where another library's is
// public.
func BenchmarkMask(b *testing.B) {
	key := frame.Mask{0x37, 0xfa, 0x21, 0x3d}
	for _, size := range []int{16, 125, 1 << 10, 16 << 10} {
		p := make([]byte, size)
		for _, c := range []struct {
			name string
			xor  func([]byte)
		}{
			{"lariat", func(p []byte) { key.XOR(p, 0) }},
			{"gobwas", func(p []byte) { ws.Cipher(p, key, 0) }},
			{"bytewise", func(p []byte) {
				for i := range p {
					p[i] ^= key[i&3]
				}
			}},
		} {
			b.Run(fmt.Sprintf("%d/%s", size, c.name), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					c.xor(p)
				}
			})
		}
	}
}
