package h2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

// flood feeds up to n times what next gives, and returns how often until the
// connection failed. The output is read all the while.
func (e *end) flood(n int, next func(i uint32) []wire) int {
	for i := range n {
		e.in(next(uint32(i))...)
		if e.err != nil {
			return i + 1
		}
		e.flush()
		for _, ev := range e.evs {
			if ev.Kind == h2.KindHead {
				e.c.Release(ev.Stream)
			}
		}
		e.events()
	}
	return 0
}

// H2-S5, H2-S6, H2-S7, H2-S12: every flood ends in ENHANCE_YOUR_CALM, soon.
func TestFloods(t *testing.T) {
	ping := wire{h2.FramePing, 0, 0, make([]byte, 8)}
	cookies := func() []string {
		l := request("GET")
		for range 10000 {
			l = append(l, "cookie", "a=b")
		}
		return l
	}
	one := func(f ...wire) func(uint32) []wire { return func(uint32) []wire { return f } }
	for _, tt := range []struct {
		name  string
		first []wire
		flood func(i uint32) []wire
		took  int // frames, or groups of them, until and with the last
	}{
		{"H2-S5 PING", nil, one(ping), 1000},
		{"H2-S5 PING answers", nil, one(wire{h2.FramePing, 1, 0, make([]byte, 8)}), 1000},
		{"H2-S5 SETTINGS", nil, one(settings(4, 9)), 1000},
		{"H2-S5 SETTINGS acknowledgements", nil, one(wire{h2.FrameSettings, 1, 0, nil}), 1000},
		{"H2-S5 PRIORITY", nil, one(wire{h2.FramePriority, 0, 1, make([]byte, 5)}), 1000},
		{"H2-S5 empty DATA", []wire{post(1)}, one(data(1, 0, "")), 1000},
		{"H2-S5 nothing but padding", []wire{post(1)}, one(wire{h2.FrameData, 8, 1, []byte{2, 0, 0}}), 1000},
		{"H2-S5 empty CONTINUATION", nil, one(wire{h2.FrameHeaders, 0, 1, nil}, wire{h2.FrameContinuation, 0, 1, nil}), 1},
		{"H2-S5 WINDOW_UPDATE of the connection", nil, one(update(0, 1)), 1000},
		{"H2-S5 WINDOW_UPDATE of a stream", []wire{post(1)}, one(update(1, 1)), 1002},
		{"H2-S5 WINDOW_UPDATE of a closed stream", []wire{post(1), reset(1, 8)}, one(update(1, 1)), 1002},
		{"H2-S5 unknown frames", nil, one(wire{0x42, 0, 0, []byte("x")}), 1000},
		{"H2-S5 one after the other", []wire{post(1)}, one(ping, settings(), data(1, 0, ""), wire{0x42, 0, 0, nil}), 250},
		{"H2-S12 GOAWAY", nil, one(wire{h2.FrameGoAway, 0, 0, make([]byte, 8)}), 1001},
		{"H2-S6 rapid reset 500x1", nil, func(i uint32) []wire { return []wire{get(2*i + 1), reset(2*i+1, 8)} }, 500},
		{"H2-S6 rapid reset 50x10", nil, func(i uint32) (l []wire) {
			for k := range uint32(10) {
				l = append(l, get(20*i+2*k+1))
			}
			for k := range uint32(10) {
				l = append(l, reset(20*i+2*k+1, 8))
			}
			return l
		}, 50},
		{"H2-S6 rapid reset 1x500", nil, func(uint32) (l []wire) {
			for k := range uint32(500) {
				l = append(l, get(2*k+1))
			}
			for k := range uint32(500) {
				l = append(l, reset(2*k+1, 8))
			}
			return l
		}, 1},
		{"H2-S6 malformed requests", nil, func(i uint32) []wire { return []wire{headers(2*i+1, 1)} }, 10},
		{"H2-S6 made resets by windows of 0", nil, func(i uint32) []wire { return []wire{get(2*i + 1), update(2*i+1, 0)} }, 10},
		{"H2-S6 made resets by DATA", nil, func(i uint32) []wire { return []wire{get(2*i + 1), data(2*i+1, 0, "x")} }, 10},
		{"H2-S6 made resets by priorities", nil, func(i uint32) []wire {
			return []wire{get(2*i + 1), {h2.FramePriority, 0, 2*i + 1, nil}}
		}, 10},
		{"H2-S7 CONTINUATION of small fields", []wire{{h2.FrameHeaders, 0, 1, nil}}, one(wire{h2.FrameContinuation, 0, 1, []byte(strings.Repeat("\x00\x01a\x03bcd", 147))}), 7},
		{"H2-S7 CONTINUATION with huge fields", []wire{{h2.FrameHeaders, 0, 1, nil}}, one(wire{h2.FrameContinuation, 0, 1, append([]byte{0, 1, 'a', 0x7f, 0xff, 0xff, 7}, make([]byte, 1000)...)}), 1},
		{"H2-S7 CONTINUATION of 1 KiB each", []wire{{h2.FrameHeaders, 0, 1, nil}}, one(wire{h2.FrameContinuation, 0, 1, append([]byte{0, 1, 'a', 0x7f, 0xfa, 6}, make([]byte, 1017)...)}), 33},
		{"H2-S7 one HEADERS too long", nil, one(wire{h2.FrameHeaders, 0, 1, make([]byte, 16384)}), 1},
		{"H2-S7 10000 references", nil, one(wire{h2.FrameHeaders, 5, 1, append([]byte("\x40\x01a\x7f\xa1\x1e"+strings.Repeat("b", 4000)), strings.Repeat("\xbe", 10000)...)}), 1},
		{"H2-S4 10000 cookies", nil, func(uint32) []wire {
			b := fields(cookies()...)
			return []wire{{h2.FrameHeaders, 1, 1, b[:16384]}, {h2.FrameContinuation, 4, 1, b[16384:]}}
		}, 1},
		{"H2-S5 PRIORITY_UPDATE", nil, one(wire{0x10, 0, 0, []byte("\x00\x00\x00\x01")}), 1000},
		{"H2-S7 a HEADERS too long at once", nil, one(wire{h2.FrameHeaders, 4, 1, make([]byte, 5000)}), 1},
		{"H2-S7 a CONTINUATION too long at once", nil, one(wire{h2.FrameHeaders, 0, 1, nil}, wire{h2.FrameContinuation, 4, 1, make([]byte, 5000)}), 1},
		{"trailers after Reset", nil, func(i uint32) []wire { return []wire{headers(1, 1)} }, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := h2.Config{}
			if strings.Contains(tt.name, "1x500") {
				cfg.MaxStreams = 1000
			}
			if strings.Contains(tt.name, "too long") {
				cfg.MaxHeaderBytes = 4096
			}
			e := server(t, cfg)
			e.in(tt.first...)
			if strings.Contains(tt.name, "after Reset") {
				e.in(post(1))
				e.c.Reset(e.stream(), h2.ErrCodeCancel)
			}
			if n := e.flood(20000, tt.flood); n != tt.took {
				t.Errorf("it took %d, want %d: %v", n, tt.took, e.err)
			}
			e.failed(h2.ErrCodeEnhanceYourCalm)
		})
	}
}

