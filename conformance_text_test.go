package websocket_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/wstest"
)

// textSequences are byte sequences at the borders of UTF-8 (RFC 3629), good
// ones and bad ones. What they are is asked of unicode/utf8.
func textSequences() []string {
	var all []string
	// The borders of each length, of the surrogates and of what is defined, and
	// some code points that are not characters.
	for _, r := range []rune{
		0, 1, 0x7f, 0x80, 0xe9, 0x7ff, 0x800, 0x20ac, 0xd7ff, 0xe000, 0xfdd0, 0xfffd, 0xfffe, 0xffff,
		0x10000, 0x1f600, 0x1fffe, 0x2ffff, 0x3fffe, 0xfffff, 0x10fffe, 0x10ffff,
	} {
		all = append(all, string(r))
	}
	// The same code points in more bytes than needed, surrogates, alone and in
	// pairs, and what lies above the last code point.
	encode := func(r uint32, n int) string {
		b := make([]byte, n)
		for i := n - 1; i > 0; i-- {
			b[i] = 0x80 | byte(r)&0x3f
			r >>= 6
		}
		b[0] = byte(0xff<<(8-n)) | byte(r)
		return string(b)
	}
	for n := 2; n <= 6; n++ {
		for _, r := range []uint32{0, '/', 0x7f, 0x7ff, 0xffff, 0x1fffff, 0x3ffffff} {
			all = append(all, encode(r, n))
		}
	}
	for _, r := range []uint32{0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff} {
		all = append(all, encode(r, 3), encode(0xd800, 3)+encode(r, 3))
	}
	for _, r := range []uint32{0x110000, 0x13ffff, 0x140000, 0x1fffff} {
		all = append(all, encode(r, 4))
	}
	// Each kind of byte where it does not belong: bytes that begin nothing,
	// sequences broken off at each byte and by another one.
	for _, b := range []byte{0x80, 0xbf, 0xc0, 0xc1, 0xf5, 0xf8, 0xfc, 0xfe, 0xff} {
		all = append(all, string([]byte{b}), string([]byte{b, 0x80, 0x80, 0x80, 0x80, 0x80}), "a"+string([]byte{b})+"a")
	}
	for _, whole := range []string{"\u00df", "\u0800", "\u20ac", "\U00010000", "\U0010ffff"} {
		for i := 1; i < len(whole); i++ {
			all = append(all, whole[:i], whole[:i]+"a", whole[:i]+whole, whole+whole[i:], strings.Repeat(whole[:i], 5))
		}
	}
	all = append(all,
		"plain ASCII, long enough for the fast way to be taken all along it",
		"κόσμε", "Привет, мир", "こんにちは世界", "\ufeffwith a mark", "a\x00b\u0000",
		strings.Repeat("é", 300), strings.Repeat("a", 31)+"é", strings.Repeat("a", 63)+"\xe9", strings.Repeat("a", 200)+"\xed\xa0\x80"+strings.Repeat("a", 200),
		"κόσμε\xf4\x90\x80\x80edited", "κόσμε\xed\xa0\x80edited",
	)
	return all
}

