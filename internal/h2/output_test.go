package h2_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
)

// answering returns a server with n streams that are being answered, and whose
// windows are wide open.
func answering(t testing.TB, n int, window uint32) (*end, []*h2.Stream) {
	t.Helper()
	e := server(t, h2.Config{}, 4, window)
	var l []*h2.Stream
	for i := range n {
		e.in(get(uint32(2*i + 1)))
		l = append(l, e.stream())
		respond(e, e.stream(), false)
	}
	e.flush()
	e.events()
	return e, l
}

func shape(frames []wire) string {
	var b strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&b, "%v %d:%d", f.typ, f.stream, len(f.payload))
		if f.flags&h2.FlagEndStream != 0 {
			b.WriteString(" end")
		}
		b.WriteString(", ")
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// A frame of WebSocket of up to 16 KiB is one DATA frame, header and payload
// together.
func TestWriteFrames(t *testing.T) {
	e, s := answering(t, 1, 1<<20)
	e.in(update(0, 1<<20))
	for _, tt := range []struct {
		head, tail int
		end        bool
		want       string
	}{
		{2, 100, false, "DATA 1:102"},
		{4, 16380, false, "DATA 1:16384"},
		{4, 16381, false, "DATA 1:16384, DATA 1:1"},
		{20000, 20000, false, "DATA 1:16384, DATA 1:16384, DATA 1:7232"},
		{0, 3, false, "DATA 1:3"},
		{0, 0, false, ""},
		{3, 0, true, "DATA 1:3 end"},
	} {
		n, err := e.c.Write(s[0], make([]byte, tt.head), make([]byte, tt.tail), tt.end)
		if n != tt.head+tt.tail || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if got := shape(e.flush()); got != tt.want {
			t.Errorf("%d and %d bytes: %s; want %s", tt.head, tt.tail, got, tt.want)
		}
	}
	if _, err := e.c.Write(s[0], []byte("x"), nil, false); err != h2.ErrStreamDone {
		t.Errorf("after the end: %v", err)
	}
}

func TestWriteStops(t *testing.T) {
	e, s := answering(t, 2, 1<<20)
	e.in(update(0, 1<<20))
	big := make([]byte, 100000)
	if n, _ := e.c.Write(s[0], big, nil, true); n != 64<<10 {
		t.Errorf("staged %d", n)
	}
	if n := e.c.Staged(); n < 64<<10 || n > 65<<10 {
		t.Errorf("Staged: %d", n)
	}
	if n, _ := e.c.Write(s[1], big, nil, false); n != 0 {
		t.Errorf("staged %d more", n)
	}
	if p := e.c.Output(nil, 10); len(p) != 9+16384 {
		t.Errorf("%d bytes of output, want one frame", len(p))
	}
	if n, _ := e.c.Write(s[1], big[:20000], nil, false); n != 16384 {
		t.Errorf("staged %d", n)
	}
	if got := shape(e.flush()); got != "DATA 1:16384, DATA 1:16384, DATA 1:16384, DATA 3:16384" {
		t.Error(got)
	}
	if err := e.c.Queue(s[0], big[:10], false); err != nil {
		t.Fatal(err)
	}
	for _, st := range s { // others wait, or the stream's own queue
		if n, _ := e.c.Write(st, []byte("x"), nil, false); n != 0 {
			t.Errorf("staged %d though something is queued", n)
		}
	}
	if got := shape(e.flush()); got != "DATA 1:10" {
		t.Error(got)
	}
	e.in(settings(4, 0)) // what is left of 2^20 is negative now
	if n, _ := e.c.Write(s[0], []byte("x"), nil, false); n != 0 {
		t.Errorf("staged %d beyond the window", n)
	}
}

