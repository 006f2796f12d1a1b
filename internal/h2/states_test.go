package h2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

// The states of stream 1 of a server in which a frame arrives (RFC 9113,
// section 5.1).
var states = map[string]func(e *end){
	"idle":  func(*end) {},
	"open":  func(e *end) { e.in(post(1)) },
	"ended": func(e *end) { e.in(get(1)) }, // half-closed (remote)
	"answered": func(e *end) { // half-closed (local)
		e.in(post(1))
		respond(e, e.stream(), true)
	},
	"closed": func(e *end) {
		e.in(get(1))
		respond(e, e.stream(), true)
	},
	"reset by us": func(e *end) {
		e.in(post(1))
		e.c.Reset(e.stream(), h2.ErrCodeCancel)
	},
	"reset by peer": func(e *end) { e.in(post(1), reset(1, h2.ErrCodeCancel)) },
	"skipped":       func(e *end) { e.in(get(3)) },
}

func respond(e *end, s *h2.Stream, fin bool) {
	if err := e.c.Respond(s, &h2.Head{Status: 200, ContentLength: -1}, fin); err != nil {
		e.t.Fatal(err)
	}
}

// outcome says what became of the frames that were fed: the events, RST_STREAM
// and GOAWAY.
func outcome(e *end) string {
	var l []string
	l = append(l, e.events()...)
	for _, f := range e.flush() {
		switch f.typ {
		case h2.FrameRSTStream:
			l = append(l, fmt.Sprintf("RST %d %v", f.stream, h2.ErrCode(be(f.payload))))
		case h2.FrameGoAway:
			l = append(l, "GOAWAY "+h2.ErrCode(be(f.payload[4:])).String())
		}
	}
	return strings.Join(l, ", ")
}

func be(p []byte) uint32 {
	return uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])
}

