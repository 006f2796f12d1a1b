package protocol_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

// BenchmarkNext takes a whole masked frame, the server's way of reading. The
// key unmasks what the last turn masked: even turns see the text, odd turns
// would not, so the frame is put back each time at the price of a copy, which
// the sub-benchmark copy shows by itself.
func BenchmarkNext(b *testing.B) {
	for _, size := range []int{16, 128, 1 << 10, 16 << 10} {
		for _, op := range []frame.Opcode{frame.OpText, frame.OpBinary} {
			h := frame.Header{Fin: true, Opcode: op, Masked: true, Mask: frame.Mask{1, 2, 3, 4}}
			whole := frame.Append(nil, h, bytes.Repeat([]byte("a"), size))
			buf := make([]byte, len(whole))
			b.Run(fmt.Sprintf("%v-%d", op, size), func(b *testing.B) {
				r := protocol.NewReceiver(protocol.RoleServer, nil)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					copy(buf, whole)
					if _, _, ok, err := r.Next(buf); !ok || err != nil {
						b.Fatal(ok, err)
					}
				}
			})
			b.Run(fmt.Sprintf("copy-%d", size), func(b *testing.B) {
				for b.Loop() {
					copy(buf, whole)
				}
			})
		}
	}
}

// BenchmarkNextCut takes a frame in pieces of 4 KiB.
func BenchmarkNextCut(b *testing.B) {
	h := frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Mask: frame.Mask{}}
	whole := frame.Append(nil, h, bytes.Repeat([]byte("h\u00e4"), 64<<10/3))
	r := protocol.NewReceiver(protocol.RoleServer, nil)
	b.SetBytes(int64(len(whole)))
	b.ReportAllocs()
	for b.Loop() {
		for p := whole; len(p) > 0; {
			n, _, ok, err := r.Next(p[:min(len(p), 4096)])
			if !ok || err != nil {
				b.Fatal(ok, err)
			}
			p = p[n:]
		}
	}
}

// BenchmarkAppendMessage writes a whole frame from either side.
func BenchmarkAppendMessage(b *testing.B) {
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		for _, size := range []int{16, 128, 1 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("%v-%d", role, size), func(b *testing.B) {
				s := protocol.NewSender(role, nil)
				p := bytes.Repeat([]byte("a"), size)
				var dst []byte
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					var err error
					if dst, err = s.AppendMessage(dst[:0], frame.OpText, p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
