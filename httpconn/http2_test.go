package httpconn_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket/httpconn"
)

// S2.9, S2.29: several requests at once, whose responses come in any order and in
// pieces between each other, however all of it is cut.
func TestHTTP2Responses(t *testing.T) {
	script := func(p *peer) string {
		for range 8 {
			p.request(httpconn.Request{})
		}
		p.request(httpconn.Request{Method: "HEAD"}) // 17
		p.status(3, false, 200, "content-length", "4")
		p.status(1, false, 103, "link", "</x>")
		p.data(3, false, "ab")
		p.status(1, false, 200, "x", "1", "x", "2")
		p.data(1, false, "one")
		p.data(3, true, "cd")
		p.head(1, true, "x-sum", "3")
		p.status(5, true, 204)
		p.status(7, false, 200)
		p.data(7, true, "")
		p.reset(9, http2.ErrCodeRefusedStream)
		p.status(11, false, 200, "content-length", "1")
		p.data(11, true, "too much")
		p.status(13, false, 200, "Upper", "x")
		p.status(15, false, 200)
		p.data(15, false, "half")
		p.reset(15, http2.ErrCodeInternal)
		p.status(17, true, 200, "content-length", "9")
		return p.take()
	}
	want := []string{
		"Status 3 200 Content-Length=4", "Interim 1 103 Link=</x>", `Data 3 "ab"`, "Status 1 200 X=1|2", `Data 1 "one"`, `Data 3 "cd"`, "Done 3",
		"Trailer 1 X-Sum=3", "Done 1", "Status 5 204 end", "Done 5", "Status 7 200", "Done 7", "Failed 9: REFUSED_STREAM remote",
		"Status 11 200 Content-Length=1", "Failed 11: PROTOCOL_ERROR", "Failed 13: PROTOCOL_ERROR",
		"Status 15 200", `Data 15 "half"`, "Failed 15: INTERNAL_ERROR remote", "Status 17 200 Content-Length=9 end", "Done 17",
	}
	for how, pieces := range cuts(script(http2Conn(t, httpconn.Options{}))) {
		p := http2Conn(t, httpconn.Options{})
		script(p)
		got, err := feed(t, p.c, pieces...)
		if !slices.Equal(got, want) || err != nil {
			t.Fatalf("%s: %q, %v\nwant %q", how, got, err, want)
		}
		if n := p.c.OpenRequests(); n != 0 || !p.c.IsOpen() || p.c.Finished() {
			t.Fatalf("%s: %d requests", how, n)
		}
		p.c.Close()
	}
}

// What goes over the wire of HTTP/2.
func TestHTTP2Output(t *testing.T) {
	p := http2Conn(t, httpconn.Options{Secure: true})
	const head = " :method=%s :scheme=https :authority=example.com :path=%s"
	must(p.c.Request(&httpconn.Request{Path: "/a?b", Header: http.Header{"X": {"1", " 2 "}, "Connection": {"close"}}}))(t)
	p.wantSent(fmt.Sprintf("HEADERS 1"+head+" x=1 x=2 end", "GET", "/a?b"))
	must(p.c.Request(&httpconn.Request{Method: "POST", Path: "/"}))(t)
	p.wantSent(fmt.Sprintf("HEADERS 3"+head+" content-length=0 end", "POST", "/"))
	id := must(p.c.Request(&httpconn.Request{Method: "PUT", Path: "/", Body: 4}))(t)
	must(p.c.Body(id, []byte("ab")))(t)
	must(p.c.Body(id, []byte("cd")))(t)
	p.wantSent(fmt.Sprintf("HEADERS 5"+head+" content-length=4", "PUT", "/"), `DATA 5 "ab"`, `DATA 5 "cd" end`)
	id = must(p.c.Request(&httpconn.Request{Method: "PUT", Path: "/", Body: -1}))(t)
	must(p.c.Body(id, []byte("ab")))(t)
	if err := p.c.End(id, http.Header{"X-Sum": {"2"}}); err != nil {
		t.Fatal(err)
	}
	p.wantSent(fmt.Sprintf("HEADERS 7"+head, "PUT", "/"), `DATA 7 "ab"`, "HEADERS 7 x-sum=2 end")
	id = must(p.c.Request(&httpconn.Request{Method: "PUT", Path: "/", Body: -1}))(t)
	if err := p.c.End(id, nil); err != nil {
		t.Fatal(err)
	}
	p.wantSent(fmt.Sprintf("HEADERS 9"+head, "PUT", "/"), `DATA 9 "" end`)
	if n := p.c.OpenRequests(); n != 5 {
		t.Errorf("%d requests", n)
	}
}