// H2-S9: what every frame does in every state of its stream.
func TestStates(t *testing.T) {
	const (
		protocol = "GOAWAY PROTOCOL_ERROR"
		gone     = "GOAWAY STREAM_CLOSED"
		rst      = "reset 1 STREAM_CLOSED, RST 1 STREAM_CLOSED"
	)
	trailers := headers(1, h2.FlagEndStream, "x-check", "1")
	again := headers(1, 0, request("POST")...)
	tests := []struct {
		name  string
		frame wire
		want  map[string]string
	}{
		{"DATA", data(1, 0, "abc"), map[string]string{
			"idle": protocol, "open": `data 1 "abc"`, "ended": rst, "answered": `data 1 "abc"`,
			"closed": gone, "reset by us": "", "reset by peer": gone, "skipped": gone,
		}},
		{"DATA END_STREAM", data(1, h2.FlagEndStream, "abc"), map[string]string{
			"idle": protocol, "open": `data 1 "abc" end`, "ended": rst, "answered": `data 1 "abc" end`,
			"closed": gone, "reset by us": "", "reset by peer": gone, "skipped": gone,
		}},
		{"trailers", trailers, map[string]string{
			"idle": "RST 1 PROTOCOL_ERROR", "open": "trailers 1 x-check=1 end", "ended": rst, "answered": "trailers 1 x-check=1 end",
			"closed": gone, "reset by us": "", "reset by peer": gone, "skipped": protocol,
		}},
		{"HEADERS", again, map[string]string{
			"idle": "head 1 POST /", "open": "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR", "ended": rst,
			"answered": "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR",
			"closed":   gone, "reset by us": "", "reset by peer": gone, "skipped": protocol,
		}},
		{"PRIORITY", wire{h2.FramePriority, 0, 1, []byte{0, 0, 0, 0, 9}}, map[string]string{}},
		{"PRIORITY on itself", wire{h2.FramePriority, 0, 1, []byte{0, 0, 0, 1, 9}}, map[string]string{
			"idle": protocol, "open": "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR",
			"ended":    "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR",
			"answered": "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR",
			"closed":   "RST 1 PROTOCOL_ERROR", "reset by us": "", "reset by peer": "RST 1 PROTOCOL_ERROR", "skipped": "RST 1 PROTOCOL_ERROR",
		}},
		{"PRIORITY of 4 bytes", wire{h2.FramePriority, 0, 1, []byte{0, 0, 0, 0}}, map[string]string{
			"idle": "GOAWAY FRAME_SIZE_ERROR", "open": "reset 1 FRAME_SIZE_ERROR, RST 1 FRAME_SIZE_ERROR",
			"ended":    "reset 1 FRAME_SIZE_ERROR, RST 1 FRAME_SIZE_ERROR",
			"answered": "reset 1 FRAME_SIZE_ERROR, RST 1 FRAME_SIZE_ERROR",
			"closed":   "RST 1 FRAME_SIZE_ERROR", "reset by us": "", "reset by peer": "RST 1 FRAME_SIZE_ERROR", "skipped": "RST 1 FRAME_SIZE_ERROR",
		}},
		{"RST_STREAM", reset(1, h2.ErrCodeCancel), map[string]string{
			"idle": protocol, "open": "reset 1 CANCEL remote", "ended": "reset 1 CANCEL remote", "answered": "reset 1 CANCEL remote",
		}},
		{"WINDOW_UPDATE", update(1, 9), map[string]string{
			"idle": protocol, "open": "window 1", "ended": "window 1", "answered": "window 1",
		}},
		{"WINDOW_UPDATE by 0", update(1, 0), map[string]string{
			"idle": protocol, "open": "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR",
			"ended": "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR", "answered": "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR",
		}},
		{"WINDOW_UPDATE too far", update(1, 1<<31-1), map[string]string{
			"idle": protocol, "open": "reset 1 FLOW_CONTROL_ERROR, RST 1 FLOW_CONTROL_ERROR",
			"ended":    "reset 1 FLOW_CONTROL_ERROR, RST 1 FLOW_CONTROL_ERROR",
			"answered": "reset 1 FLOW_CONTROL_ERROR, RST 1 FLOW_CONTROL_ERROR",
		}},
		{"CONTINUATION", wire{h2.FrameContinuation, 4, 1, nil}, map[string]string{
			"idle": protocol, "open": protocol, "ended": protocol, "answered": protocol, "closed": protocol,
			"reset by us": protocol, "reset by peer": protocol, "skipped": protocol,
		}},
		{"unknown type", wire{0x42, 0xff, 1, []byte("whatever")}, map[string]string{}},
		{"PUSH_PROMISE", wire{h2.FramePushPromise, 4, 1, u32(2)}, map[string]string{
			"idle": protocol, "open": protocol, "ended": protocol, "answered": protocol, "closed": protocol,
			"reset by us": protocol, "reset by peer": protocol, "skipped": protocol,
		}},
	}
	for _, tt := range tests {
		for state, enter := range states {
			t.Run("H2-S9 "+tt.name+"/"+state, func(t *testing.T) {
				e := server(t, h2.Config{})
				enter(e)
				e.ok()
				e.flush()
				e.events()
				e.in(tt.frame)
				if got := outcome(e); got != tt.want[state] {
					t.Fatalf("%s; want %s", got, tt.want[state])
				}
				if e.err == nil { // and the connection lives
					e.in(get(5))
					e.want("head 5 GET / end")
				}
			})
		}
	}
}

