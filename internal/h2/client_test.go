package h2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

// ask opens a stream, and drops what is sent for it.
func ask(e *end, method string, fin bool) *h2.Stream {
	e.t.Helper()
	h := &h2.Head{Method: method, Scheme: "https", Authority: "example.com", Path: "/", ContentLength: -1}
	s, err := e.c.Open(h, fin)
	if err != nil {
		e.t.Fatal(err)
	}
	e.flush()
	return s
}

func TestResponses(t *testing.T) {
	const bad = "reset 1 PROTOCOL_ERROR, RST 1 PROTOCOL_ERROR"
	for _, tt := range []struct {
		name, method string
		in           []wire
		want         string
	}{
		{"response", "GET", []wire{status(1, 0, "200"), data(1, 1, "hi")}, `head 1 200, data 1 "hi" end`},
		{"no body", "GET", []wire{status(1, 1, "404")}, "head 1 404 end"},
		{"interim", "GET", []wire{status(1, 0, "103", "link", "a"), status(1, 1, "200")}, "head 1 103 link=a, head 1 200 end"},
		{"interim with END_STREAM", "GET", []wire{status(1, 1, "103")}, bad},
		{"101", "GET", []wire{status(1, 0, "101")}, bad},
		{"no status", "GET", []wire{headers(1, 1, "a", "b")}, bad},
		{"trailers", "GET", []wire{status(1, 0, "200"), data(1, 0, "x"), headers(1, 1, "a", "b")}, `head 1 200, data 1 "x", trailers 1 a=b end`},
		{"trailers without END_STREAM", "GET", []wire{status(1, 0, "200"), headers(1, 0, "a", "b")}, "head 1 200, " + bad},
		{"DATA first", "GET", []wire{data(1, 0, "x")}, bad},
		{"DATA after an interim one", "GET", []wire{status(1, 0, "100"), data(1, 1, "")}, "head 1 100, " + bad},
		{"content-length", "GET", []wire{status(1, 0, "200", "content-length", "2"), data(1, 1, "x")}, "head 1 200 content-length=2, " + bad},
		{"content-length and END_STREAM", "GET", []wire{status(1, 1, "200", "content-length", "2")}, bad},
		{"content-length of 0", "GET", []wire{status(1, 1, "200", "content-length", "0")}, "head 1 200 content-length=0 end"},
		{"content-length of HEAD", "HEAD", []wire{status(1, 1, "200", "content-length", "2")}, "head 1 200 content-length=2 end"},
		{"a body for HEAD", "HEAD", []wire{status(1, 0, "200"), data(1, 1, "x")}, "head 1 200, " + bad},
		{"an empty body for HEAD", "HEAD", []wire{status(1, 0, "200"), data(1, 1, "")}, `head 1 200, data 1 "" end`},
		{"304 with content-length", "GET", []wire{status(1, 1, "304", "content-length", "2")}, "head 1 304 content-length=2 end"},
		{"204 with a body", "GET", []wire{status(1, 0, "204"), data(1, 0, "x")}, "head 1 204, " + bad},
		{"CONNECT with content-length", "CONNECT", []wire{status(1, 0, "200", "content-length", "2"), data(1, 0, "xyz")}, `head 1 200 content-length=2, data 1 "xyz"`},
		{"CONNECT refused with content-length", "CONNECT", []wire{status(1, 0, "403", "content-length", "2"), data(1, 0, "xyz")}, "head 1 403 content-length=2, " + bad},
		{"even stream", "GET", []wire{status(2, 0, "200")}, "GOAWAY PROTOCOL_ERROR"},
		{"idle stream", "GET", []wire{status(3, 0, "200")}, "GOAWAY PROTOCOL_ERROR"},
		{"twice", "GET", []wire{status(1, 1, "200"), status(1, 1, "200")}, "head 1 200 end, GOAWAY STREAM_CLOSED"},
		{"refused", "GET", []wire{reset(1, h2.ErrCodeRefusedStream), reset(1, 8)}, "reset 1 REFUSED_STREAM remote"},
		{"H2-C5 2xx with END_STREAM", "CONNECT", []wire{status(1, 1, "200")}, "head 1 200 end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := client(t, h2.Config{})
			ask(e, tt.method, tt.method != "CONNECT")
			e.in(tt.in...)
			if got := outcome(e); got != tt.want {
				t.Errorf("%s; want %s", got, tt.want)
			}
		})
	}
}

