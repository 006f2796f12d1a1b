package deflate_test

import (
	"fmt"
	"testing"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

const benchMessages = 64

func bench(b *testing.B, run func(b *testing.B, s, c extension.Codec, texts [][]byte)) {
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{128, 1 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("takeover=%t/%d", takeover, size), func(b *testing.B) {
				o := &deflate.Options{Threshold: -1, ServerContextTakeover: takeover}
				s, c := pair(b, o, o)
				texts := make([][]byte, benchMessages)
				for i := range texts {
					texts[i] = jsonText(size, uint64(i))
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				run(b, s, c, texts)
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	bench(b, func(b *testing.B, s, _ extension.Codec, texts [][]byte) {
		buf := make([]byte, 0, 32<<10)
		var m extension.Message
		i, n := 0, 0
		for b.Loop() {
			m = extension.Message{First: true, Final: true}
			p, _ := s.Encode(buf, texts[i%benchMessages], &m)
			n += len(p)
			i++
		}
		b.ReportMetric(float64(n)/float64(i), "wire-B/op")
	})
}

func BenchmarkDecode(b *testing.B) {
	bench(b, func(b *testing.B, s, c extension.Codec, texts [][]byte) {
		// Twice through the messages, so that any of them may follow the last.
		var coded [][]byte
		for _, text := range append(texts, texts...) {
			coded = append(coded, encode(b, s, text, 1))
		}
		buf := make([]byte, 0, 32<<10)
		var m extension.Message
		for _, p := range coded[:benchMessages] {
			if _, err := decode(c, p, 0); err != nil {
				b.Fatal(err)
			}
		}
		i := 0
		for b.Loop() {
			// With takeover the bytes refer to other text when they come round
			// again; the work is the same.
			m = extension.Message{First: true, Final: true, Limit: 1 << 20}
			if _, err := c.Decode(buf, coded[benchMessages+i%benchMessages], &m); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}
