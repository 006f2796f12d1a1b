package wstest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/wstest"
)

func TestDump(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []byte
		want []string
	}{
		{"empty", nil, nil},
		{"masked text", wstest.Frame{
			Header:  frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Mask: frame.Mask{0x37, 0xfa, 0x21, 0x3d}},
			Payload: []byte("Hello"),
		}.Append(nil), []string{`     0  81 85 37 fa 21 3d  text, fin, masked 37fa213d, 5 bytes: "Hello"`}},
		{"fragments and a ping", wstest.Continuation([]byte("o")).Append(wstest.Ping(nil).Append(wstest.Text("Hell").NotFinal().Append(nil))), []string{
			`     0  01 04              text, 4 bytes: "Hell"`,
			`     6  89 00              ping, fin, 0 bytes`,
			`     8  80 01              continuation, fin, 1 byte: "o"`,
		}},
		{"close", wstest.Close(1000, "bye").Append(wstest.Close(frame.StatusNoStatusRcvd, "").Append(nil)), []string{
			`     0  88 00              close, fin, 0 bytes`,
			`     2  88 05              close, fin, 5 bytes: 1000 (normal closure) "bye"`,
		}},
		{"close of one byte", []byte{0x88, 1, 3}, []string{`     0  88 01              close, fin, 1 byte: 03`}},
		{"binary", wstest.Binary([]byte{0, 1, 2, 0xff}).Append(nil), []string{`     0  82 04              binary, fin, 4 bytes: 00 01 02 ff`}},
		{"coded", []byte{0xf1, 1, 'a'}, []string{`     0  f1 01              text, fin, rsv1, rsv2, rsv3, 1 byte: 61`}},
		{"long", wstest.Text(strings.Repeat("x", 70)).Append(nil), []string{`     0  81 46              text, fin, 70 bytes: "` + strings.Repeat("x", 64) + `" …`}},
		{"rune cut off where the dump ends", wstest.Text(strings.Repeat("x", 63) + "\u00e9\u00e9").Append(nil), []string{`     0  81 43              text, fin, 67 bytes: "` + strings.Repeat("x", 63) + `\xc3" …`}},
		{"payload missing", []byte{0x82, 5, 'a', 'b'}, []string{`     0  82 05              binary, fin, 5 bytes: "ab" … (3 bytes missing)`}},
		{"header missing", []byte{0x8a, 0, 0x82, 126, 1}, []string{
			`     0  8a 00              pong, fin, 0 bytes`,
			`     2  82 7e 01: the header ends early`,
		}},
		{"no frame", []byte{0x82, 126, 0, 5}, []string{
			`     0  82 7e 00 05: payload length not in its shortest form (RFC 6455, section 5.2)`,
		}},
		{"long rest", append([]byte{0x82, 127, 0xff}, bytes.Repeat([]byte{1}, 70)...), []string{
			`     0  82 7f ff` + strings.Repeat(" 01", 61) + ` …: payload length has its highest bit set (RFC 6455, section 5.2)`,
		}},
		{"reserved", []byte{0x83, 0}, []string{`     0  83 00              opcode 0x3, fin, 0 bytes`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := ""
			for _, line := range tc.want {
				want += line + "\n"
			}
			if got := wstest.Dump(tc.in); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}
