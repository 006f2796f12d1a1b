package main

import (
	"fmt"
	"strings"

	"github.com/lariat-go/websocket"
)

// traceHTTP2 shows one frame of the connection that carries the WebSocket.
func (p *printer) traceHTTP2(f websocket.HTTP2Frame) {
	if !p.json {
		p.traced(f.Sent, http2Line(f))
		return
	}
	e := &http2Event{
		Direction: direction(f.Sent), Type: f.Type, Stream: int64(f.Stream), Flags: http2Flags(f), Size: int64(f.Length), Code: f.Code,
	}
	for _, s := range f.Settings {
		if e.Settings == nil {
			e.Settings = make(map[string]int64)
		}
		e.Settings[s.Name] = int64(s.Value)
	}
	value := int64(f.Value)
	switch f.Type {
	case "WINDOW_UPDATE":
		e.Increment = value
	case "GOAWAY":
		e.LastStream = &value
	}
	_ = p.event("http2", e)
}

// http2Line is a frame in one line: its type, its stream, and what it says.
func http2Line(f websocket.HTTP2Frame) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-13s", f.Type)
	if f.Stream != 0 {
		fmt.Fprintf(&b, " stream %d", f.Stream)
	}
	for _, name := range http2Flags(f) {
		b.WriteString(" " + name)
	}
	for _, s := range f.Settings {
		fmt.Fprintf(&b, " %s=%d", s.Name, s.Value)
	}
	if f.Code != "" {
		b.WriteString(" " + f.Code)
	}
	switch f.Type {
	case "WINDOW_UPDATE":
		fmt.Fprintf(&b, " +%d", f.Value)
	case "GOAWAY":
		fmt.Fprintf(&b, " last stream %d", f.Value)
	case "SETTINGS", "RST_STREAM", "PING", "PRIORITY":
	default:
		b.WriteString(" " + count(int64(f.Length), "byte"))
	}
	return b.String()
}

// http2Flags names the flags that mean something in a frame of this type (RFC
// 9113, section 6).
func http2Flags(f websocket.HTTP2Frame) []string {
	var names []string
	add := func(bit uint8, name string, types ...string) {
		for _, t := range types {
			if f.Flags&bit != 0 && f.Type == t {
				names = append(names, name)
			}
		}
	}
	add(0x1, "END_STREAM", "DATA", "HEADERS")
	add(0x1, "ACK", "SETTINGS", "PING")
	add(0x4, "END_HEADERS", "HEADERS", "CONTINUATION", "PUSH_PROMISE")
	add(0x8, "PADDED", "DATA", "HEADERS", "PUSH_PROMISE")
	add(0x20, "PRIORITY", "HEADERS")
	return names
}