// Streams take turns, a frame each; the order of the output is control frames,
// what is staged, what is queued.
func TestTurns(t *testing.T) {
	e, s := answering(t, 3, 1<<20)
	e.in(update(0, 1<<20))
	for i, st := range s {
		if err := e.c.Queue(st, make([]byte, 20000*(i+1)), i == 1); err != nil {
			t.Fatal(err)
		}
		if err := e.c.Queue(st, []byte("x"), false); err == nil {
			t.Error("queued twice")
		}
	}
	e.in(wire{h2.FramePing, 0, 0, make([]byte, 8)}, settings())
	if err := e.c.Trailers(s[0], nil); err == nil {
		t.Error("trailers before what is queued")
	}
	const want = "PING 0:8 end, SETTINGS 0:0 end, DATA 1:16384, DATA 3:16384, DATA 5:16384, DATA 1:3616, DATA 3:16384, DATA 5:16384, DATA 3:7232 end, DATA 5:16384, DATA 5:10848"
	if got := shape(e.flush()); got != want {
		t.Error(got)
	}
	if l := e.c.Written(); len(l) != 3 || l[0] != s[0] || l[1] != s[1] || l[2] != s[2] || len(e.c.Written()) != 0 {
		t.Errorf("%v", l)
	}
	if e.c.HasOutput() {
		t.Error("more output")
	}
}

func TestQueueEndings(t *testing.T) {
	e, s := answering(t, 4, 100000)
	if err := e.c.Queue(s[0], nil, true); err != nil || len(e.c.Written()) != 1 {
		t.Errorf("an empty end: %v", err)
	}
	if err := e.c.Queue(s[1], nil, false); err != nil || len(e.c.Written()) != 1 {
		t.Errorf("nothing: %v", err)
	}
	if err := e.c.Queue(s[1], nil, false); err != nil || e.c.Unqueue(s[1]) != 0 || len(e.c.Written()) != 0 {
		t.Errorf("nothing, taken back: %v", err)
	}
	if err := e.c.Queue(s[1], make([]byte, 30000), true); err != nil {
		t.Fatal(err)
	}
	if _, err := e.c.Write(s[1], []byte("x"), nil, false); err != h2.ErrStreamDone {
		t.Errorf("after a queued end: %v", err)
	}
	if got := shape(e.parse(e.c.Output(nil, 17000))); got != "DATA 1:0 end, DATA 3:16384" {
		t.Error(got)
	}
	if left := e.c.Unqueue(s[1]); left != 30000-16384 {
		t.Errorf("left: %d", left)
	}
	if err := e.c.Trailers(s[1], []h2.Field{{Name: "a", Value: "b"}}); err != nil {
		t.Error(err)
	}
	if err := e.c.Trailers(s[2], nil); err != nil {
		t.Error(err)
	}
	if err := e.c.Queue(s[3], make([]byte, 9), false); err != nil {
		t.Fatal(err)
	}
	e.in(reset(7, 8))
	if got := shape(e.flush()); got != "HEADERS 3:5 end, DATA 5:0 end" {
		t.Error(got)
	}
	for i, st := range s {
		if e.c.Queue(st, nil, false) != h2.ErrStreamDone || e.c.Trailers(st, nil) != h2.ErrStreamDone || e.c.Respond(st, &h2.Head{Status: 200}, false) != h2.ErrStreamDone {
			t.Errorf("stream %d goes on", i)
		}
	}
}

// A head comes once, and before the body.
func TestHeadOrder(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(get(1))
	s := e.stream()
	if _, err := e.c.Write(s, []byte("x"), nil, false); err == nil {
		t.Error("DATA before the head")
	}
	if err := e.c.Respond(s, &h2.Head{Status: 103, ContentLength: -1}, true); err != nil {
		t.Error(err)
	}
	respond(e, s, false)
	if err := e.c.Respond(s, &h2.Head{Status: 200, ContentLength: -1}, false); err == nil {
		t.Error("two heads")
	}
	if got := shape(e.flush()); !strings.HasPrefix(got, "HEADERS 1:") || strings.Contains(got, "end") || strings.Count(got, "HEADERS") != 2 {
		t.Error(got)
	}
}

// A long block goes on in CONTINUATION, and the output is not cut within.
func TestLongHead(t *testing.T) {
	e := server(t, h2.Config{})
	c := client(t, h2.Config{MaxHeaderBytes: 1 << 20})
	ask(c, "GET", true)
	e.in(get(1), wire{h2.FramePing, 0, 0, make([]byte, 8)})
	s := e.evs[0].Stream
	long := h2.Field{Name: "x", Value: strings.Repeat("\x7e", 40000)}
	if err := e.c.Respond(s, &h2.Head{Status: 200, Fields: []h2.Field{long}, ContentLength: -1}, false); err != nil {
		t.Fatal(err)
	}
	if n, err := e.c.Write(s, []byte("x"), nil, true); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if got := shape(e.parse(e.c.Output(nil, 17))); got != "PING 0:8 end" {
		t.Error(got)
	}
	p := e.c.Output(nil, 100)
	if got := shape(e.parse(p)); !strings.HasPrefix(got, "HEADERS 1:16384, CONTINUATION 1:16384, CONTINUATION 1:") || strings.Contains(got, "DATA") {
		t.Error(got)
	}
	p = append(p, e.c.Output(nil, 100)...)
	c.feed(p)
	c.want("head 1 200 x="+long.Value, `data 1 "x" end`)
}

