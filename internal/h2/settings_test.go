package h2_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

func TestFirstBytes(t *testing.T) {
	e := newEnd(t, h2.Config{Role: h2.RoleServer, ExtendedConnect: true})
	e.sent(settings(3, 100, 4, 65536, 6, 32768, 8, 1), update(0, 1<<20-65535))
	e = newEnd(t, h2.Config{Role: h2.RoleServer, MaxStreams: 7, StreamWindow: 1, MaxFrameSize: 1 << 20, MaxHeaderBytes: 99, ConnWindow: 3})
	e.sent(settings(3, 7, 4, 1, 5, 1<<20, 6, 99))
	e = newEnd(t, h2.Config{Role: h2.RoleServer, StreamWindow: 1 << 31, MaxFrameSize: 1 << 30})
	e.sent(settings(3, 100, 4, 1<<31-1, 5, 1<<24-1, 6, 32768), update(0, 1<<20-65535))
	e = newEnd(t, h2.Config{Role: h2.RoleClient, ExtendedConnect: true})
	p := e.c.Output(nil, 1<<20)
	if want := append([]byte(preface), join(settings(2, 0, 4, 65536, 6, 32768), update(0, 1<<20-65535))...); !bytes.Equal(p, want) {
		t.Errorf("a client begins with %q", p)
	}
}

func TestSettings(t *testing.T) {
	const protocol = "GOAWAY PROTOCOL_ERROR"
	for _, tt := range []struct {
		name string
		role h2.Role
		in   []wire
		want string
	}{
		{"ENABLE_PUSH 2", h2.RoleServer, []wire{settings(2, 2)}, protocol},
		{"ENABLE_PUSH 0 and 1", h2.RoleServer, []wire{settings(2, 0, 2, 1)}, "settings"},
		{"H2-C4 ENABLE_PUSH 2", h2.RoleClient, []wire{settings(2, 2)}, protocol},
		{"ENABLE_PUSH 1 from a server", h2.RoleClient, []wire{settings(2, 1)}, protocol},
		{"H2-C4 INITIAL_WINDOW 2^31", h2.RoleClient, []wire{settings(4, 1<<31)}, "GOAWAY FLOW_CONTROL_ERROR"},
		{"INITIAL_WINDOW 2^31-1", h2.RoleClient, []wire{settings(4, 1<<31-1)}, "settings, window"},
		{"INITIAL_WINDOW 0", h2.RoleClient, []wire{settings(4, 0)}, "settings"},
		{"H2-C4 MAX_FRAME_SIZE 0", h2.RoleClient, []wire{settings(5, 0)}, protocol},
		{"MAX_FRAME_SIZE 16383", h2.RoleServer, []wire{settings(5, 16383)}, protocol},
		{"MAX_FRAME_SIZE 16384", h2.RoleServer, []wire{settings(5, 16384)}, "settings"},
		{"MAX_FRAME_SIZE 2^24", h2.RoleServer, []wire{settings(5, 1<<24)}, protocol},
		{"MAX_FRAME_SIZE 2^24-1", h2.RoleServer, []wire{settings(5, 1<<24-1)}, "settings"},
		{"HEADER_TABLE_SIZE, MAX_HEADER_LIST_SIZE", h2.RoleServer, []wire{settings(1, 1<<30, 6, 5)}, "settings"},
		{"unknown", h2.RoleServer, []wire{settings(0xff, 7, 0, 9)}, "settings"},
		{"none", h2.RoleServer, []wire{settings()}, "settings"},
		{"H2-C1 ENABLE_CONNECT_PROTOCOL 0", h2.RoleClient, []wire{settings(8, 0)}, "settings"},
		{"H2-C2 ENABLE_CONNECT_PROTOCOL 2", h2.RoleClient, []wire{settings(8, 2)}, protocol},
		{"H2-C2 ENABLE_CONNECT_PROTOCOL 1 then 0", h2.RoleClient, []wire{settings(8, 1), settings(8, 0)}, "settings, " + protocol},
		{"H2-C2 1 then 0 in one frame", h2.RoleClient, []wire{settings(8, 1, 8, 0)}, protocol},
		{"ENABLE_CONNECT_PROTOCOL of a client is ignored", h2.RoleServer, []wire{settings(8, 1), settings(8, 0)}, "settings, settings"},
		{"ENABLE_CONNECT_PROTOCOL 2 of a client", h2.RoleServer, []wire{settings(8, 2)}, protocol},
		{"acknowledged twice", h2.RoleServer, []wire{{typ: h2.FrameSettings, flags: h2.FlagAck}}, ""},
		{"H2-C4 PUSH_PROMISE", h2.RoleClient, []wire{{h2.FramePushPromise, 4, 1, append(u32(2), fields(request("GET")...)...)}}, protocol},
		{"H2-C4 unknown types", h2.RoleClient, []wire{{0x0a, 0, 0, nil}, {0x10, 0, 1, []byte("u=1")}, {0xff, 0xff, 1<<31 - 1, make([]byte, 9000)}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := server
			if tt.role == h2.RoleClient {
				e = client
			}
			x := e(t, h2.Config{})
			x.in(tt.in...)
			if got := outcome(x); got != tt.want {
				t.Errorf("%s; want %s", got, tt.want)
			}
		})
	}
}

