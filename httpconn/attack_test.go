package httpconn_test

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/httpconn"
)

// A server that sends without end, to a user who calls Receive and nothing else:
// an error, or memory that stays what it is. H-C3, H-C6.
func TestAttackEndless(t *testing.T) {
	frame := func(kind, flags byte, stream uint32, payload string) string {
		b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
		return string(binary.BigEndian.AppendUint32(b, stream)) + payload
	}
	const ok1, ok2 = "HTTP/1.1 200 OK\r\n", "\x88"
	for _, tt := range []struct {
		name        string
		major       int
		head, piece string
		goes        bool // on, as there is nothing wrong about it
	}{
		{name: "body to the end", major: 1, head: ok1 + "\r\n", piece: strings.Repeat("x", 1000), goes: true},
		{name: "chunks of a byte", major: 1, head: ok1 + "Transfer-Encoding: chunked\r\n\r\n", piece: strings.Repeat("1\r\nx\r\n", 1000), goes: true},
		{name: "extensions", major: 1, head: ok1 + "Transfer-Encoding: chunked\r\n\r\n", piece: "1;" + strings.Repeat("x", 500) + "\r\nx\r\n"},
		{name: "one extension", major: 1, head: ok1 + "Transfer-Encoding: chunked\r\n\r\n1;", piece: "x"},
		{name: "trailer", major: 1, head: ok1 + "Transfer-Encoding: chunked\r\n\r\n0\r\n", piece: "a: b\r\n"},
		{name: "header", major: 1, head: ok1, piece: "a: b\r\n"},
		{name: "field", major: 1, head: ok1 + "a: ", piece: "b"},
		{name: "interim", major: 1, piece: "HTTP/1.1 102 Processing\r\n\r\n"},
		{name: "answers", major: 1, piece: ok1 + "Content-Length: 0\r\n\r\n"},
		{name: "PING", major: 2, piece: frame(6, 0, 0, "12345678")},
		{name: "SETTINGS", major: 2, piece: frame(4, 0, 0, "")},
		{name: "table sizes", major: 2, piece: frame(4, 0, 0, "\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x10\x00")},
		{name: "unknown frames", major: 2, piece: frame(77, 0, 0, strings.Repeat("x", 1000))},
		{name: "PRIORITY", major: 2, piece: frame(2, 0, 1, "\x00\x00\x00\x00\x10")},
		{name: "empty DATA", major: 2, head: frame(1, 4, 1, ok2), piece: frame(0, 0, 1, "")},
		{name: "DATA", major: 2, head: frame(1, 4, 1, ok2), piece: frame(0, 0, 1, strings.Repeat("x", 1000))},
		{name: "padding", major: 2, head: frame(1, 4, 1, ok2), piece: frame(0, 8, 1, "\xff"+strings.Repeat("\x00", 255))},
		{name: "interim 2", major: 2, piece: frame(1, 4, 1, "\x08\x03103")},
		{name: "CONTINUATION", major: 2, head: frame(1, 0, 1, ok2), piece: frame(9, 0, 1, "\x00\x01a\x01b")},
		{name: "long CONTINUATION", major: 2, head: frame(1, 0, 1, ok2), piece: frame(9, 0, 1, strings.Repeat("\x00\x01a\x01b", 3000))},
		{name: "window", major: 2, piece: frame(8, 0, 1, "\x00\x00\x00\x01")},
		{name: "GOAWAY", major: 2, piece: frame(7, 0, 0, "\x7f\xff\xff\xff\x00\x00\x00\x00")},
		{name: "RST_STREAM", major: 2, piece: frame(3, 0, 1, "\x00\x00\x00\x08")},
	} {
		for _, timed := range []bool{false, true} {
			if timed && tt.major == 1 {
				continue
			}
			name := tt.name
			o := &httpconn.Options{Major: tt.major, Authority: "example.com"}
			if timed {
				name += ", with a clock"
				o.Now = func() int64 { return 0 }
			}
			t.Run(name, func(t *testing.T) {
				c := open(t, o)
				if _, err := c.Request(&httpconn.Request{Path: "/"}); err != nil {
					t.Fatal(err)
				}
				c.Output()
				head := tt.head
				if tt.major == 2 {
					head = frame(4, 0, 0, "") + frame(4, 1, 0, "") + head
				}
				before := inUse()
				_, err := c.Receive([]byte(head))
				piece := []byte(tt.piece)
				sent := len(head)
				for n := 0; err == nil && n < 200_000 && sent < 10<<20; n++ {
					_, err = c.Receive(piece)
					sent += len(piece)
				}
				if after := inUse(); after > before+512<<10 {
					t.Errorf("%d KiB more are in use after %d KiB", (after-before)>>10, sent>>10)
				}
				if n := len(c.Output()); n > 256<<10 {
					t.Errorf("%d KiB are to be sent", n>>10)
				}
				if tt.goes && err != nil {
					t.Errorf("after %d bytes: %v", sent, err)
				}
				runtime.KeepAlive(c)
				c.Close()
			})
		}
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
