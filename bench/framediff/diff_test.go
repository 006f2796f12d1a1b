package framediff

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/frame"
)

// peer is another library's reader.
type peer struct {
	name     string
	read     func([]byte) (transcript, error)
	skipUTF8 bool // the library leaves checking text to the application
	// deviations are what the library does otherwise. After one of them only
	// the events before it are compared.
	deviations []deviation
}

// deviation is a difference that is known and meant, or known and not ours.
type deviation struct {
	violation frame.Violation  // this library refuses, the other does not or later
	code      frame.StatusCode // or: this library accepts the close frame's code
	panics    bool             // or: this library refuses, the other panics
	late      bool             // the other refuses as well, but may deliver control frames before
	reason    string
}

func peers() []peer {
	notMinimal := deviation{
		violation: frame.ErrLengthNotMinimal,
		reason:    "RFC 6455, section 5.2: the minimal number of bytes MUST be used; the other takes any form",
	}
	longControl := deviation{
		violation: frame.ErrControlTooLong,
		reason:    "section 5.5: lengths of control frames have seven bits; the other takes the long form of a small number",
	}
	badGateway := deviation{
		code:   frame.StatusBadGateway,
		reason: "1014 is registered with IANA since 2016; the other refuses it",
	}
	lateUTF8 := deviation{
		violation: frame.ErrInvalidUTF8, late: true,
		reason: "section 8.1: this library fails at the first impossible byte; the other at the end of the message",
	}
	return []peer{
		{"gorilla", readGorilla, true, []deviation{
			notMinimal, badGateway,
			{violation: frame.ErrCloseTooShort, reason: "section 5.5.1: a body starts with a status code of two bytes; gorilla takes one byte for an empty body"},
		}},
		{"coder", readCoder, true, []deviation{
			notMinimal,
			longControl,
			{violation: frame.ErrInvalidUTF8, reason: "section 5.5.1: a reason is UTF-8; coder does not look"},
		}},
		{"gobwas", readGobwas, false, []deviation{
			notMinimal, longControl, badGateway,
			{code: frame.StatusServiceRestart, reason: "1012 is registered with IANA; gobwas refuses it"},
			{code: frame.StatusTryAgainLater, reason: "1013 is registered with IANA; gobwas refuses it"},
			{violation: frame.ErrCloseStatus, reason: "section 7.4.2 ends at 4999; gobwas takes codes from 5000 on"},
		}},
		{"gws", readGWS, false, []deviation{
			notMinimal, badGateway, lateUTF8,
			{panics: true, reason: "section 5.2: the most significant bit of a length MUST be 0; gws takes the length for a negative number and panics"},
		}},
	}
}

// deviation returns the peer's deviation that the reference, or the other
// library's panic, is one of.
func (p peer) deviation(ref reading, panicked bool) (deviation, bool) {
	i := slices.IndexFunc(p.deviations, func(d deviation) bool {
		if panicked {
			return d.panics && ref.err != nil
		}
		return d.violation != 0 && errors.Is(ref.err, d.violation) || d.code != 0 && ref.code == d.code
	})
	if i < 0 {
		return deviation{}, false
	}
	return p.deviations[i], true
}

// compare returns what a peer made otherwise of a stream, or "".
func (p peer) compare(stream []byte) string {
	ref := readOurs(stream, p.skipUTF8)
	got, err := p.safeRead(stream)
	d, deviates := p.deviation(ref, err != nil)
	if err != nil {
		if deviates {
			return ""
		}
		return fmt.Sprintf("%s: %v\nstream  %s", p.name, err, abbreviated(hex.EncodeToString(stream)))
	}
	want := ref.events
	if ref.code != 0 && deviates {
		want = want[:len(want)-1] // the close frame is the event that deviates
	}
	if same(got.events, want, d, deviates) {
		return ""
	}
	return fmt.Sprintf("%s and this library differ\nstream  %s\n%s %s\nours %s\nour error %v",
		p.name, abbreviated(hex.EncodeToString(stream)), p.name, list(got.events), list(want), ref.err)
}

// same compares events, or with a deviation the events before it.
func same(got, want []string, d deviation, deviates bool) bool {
	if !deviates || len(got) < len(want) {
		return slices.Equal(got, want)
	}
	if d.late && slices.ContainsFunc(got[len(want):], func(e string) bool {
		return strings.HasPrefix(e, "text") || strings.HasPrefix(e, "binary")
	}) {
		return false
	}
	return slices.Equal(got[:len(want)], want)
}

// safeRead turns a panic of the other library into an error. What was read
// before it is lost.
func (p peer) safeRead(stream []byte) (t transcript, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v", x)
		}
	}()
	return p.read(slices.Clone(stream))
}

func list(events []string) string {
	for i := range events {
		events[i] = abbreviated(events[i])
	}
	return fmt.Sprintf("%q", events)
}

func abbreviated(s string) string {
	if len(s) > 200 {
		return s[:200] + fmt.Sprintf("… (%d)", len(s))
	}
	return s
}