// What is wrong with a frame by itself, whatever the state.
func TestFrames(t *testing.T) {
	block := fields(request("GET")...)
	pad := func(n int, p []byte, rest int) []byte {
		return append(append([]byte{byte(n)}, p...), make([]byte, rest)...)
	}
	tests := []struct {
		name string
		in   []wire
		want string
	}{
		{"DATA on stream 0", []wire{data(0, 0, "x")}, "GOAWAY PROTOCOL_ERROR"},
		{"HEADERS on stream 0", []wire{get(0)}, "GOAWAY PROTOCOL_ERROR"},
		{"PRIORITY on stream 0", []wire{{h2.FramePriority, 0, 0, make([]byte, 5)}}, "GOAWAY PROTOCOL_ERROR"},
		{"RST_STREAM on stream 0", []wire{reset(0, 8)}, "GOAWAY PROTOCOL_ERROR"},
		{"SETTINGS on a stream", []wire{{h2.FrameSettings, 0, 1, nil}}, "GOAWAY PROTOCOL_ERROR"},
		{"PING on a stream", []wire{{h2.FramePing, 0, 1, make([]byte, 8)}}, "GOAWAY PROTOCOL_ERROR"},
		{"GOAWAY on a stream", []wire{{h2.FrameGoAway, 0, 1, make([]byte, 8)}}, "GOAWAY PROTOCOL_ERROR"},
		{"RST_STREAM of 3 bytes", []wire{get(1), {h2.FrameRSTStream, 0, 1, make([]byte, 3)}}, "head 1 GET / end, GOAWAY FRAME_SIZE_ERROR"},
		{"SETTINGS of 5 bytes", []wire{{h2.FrameSettings, 0, 0, make([]byte, 5)}}, "GOAWAY FRAME_SIZE_ERROR"},
		{"SETTINGS ack of 6 bytes", []wire{{h2.FrameSettings, 1, 0, make([]byte, 6)}}, "GOAWAY FRAME_SIZE_ERROR"},
		{"PING of 7 bytes", []wire{{h2.FramePing, 0, 0, make([]byte, 7)}}, "GOAWAY FRAME_SIZE_ERROR"},
		{"GOAWAY of 7 bytes", []wire{{h2.FrameGoAway, 0, 0, make([]byte, 7)}}, "GOAWAY FRAME_SIZE_ERROR"},
		{"WINDOW_UPDATE of 5 bytes", []wire{{h2.FrameWindowUpdate, 0, 0, make([]byte, 5)}}, "GOAWAY FRAME_SIZE_ERROR"},
		{"over MAX_FRAME_SIZE", []wire{{0x77, 0, 0, make([]byte, 16385)}}, "GOAWAY FRAME_SIZE_ERROR"},
		{"as long as MAX_FRAME_SIZE", []wire{{0x77, 0, 0, make([]byte, 16384)}, get(1)}, "head 1 GET / end"},
		{"reserved bit", []wire{get(1 | 1<<31)}, "head 1 GET / end"},
		{"unknown flags", []wire{headers(1, 0xd2|h2.FlagEndStream, request("GET")...)}, "head 1 GET / end"},
		{"even id", []wire{get(2)}, "GOAWAY PROTOCOL_ERROR"},
		{"smaller id", []wire{get(5), get(3)}, "head 5 GET / end, GOAWAY PROTOCOL_ERROR"},
		{"window by 0", []wire{update(0, 0)}, "GOAWAY PROTOCOL_ERROR"},
		{"window too far", []wire{update(0, 1<<31-1)}, "GOAWAY FLOW_CONTROL_ERROR"},
		{"a stream's window as far as may be", []wire{post(1), update(1, 1<<31-1-65535)}, "head 1 POST /, window 1"},
		{"window as far as may be", []wire{update(0, 1<<31-1-65535), get(1)}, "window, head 1 GET / end"},
		{"padded DATA", []wire{post(1), {h2.FrameData, 8 | 1, 1, pad(3, []byte("abc"), 3)}}, `head 1 POST /, data 1 "abc" end`},
		{"nothing but padding", []wire{post(1), {h2.FrameData, 8 | 1, 1, pad(3, nil, 3)}}, `head 1 POST /, data 1 "" end`},
		{"nothing but padding, and more", []wire{post(1), {h2.FrameData, 8, 1, pad(3, nil, 3)}, data(1, 1, "x")}, `head 1 POST /, data 1 "x" end`},
		{"padding too long in DATA", []wire{post(1), {h2.FrameData, 8, 1, pad(4, []byte("ab"), 1)}}, "head 1 POST /, GOAWAY PROTOCOL_ERROR"},
		{"padded DATA without padding", []wire{post(1), {h2.FrameData, 8, 1, nil}}, "head 1 POST /, GOAWAY FRAME_SIZE_ERROR"},
		{"padded HEADERS", []wire{{h2.FrameHeaders, 8 | 4 | 1, 1, pad(7, block, 7)}}, "head 1 GET / end"},
		{"padding too long in HEADERS", []wire{{h2.FrameHeaders, 8 | 4 | 1, 1, pad(250, block, 7)}}, "GOAWAY PROTOCOL_ERROR"},
		{"padded HEADERS of nothing", []wire{{h2.FrameHeaders, 8 | 4 | 1, 1, nil}}, "GOAWAY FRAME_SIZE_ERROR"},
		{"HEADERS with priority", []wire{{h2.FrameHeaders, 0x20 | 4 | 1, 1, append(make([]byte, 5), block...)}}, "head 1 GET / end"},
		{"HEADERS with half a priority", []wire{{h2.FrameHeaders, 0x20 | 4 | 1, 1, make([]byte, 4)}}, "GOAWAY FRAME_SIZE_ERROR"},
		{
			"HEADERS on itself",
			[]wire{{h2.FrameHeaders, 0x20 | 4 | 1, 1, append([]byte{0x80, 0, 0, 1, 0}, block...)}, get(3)},
			"head 3 GET / end, RST 1 PROTOCOL_ERROR",
		},
		{"CONTINUATION", []wire{{h2.FrameHeaders, 1, 1, block[:2]}, {h2.FrameContinuation, 0, 1, block[2:5]}, {h2.FrameContinuation, 4, 1, block[5:]}}, "head 1 GET / end"},
		{"CONTINUATION on another stream", []wire{{h2.FrameHeaders, 1, 1, block}, {h2.FrameContinuation, 4, 3, nil}}, "GOAWAY PROTOCOL_ERROR"},
		{"a block interrupted", []wire{{h2.FrameHeaders, 1, 1, block}, update(0, 1)}, "GOAWAY PROTOCOL_ERROR"},
		{"a block interrupted by an unknown frame", []wire{{h2.FrameHeaders, 1, 1, block}, {0x99, 0, 1, nil}}, "GOAWAY PROTOCOL_ERROR"},
		{"broken compression", []wire{{h2.FrameHeaders, 4 | 1, 1, []byte{0x80}}}, "GOAWAY COMPRESSION_ERROR"},
		{"half a field", []wire{{h2.FrameHeaders, 4 | 1, 1, append(block[:len(block):len(block)], 0x40, 3, 'a')}}, "GOAWAY COMPRESSION_ERROR"},
		{"no :path", []wire{headers(1, 1, ":method", "GET", ":scheme", "https", ":authority", "a"), get(3)}, "head 3 GET / end, RST 1 PROTOCOL_ERROR"},
		{"extended CONNECT while off", []wire{connect(1), get(3)}, "head 3 GET / end, RST 1 PROTOCOL_ERROR"},
		{"content-length and no body", []wire{get(1, "content-length", "2")}, "RST 1 PROTOCOL_ERROR"},
		{"content-length of 0", []wire{get(1, "content-length", "0"), post(3, "content-length", "0"), data(3, 1, "")}, `head 1 GET / content-length=0 end, head 3 POST / content-length=0, data 3 "" end`},
		{"content-length of 0 and trailers", []wire{post(1, "content-length", "0"), headers(1, 1)}, "head 1 POST / content-length=0, trailers 1 end"},
		{"content-length of CONNECT", []wire{headers(1, 1, ":method", "CONNECT", ":authority", "a:1", "content-length", "5")}, "head 1 CONNECT content-length=5 end"},
		{"content-length and too little", []wire{post(1, "content-length", "3"), data(1, 0, "a"), data(1, 1, "b")}, `head 1 POST / content-length=3, data 1 "a", reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR`},
		{"content-length and too much", []wire{post(1, "content-length", "3"), data(1, 0, "abcd")}, "head 1 POST / content-length=3, reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR"},
		{"content-length and trailers", []wire{post(1, "content-length", "3"), data(1, 0, "ab"), headers(1, 1)}, `head 1 POST / content-length=3, data 1 "ab", reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR`},
		{"content-length as it is", []wire{post(1, "content-length", "3"), data(1, 0, "abc"), headers(1, 1)}, `head 1 POST / content-length=3, data 1 "abc", trailers 1 end`},
		{"trailers with pseudo-header fields", []wire{post(1), headers(1, 1, ":path", "/")}, "head 1 POST /, reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR"},
		{"SETTINGS over their limit", []wire{{h2.FrameSettings, 0, 0, make([]byte, 6*2731)}}, "GOAWAY FRAME_SIZE_ERROR"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := server(t, h2.Config{})
			e.in(tt.in...)
			if got := outcome(e); got != tt.want {
				t.Errorf("%s; want %s", got, tt.want)
			}
		})
	}
}