// What is no flood, however much of it there is.
func TestNoFloods(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(post(1))
	s := e.stream()
	respond(e, s, false)
	e.events()
	for range 20000 {
		e.in(data(1, 0, "x"))
		e.c.Consumed(s, 1)
		if n, err := e.c.Write(s, []byte("x"), nil, false); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		e.in(update(1, 1), update(0, 1)) // of a peer that tells of every byte
		e.flush()
		e.events()
	}
	e.ok()
	for i := range uint32(20000) {
		e.in(get(2*i+3), wire{h2.FramePriority, 0, 2*i + 3, make([]byte, 5)})
		s := e.stream()
		respond(e, s, true)
		e.c.Release(s)
		e.flush()
		e.events()
	}
	e.ok()
}

// Budgets are for ten seconds, and may be off.
func TestBudgets(t *testing.T) {
	ping := wire{h2.FramePing, 0, 0, make([]byte, 8)}
	e := server(t, h2.Config{})
	for i := range int64(5) {
		e.c.SetTime(i * 10e9)
		for range 999 {
			e.in(ping)
			e.flush()
		}
	}
	e.ok()
	e.in(ping)
	e.failed(h2.ErrCodeEnhanceYourCalm)

	e = server(t, h2.Config{NonProgress: -1, Resets: -1, OwnResets: -1, MaxControls: -1})
	for i := range uint32(3000) {
		e.in(ping, get(4*i+1), reset(4*i+1, 8), headers(4*i+3, 1))
		e.c.Release(e.evs[0].Stream)
		e.events()
	}
	e.ok()

	e = server(t, h2.Config{NonProgress: 3})
	e.in(ping, ping)
	e.ok()
	e.in(ping)
	e.failed(h2.ErrCodeEnhanceYourCalm)
}

