package h2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

// scripts are what peers send, whole.
func scripts() map[string][]byte {
	block := fields(request("POST", "content-length", "6")...)
	hello := append([]byte(preface), settings(4, 100000, 8, 1).bytes()...)
	ack := wire{h2.FrameSettings, 1, 0, nil}
	with := func(f ...wire) []byte {
		return append(append([]byte(nil), hello...), join(append([]wire{ack}, f...)...)...)
	}
	return map[string][]byte{
		"requests": with(get(1), post(3), data(3, 0, "hello "), data(3, 1, "world"), get(5, "cookie", "a=b", "cookie", "c=d")),
		"blocks in pieces": with(
			wire{h2.FrameHeaders, 8 | 0x20, 1, append([]byte{3, 0, 0, 0, 0, 7}, append(append([]byte(nil), block[:3]...), 0, 0, 0)...)},
			wire{h2.FrameContinuation, 0, 1, block[3:9]}, wire{h2.FrameContinuation, 4, 1, block[9:]},
			wire{h2.FrameData, 8, 1, []byte("\x04abcdpads")}, wire{h2.FrameData, 8, 1, []byte("\x02--")}, data(1, 0, "ef"), headers(1, 1, "digest", "x")),
		"control": with(update(0, 70), wire{h2.FramePing, 0, 0, []byte("pingpong")}, wire{0x77, 1, 9, []byte("unknown")}, wire{0x10, 0, 0, []byte("\x00\x00\x00\x01u=1")}, settings(4, 5), post(1),
			update(1, 7), wire{h2.FramePriority, 0, 1, make([]byte, 5)}, reset(1, 8), wire{h2.FrameGoAway, 0, 0, append(make([]byte, 8), strings.Repeat("d", 400)...)}, get(3)),
		"stream errors":   with(get(1), data(1, 0, "late"), headers(3, 1, ":method", "GET"), post(5), update(5, 0), data(5, 1, "ignored"), post(7, "content-length", "1"), data(7, 0, "four"), data(7, 1, "")),
		"a wrong preface": []byte("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"),
		"a wrong frame":   with(get(1), wire{h2.FramePing, 0, 0, []byte("short")}, get(3)),
		"wrong padding":   with(post(1), wire{h2.FrameData, 8, 1, []byte("\x09abc")}, get(3)),
		"broken hpack":    with(wire{h2.FrameHeaders, 4, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}),
	}
}

// run feeds p cut into pieces, and says what came of it: events, errors, output.
func run(t testing.TB, role h2.Role, p []byte, pieces func(left int) int) string {
	e := newEnd(t, h2.Config{Role: role})
	for len(p) > 0 && e.err == nil {
		n := pieces(len(p))
		e.feed(p[:n])
		p = p[n:]
	}
	s := fmt.Sprintf("%q %v\n", e.log, e.err)
	if e.err == nil {
		s += fmt.Sprintln(e.c.EOF())
	}
	out := e.c.Output(nil, 1<<30)
	if role == h2.RoleClient {
		out = out[len(preface):]
	}
	return s + fmt.Sprintln(e.parse(out), e.c.Streams(), e.c.HasOutput())
}

func TestSplit(t *testing.T) {
	for name, p := range scripts() {
		whole := run(t, h2.RoleServer, p, func(left int) int { return left })
		if one := run(t, h2.RoleServer, p, func(int) int { return 1 }); one != whole {
			t.Errorf("%s, byte by byte:\n%s\nwhole:\n%s", name, one, whole)
		}
		for i := 1; i < len(p); i++ {
			first := true
			cut := run(t, h2.RoleServer, p, func(left int) int {
				if first {
					first = false
					return i
				}
				return left
			})
			if cut != whole {
				t.Errorf("%s, cut at %d:\n%s\nwhole:\n%s", name, i, cut, whole)
			}
		}
	}
}
