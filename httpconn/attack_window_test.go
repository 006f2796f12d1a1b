package httpconn_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/httpconn"
)

// The window of a connection of HTTP/2 comes back however its streams end, and
// whenever Consumed is called: else the server may send nothing in the end.
func TestAttackWindow(t *testing.T) {
	frame := func(kind, flags byte, stream uint32, payload string) string {
		b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
		return string(binary.BigEndian.AppendUint32(b, stream)) + payload
	}
	for _, tt := range []struct {
		name string
		last string // behind the DATA, of stream 1 as %d
		do   func(c *httpconn.Conn, evs []httpconn.Event, id httpconn.StreamID)
	}{
		{"consumed at the end", "end", func(c *httpconn.Conn, evs []httpconn.Event, _ httpconn.StreamID) {
			for _, ev := range evs {
				c.Consumed(ev.ID, len(ev.Data))
			}
		}},
		{"not consumed, at the end", "end", func(*httpconn.Conn, []httpconn.Event, httpconn.StreamID) {}},
		{"cancelled", "", func(c *httpconn.Conn, _ []httpconn.Event, id httpconn.StreamID) { c.Cancel(id) }},
		{"reset", "reset", func(*httpconn.Conn, []httpconn.Event, httpconn.StreamID) {}},
		{"too long", "long", func(*httpconn.Conn, []httpconn.Event, httpconn.StreamID) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, &httpconn.Options{Major: 2, Authority: "example.com"})
			window := 65535
			receive := func(text string) []httpconn.Event {
				evs, err := c.Receive([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				return evs
			}
			output := func() {
				out := strings.TrimPrefix(string(c.Output()), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
				for len(out) > 0 {
					n := int(out[0])<<16 | int(out[1])<<8 | int(out[2])
					if out[3] == 8 && out[5:9] == "\x00\x00\x00\x00" {
						window += int(binary.BigEndian.Uint32([]byte(out[9:])))
					}
					out = out[9+n:]
				}
			}
			receive(frame(4, 0, 0, "") + frame(4, 1, 0, ""))
			for range 60 {
				id, err := c.Request(&httpconn.Request{Path: "/"})
				if err != nil {
					t.Fatal(err)
				}
				output()
				n := uint32(id)
				text := frame(1, 4, n, "\x88")
				sent := 0
				for range 4 {
					text += frame(0, 0, n, strings.Repeat("x", 16000))
					sent += 16000
				}
				switch tt.last {
				case "end":
					text += frame(0, 1, n, "")
				case "reset":
					text += frame(3, 0, n, "\x00\x00\x00\x02")
				case "long":
					text += frame(0, 0, n, strings.Repeat("x", 16000)) // beyond the stream's window
					sent += 16000
				}
				if window -= sent; window < 0 {
					t.Fatalf("the connection's window is used up, %d", window)
				}
				tt.do(c, receive(text), id)
				output()
			}
		})
	}
}
