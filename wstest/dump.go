package wstest

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/lariat-go/websocket/frame"
)

// maxShown is how many bytes of a payload are shown.
const maxShown = 64

// Dump shows the frames in p, one to a line: the offset, the bytes of the
// header, and what they mean. Masked payloads are shown unmasked. What is no
// frame, and what is missing of the last one, is said in place; p may be any
// bytes.
//
//	 0  81 85 37 fa 21 3d  text, fin, masked 37fa213d, 5 bytes: "Hello"
//	11  88 02              close, fin, 2 bytes: 1000 (normal closure)
func Dump(p []byte) string { return dump(p, len(p)) }

// dump is Dump for the first bytes of total ones.
func dump(p []byte, total int) string {
	var b strings.Builder
	for at := 0; at < total; {
		rest := p[min(at, len(p)):]
		h, n, err := frame.ParseHeader(rest)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "%6d  %s: %v\n", at, hexBytes(rest), strings.TrimPrefix(err.Error(), "websocket: "))
			return b.String()
		case n == 0 && len(p) < total:
			fmt.Fprintf(&b, "%6d  … and %d bytes more\n", at, total-at)
			return b.String()
		case n == 0:
			fmt.Fprintf(&b, "%6d  %s: the header ends early\n", at, hexBytes(rest))
			return b.String()
		}
		payload := rest[n:]
		if int64(len(payload)) > h.Length {
			payload = payload[:h.Length]
		}
		if h.Masked {
			payload = append([]byte(nil), payload...)
			h.Mask.XOR(payload, 0)
		}
		fmt.Fprintf(&b, "%6d  %-17s  %s", at, hexBytes(rest[:n]), describe(h, payload))
		if missing := h.Length - int64(total-at-n); missing > 0 {
			fmt.Fprintf(&b, " (%d bytes missing)\n", missing)
			return b.String()
		}
		b.WriteByte('\n')
		at += n + int(h.Length)
	}
	return b.String()
}

// describe says in words what a frame is; payload is unmasked and may be only
// the front of it.
func describe(h frame.Header, payload []byte) string {
	var b strings.Builder
	b.WriteString(h.Opcode.String())
	if h.Fin {
		b.WriteString(", fin")
	}
	for i, bit := range []frame.RSV{frame.RSV1, frame.RSV2, frame.RSV3} {
		if h.RSV&bit != 0 {
			fmt.Fprintf(&b, ", rsv%d", i+1)
		}
	}
	if h.Masked {
		fmt.Fprintf(&b, ", masked %x", h.Mask[:])
	}
	if h.Length == 1 {
		b.WriteString(", 1 byte")
	} else {
		fmt.Fprintf(&b, ", %d bytes", h.Length)
	}
	if len(payload) > 0 {
		b.WriteString(": ")
		b.WriteString(describePayload(h, payload))
	}
	return b.String()
}

func describePayload(h frame.Header, p []byte) string {
	if h.Opcode == frame.OpClose && int64(len(p)) == h.Length {
		if len(p) >= 2 {
			s := (frame.StatusCode(p[0])<<8 | frame.StatusCode(p[1])).String()
			if len(p) > 2 {
				s += fmt.Sprintf(" %q", p[2:])
			}
			return s
		}
	}
	shown := p[:min(len(p), maxShown)]
	s := fmt.Sprintf("%q", shown)
	if h.RSV != 0 || !printable(shown) {
		s = hexBytes(shown)
	}
	if int64(len(shown)) < h.Length {
		s += " …"
	}
	return s
}

// printable reports whether p reads better as text than in hex. A rune cut off
// at the end does not count against it.
func printable(p []byte) bool {
	odd := 0
	for s := p; len(s) > 0; {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && utf8.FullRune(s) || r < ' ' && r != '\n' && r != '\t' && r != '\r' {
			odd++
		}
		s = s[n:]
	}
	return odd*4 <= len(p)
}

// hexBytes returns the front of p as "81 85 37".
func hexBytes(p []byte) string {
	shown := p[:min(len(p), maxShown)]
	var b strings.Builder
	for i := range shown {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(hex.EncodeToString(shown[i : i+1]))
	}
	if len(shown) < len(p) {
		b.WriteString(" …")
	}
	return b.String()
}