func TestTooManySettings(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(wire{h2.FrameSettings, 0, 0, make([]byte, 6*100)})
	e.ok()
	e.in(wire{h2.FrameSettings, 0, 0, make([]byte, 6*101)})
	e.failed(h2.ErrCodeEnhanceYourCalm)
}

func TestSettingsAreAnsweredInOrder(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(post(1), get(3))
	s := e.evs[0].Stream
	respond(e, s, false)
	if n, err := e.c.Write(s, []byte("before"), nil, false); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	e.in(settings(4, 3), wire{h2.FramePing, 0, 0, []byte("01234567")})
	e.want("head 1 POST /", "head 3 GET / end", "settings")
	out := e.flush()
	var types []h2.FrameType
	for _, f := range out {
		types = append(types, f.typ)
	}
	if fmt.Sprint(types) != "[PING HEADERS DATA SETTINGS]" || out[0].flags != h2.FlagAck || string(out[0].payload) != "01234567" {
		t.Fatalf("%v", out)
	}
}

// RFC 9113, section 6.5.3: the values count in their order; 6.9.2: the windows
// of all streams change, and may be negative.
func TestInitialWindow(t *testing.T) {
	e := server(t, h2.Config{}, 4, 2000)
	e.in(post(1))
	s := e.stream()
	respond(e, s, false)
	write := func(n, want int) {
		t.Helper()
		if got, err := e.c.Write(s, make([]byte, n), nil, false); got != want || err != nil {
			t.Fatalf("wrote %d of %d, %v; want %d", got, n, err, want)
		}
	}
	write(1500, 1500)
	e.in(settings(4, 9000, 4, 1000)) // 500 below 0
	write(1, 0)
	e.in(update(1, 500))
	write(1, 0)
	e.in(update(1, 3))
	write(3, 3)
	e.in(settings(4, 4000))
	e.want("head 1 POST /", "settings", "window", "window 1", "window 1", "settings", "window")
	write(4000, 3000)
	write(1, 0)
}

func TestInitialWindowOverflow(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(post(1), update(1, 1000), settings(4, 1<<31-1001))
	e.ok()
	e = server(t, h2.Config{})
	e.in(post(1), update(1, 1000), settings(4, 1<<31-1000))
	e.failed(h2.ErrCodeFlowControl)
}

func TestNames(t *testing.T) {
	var got []string
	for i := range 11 {
		got = append(got, h2.FrameType(i).String(), h2.SettingID(i).String())
	}
	const want = "[DATA setting 0x0 HEADERS HEADER_TABLE_SIZE PRIORITY ENABLE_PUSH RST_STREAM MAX_CONCURRENT_STREAMS " +
		"SETTINGS INITIAL_WINDOW_SIZE PUSH_PROMISE MAX_FRAME_SIZE PING MAX_HEADER_LIST_SIZE GOAWAY setting 0x7 " +
		"WINDOW_UPDATE ENABLE_CONNECT_PROTOCOL CONTINUATION setting 0x9 frame type 0xa setting 0xa]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v", got)
	}
	for err, want := range map[error]string{
		&h2.StreamError{Stream: 3, Code: h2.ErrCodeCancel, Remote: true}:   "websocket: HTTP/2 stream 3: CANCEL (from the peer)",
		&h2.StreamError{Stream: 3, Code: 77, Reason: "why"}:                "websocket: HTTP/2 stream 3: error code 0x4d: why",
		&h2.ConnError{Code: h2.ErrCodeEnhanceYourCalm, Reason: "too many"}: "websocket: HTTP/2 connection: ENHANCE_YOUR_CALM: too many",
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