// A peer that does not read what it makes us say.
func TestControlsAreBounded(t *testing.T) {
	for name, f := range map[string]wire{"PING": {h2.FramePing, 0, 0, make([]byte, 8)}, "SETTINGS": settings(4, 5)} {
		e := server(t, h2.Config{NonProgress: -1, MaxControls: 50})
		for range 50 {
			e.in(f)
		}
		e.ok()
		e.flush()
		for range 50 {
			e.in(f)
		}
		e.ok()
		if e.in(f); e.err == nil {
			t.Error(name)
			continue
		}
		e.failed(h2.ErrCodeEnhanceYourCalm)
	}
	e := server(t, h2.Config{NonProgress: -1, OwnResets: -1, MaxControls: 50, MaxStreams: 1})
	for i := range uint32(26) {
		e.in(get(4*i+1), headers(4*i+3, 1))
	}
	e.failed(h2.ErrCodeEnhanceYourCalm)
}

// So are those of handlers: a request beyond is too much.
func TestOwnResetsAreBounded(t *testing.T) {
	e := server(t, h2.Config{MaxControls: 50})
	for i := range uint32(51) {
		e.in(get(2*i + 1))
		s := e.evs[len(e.evs)-1].Stream
		e.c.Reset(s, h2.ErrCodeInternal)
		e.c.Release(s)
		e.events()
	}
	e.ok()
	e.in(get(103))
	e.failed(h2.ErrCodeEnhanceYourCalm)
}

// Resets that are not read are controls, too.
func TestResetsAreBounded(t *testing.T) {
	e := server(t, h2.Config{OwnResets: -1, MaxControls: 50})
	for i := range uint32(51) {
		e.in(headers(2*i+1, 1))
	}
	e.failed(h2.ErrCodeEnhanceYourCalm)
	e = server(t, h2.Config{OwnResets: -1, MaxControls: 50})
	for i := range uint32(51) {
		e.in(post(2*i+1), update(2*i+1, 0))
		e.c.Release(e.evs[0].Stream)
		e.events()
	}
	e.failed(h2.ErrCodeEnhanceYourCalm)
}

// A server that does not come to its response.
func TestInterimFlood(t *testing.T) {
	e := client(t, h2.Config{})
	ask(e, "GET", true)
	if n := e.flood(2000, func(uint32) []wire { return []wire{status(1, 0, "103")} }); n != 1000 {
		t.Errorf("it took %d", n)
	}
	e.failed(h2.ErrCodeEnhanceYourCalm)
}

