package websocket

import (
	"fmt"

	"github.com/lariat-go/websocket/internal/h2"
)

// HTTP2StreamError is the end of one stream of HTTP/2, by a RST_STREAM of either
// side: its Code (RFC 9113, section 7), whether it came from the peer (Remote),
// and the number of the Stream. The others on the connection are not concerned.
type HTTP2StreamError = h2.StreamError

// HTTP2ConnError is the end of a connection of HTTP/2, by a GOAWAY of either side
// with a code that is not NO_ERROR, and so the end of all its streams.
type HTTP2ConnError = h2.ConnError

// HTTP2Frame is a frame of HTTP/2, for debugging.
type HTTP2Frame struct {
	Sent   bool   // else received
	Type   string // DATA, HEADERS, SETTINGS, ...
	Flags  uint8
	Stream uint32 // 0: the connection
	Length int    // of the payload, in bytes

	Settings []HTTP2Setting // of SETTINGS
	Code     string         // of RST_STREAM and GOAWAY: NO_ERROR, CANCEL, ...
	Value    uint32         // of WINDOW_UPDATE the increment, of GOAWAY the last stream
}

// HTTP2Setting is a parameter in a SETTINGS frame (RFC 9113, section 6.5.1).
type HTTP2Setting struct {
	ID    uint16
	Name  string // MAX_CONCURRENT_STREAMS, ENABLE_CONNECT_PROTOCOL, ...
	Value uint32
}

// onFrame returns what tells f of frames, nil for none.
func onFrame(f func(HTTP2Frame)) func(h2.FrameInfo) {
	if f == nil {
		return nil
	}
	return func(i h2.FrameInfo) {
		frame := HTTP2Frame{Sent: i.Sent, Type: fmt.Sprint(i.Type), Flags: i.Flags, Stream: i.Stream, Length: int(i.Length), Value: i.Value}
		for _, s := range i.Settings {
			frame.Settings = append(frame.Settings, HTTP2Setting{ID: uint16(s.ID), Name: fmt.Sprint(s.ID), Value: s.Value})
		}
		if name := frame.Type; name == "RST_STREAM" || name == "GOAWAY" {
			frame.Code = i.Code.String()
		}
		f(frame)
	}
}