func TestClosedLongAgo(t *testing.T) {
	e := client(t, h2.Config{})
	for i := range uint32(10) {
		ask(e, "GET", true)
		e.in(status(1+2*i, 1, "200"))
	}
	e.events()
	e.in(status(1, 1, "200"))
	e.failed(h2.ErrCodeStreamClosed)
}

func TestOpen(t *testing.T) {
	e := newEnd(t, h2.Config{Role: h2.RoleClient})
	e.c.Output(nil, 1<<20)
	if n := e.c.PeerMaxStreams(); n != 100 || e.c.Settled() {
		t.Errorf("%d streams before SETTINGS", n)
	}
	for range 100 {
		ask(e, "GET", true)
	}
	h := &h2.Head{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/"}
	open := func(want error) {
		t.Helper()
		if _, err := e.c.Open(h, true); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	open(h2.ErrNoSlot)
	e.in(settings(3, 101, 6, 200))
	e.want("settings first")
	open(nil)
	open(h2.ErrNoSlot)
	e.in(settings(3, 0))
	e.in(status(1, 1, "200"))
	open(h2.ErrNoSlot)
	e.in(settings(3, 1000))
	h.Fields = []h2.Field{{Name: "x", Value: strings.Repeat("y", 200)}}
	open(h2.ErrHeadTooLong)
	if n := e.c.Streams(); n != 100 {
		t.Errorf("%d streams", n)
	}
	h.Fields = nil
	const size = 4*32 + len(":methodGET:schemehttps:authorityexample.com:path/")
	e.in(settings(6, uint32(size-1)))
	open(h2.ErrHeadTooLong)
	e.in(settings(6, uint32(size)))
	open(nil)
	e.in(wire{h2.FrameGoAway, 0, 0, append(u32(1000), u32(0)...)})
	open(h2.ErrGoingAway)
	e.in(data(0, 0, ""))
	if _, err := e.c.Open(h, true); err != e.err {
		t.Errorf("%v, want %v", err, e.err)
	}
}

// H2-S12, and what a client does with it: the streams above the last were not
// seen and may be tried elsewhere; the others live on.
func TestGoAwayReceived(t *testing.T) {
	goaway := func(last uint32, code h2.ErrCode) wire {
		return wire{h2.FrameGoAway, 0, 0, append(append(u32(last), u32(uint32(code))...), strings.Repeat("?", 5000)...)}
	}
	e := client(t, h2.Config{})
	for range 4 {
		ask(e, "GET", true)
	}
	e.in(goaway(1<<31-1, 0))
	e.want("goaway NO_ERROR remote last 2147483647")
	e.in(goaway(3, 0), status(1, 1, "200"), status(5, 0, "200"), data(7, 1, "late"))
	e.want("goaway NO_ERROR remote last 3", "reset 5 REFUSED_STREAM remote", "reset 7 REFUSED_STREAM remote", "head 1 200 end")
	if !e.c.GoingAway() || e.c.Drained() {
		t.Errorf("going away %v, drained %v", e.c.GoingAway(), e.c.Drained())
	}
	e.in(status(3, 1, "200"))
	e.want("head 3 200 end")
	if !e.c.Drained() || e.c.EOF() != nil {
		t.Errorf("not drained, %v", e.c.EOF())
	}
	e.in(goaway(0, h2.ErrCodeEnhanceYourCalm))
	e.want("goaway ENHANCE_YOUR_CALM remote last 0")
	var ce *h2.ConnError
	if err := e.c.EOF(); !errors.As(err, &ce) || ce.Code != h2.ErrCodeEnhanceYourCalm || !ce.Remote || len(ce.Reason) != 66 {
		t.Errorf("%v", err)
	}

	// A server's sockets live on, and new streams are refused.
	s := server(t, h2.Config{})
	s.in(post(1), goaway(0, 0), data(1, 0, "x"), get(3))
	s.want("head 1 POST /", "goaway NO_ERROR remote last 0", `data 1 "x"`)
	s.sent(reset(3, h2.ErrCodeRefusedStream))
}

func TestDrainClient(t *testing.T) {
	e := client(t, h2.Config{})
	ask(e, "GET", true)
	e.c.Drain()
	e.c.Drain()
	e.sent(wire{h2.FrameGoAway, 0, 0, make([]byte, 8)})
	if e.c.Drained() || !e.c.GoingAway() {
		t.Error("drained with a stream open, or not going away")
	}
	if _, err := e.c.Open(&h2.Head{Method: "GET"}, true); err != h2.ErrGoingAway {
		t.Error(err)
	}
	if e.in(status(1, 1, "200")); !e.c.Drained() {
		t.Error("not drained")
	}
}

func TestDrainServer(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(get(1))
	e.c.Drain()
	out := e.flush()
	if len(out) != 2 || out[0].String() != (wire{h2.FrameGoAway, 0, 0, append(u32(1<<31-1), u32(0)...)}).String() || out[1].typ != h2.FramePing {
		t.Fatalf("%v", out)
	}
	e.in(get(3)) // was on its way
	e.want("head 1 GET / end", "head 3 GET / end")
	if e.c.GoingAway() || e.c.Drained() {
		t.Error("too early")
	}
	e.in(wire{h2.FramePing, h2.FlagAck, 0, out[1].payload}, post(5), data(5, 1, "x"))
	e.want()
	e.sent(wire{h2.FrameGoAway, 0, 0, append(u32(3), u32(0)...)})
	if !e.c.GoingAway() || e.c.Drained() {
		t.Error("not going away, or drained with streams")
	}
	e.in(data(0, 0, ""))
	e.failed(h2.ErrCodeProtocol)
}

func TestDrained(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(get(1))
	s := e.stream()
	e.c.Drain()
	e.in(wire{h2.FramePing, h2.FlagAck, 0, e.flush()[1].payload})
	respond(e, s, true)
	if e.c.Drained() {
		t.Error("drained before Release")
	}
	e.c.Release(s)
	e.c.Release(s)
	if !e.c.Drained() || !e.c.Idle() {
		t.Error("not drained")
	}
}

func TestPing(t *testing.T) {
	e := client(t, h2.Config{})
	e.c.Ping([8]byte{1, 2, 3})
	e.sent(wire{h2.FramePing, 0, 0, []byte{1, 2, 3, 0, 0, 0, 0, 0}})
	e.in(wire{h2.FramePing, h2.FlagAck, 0, []byte{1, 2, 3, 0, 0, 0, 0, 0}})
	if len(e.evs) != 1 || e.evs[0].Kind != h2.KindPong || e.evs[0].Ping != [8]byte{1, 2, 3} {
		t.Errorf("%v", e.evs)
	}
	e.events()
	e.in(wire{h2.FramePing, h2.FlagAck, 0, make([]byte, 8)}) // nobody asked
	e.want()
	e.ok()
}

func TestFail(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(get(1))
	s := e.stream()
	respond(e, s, false)
	if err := e.c.Queue(s, []byte("queued"), true); err != nil {
		t.Fatal(err)
	}
	err := e.c.Fail(h2.ErrCodeInternal, "because")
	if err.Code != h2.ErrCodeInternal || e.c.Fail(h2.ErrCodeNo, "again") != err || !e.c.GoingAway() || !e.c.Drained() {
		t.Error(err)
	}
	e.sent(wire{h2.FrameGoAway, 0, 0, append(append(u32(1), u32(2)...), "because"...)})
	_, e1 := e.c.Write(s, []byte("x"), nil, false)
	e2 := e.c.Queue(s, []byte("x"), false)
	e3 := e.c.Trailers(s, nil)
	e4 := e.c.Respond(s, &h2.Head{Status: 200}, false)
	for _, e := range []error{e1, e2, e3, e4} {
		if e != err {
			t.Errorf("%v, want %v", e, err)
		}
	}
	e.c.Reset(s, h2.ErrCodeCancel)
	e.c.Ping([8]byte{})
	e.c.Drain()
	e.sent()
}
