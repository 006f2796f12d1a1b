package websocket_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/wstest"
)

// closeOf is a close frame with exactly this payload.
func closeOf(payload string) wstest.Frame { return as(frame.OpClose, wstest.Text(payload)) }

// answered sends bytes that hold a close frame and expects its answer, and
// nothing after it.
func answered(p *scripter, code websocket.StatusCode) {
	if reason := p.ExpectClose(code); reason != "" {
		p.ExpectNothing(0) // fails, and shows what came
	}
	p.CloseWrite()
	p.ExpectEOF()
	p.Close()
}

// C1, C3 to C5, S2.22: every code and reason that may be sent is answered by the
// same code (ruling C9); every other one fails the connection.
func TestConformanceCloseCodes(t *testing.T) {
	var cases []conformanceCase
	good := func(name, payload string, code websocket.StatusCode) {
		for _, piece := range []int{1000, 1} {
			cases = append(cases, conformanceCase{fmt.Sprintf("%s, by %d", name, piece), func(_ *testing.T, p *scripter) {
				chop(p, piece, closeOf(payload))
				answered(p, code)
			}})
		}
	}
	good("empty", "", websocket.StatusNoStatusRcvd)
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		head := string([]byte{byte(code >> 8), byte(code)})
		good(fmt.Sprint(code), head, websocket.StatusCode(code))
		good(fmt.Sprint(code, " and a reason"), head+"Hello, wörld", websocket.StatusCode(code))
	}
	good("reason of 123 bytes", "\x03\xe8"+strings.Repeat("*", 123), 1000)
	good("reason of 123 bytes of UTF-8", "\x03\xe8"+strings.Repeat("é", 61)+"!", 1000)

	bad := func(name, payload string, code websocket.StatusCode) {
		cases = append(cases, refused(name, code, closeOf(payload))...)
	}
	bad("one byte", "\x03", 1002)
	bad("reason of 124 bytes", "\x03\xe8"+strings.Repeat("*", 124), 1002)
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65535} {
		head := string([]byte{byte(code >> 8), byte(code)})
		cases = append(cases, refusedAtTheEnd(fmt.Sprint(code), 1002, closeOf(head))...)
		cases = append(cases, refusedAtTheEnd(fmt.Sprint(code, " and a reason"), 1002, closeOf(head+"reason"))...)
	}
	for i, reason := range []string{"\xff", "\xce", "Hello\xed\xa0\x80", "κόσμε\xf4\x90\x80\x80", "\xc0\xaf"} {
		cases = append(cases, refusedAtTheEnd(fmt.Sprint("reason that is no text ", i), 1007, closeOf("\x03\xe8"+reason))...)
	}
	runCases(t, nil, cases)
}

// refusedAtTheEnd is refused for frames whose payload has to come first.
func refusedAtTheEnd(name string, code websocket.StatusCode, bad wstest.Frame) []conformanceCase {
	return []conformanceCase{refused(name, code, bad)[0], refused(name, code, bad)[1], {name + ", chopped", func(_ *testing.T, p *scripter) {
		chop(p, 1, wstest.Text("good"), bad)
		p.Expect(wstest.Text("good"))
		failed(p, code)
	}}}
}

// C2, A4: what is before a close frame is answered before it; what comes after it is
// ignored, whatever it is.
func TestConformanceCloseOrder(t *testing.T) {
	var cases []conformanceCase
	bye := wstest.Close(1001, "bye")
	for name, after := range map[string][]wstest.Frame{
		"nothing":              nil,
		"a message":            {wstest.Text("too late")},
		"a ping":               {wstest.Ping([]byte("too late"))},
		"a second close frame": {wstest.Close(1000, "")},
		"three close frames":   {bye, bye, bye},
		"an invalid frame":     {as(3, wstest.Text("bad"))},
		"invalid text":         {wstest.Text("\xff")},
		"a bad close frame":    {closeOf("\x00")},
		"fragments":            {wstest.Text("too").NotFinal(), wstest.Text("late")},
	} {
		for _, piece := range []int{1 << 20, 1} {
			suffix := fmt.Sprintf(", then %s, by %d", name, piece)
			add := func(what string, want []wstest.Frame, before ...wstest.Frame) {
				cases = append(cases, conformanceCase{what + suffix, func(t *testing.T, p *scripter) {
					b := wire(p, append(append(before, bye), after...)...)
					for len(b) > 0 { // the subject may be gone before the last byte
						n := min(piece, len(b))
						if _, err := p.Conn().Write(b[:n]); err != nil {
							break
						}
						b = b[n:]
					}
					_ = p.Conn().(interface{ CloseWrite() error }).CloseWrite()
					got := everything(t, p)
					want := append(slices.Clone(want), wstest.Close(1001, ""))
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("came %v, expected %v", got, want)
					}
				}})
			}
			add("close", nil)
			add("message, close", []wstest.Frame{wstest.Text("one")}, wstest.Text("one"))
			add("ping, close", []wstest.Frame{wstest.Pong([]byte("p"))}, wstest.Ping([]byte("p")))
			add("two messages, close", []wstest.Frame{wstest.Text("one"), wstest.Binary([]byte("two"))}, wstest.Text("one"), wstest.Binary([]byte("two")))
			add("half a message, close", nil, wstest.Text("half").NotFinal())
			add("fragments, close", []wstest.Frame{wstest.Text("fragments")}, wstest.Text("frag").NotFinal(), wstest.Continuation([]byte("ments")))
			add("message, half a message, close", []wstest.Frame{wstest.Text("one")}, wstest.Text("one"), wstest.Text("half").NotFinal())
		}
	}
	cases = append(cases, conformanceCase{"large message, close", func(t *testing.T, p *scripter) {
		big := wstest.Text(letters(256 << 10))
		done := pour(p, wire(p, big, wstest.Close(1000, "")))
		expectWhole(t, p, big)
		answered(p, 1000)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}})
	runCases(t, nil, cases)
}

// everything returns the frames that come until the stream ends, without their
// masks. A server that closes while bytes it ignores are on their way resets
// the connection, and may.
func everything(t *testing.T, p *scripter) (frames []wstest.Frame) {
	t.Helper()
	p.Conn().SetReadDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(p.Conn())
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the stream ends with %v, after\n%s", err, wstest.Dump(b))
	}
	for len(b) > 0 {
		h, n, err := frame.ParseHeader(b)
		if err != nil || n == 0 || h.Masked == p.masks || len(b)-n < int(h.Length) {
			t.Fatalf("came\n%s", wstest.Dump(b))
		}
		payload := b[n : n+int(h.Length)]
		if h.Masked {
			h.Mask.XOR(payload, 0)
		}
		h.Masked = false
		frames = append(frames, wstest.Frame{Header: h, Payload: payload})
		b = b[n+int(h.Length):]
	}
	p.Close()
	return frames
}
