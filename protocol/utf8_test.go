package protocol_test

import (
	"bytes"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

// texts returns strings around every boundary of UTF-8: for U2.
func texts() [][]byte {
	var all [][]byte
	add := func(b ...byte) { all = append(all, b) }
	// Every first byte, alone and with one to four bytes of each kind behind.
	follow := []byte{0x00, 'a', 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xFF}
	for b := range 256 {
		lead := byte(b)
		add(lead)
		for _, x := range follow {
			add(lead, x)
			add(lead, x, 'a')
			add(lead, x, 0x80)
			add(lead, x, 0xBF, 0x80)
			add(lead, x, 0x80, 0xBF, 0x80)
			add(lead, x, 0x80, 'a')
		}
	}
	// Every size class at its ends, the surrogates, the last rune and beyond.
	for _, r := range []rune{0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x3FFFF, 0x40000, 0xFFFFF, 0x10FFFF} {
		s := utf8.AppendRune(nil, r)
		for i := range s {
			all = append(all, s[:i+1], s[i:])
			all = append(all, fmt.Appendf(nil, "ab%scd%sé", s, s[:i+1]))
		}
	}
	for _, s := range []string{
		"", "Hello", "κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "日本語", "\U0001F600\U0001F601",
		"\xED\xA0\x80", "\xED\xAF\xBF", "\xED\xBF\xBF", "\xED\xA0\x80\xED\xB0\x80", // surrogates
		"\xC0\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xE0\x9F\xBF", "\xF0\x80\x80\xAF", "\xF0\x8F\xBF\xBF", // overlong
		"\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFC\x84\x80\x80\x80\x80", "\xFE", "\xFF", // too big
		"κόσμε\xED\xA0\x80edited", "12345678\x80", "1234567812345678\xC3", // behind a word of ASCII
	} {
		all = append(all, []byte(s))
	}
	return all
}

// impossible returns how many bytes of s it takes to see that no text begins
// so, or 0 when a text may.
func impossible(s []byte) int {
	for n := 1; n <= len(s); n++ {
		if !begins(s[:n]) {
			return n
		}
	}
	return 0
}

// begins reports whether some continuation makes p valid, by trying.
func begins(p []byte) bool {
	if utf8.Valid(p) {
		return true
	}
	for _, tail := range []string{"\x80", "\x90", "\xA0", "\x80\x80", "\x90\x80", "\xA0\x80", "\x80\x80\x80", "\x90\x80\x80"} {
		if utf8.Valid(append(bytes.Clone(p), tail...)) {
			return true
		}
	}
	return false
}

// TestUTF8 gives each text whole, cut at each byte by fragments, and byte by
// byte in an unfinished frame, and compares with unicode/utf8.
func TestUTF8(t *testing.T) {
	mask := frame.Mask{0xA5, 0x5A, 0x01, 0x80}
	fragment := func(dst []byte, op frame.Opcode, fin bool, p []byte) []byte {
		return frame.Append(dst, frame.Header{Fin: fin, Opcode: op, Masked: true, Mask: mask}, p)
	}
	for _, s := range texts() {
		valid := utf8.Valid(s)
		check := func(how string, res *run) {
			t.Helper()
			if valid != (res.err == nil) || !valid && res.err != frame.ErrInvalidUTF8 {
				t.Errorf("U2 %q %s: %v, unicode/utf8 says %v", s, how, res.err, valid)
			}
			if valid && (len(res.events) != 1 || res.events[0] != fmt.Sprintf("text %q", s)) {
				t.Errorf("U2 %q %s: %q", s, how, res.events)
			}
		}
		server := func() *protocol.Receiver { return protocol.NewReceiver(protocol.RoleServer, nil) }
		whole := fragment(nil, frame.OpText, true, s)
		check("whole", feed(t, server(), [][]byte{whole}))
		for i := range s {
			two := fragment(fragment(nil, frame.OpText, false, s[:i]), frame.OpContinuation, true, s[i:])
			check(fmt.Sprintf("fragments cut at %d", i), feed(t, server(), [][]byte{two}))
			cut := len(whole) - len(s) + i
			check(fmt.Sprintf("frame cut at %d", i), feed(t, server(), [][]byte{whole[:cut], whole[cut:]}))
		}
		// U1: in a frame that never ends, at the first impossible byte.
		h := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.OpText, Length: 1000})
		pieces := [][]byte{h}
		for i := range s {
			pieces = append(pieces, s[i:i+1])
		}
		res := feed(t, protocol.NewReceiver(protocol.RoleClient, nil), pieces)
		if n := impossible(s); n > 0 && (res.err != frame.ErrInvalidUTF8 || res.at != len(h)+n) || n == 0 && res.err != nil {
			t.Errorf("U1 %q: %v after %d bytes, want it after %d", s, res.err, res.at-len(h), n)
		}
		// The sender judges alike.
		_, err := protocol.NewSender(protocol.RoleServer, nil).AppendMessage(nil, frame.OpText, s)
		if valid != (err == nil) {
			t.Errorf("AppendMessage %q: %v", s, err)
		}
	}
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("κόσμε"), uint8(3))
	f.Add([]byte("a\xED\xA0\x80"), uint8(1))
	f.Add([]byte("\xF0\x9F\x98\x80\xF0\x9F"), uint8(5))
	f.Fuzz(func(t *testing.T, s []byte, at uint8) {
		i := min(int(at), len(s))
		dst := frame.Append(nil, frame.Header{Opcode: frame.OpText}, s[:i])
		cut := len(dst)
		dst = frame.Append(dst, frame.Header{Fin: true, Opcode: frame.OpContinuation}, s[i:])
		res := feed(t, protocol.NewReceiver(protocol.RoleClient, nil), [][]byte{dst[:cut], dst[cut:]})
		if utf8.Valid(s) != (res.err == nil) {
			t.Errorf("%q cut at %d: %v", s, i, res.err)
		}
		// Byte by byte, the error comes with the first impossible byte.
		h := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.OpText, Length: int64(len(s)) + 1})
		pieces := [][]byte{h}
		for i := range s {
			pieces = append(pieces, s[i:i+1])
		}
		res = feed(t, protocol.NewReceiver(protocol.RoleClient, nil), pieces)
		if n := impossible(s); n > 0 && res.at != len(h)+n || n == 0 && res.err != nil {
			t.Errorf("%q: %v after %d bytes, want it after %d", s, res.err, res.at-len(h), n)
		}
	})
}