// U2: text is echoed when it is UTF-8 and fails the connection with 1007 when it is
// not: in one frame, cut in two at each byte, and as one frame for each byte.
func TestConformanceText(t *testing.T) {
	cuts := func(s string) [][]wstest.Frame {
		forms := [][]wstest.Frame{{wstest.Text(s)}}
		for i := 1; i < len(s) && i < 16 && !raceEnabled; i++ {
			forms = append(forms, []wstest.Frame{wstest.Text(s[:i]).NotFinal(), wstest.Continuation([]byte(s[i:]))})
		}
		each := []wstest.Frame{wstest.Text("").NotFinal()}
		for i := range len(s) {
			each = append(each, wstest.Continuation([]byte{s[i]}).NotFinal())
		}
		return append(forms, append(each, wstest.Continuation(nil)))
	}
	eachSubject(t, nil, func(t *testing.T, dial func(t *testing.T) *scripter) {
		t.Run("valid", func(t *testing.T) {
			p := dial(t)
			for _, s := range textSequences() {
				if !utf8.ValidString(s) {
					continue
				}
				for _, frames := range cuts(s) {
					p.SendBytes(wire(p, frames...))
					p.Expect(wstest.Text(s))
				}
				chop(p, 1, wstest.Text(s))
				p.Expect(wstest.Text(s))
			}
			finish(p)
		})
		for i, s := range textSequences() {
			if utf8.ValidString(s) {
				continue
			}
			t.Run(fmt.Sprintf("invalid %d", i), func(t *testing.T) {
				for _, frames := range cuts(s) {
					p := dial(t)
					p.SendBytes(wire(p, frames...))
					failed(p, websocket.StatusInvalidPayloadData)
				}
			})
		}
		t.Run("any bytes in binary", func(t *testing.T) {
			p := dial(t)
			for _, s := range textSequences() {
				p.SendBytes(wire(p, wstest.Binary([]byte(s))))
				p.Expect(wstest.Binary([]byte(s)))
			}
			finish(p)
		})
	})
}

// U1: the first byte that cannot belong to UTF-8 is answered by 1007 although the
// frame, the fragment or the message would go on.
func TestConformanceTextFailsFast(t *testing.T) {
	const good = "κόσμε, long enough"
	eachSubject(t, nil, func(t *testing.T, dial func(t *testing.T) *scripter) {
		for _, bad := range []string{"\xff", "\xc0", "\xed\xa0", "\xe0\x80", "\xf0\x80", "\xf4\x90", "\xf5", "\xe2\x82a", "\xf0\x9f\x98\xc0", "\x80"} {
			t.Run(fmt.Sprintf("%x", bad), func(t *testing.T) {
				for _, frames := range [][]wstest.Frame{
					{wstest.Text(good + bad + good)},
					{wstest.Text(good + bad + good).NotFinal()},
					{wstest.Text(good).NotFinal(), wstest.Continuation([]byte(bad + good))},
					{wstest.Text(good + bad[:len(bad)-1]).NotFinal(), wstest.Continuation([]byte(bad[len(bad)-1:] + good))},
				} {
					p := dial(t)
					b := wire(p, frames...)
					end := len(b) - len(good) // where the impossible byte has just come
					p.SendBytes(b[:end-1])
					p.SendBytes(b[end-1 : end])
					failed(p, websocket.StatusInvalidPayloadData)
				}
			})
		}
		t.Run("a text cut off at its end", func(t *testing.T) {
			p := dial(t)
			p.SendBytes(wire(p, wstest.Text("\xe2\x82").NotFinal(), wstest.Ping([]byte("still open"))))
			p.Expect(wstest.Pong([]byte("still open"))) // it may yet become a euro
			p.SendBytes(wire(p, wstest.Continuation([]byte("\xac"))))
			p.Expect(wstest.Text("€"))
			p.SendBytes(wire(p, wstest.Text("\xe2\x82").NotFinal(), wstest.Continuation(nil)))
			failed(p, websocket.StatusInvalidPayloadData)
		})
	})
}

// S2.20, S2.26: our own text is checked before anything of it is sent.
func TestConformanceTextSent(t *testing.T) { eachCarrier(t, testConformanceTextSent) }

func testConformanceTextSent(t *testing.T, pair pairFunc) {
	client, server := pair(nil, nil)
	ctx := context.Background()
	for _, s := range textSequences() {
		err := client.Write(ctx, websocket.MessageText, []byte(s))
		errBatch := client.WriteBatch(ctx, websocket.Text("before"), websocket.Text(s))
		if !utf8.ValidString(s) {
			if err != frame.ErrInvalidUTF8 || errBatch == nil {
				t.Errorf("Write(%q) = %v, WriteBatch = %v", s, err, errBatch)
			}
			continue
		}
		for _, want := range []string{s, "before", s} {
			if _, got, err := server.Read(ctx); err != nil || string(got) != want {
				t.Errorf("%q, %v came for %q", got, err, want)
			}
		}
	}
}