// A body goes as far as the server's windows let it: Body takes less, and
// Writable tells when it takes more. The windows of the others are not touched.
func TestHTTP2SendWindow(t *testing.T) {
	p := http2Conn(t, httpconn.Options{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	a := p.request(httpconn.Request{Method: "POST", Body: 30})
	b := p.request(httpconn.Request{Method: "POST", Body: -1})
	body := []byte("0123456789abcdefghijklmnopqrst")
	if n, err := p.c.Body(a, body); n != 10 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	if n, err := p.c.Body(a, body[10:]); n != 0 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	if n, err := p.c.Body(b, body[:10]); n != 10 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	p.wantSent(`DATA 1 "0123456789"`, `DATA 3 "0123456789"`)
	p.fr.WriteWindowUpdate(uint32(b), 1)
	p.fr.WriteWindowUpdate(0, 1)
	p.want("Writable") // of all streams one may do, and a waits
	if n, err := p.c.Body(a, body[10:]); n != 0 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	p.fr.WriteWindowUpdate(uint32(a), 1) // little is sent at once too: there is no clock
	p.want("Writable 1")
	p.fr.WriteWindowUpdate(uint32(b), 1)
	p.want() // b does not wait
	p.fr.WriteWindowUpdate(uint32(a), 1)
	p.want() // it was told
	if n, err := p.c.Body(a, body[10:]); n != 2 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	p.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	p.want("Ready", "Writable")
	if n, err := p.c.Body(a, body[12:]); n != 18 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	p.wantSent(`DATA 1 "ab"`, "SETTINGS 0", `DATA 1 "cdefghijklmnopqrst" end`)
	p.fr.WriteWindowUpdate(0, 1000)
	p.want() // nobody waits
}

// As much as the windows let through is taken at once, however much that is.
func TestHTTP2SendMuch(t *testing.T) {
	p := http2Conn(t, httpconn.Options{}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	p.fr.WriteWindowUpdate(0, 1<<20)
	p.want()
	id := p.request(httpconn.Request{Method: "POST", Body: -1})
	if n, err := p.c.Body(id, make([]byte, 1<<21)); n != 1<<20 || err != nil {
		t.Fatalf("took %d, %v", n, err)
	}
	if got := p.sent(); len(got) != 64 {
		t.Errorf("%d frames", len(got))
	}
}

// The server may send as far ahead as Window says, and more when Consumed does.
func TestHTTP2ReceiveWindow(t *testing.T) {
	p := http2Conn(t, httpconn.Options{Window: 1000})
	id := p.request(httpconn.Request{})
	p.status(id, false, 200)
	p.data(id, false, strings.Repeat("x", 1000))
	p.want("Status 1 200", fmt.Sprintf("Data 1 %q", strings.Repeat("x", 1000)))
	p.wantSent()
	p.c.Consumed(id, -1)
	p.c.Consumed(99, 1000)
	p.wantSent()
	p.c.Consumed(id, 5000) // more than there was
	p.wantSent("WINDOW_UPDATE 1 1000")
	p.c.Consumed(id, 1000)
	p.wantSent()
	p.data(id, false, strings.Repeat("x", 1001))
	p.want("Failed 1: FLOW_CONTROL_ERROR")
	p.wantSent("RST_STREAM 1 FLOW_CONTROL_ERROR")
	if p = http2Conn(t, httpconn.Options{Window: -1}); !p.c.Ready() {
		t.Error("not ready")
	}
}

// H-C3: over HTTP/2 too there are 8 interim responses at most; the other streams
// are not concerned.
func TestHTTP2Interim(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	p.request(httpconn.Request{})
	p.request(httpconn.Request{})
	for range 1000 {
		p.status(1, false, 103)
	}
	p.status(3, true, 204)
	p.want(append(slices.Repeat([]string{"Interim 1 103"}, 8), "Failed 1: limit", "Status 3 204 end", "Done 3")...)
	p.wantSent("RST_STREAM 1 ENHANCE_YOUR_CALM")
}

// H-C6: a header that is too long is an error of its stream.
func TestHTTP2HeaderTooLong(t *testing.T) {
	for _, o := range []httpconn.Options{{}, {MaxHeaderBytes: 5000}, {MaxFields: 3}} {
		p := http2Conn(t, o)
		p.request(httpconn.Request{})
		p.request(httpconn.Request{})
		kv := slices.Repeat([]string{"x", "y"}, 101)
		if o.MaxHeaderBytes > 0 {
			kv = slices.Repeat([]string{"x", strings.Repeat("y", 990)}, 5)
		}
		p.status(1, true, 200, kv...)
		p.status(3, true, 204)
		p.want("Failed 1: limit", "Status 3 204 end", "Done 3")
		if n := p.c.OpenRequests(); n != 0 {
			t.Errorf("%d requests", n)
		}
	}
	p := http2Conn(t, httpconn.Options{MaxHeaderBytes: -1, MaxFields: -1})
	p.request(httpconn.Request{})
	p.status(1, true, 200, slices.Repeat([]string{"x", "y"}, 2000)...)
	if got, err := feed(t, p.c, []byte(p.take())); len(got) != 2 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// The server says how many streams it takes.
func TestHTTP2Busy(t *testing.T) {
	p := http2Conn(t, httpconn.Options{}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
	p.request(httpconn.Request{})
	if _, err := p.c.Request(&httpconn.Request{Path: "/"}); err != httpconn.ErrBusy || !p.c.IsOpen() {
		t.Fatal(err)
	}
	p.status(1, true, 204)
	p.want("Status 1 204 end", "Done 1")
	p.request(httpconn.Request{})
	p.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
	p.want("Ready")
	p.request(httpconn.Request{})
	p.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 100})
	p.status(3, true, 204)
	p.want("Ready", "Status 3 204 end", "Done 3")
	if _, err := p.c.Request(&httpconn.Request{Path: "/" + strings.Repeat("x", 100)}); !errors.Is(err, httpconn.ErrRequest) {
		t.Fatalf("a header the server does not take: %v", err)
	}
}

// A request may be made before the server has said anything.
func TestHTTP2Early(t *testing.T) {
	p := newPeer(t, httpconn.Options{})
	if p.c.Ready() || !p.c.IsOpen() {
		t.Error("ready before the SETTINGS")
	}
	id := must(p.c.Request(&httpconn.Request{Path: "/"}))(t)
	p.wantSent("SETTINGS 0", "WINDOW_UPDATE 0 983041", "HEADERS 1 :method=GET :scheme=http :authority=example.com :path=/ end")
	p.fr.WriteSettings()
	p.status(id, true, 204)
	p.want("Ready", "Status 1 204 end", "Done 1")
	if p.wantSent("SETTINGS 0"); !p.c.Ready() {
		t.Error("not ready after the SETTINGS")
	}
}

// GOAWAY: streams the server has not looked at fail, the others go on, and there
// are no new ones.
func TestHTTP2GoAway(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	for range 3 {
		p.request(httpconn.Request{})
	}
	p.fr.WriteGoAway(1, http2.ErrCodeNo, []byte("bye"))
	p.want("GoAway: connection NO_ERROR remote", "Failed 3: REFUSED_STREAM remote", "Failed 5: REFUSED_STREAM remote")
	if p.c.IsOpen() || p.c.Finished() || p.c.OpenRequests() != 1 {
		t.Errorf("open %v, %d requests", p.c.IsOpen(), p.c.OpenRequests())
	}
	if _, err := p.c.Request(&httpconn.Request{Path: "/"}); err != httpconn.ErrClosed {
		t.Error(err)
	}
	p.status(1, false, 200)
	p.data(1, true, "x")
	p.want("Status 1 200", `Data 1 "x"`, "Done 1")
	if !p.c.Finished() {
		t.Error("not finished")
	}
	if evs, err := p.c.ReceiveEOF(); len(evs) != 0 || err != nil {
		t.Errorf("%v, %v", evs, err)
	}
	over(t, p.c, httpconn.ErrClosed)
}

// Cancel resets one stream; what still comes for it is dropped.
func TestHTTP2Cancel(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	p.request(httpconn.Request{})
	p.request(httpconn.Request{Method: "POST", Body: -1})
	p.request(httpconn.Request{})
	for id := httpconn.StreamID(1); id <= 3; id += 2 {
		if err := p.c.Cancel(id); err != nil {
			t.Fatal(err)
		}
		if err := p.c.Cancel(id); err != httpconn.ErrStream {
			t.Fatal(err)
		}
	}
	p.wantSent("RST_STREAM 1 CANCEL", "RST_STREAM 3 CANCEL")
	p.status(1, false, 200)
	p.data(1, true, "x")
	p.reset(3, http2.ErrCodeNo)
	p.status(5, true, 204)
	p.want("Status 5 204 end", "Done 5")
}

// RFC 9113, section 8.1: a response may be over before the request.
func TestHTTP2ResponseFirst(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	id := p.request(httpconn.Request{Method: "POST", Body: -1})
	p.status(id, false, 413)
	p.data(id, true, "no")
	p.reset(id, http2.ErrCodeNo)
	p.want("Status 1 413", `Data 1 "no"`, "Done 1")
	p.wantSent("RST_STREAM 1 CANCEL")
	if _, err := p.c.Body(id, []byte("x")); err != httpconn.ErrStream {
		t.Error(err)
	}
}

// Close and Drain say GOAWAY; Close ends all there is.
func TestHTTP2Ending(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	p.request(httpconn.Request{})
	p.c.Drain()
	p.wantSent("GOAWAY 0 NO_ERROR")
	if p.c.IsOpen() || p.c.Finished() {
		t.Error("the request under way is over")
	}
	p.status(1, true, 204)
	p.want("Status 1 204 end", "Done 1")
	if !p.c.Finished() {
		t.Error("not finished")
	}
	p = http2Conn(t, httpconn.Options{})
	id := p.request(httpconn.Request{Method: "POST", Body: -1})
	must(p.c.Body(id, []byte("x")))(t)
	p.c.Close()
	p.wantSent("GOAWAY 0 NO_ERROR", `DATA 1 "x"`)
	over(t, p.c, httpconn.ErrClosed)
	p.c.Consumed(id, 1)
	if err := p.c.Ping([8]byte{}); err != httpconn.ErrClosed {
		t.Error(err)
	}
}

// S2.25, S2.28: an error of the connection comes behind the events, and ends
// every stream; the server is told.
func TestHTTP2ConnectionError(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	p.request(httpconn.Request{})
	p.request(httpconn.Request{})
	p.status(3, false, 200)
	p.data(3, false, "x")
	p.fr.WritePing(false, [8]byte{})
	p.data(99, false, "x") // an idle stream
	all := p.take()
	got, err := feed(t, p.c, []byte(all))
	if want := []string{"Status 3 200", `Data 3 "x"`, "Failed 1: connection PROTOCOL_ERROR", "Failed 3: connection PROTOCOL_ERROR"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if ce, ok := errors.AsType[*httpconn.HTTP2ConnError](err); !ok || ce.Remote {
		t.Errorf("%v", err)
	}
	p.wantSent("PING 0 \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\" true", "GOAWAY 0 PROTOCOL_ERROR")
	over(t, p.c, err)
}

// The end of the server's bytes.
func TestHTTP2EOF(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(p *peer)
		want []string
		err  string
	}{
		{name: "idle", do: func(*peer) {}},
		{name: "within a frame", do: func(p *peer) { p.in.WriteString("\x00") }, err: "cut"},
		{
			name: "with requests", do: func(p *peer) {
				p.request(httpconn.Request{})
				p.request(httpconn.Request{})
				p.status(3, false, 200)
			},
			want: []string{"Status 3 200", "Failed 1: no response", "Failed 3: cut"}, err: "cut",
		},
		{
			name: "after GOAWAY with an error", do: func(p *peer) {
				p.request(httpconn.Request{})
				p.fr.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, nil)
			},
			want: []string{"GoAway: connection ENHANCE_YOUR_CALM remote", "Failed 1: connection ENHANCE_YOUR_CALM remote"},
			err:  "connection ENHANCE_YOUR_CALM remote",
		},
	} {
		p := http2Conn(t, httpconn.Options{})
		tt.do(p)
		evs, err := p.c.Receive([]byte(p.take()))
		var j journal
		j.add(evs...)
		if err != nil {
			t.Fatal(err)
		}
		evs, err = p.c.ReceiveEOF()
		if j.add(evs...); !slices.Equal(j.lines, tt.want) || kindOf(err) != tt.err {
			t.Errorf("%s: %q, %v; want %q, %s", tt.name, j.lines, err, tt.want, tt.err)
		}
		if err == nil {
			err = httpconn.ErrClosed
		}
		over(t, p.c, err)
	}
}

// An end in the middle of a frame gives back what the frame was kept in:
// leakcheck counts.
func TestHTTP2Memory(t *testing.T) {
	for _, end := range []func(c *httpconn.Conn){
		func(c *httpconn.Conn) { c.Close() },
		func(c *httpconn.Conn) { c.ReceiveEOF() },
	} {
		p := http2Conn(t, httpconn.Options{})
		p.request(httpconn.Request{})
		p.status(1, true, 200, "x", "y")
		head := p.take()
		must(p.c.Receive([]byte(head[:len(head)-1])))(t)
		end(p.c)
		over(t, p.c, second(p.c.Receive(nil)))
	}
}

func TestHTTP2Ping(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	if err := p.c.Ping([8]byte{1: 'x'}); err != nil {
		t.Fatal(err)
	}
	p.wantSent("PING 0 \"\\x00x\\x00\\x00\\x00\\x00\\x00\\x00\" false")
	p.fr.WritePing(true, [8]byte{1: 'x'})
	p.want("Pong \"\\x00x\\x00\\x00\\x00\\x00\\x00\\x00\"")
}

// Frames that carry nothing are counted where there is a clock, for ten seconds.
func TestHTTP2Flood(t *testing.T) {
	var now int64
	for _, o := range []httpconn.Options{{}, {Now: func() int64 { return now }}} {
		p := http2Conn(t, o)
		var err error
		for i := 0; i < 5000 && err == nil; i++ {
			if i%900 == 0 {
				now += 10e9
			}
			p.fr.WritePing(false, [8]byte{})
			_, err = p.c.Receive([]byte(p.take()))
			p.c.Output()
		}
		if err != nil {
			t.Errorf("few in ten seconds: %v", err)
		}
		for i := 0; i < 5000 && err == nil; i++ {
			p.fr.WritePing(false, [8]byte{})
			_, err = p.c.Receive([]byte(p.take()))
			p.c.Output()
		}
		if ce, ok := errors.AsType[*httpconn.HTTP2ConnError](err); ok != (o.Now != nil) || ok && ce.Code.String() != "ENHANCE_YOUR_CALM" {
			t.Errorf("with a clock %v: %v", o.Now != nil, err)
		}
		// What waits to be sent is bounded with and without one.
		p = http2Conn(t, o)
		for i := 0; i < 2000 && err == nil; i++ {
			p.fr.WritePing(false, [8]byte{})
		}
		if _, err = p.c.Receive([]byte(strings.Repeat("\x00\x00\x08\x06\x00\x00\x00\x00\x00xxxxxxxx", 2000))); err == nil {
			t.Error("2,000 answers wait")
		}
	}
}