// H2-S9: WINDOW_UPDATE for the connection goes out as one, however long it
// waits, and a peer that can't know of it and sends all the same is stopped.
func TestUnreadWindowUpdates(t *testing.T) {
	e := server(t, h2.Config{StreamWindow: 1<<31 - 1})
	e.in(post(1))
	s := e.stream()
	p := data(1, 0, strings.Repeat("x", 16384)).bytes()
	feed := func(frames int) (err error) {
		for range frames {
			for q := p; err == nil; {
				n, _, ok, e := e.c.Next(q)
				q, err = q[n:], e
				if !ok {
					break
				}
			}
			e.c.Consumed(s, 16384)
		}
		return err
	}
	if err := feed(64); err != nil {
		t.Fatal(err)
	}
	e.sent(update(0, 1<<20))
	if err := feed(64); err != nil {
		t.Fatal(err)
	}
	e.err = feed(1)
	e.failed(h2.ErrCodeFlowControl)
}

// H2-S11: the stream beyond the limit is refused, and a stream counts until it
// is released: that answers rapid resets.
func TestMaxStreams(t *testing.T) {
	e := server(t, h2.Config{})
	for i := range uint32(100) {
		e.in(post(2*i + 1))
	}
	first := e.evs[0].Stream
	e.in(post(201), data(201, 1, "on its way"), headers(203, 1))
	if n := len(e.events()); n != 100 {
		t.Fatalf("%d requests", n)
	}
	e.sent(reset(201, h2.ErrCodeRefusedStream), reset(203, h2.ErrCodeRefusedStream))
	e.in(reset(1, 8), get(205))
	e.want("reset 1 CANCEL remote")
	e.sent(reset(205, h2.ErrCodeRefusedStream))
	e.c.Release(first)
	e.in(get(207))
	e.want("head 207 GET / end")
	if n := e.c.Streams(); n != 100 {
		t.Errorf("%d streams", n)
	}
}

// Late frames on streams we reset are ignored, also on those of long ago, and
// count on the connection's window.
func TestLateFrames(t *testing.T) {
	e := server(t, h2.Config{MaxStreams: 1000})
	for i := range uint32(200) {
		e.in(post(2*i + 1))
		s := e.stream()
		e.c.Reset(s, h2.ErrCodeCancel)
		e.c.Reset(s, h2.ErrCodeCancel)
		e.c.Consumed(s, 10)
		e.c.Release(s)
		if n := len(e.flush()); n != 1 {
			t.Fatalf("%d frames", n)
		}
	}
	e.events()
	for i := range uint32(200) {
		e.in(data(2*i+1, 0, strings.Repeat("x", 4000)), headers(2*i+1, 1), update(2*i+1, 4), reset(2*i+1, 0))
	}
	e.ok()
	e.want()
	if out := e.flush(); len(out) != 1 || out[0].typ != h2.FrameWindowUpdate || out[0].stream != 0 {
		t.Errorf("%v", out)
	}
	e.in(data(1, 0, ""))
	e.ok()
}

// A reset in the middle of what the peer sends.
func TestResetWithinFrames(t *testing.T) {
	d := data(1, 1, "abcdef").bytes()
	padded := wire{h2.FrameData, 8, 1, []byte("\x03abcpad")}.bytes()
	for name, in := range map[string][]byte{"DATA": d, "padded DATA": padded, "trailers": headers(1, 1, "a", "b").bytes(), "HEADERS": headers(1, 1).bytes(), "CONTINUATION": join(wire{h2.FrameHeaders, 1, 1, nil}, wire{h2.FrameContinuation, 4, 1, fields("a", "b")})} {
		for cut := 9; cut <= len(in); cut++ {
			e := server(t, h2.Config{})
			e.in(post(1))
			s := e.stream()
			e.feed(in[:cut])
			e.events()
			e.c.Reset(s, h2.ErrCodeCancel)
			e.feed(in[cut:])
			e.in(get(3))
			if got := fmt.Sprint(e.events()); got != "[head 3 GET / end]" || e.err != nil {
				t.Errorf("%s cut at %d: %s, %v", name, cut, got, e.err)
			}
		}
	}
}
