package websocket_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/wstest"
)

// with returns a frame with these reserved bits.
func with(rsv frame.RSV, f wstest.Frame) wstest.Frame {
	f.RSV = rsv
	return f
}

// as returns a frame with this opcode.
func as(op frame.Opcode, f wstest.Frame) wstest.Frame {
	f.Opcode = op
	return f
}

// Messages in one frame, of the sizes around those at which the header grows,
// whole and in pieces.
func TestConformanceFraming(t *testing.T) {
	var cases []conformanceCase
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536} {
		for _, f := range []wstest.Frame{wstest.Text(letters(n)), wstest.Binary(bytes.Repeat([]byte{0xfe}, n))} {
			pieces := []int{1 << 20, 997}
			if n <= 128 {
				pieces = append(pieces, 1, 2, 3)
			}
			for _, piece := range pieces {
				cases = append(cases, conformanceCase{fmt.Sprintf("%v of %d by %d", f.Opcode, n, piece), func(t *testing.T, p *scripter) {
					chop(p, piece, f)
					expectWhole(t, p, f)
					finish(p)
				}})
			}
		}
	}
	cases = append(cases, conformanceCase{"ten in one piece", func(_ *testing.T, p *scripter) {
		var frames []wstest.Frame
		for i := range 10 {
			frames = append(frames, wstest.Text(letters(100*i)))
		}
		p.SendBytes(wire(p, frames...))
		p.Expect(frames...)
		finish(p)
	}})
	runCases(t, nil, cases)
}

// F2 to F7: frames whose header is wrong by itself: reserved bits and opcodes,
// and control frames that are fragmented or too long.
func TestConformanceHeaders(t *testing.T) {
	const code = websocket.StatusProtocolError
	var cases []conformanceCase
	add := func(name string, bad ...wstest.Frame) { cases = append(cases, refused(name, code, bad...)...) }

	for bits := 1; bits < 8; bits++ {
		rsv := frame.RSV(bits) * frame.RSV3
		for _, f := range []wstest.Frame{wstest.Text("bad"), wstest.Binary([]byte("bad")), wstest.Binary(nil), wstest.Ping([]byte("bad")), wstest.Pong(nil), wstest.Close(1000, "")} {
			add(fmt.Sprintf("reserved bits %03b of %v, %d bytes", bits, f.Opcode, len(f.Payload)), with(rsv, f))
		}
		add(fmt.Sprintf("reserved bits %03b of a continuation", bits), wstest.Text("begun").NotFinal(), with(rsv, wstest.Continuation([]byte("bad"))))
	}
	for _, op := range []frame.Opcode{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		for _, payload := range []string{"", "reserved"} {
			add(fmt.Sprintf("opcode %d, %d bytes", op, len(payload)), as(op, wstest.Text(payload)))
		}
		add(fmt.Sprintf("opcode %d, not final", op), as(op, wstest.Text("")).NotFinal())
	}
	for _, f := range []wstest.Frame{wstest.Ping([]byte("half")), wstest.Pong([]byte("half")), wstest.Close(1000, "")} {
		add(fmt.Sprintf("%v in fragments", f.Opcode), f.NotFinal())
	}
	for _, n := range []int{126, 127, 1000, 65535, 65536} {
		for _, op := range []frame.Opcode{frame.OpPing, frame.OpPong, frame.OpClose} {
			add(fmt.Sprintf("%v of %d bytes", op, n), as(op, wstest.Binary(bytes.Repeat([]byte{3}, n))))
		}
	}
	runCases(t, nil, cases)
}

