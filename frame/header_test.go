package frame_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/frame"
)

// headerCase is one block of testdata/headers.txt.
type headerCase struct {
	name, want, body string
	bytes            []byte
}

func headerCases(tb testing.TB) []headerCase {
	tb.Helper()
	f, err := os.Open("testdata/headers.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var cases []headerCase
	for in := bufio.NewScanner(f); in.Scan(); {
		field, text, _ := strings.Cut(in.Text(), " ")
		text = strings.TrimSpace(text)
		switch field {
		case "", "#":
		case "name":
			cases = append(cases, headerCase{name: text})
		case "bytes":
			cases[len(cases)-1].bytes = parseHex(tb, text)
		case "want":
			cases[len(cases)-1].want = text
		case "body":
			cases[len(cases)-1].body = text
		default:
			tb.Fatalf("headers.txt: unknown field %q", field)
		}
	}
	if len(cases) == 0 {
		tb.Fatal("headers.txt: no cases")
	}
	return cases
}

// parseHex reads "81 05 2a*256".
func parseHex(tb testing.TB, text string) []byte {
	tb.Helper()
	var p []byte
	for _, f := range strings.Fields(text) {
		digits, times, many := strings.Cut(f, "*")
		b, err := hex.DecodeString(digits)
		n := 1
		if many && err == nil {
			n, err = strconv.Atoi(times)
		}
		if err != nil {
			tb.Fatalf("%q: %v", f, err)
		}
		p = append(p, bytes.Repeat(b, n)...)
	}
	return p
}

// describe writes a header as the table does.
func describe(h frame.Header, n int) string {
	var b strings.Builder
	if h.Fin {
		b.WriteString("fin ")
	}
	if h.RSV != 0 {
		b.WriteString("rsv=")
		for i, bit := range []frame.RSV{frame.RSV1, frame.RSV2, frame.RSV3} {
			if h.RSV&bit != 0 {
				fmt.Fprint(&b, i+1)
			}
		}
		b.WriteByte(' ')
	}
	fmt.Fprint(&b, h.Opcode, " ")
	if h.Masked {
		fmt.Fprintf(&b, "mask=%x ", h.Mask[:])
	}
	fmt.Fprintf(&b, "length=%d n=%d", h.Length, n)
	return b.String()
}

func violationNamed(tb testing.TB, name string) frame.Violation {
	tb.Helper()
	v, ok := map[string]frame.Violation{
		"ErrLengthNotMinimal": frame.ErrLengthNotMinimal,
		"ErrLengthOverflow":   frame.ErrLengthOverflow,
	}[name]
	if !ok {
		tb.Fatalf("headers.txt: no error %q here", name)
	}
	return v
}

func TestParseHeader(t *testing.T) {
	for _, c := range headerCases(t) {
		t.Run(c.name, func(t *testing.T) {
			if want, isError := strings.CutPrefix(c.want, "error "); isError {
				var name string
				var at int
				if _, err := fmt.Sscanf(want, "%s at %d", &name, &at); err != nil {
					t.Fatal(err)
				}
				testRefused(t, c.bytes, violationNamed(t, name), at)
			} else {
				testParsed(t, c)
			}
		})
	}
}

// testRefused wants v as soon as at bytes are there, and nothing before.
func testRefused(t *testing.T, p []byte, v frame.Violation, at int) {
	t.Helper()
	for i := range len(p) + 1 {
		h, n, err := frame.ParseHeader(p[:i:i])
		if h != (frame.Header{}) || n != 0 {
			t.Fatalf("%d bytes: header %+v, n %d", i, h, n)
		}
		if i < at && err != nil || i >= at && !errors.Is(err, v) {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
}

func testParsed(t *testing.T, c headerCase) {
	t.Helper()
	h, n, err := frame.ParseHeader(c.bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(h, n); got != c.want {
		t.Fatalf("got  %s\nwant %s", got, c.want)
	}
	// F13, F14: every shorter part needs more bytes; every longer one gives
	// the same answer.
	for i := range min(len(c.bytes), 20) + 1 {
		h2, n2, err := frame.ParseHeader(c.bytes[:i:i])
		if err != nil {
			t.Fatalf("%d bytes: %v", i, err)
		}
		if i < n && (n2 != 0 || h2 != (frame.Header{})) || i >= n && (n2 != n || h2 != h) {
			t.Fatalf("%d bytes: %+v, n %d", i, h2, n2)
		}
	}
	if out := frame.AppendHeader([]byte("before"), h); string(out) != "before"+string(c.bytes[:n]) {
		t.Errorf("AppendHeader: % x", out)
	}
	payload := slices.Clone(c.bytes[n:])
	if int64(len(payload)) != h.Length {
		return // the case is a header alone
	}
	if h.Masked {
		h.Mask.XOR(payload, 0)
	}
	if c.body != "" && string(payload) != c.body {
		t.Errorf("payload %q, want %q", payload, c.body)
	}
	h.Length = -1 // Append sets it
	if out := frame.Append([]byte("before"), h, payload); string(out) != "before"+string(c.bytes) {
		t.Errorf("Append: % x", out[:min(len(out), 40)])
	}
}

func TestAppendHeaderIgnoresWhatHasNoPlace(t *testing.T) {
	got := frame.AppendHeader(nil, frame.Header{RSV: 0xFF, Opcode: 0xFF, Mask: frame.Mask{1, 2, 3, 4}, Length: -5})
	if want := []byte{0x7F, 0x00}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestOpcode(t *testing.T) {
	names := map[frame.Opcode]string{
		frame.OpContinuation: "continuation", frame.OpText: "text", frame.OpBinary: "binary",
		frame.OpClose: "close", frame.OpPing: "ping", frame.OpPong: "pong",
		0x3: "opcode 0x3", 0x7: "opcode 0x7", 0xB: "opcode 0xb", 0xF: "opcode 0xf",
	}
	for o, want := range names {
		if got := o.String(); got != want {
			t.Errorf("%d is called %q, want %q", uint8(o), got, want)
		}
	}
	for o := frame.Opcode(0); o < 20; o++ {
		known := o <= 2 || o >= 8 && o <= 10
		if o.IsReserved() == known {
			t.Errorf("IsReserved of %v: %v", o, !known)
		}
		if o < 16 && o.IsControl() != (o >= 8) {
			t.Errorf("IsControl of %v: %v", o, o < 8)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	p := []byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		h, _, _ := frame.ParseHeader(p)
		buf = frame.AppendHeader(buf[:0], h)
		buf = frame.Append(buf[:0], h, p)
		buf, _ = frame.AppendClose(buf[:0], frame.StatusGoingAway, "bye")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFrameHeader(f *testing.F) {
	for _, c := range headerCases(f) {
		f.Add(c.bytes[:min(len(c.bytes), 20)])
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		h, n, err := frame.ParseHeader(p)
		// Never looks at more than 14 bytes: the rest makes no difference.
		if short := p[:min(len(p), frame.MaxHeaderSize)]; len(short) < len(p) {
			h2, n2, err2 := frame.ParseHeader(short)
			if h2 != h || n2 != n || err2 != err {
				t.Fatalf("%x: %+v %d %v, and %+v %d %v of 14 bytes", p, h, n, err, h2, n2, err2)
			}
		}
		switch {
		case err != nil:
			if n != 0 || h != (frame.Header{}) {
				t.Fatalf("%x: %+v %d beside %v", p, h, n, err)
			}
			// More bytes do not make it good.
			if _, _, again := frame.ParseHeader(append(slices.Clone(p), 0, 0, 0, 0)); again != err {
				t.Fatalf("%x: %v, then %v", p, err, again)
			}
			return
		case n == 0:
			if len(p) >= frame.MaxHeaderSize {
				t.Fatalf("%x: wants more than %d bytes", p, frame.MaxHeaderSize)
			}
			return
		}
		if h.Length < 0 || n > len(p) {
			t.Fatalf("%x: %+v, n %d", p, h, n)
		}
		// The encoding of what was read is what was read, and the shortest.
		out := frame.AppendHeader(nil, h)
		if !bytes.Equal(out, p[:n]) {
			t.Fatalf("%x was read, %x written", p[:n], out)
		}
		for i := range n {
			if _, m, err := frame.ParseHeader(p[:i]); m != 0 || err != nil {
				t.Fatalf("%x: n %d, %v of the first %d bytes", p, m, err, i)
			}
		}
	})
}

func BenchmarkParseHeader(b *testing.B) {
	for _, c := range []struct {
		name string
		p    []byte
	}{
		{"short", []byte{0x82, 0x85, 1, 2, 3, 4}},
		{"16-bit", []byte{0x82, 0xfe, 1, 0, 1, 2, 3, 4}},
		{"64-bit", []byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, n, _ := frame.ParseHeader(c.p); n == 0 {
					b.Fatal("not a header")
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	payload := make([]byte, 125)
	buf := make([]byte, 0, 256)
	h := frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true, Mask: frame.Mask{1, 2, 3, 4}}
	b.ReportAllocs()
	for b.Loop() {
		buf = frame.Append(buf[:0], h, payload)
	}
}