// H2-S8: no DATA below 1 KiB while more waits, or 50 ms.
func TestDribble(t *testing.T) {
	e, s := answering(t, 2, 0)
	now := int64(1)
	e.c.SetTime(now)
	if err := e.c.Queue(s[0], make([]byte, 5000), true); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		e.in(update(1, 1))
		if e.c.HasOutput() {
			t.Fatal("a dribble is answered by another")
		}
	}
	if !e.c.Retry() {
		t.Error("no Retry")
	}
	e.sent()
	e.c.SetTime(now + 49e6)
	e.sent()
	e.c.SetTime(now + 50e6)
	if got := shape(e.flush()); got != "DATA 1:100" || e.c.Retry() {
		t.Error(got)
	}
	now += 60e6
	e.c.SetTime(now)
	e.in(update(1, 1000))
	e.sent()
	e.in(update(1, 24)) // as much as 1 KiB: at once
	if got := shape(e.flush()); got != "DATA 1:1024" {
		t.Error(got)
	}
	e.in(update(1, 3700))
	e.flush()
	e.in(update(1, 175))
	e.sent()
	e.in(update(1, 1)) // all there is: at once
	if got := shape(e.flush()); got != "DATA 1:176 end" {
		t.Error(got)
	}

	// Write goes by the same rule.
	write := func(n, want int) {
		t.Helper()
		if got, err := e.c.Write(s[1], make([]byte, n), nil, false); got != want || err != nil {
			t.Fatalf("wrote %d, %v; want %d", got, err, want)
		}
	}
	write(600, 0) // that is no dribble, but a closed window
	now += 60e6
	e.c.SetTime(now)
	e.in(update(3, 500))
	write(600, 0)
	write(500, 500)
	e.in(update(3, 500))
	write(600, 0)
	e.c.SetTime(now + 50e6)
	write(600, 500)
}