func TestPreface(t *testing.T) {
	for _, in := range []string{"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "x"} {
		e := newEnd(t, h2.Config{Role: h2.RoleServer})
		e.feed([]byte(in))
		e.failed(h2.ErrCodeProtocol)
	}
	for _, f := range []wire{get(1), {typ: h2.FramePing, payload: make([]byte, 8)}, {typ: h2.FrameSettings, flags: h2.FlagAck}} {
		e := newEnd(t, h2.Config{Role: h2.RoleServer})
		e.feed([]byte(preface))
		e.in(f)
		e.failed(h2.ErrCodeProtocol)
		c := newEnd(t, h2.Config{Role: h2.RoleClient})
		c.c.Output(nil, 1<<20)
		c.in(f)
		c.failed(h2.ErrCodeProtocol)
	}
}

func TestEOF(t *testing.T) {
	e := newEnd(t, h2.Config{Role: h2.RoleServer})
	eof := func(want bool) {
		t.Helper()
		if err := e.c.EOF(); (err == nil) != want {
			t.Errorf("EOF: %v", err)
		}
	}
	eof(true)
	e.feed([]byte(preface[:3]))
	eof(false)
	e.feed([]byte(preface[3:]))
	eof(true)
	s := settings(4, 70000).bytes()
	e.feed(s[:5])
	eof(false)
	e.feed(s[5:12])
	eof(false)
	e.feed(s[12:])
	eof(true)
	e.in(wire{h2.FrameHeaders, 0, 1, fields(request("GET")...)})
	eof(false)
	e.in(wire{h2.FrameContinuation, 4, 1, nil})
	eof(true)
	d := data(1, 0, "abc").bytes()
	e.feed(d[:10])
	eof(false)
	e.feed(d[10:])
	eof(true)
	e.in(wire{h2.FrameGoAway, 0, 0, append(append(u32(0), u32(2)...), "sorry"...)})
	if err := e.c.EOF(); err == nil || err.Error() != `websocket: HTTP/2 connection: INTERNAL_ERROR: "sorry" (from the peer)` {
		t.Errorf("after GOAWAY: %v", err)
	}
	e.in(data(0, 0, ""))
	if err := e.c.EOF(); err != e.err {
		t.Errorf("after an error: %v", err)
	}
}

// H2-S12: a client that does not answer while the connection is drained opens no
// more streams all the same.
func TestDrainUnanswered(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(get(1))
	e.c.DrainNow() // not before Drain
	e.c.Drain()
	e.in(get(3))
	e.want("head 1 GET / end", "head 3 GET / end")
	e.c.DrainNow()
	e.in(get(5))
	e.want()
	e.ok()
	for _, s := range []uint32{1, 3} {
		e.in(reset(s, 8))
	}
	e.ok()
}