// F1, F6, F8 to F10: what takes bytes no honest encoder makes: the masking that
// belongs to the other role, and lengths not in their shortest form or above
// the limit. The verdict comes at the byte that shows it, although nothing
// follows.
func TestConformanceHeaderBytes(t *testing.T) {
	eachSubject(t, nil, func(t *testing.T, dial func(t *testing.T) *scripter) {
		for _, tc := range []struct {
			name string
			head []byte // as a server sends it
			code websocket.StatusCode
		}{
			{"length 0 in 16 bits", []byte{0x82, 126, 0, 0}, 1002},
			{"length 125 in 16 bits", []byte{0x82, 126, 0, 125}, 1002},
			{"length 126 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 126}, 1002},
			{"length 65535 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 1002},
			{"highest bit of the length", []byte{0x82, 127, 0x80}, 1002},
			{"all bits of the length", []byte{0x82, 127, 0xff}, 1002},
			{"ping with 16 bits of length", []byte{0x89, 126}, 1002},
			{"ping with 64 bits of length", []byte{0x89, 127}, 1002},
			{"reserved bit alone", []byte{0xa2}, 1002},
			{"reserved opcode alone", []byte{0x83}, 1002},
			{"declared 1 MiB + 1", []byte{0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1}, 1009},
			{"declared 2^32", []byte{0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0}, 1009},
			{"declared 2^63 - 1", []byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1009},
		} {
			t.Run(tc.name, func(t *testing.T) {
				p := dial(t)
				head := bytes.Clone(tc.head)
				if p.masks && len(head) > 1 {
					head[1] |= 0x80
				}
				if p.masks && tc.code == 1009 {
					head = append(head, 1, 2, 3, 4) // the header is whole
				}
				p.SendBytes(head)
				failed(p, tc.code)
			})
		}
		t.Run("masking of the other role", func(t *testing.T) {
			p := dial(t)
			if p.masks {
				p.SendBytes([]byte{0x81, 0x05})
			} else {
				p.SendBytes([]byte{0x81, 0x85})
			}
			failed(p, 1002)
		})
		t.Run("masking-key of zeros", func(t *testing.T) {
			p := dial(t)
			h := frame.Header{Fin: true, Opcode: frame.OpText, Masked: p.masks}
			p.Send(h, []byte("Hello"))
			p.Expect(wstest.Text("Hello"))
			finish(p)
		})
	})
}

// P1, P4: pings are answered with what they carried, in their order. Pongs
// nobody asked for are not.
func TestConformancePings(t *testing.T) {
	var cases []conformanceCase
	add := func(name string, run func(t *testing.T, p *scripter)) {
		cases = append(cases, conformanceCase{name, run})
	}
	for name, payload := range map[string][]byte{
		"empty":        nil,
		"text":         []byte("Hello, world!"),
		"binary":       {0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff},
		"125 bytes":    bytes.Repeat([]byte{0xfe}, 125),
		"a close code": {3, 232},
	} {
		for _, piece := range []int{1000, 1} {
			add(fmt.Sprintf("ping, %s, by %d", name, piece), func(_ *testing.T, p *scripter) {
				chop(p, piece, wstest.Ping(payload))
				p.Expect(wstest.Pong(payload))
				finish(p)
			})
		}
		add("pong, "+name, func(_ *testing.T, p *scripter) {
			p.SendBytes(wire(p, wstest.Pong(payload)))
			finish(p)
		})
		add("pong and ping, "+name, func(_ *testing.T, p *scripter) {
			p.SendBytes(wire(p, wstest.Pong(payload), wstest.Ping([]byte("asked"))))
			p.Expect(wstest.Pong([]byte("asked")))
			finish(p)
		})
	}
	var pings, pongs []wstest.Frame
	for i := range 10 {
		pings = append(pings, wstest.Ping(fmt.Appendf(nil, "ping %d", i)))
		pongs = append(pongs, wstest.Pong(pings[i].Payload))
	}
	for _, piece := range []int{1 << 20, 1, 7} {
		add(fmt.Sprintf("ten pings by %d", piece), func(_ *testing.T, p *scripter) {
			chop(p, piece, pings...)
			p.Expect(pongs...)
			finish(p)
		})
	}
	add("pings between messages", func(t *testing.T, p *scripter) {
		var all, data []wstest.Frame
		for i := range pings {
			data = append(data, wstest.Text(letters(30*i)))
			all = append(all, data[i], pings[i])
		}
		p.SendBytes(wire(p, all...))
		expectBoth(t, p, data, pongs)
		finish(p)
	})
	runCases(t, nil, cases)
}

// A1, A3, A6: messages in fragments, with control frames between them, and what
// is no message.
func TestConformanceFragments(t *testing.T) {
	ping, pong := wstest.Ping([]byte("between")), wstest.Pong([]byte("between"))
	first, middle, last := wstest.Text("frag").NotFinal(), wstest.Continuation([]byte("men")).NotFinal(), wstest.Continuation([]byte("ts"))
	opening := as(frame.OpBinary, first)
	empty := wstest.Continuation(nil)

	var cases []conformanceCase
	good := func(name string, want []wstest.Frame, frames ...wstest.Frame) {
		for _, piece := range []int{1 << 20, 1, 5} {
			cases = append(cases, conformanceCase{fmt.Sprintf("%s, by %d", name, piece), func(_ *testing.T, p *scripter) {
				chop(p, piece, frames...)
				p.Expect(want...)
				finish(p)
			}})
		}
	}
	text := func(s string) []wstest.Frame { return []wstest.Frame{wstest.Text(s)} }
	good("text in two", text("fragts"), first, last)
	good("text in three", text("fragments"), first, middle, last)
	good("binary in three", []wstest.Frame{wstest.Binary([]byte("fragments"))}, opening, middle, last)
	good("ping between", []wstest.Frame{pong, wstest.Text("fragts")}, first, ping, last)
	good("pings between all", []wstest.Frame{pong, pong, wstest.Text("fragments")}, first, ping, middle, ping, last)
	good("pong between", text("fragts"), first, pong, last)
	good("pings and pongs between", []wstest.Frame{pong, pong, wstest.Text("fragts")}, first, ping, pong, ping, last)
	good("two messages", []wstest.Frame{wstest.Text("fragts"), wstest.Text("fragts")}, first, last, first, last)
	good("all empty", text(""), wstest.Text("").NotFinal(), empty.NotFinal(), empty)
	good("first empty", text("ts"), wstest.Text("").NotFinal(), last)
	good("middle empty", text("fragts"), first, empty.NotFinal(), last)
	good("last empty", text("frag"), first, empty)
	good("only the middle", text("men"), wstest.Text("").NotFinal(), middle, empty)

	bad := func(name string, frames ...wstest.Frame) {
		cases = append(cases, refused(name, websocket.StatusProtocolError, frames...)...)
	}
	bad("continuation of nothing", last)
	bad("continuation of nothing, empty", empty)
	bad("continuation of nothing, not final", middle)
	bad("text inside a text", first, wstest.Text("new"))
	bad("binary inside a text", first, wstest.Binary([]byte("new")))
	bad("text inside a binary", opening, middle, wstest.Text("new"))
	bad("text begun inside a text", first, wstest.Text("new").NotFinal())
	bad("fragmented ping between", first, ping.NotFinal())
	bad("fragmented pong between", first, middle, pong.NotFinal())

	cases = append(cases, conformanceCase{"continuation after the message's end", func(_ *testing.T, p *scripter) {
		p.SendBytes(wire(p, first, last, last))
		p.Expect(wstest.Text("fragts"))
		failed(p, 1002)
	}}, conformanceCase{"five of one byte, pings between", func(_ *testing.T, p *scripter) {
		frames := []wstest.Frame{wstest.Text("").NotFinal()}
		var want []wstest.Frame
		for _, c := range strings.Split("bytes", "") {
			frames = append(frames, wstest.Continuation([]byte(c)).NotFinal(), ping)
			want = append(want, pong)
		}
		chop(p, 1, append(frames, empty)...)
		p.Expect(append(want, wstest.Text("bytes"))...)
		finish(p)
	}})
	runCases(t, nil, cases)
}