// The same with the connection's window, which holds all streams.
func TestDribbleOfTheConnection(t *testing.T) {
	e, s := answering(t, 3, 1<<20)
	for n := 65535; n > 0; {
		k, err := e.c.Write(s[0], make([]byte, n), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		n -= k
		e.flush()
	}
	for _, st := range s {
		if err := e.c.Queue(st, make([]byte, 3000), false); err != nil {
			t.Fatal(err)
		}
	}
	if e.c.HasOutput() || e.c.Retry() {
		t.Error("output through a closed window, or Retry without one")
	}
	e.in(update(0, 10))
	if e.c.HasOutput() || !e.c.Retry() {
		t.Error("a dribble of the connection's window is used")
	}
	e.sent()
	e.in(update(0, 2014))
	if got := shape(e.flush()); got != "DATA 1:2024" {
		t.Error(got)
	}
	if e.c.Unqueue(s[1]) != 3000 || e.c.Unqueue(s[1]) != 0 {
		t.Error("Unqueue")
	}
	e.c.Reset(s[0], h2.ErrCodeCancel)
	e.in(update(0, 500))
	if got := shape(e.flush()); got != "RST_STREAM 1:4" || !e.c.Retry() {
		t.Error(got)
	}
	e.c.SetTime(100e6)
	if got := shape(e.flush()); got != "DATA 5:500" {
		t.Error(got)
	}
}

func TestOutputLimit(t *testing.T) {
	e, s := answering(t, 2, 1<<20)
	e.in(update(0, 1<<20))
	if err := e.c.Queue(s[0], make([]byte, 200000), false); err != nil {
		t.Fatal(err)
	}
	if err := e.c.Queue(s[1], make([]byte, 10000), false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		limit int
		want  string
	}{
		{16393 + 10009, "DATA 1:16384, DATA 3:10000"},
		{50000, "DATA 1:16384, DATA 1:16384, DATA 1:16384"},
		{20000, "DATA 1:16384, DATA 1:3598"},
		{1, "DATA 1:16384"},
	} {
		before := []byte("before")
		p := e.c.Output(before, tt.limit)
		if got := shape(e.parse(bytes.TrimPrefix(p, before))); got != tt.want || tt.limit > 1 && len(p) > tt.limit+6 {
			t.Errorf("limit %d: %s; want %s", tt.limit, got, tt.want)
		}
	}
}

// Take gives away the staging buffer where that is all there is to be sent, and
// does what Output does elsewhere.
func TestTake(t *testing.T) {
	e, s := answering(t, 2, 1<<20)
	e.in(update(0, 1<<20))
	take := func(limit int, want string) {
		t.Helper()
		p := e.c.Take(limit)
		if got := shape(e.parse(p)); got != want || e.c.Staged() > 0 && len(p) > limit {
			t.Errorf("%s; want %s", got, want)
		}
		bufpool.Put(p)
	}
	write := func(n int) {
		t.Helper()
		if k, err := e.c.Write(s[0], make([]byte, n), nil, false); k != n || err != nil {
			t.Fatal(k, err)
		}
	}
	take(100, "")
	write(100)
	take(1<<16, "DATA 1:100")
	write(100)
	if err := e.c.Queue(s[1], make([]byte, 30000), false); err != nil {
		t.Fatal(err)
	}
	take(1<<16, "DATA 1:100, DATA 3:3978") // as much as the buffer has room for
	take(1<<15, "DATA 3:16384, DATA 3:9638")
	write(60000)
	take(20000, "DATA 1:16384")
	take(1<<16, "DATA 1:16384, DATA 1:16384, DATA 1:10848")
	write(100)
	e.in(wire{h2.FramePing, 0, 0, make([]byte, 8)})
	take(1<<16, "PING 0:8 end, DATA 1:100")
	e.c.Consumed(s[0], 1)
	if e.c.HasOutput() {
		t.Error("more output")
	}
}

func TestTrace(t *testing.T) {
	var log []string
	cfg := h2.Config{Role: h2.RoleServer, OnFrame: func(f h2.FrameInfo) {
		dir := "<"
		if f.Sent {
			dir = ">"
		}
		log = append(log, fmt.Sprintf("%s %v %#x %d %d %v %v %d", dir, f.Type, f.Flags, f.Stream, f.Length, f.Settings, f.Code, f.Value))
	}}
	e := newEnd(t, cfg)
	e.feed([]byte(preface))
	e.in(settings(4, 7), post(1), data(1, 0, "abc"), update(1, 5), reset(1, 8), wire{0x42, 1, 2, []byte("x")}, get(2))
	want := []string{
		"> SETTINGS 0x0 0 18 [{MAX_CONCURRENT_STREAMS 100} {INITIAL_WINDOW_SIZE 65536} {MAX_HEADER_LIST_SIZE 32768}] NO_ERROR 0",
		"> WINDOW_UPDATE 0x0 0 4 [] NO_ERROR 983041",
		"< SETTINGS 0x0 0 6 [{INITIAL_WINDOW_SIZE 7}] NO_ERROR 0",
		"> SETTINGS 0x1 0 0 [] NO_ERROR 0",
		fmt.Sprintf("< HEADERS 0x4 1 %d [] NO_ERROR 0", len(post(1).payload)),
		"< DATA 0x0 1 3 [] NO_ERROR 0",
		"< WINDOW_UPDATE 0x0 1 4 [] NO_ERROR 5",
		"< RST_STREAM 0x0 1 4 [] CANCEL 0",
		"< frame type 0x42 0x1 2 1 [] NO_ERROR 0",
		fmt.Sprintf("< HEADERS 0x5 2 %d [] NO_ERROR 0", len(get(2).payload)),
		fmt.Sprintf("> GOAWAY 0x0 0 %d [] PROTOCOL_ERROR 1", 8+len(e.err.(*h2.ConnError).Reason)),
	}
	for i := range max(len(log), len(want)) {
		if i >= len(log) || i >= len(want) || log[i] != want[i] {
			t.Fatalf("%d: %q, want %q", i, log[i:], want[i:])
		}
	}
}