// FuzzFrameDiff: this library's receiver, as a server, against four others.
func FuzzFrameDiff(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s.stream)
	}
	all := peers()
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > 16<<10 {
			return
		}
		stream := completed(p)
		for _, peer := range all {
			if diff := peer.compare(stream); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// seed is a stream to begin with.
type seed struct {
	name   string
	stream []byte
}

// seeds are the rules of RFC 6455, sections 5 to 7, each kept and broken.
func seeds() []seed {
	mask := frame.Mask{0x37, 0xfa, 0x21, 0x3d}
	fr := func(op frame.Opcode, fin bool, payload string) []byte {
		h := frame.Header{Fin: fin, Opcode: op, Masked: true, Mask: mask, Length: int64(len(payload))}
		return frame.Append(nil, h, []byte(payload))
	}
	with := func(b []byte, change func([]byte)) []byte {
		b = slices.Clone(b)
		change(b)
		return b
	}
	unmasked := func(op frame.Opcode, payload string) []byte {
		return frame.Append(nil, frame.Header{Fin: true, Opcode: op, Length: int64(len(payload))}, []byte(payload))
	}
	closing := func(code frame.StatusCode, reason string) []byte {
		return fr(frame.OpClose, true, string([]byte{byte(code >> 8), byte(code)})+reason)
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	raw := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			panic(err) // a typing error in this table
		}
		return b
	}
	text, binary, cont := frame.OpText, frame.OpBinary, frame.OpContinuation
	ss := []seed{
		{"nothing", nil},
		{"text", fr(text, true, "Hello")},
		{"empty text", fr(text, true, "")},
		{"binary of 125, 126, 127", slices.Concat(fr(binary, true, long(125)), fr(binary, true, long(126)), fr(binary, true, long(127)))},
		{"the limit", fr(binary, true, long(sizeLimit))},
		{"F10 above the limit", fr(binary, true, long(sizeLimit+1))},
		{"A2 fragments up to the limit", slices.Concat(fr(binary, false, long(sizeLimit-1)), fr(cont, true, "x"))},
		{"A2 fragments above the limit", slices.Concat(fr(binary, false, long(sizeLimit-1)), fr(cont, true, "xx"))},
		{"fragments with a ping between", slices.Concat(fr(text, false, "Hel"), fr(frame.OpPing, true, "p"), fr(cont, false, ""), fr(cont, true, "lo"))},
		{"ping and pong", slices.Concat(fr(frame.OpPing, true, "abc"), fr(frame.OpPong, true, ""), fr(frame.OpPing, true, long(125)))},
		{"F1 unmasked", unmasked(text, "Hello")},
		{"F1 unmasked ping", unmasked(frame.OpPing, "")},
		{"F5 fragmented ping", fr(frame.OpPing, false, "")},
		{"F6 ping of 126", fr(frame.OpPing, true, long(126))},
		{"F6 ping of 1 in the 16-bit form", raw("89fe0001 00000000 78")},
		{"F8 16-bit length of 5", raw("82fe0005 00000000 0102030405")},
		{"F8 64-bit length of 300", append(raw("82ff000000000000012c 00000000"), long(300)...)},
		{"F9 top bit of the length", raw("82ff8000000000000001 00000000 00")},
		{"F10 declared 2^63-1", raw("82ff7fffffffffffffff 00000000 00")},
		{"F11 sum overflows", slices.Concat(fr(binary, false, "x"), raw("80ff7fffffffffffffff 00000000 00"))},
		{"A1 continuation first", fr(cont, true, "x")},
		{"A1 text inside fragmented", slices.Concat(fr(text, false, "a"), fr(text, true, "b"))},
		{"U1 invalid UTF-8", fr(text, true, "\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80")},
		{"U2 a rune over two fragments", slices.Concat(fr(text, false, "\xe2\x82"), fr(cont, true, "\xac"))},
		{"U2 a rune cut at the end", slices.Concat(fr(text, false, "\xe2"), fr(cont, true, "\x82"))},
		{"U1 invalid UTF-8, then a ping", slices.Concat(fr(text, false, "\xff"), fr(frame.OpPing, true, ""), fr(cont, true, ""))},
		{"C1 close empty", slices.Concat(fr(frame.OpClose, true, ""), fr(text, true, "ignored"))},
		{"C1 close with a reason", closing(1000, "bye")},
		{"C3 close of one byte", fr(frame.OpClose, true, "x")},
		{"C5 reason not UTF-8", closing(1000, "\xff")},
		{"A4 close between fragments", slices.Concat(fr(text, false, "a"), closing(1001, ""))},
	}
	for op := range frame.Opcode(16) {
		ss = append(ss, seed{fmt.Sprintf("F4 opcode %d", op), fr(op, true, "")})
	}
	for bits := byte(1); bits < 8; bits++ {
		for _, b := range [][]byte{fr(text, true, "a"), fr(frame.OpPing, true, "a")} {
			rsv := with(b, func(b []byte) { b[0] |= bits << 4 })
			ss = append(ss, seed{fmt.Sprintf("F2, F3, F7 reserved bits %03b", bits), rsv})
		}
	}
	for _, code := range []frame.StatusCode{0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535} {
		ss = append(ss, seed{fmt.Sprintf("C1, C4 close %d", code), closing(code, "")})
	}
	return ss
}

// TestSeeds runs every seed whole and cut at every byte.
func TestSeeds(t *testing.T) {
	for _, s := range seeds() {
		t.Run(s.name, func(t *testing.T) {
			for n := range min(len(s.stream), 40) + 1 {
				if n == min(len(s.stream), 40) {
					n = len(s.stream)
				}
				stream := completed(s.stream[:n])
				for _, p := range peers() {
					if diff := p.compare(stream); diff != "" {
						t.Fatalf("first %d bytes: %s", n, diff)
					}
				}
			}
		})
	}
}

// TestDeviations: a deviation that nobody has any more leaves the table.
func TestDeviations(t *testing.T) {
	for _, p := range peers() {
		for _, d := range p.deviations {
			without := p
			without.deviations = slices.DeleteFunc(slices.Clone(p.deviations), func(o deviation) bool { return o == d })
			if !slices.ContainsFunc(seeds(), func(s seed) bool { return without.compare(completed(s.stream)) != "" }) {
				t.Errorf("%s no longer differs: %s", p.name, d.reason)
			}
		}
	}
}
