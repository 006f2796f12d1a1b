package websocket_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/wstest"
)

// split cuts a message into frames of n bytes.
func split(f wstest.Frame, n int) []wstest.Frame {
	var frames []wstest.Frame
	for p := f.Payload; ; p = p[n:] {
		part := wstest.Frame{Header: frame.Header{Fin: len(p) <= n, Opcode: frame.OpContinuation}, Payload: p[:min(n, len(p))]}
		if len(frames) == 0 {
			part.Opcode, part.RSV = f.Opcode, f.RSV
		}
		if frames = append(frames, part); part.Fin {
			return frames
		}
	}
}

// Messages far above the default limits, when these are lifted: 64 KiB to
// 16 MiB in one frame, in fragments from 64 B on, and in pieces of the stream.
func TestConformanceLargeMessages(t *testing.T) {
	const mib = 1 << 20
	var cases []conformanceCase
	add := func(name string, f wstest.Frame, pieces int, frames ...wstest.Frame) {
		cases = append(cases, conformanceCase{name, func(t *testing.T, p *scripter) {
			b := wire(p, frames...)
			done := async(func() error {
				for len(b) > 0 {
					n := min(pieces, len(b))
					if _, err := p.Conn().Write(b[:n]); err != nil {
						return err
					}
					b = b[n:]
				}
				return nil
			})
			expectWhole(t, p, f)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			finish(p)
		}})
	}
	sizes, finest, size := []int{64 << 10, 256 << 10, mib, 4 * mib, 16 * mib}, 64, mib
	if raceEnabled { // it slows the test down twentyfold, and sees no more in more bytes
		sizes, finest, size = sizes[:1], 1024, 128<<10
	}
	for _, n := range sizes {
		text, binary := wstest.Text(letters(n)), wstest.Binary(bytes.Repeat([]byte{0xfe, 0, 0x80}, n/3))
		add(fmt.Sprintf("text of %d KiB", n>>10), text, n+14, text)
		if n < 16*mib {
			add(fmt.Sprintf("binary of %d KiB", n>>10), binary, n+14, binary)
		}
	}
	text, binary := wstest.Text(letters(size)), wstest.Binary([]byte(letters(size)))
	for n := finest; n <= size; n *= 4 {
		add(fmt.Sprintf("text in fragments of %d", n), text, 2*mib, split(text, n)...)
		add(fmt.Sprintf("binary in fragments of %d", n), binary, 2*mib, split(binary, n)...)
	}
	for _, n := range []int{finest, 127, 1300, 65536} {
		if n < finest {
			continue
		}
		add(fmt.Sprintf("text in pieces of %d", n), text, n, text)
	}
	frames := split(text, 1000)
	var mixed []wstest.Frame // no ping here is answered: pongs are not
	for _, f := range frames {
		mixed = append(mixed, f, wstest.Pong([]byte("between")))
	}
	add("text in fragments of 1000 and pongs between, in pieces of 1300", text, 1300, mixed...)
	runCases(t, &websocket.ConnOptions{MaxMessageSize: -1, MaxFragments: -1, MaxControls: -1}, cases)
}

// A thousand messages of each size, sent without waiting for the echoes, and
// some of them in turn with them.
func TestConformanceManyMessages(t *testing.T) {
	var cases []conformanceCase
	for _, n := range []int{0, 16, 64, 256, 1024, 4096, 16384} {
		count := 1000
		if n >= 4096 || raceEnabled {
			count = 100
		}
		for _, f := range []wstest.Frame{wstest.Text(letters(n)), wstest.Binary([]byte(letters(n)))} {
			cases = append(cases, conformanceCase{fmt.Sprintf("%v of %d", f.Opcode, n), func(t *testing.T, p *scripter) {
				done := pour(p, bytes.Repeat(wire(p, f), count))
				for range count {
					p.Expect(f)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				for range 20 {
					p.SendBytes(wire(p, f))
					p.Expect(f)
				}
				finish(p)
			}})
		}
	}
	runCases(t, nil, cases)
}

// S0.20: what is written to a Writer leaves in fragments, with other messages
// not between them and the answers to pings not behind them.
func TestConformanceWriter(t *testing.T) {
	for _, s := range streamers {
		t.Run(s.name, func(t *testing.T) {
			p := s.serve(t, nil, "", "")(t)
			for _, n := range []int{0, 1, 1000, 16 << 10, 16<<10 + 1, 64 << 10, 1 << 20} {
				for _, f := range []wstest.Frame{wstest.Text(letters(n)), wstest.Binary([]byte(letters(n)))} {
					frames := append(split(f, 1300), wstest.Ping([]byte("after")))
					done := pour(p, wire(p, frames...))
					var got []byte
					count, pongs := 0, 0
					for final := false; !final || pongs == 0; {
						g := p.Receive()
						if g.Opcode == frame.OpPong {
							pongs++
							continue
						}
						want := frame.OpContinuation
						if count == 0 {
							want = f.Opcode
						}
						if g.Opcode != want || g.RSV != 0 || final {
							t.Fatalf("frame %d of a message of %d is %v", count, n, g)
						}
						got = append(got, g.Payload...)
						final = g.Fin
						count++
					}
					if err := <-done; err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got, f.Payload) || pongs != 1 {
						t.Fatalf("%d bytes and %d pongs came for %d bytes", len(got), pongs, n)
					}
					if whole := n <= 16<<10; whole != (count == 1) {
						t.Errorf("%d bytes left in %d frames", n, count)
					}
				}
			}
			finish(p)
		})
	}
}
