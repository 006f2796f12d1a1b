package client

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/wstest"
)

// errLost is why things fail here.
var errLost = errors.New("websocket: cable\r\nwas cut")

// allSteps takes every step once, or more often.
func allSteps(t testing.TB, s *steps, socket *websocket.Conn) {
	t.Helper()
	s.attempt(1, 1)
	s.dialStep(dial.Info{Step: dial.StepLookup, Addr: "example.com"})
	s.dialStep(dial.Info{Step: dial.StepLookup, Addr: "example.com", Done: true, Addrs: []string{"192.0.2.1", "2001:db8::1"}, Took: 1234 * time.Microsecond})
	s.dialStep(dial.Info{Step: dial.StepConnect, Addr: "proxy:3128", Done: true})
	s.dialStep(dial.Info{Step: dial.StepProxy, Addr: "example.com:443"})
	s.dialStep(dial.Info{Step: dial.StepTLS, Addr: "example.com:443", Done: true, TLS: &tls.ConnectionState{Version: tls.VersionTLS13, NegotiatedProtocol: "h2"}})
	s.dialStep(dial.Info{Step: dial.StepTLS, Addr: "example.com:443", Done: true, Err: errLost})
	s.failed(1, -1, errLost)
	s.failed(1, time.Second, errLost)
	s.up(HTTP2)
	post := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/a"}, Body: http.NoBody}
	s.request(RequestInfo{Ref: 1, Phase: PhaseBegin, Request: post})
	s.request(RequestInfo{Ref: 1, Phase: PhaseHead, Request: post})
	s.request(RequestInfo{Ref: 1, Phase: PhaseEnd, Request: post})
	s.request(RequestInfo{Ref: 1, Phase: PhaseEnd, Request: post, Err: errLost})
	put := &http.Request{Method: http.MethodPut, URL: &url.URL{Path: "/b"}, Body: io.NopCloser(strings.NewReader("hello"))}
	s.request(RequestInfo{Ref: 3, Phase: PhaseEnd, Request: put})
	s.response(ResponseInfo{Ref: 1, Phase: PhaseInterim, Status: 103})
	s.response(ResponseInfo{Ref: 1, Phase: PhaseHead, Status: 404})
	s.response(ResponseInfo{Ref: 1, Phase: PhaseTrailer})
	s.response(ResponseInfo{Ref: 1, Phase: PhaseEnd})
	s.response(ResponseInfo{Ref: 1, Phase: PhaseEnd, Err: errLost})
	s.cancel(1)
	s.upgrade(UpgradeInfo{Ref: 2, Path: "/ws"})
	s.upgrade(UpgradeInfo{Ref: 2, Path: "/ws", Done: true, Err: errLost})
	s.upgrade(UpgradeInfo{Ref: 2, Path: "/ws", Done: true, Socket: socket})
	if tr := s.trace(2, nil); tr != nil {
		tr.Frame(true, frame.Header{Fin: true, RSV: frame.RSV1 | frame.RSV3, Opcode: frame.OpText, Masked: true, Length: 1})
		tr.Frame(false, frame.Header{Opcode: frame.OpContinuation, Length: 1 << 20})
		if tr.Request != nil {
			tr.Request(http.MethodGet, "/ws\x1b[31m", nil)
			tr.Response(101, nil)
		}
	}
	if f := s.http2(); f != nil {
		f(h2.FrameInfo{Type: h2.FrameContinuation, Stream: 1, Length: 1})
		f(h2.FrameInfo{Sent: true, Type: h2.FramePing, Flags: h2.FlagAck})
	}
	s.handlerFailed(2, errLost, nil)
	s.handlerFailed(2, errLost, []byte("stack"))
	s.disconnect(errLost, time.Second)
	s.disconnect(errLost, -1)
	s.disconnect(nil, -1)
	s.retry(0, 5*time.Second, errLost)
	s.terminate(errLost)
	s.terminate(nil)
}

// Where nobody is told, steps cost nothing.
func TestStepsNobody(t *testing.T) {
	socket, _ := wstest.Pair(t, nil)
	s := newSteps(&Options{}, "addr")
	if s != nil {
		t.Fatal("steps for nobody")
	}
	user := &websocket.Trace{}
	if s.trace(1, user) != user || s.trace(1, nil) != nil || s.http2() != nil {
		t.Error("a trace for nobody")
	}
	if n := testing.AllocsPerRun(10, func() { s.attempt(1, 1); s.up(HTTP1); s.cancel(1); s.disconnect(errLost, 0); s.terminate(nil) }); n != 0 {
		t.Errorf("steps for nobody allocate %v times", n)
	}
	allSteps(t, s, socket)
	// Hooks of which all are nil are nobody too, but for the socket's trace.
	s = newSteps(&Options{Hooks: &Hooks{}}, "addr")
	allSteps(t, s, socket)
	if s.trace(1, user) != user {
		t.Error("a trace for nobody")
	}
}

func TestTraceLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		socket, _ := wstest.Pair(t, nil)
		var got bytes.Buffer
		s := newSteps(&Options{TraceTo: &got}, "addr")
		time.Sleep(61*time.Second + 500*time.Microsecond) // of the bubble
		allSteps(t, s, socket)
		const want = `
* attempt 1, 1 retry left
* lookup example.com
* lookup example.com: 192.0.2.1 2001:db8::1 in 1.2ms
* connect proxy:3128: done in 0.0ms
* proxy example.com:443
* TLS example.com:443: TLS 1.3, ALPN h2 in 0.0ms
* TLS example.com:443: failed in 0.0ms
* attempt 1 failed: cable??was cut
* attempt 1 failed: cable??was cut
* up: HTTP/2
> #1 POST /a
* #1 request failed: cable??was cut
> #3 body sent
< #1 103 Early Hints
< #1 404 Not Found
< #1 trailer
< #1 end
* #1 response failed: cable??was cut
* #1 cancelled
* #2 upgrade /ws
* #2 upgrade failed: cable??was cut
* #2 open
> #2 text FIN RSV1 RSV3 masked 1 byte
< #2 continuation 1048576 bytes
> #2 GET /ws?[31m
< #2 101 Switching Protocols
< HTTP/2 CONTINUATION stream 1 1 byte
> HTTP/2 PING ACK
* #2 handler failed: cable??was cut
* #2 handler failed: cable??was cut
* down: cable??was cut
* down: cable??was cut
* down: ended by this end
* next attempt in 5s, 0 retries left
* over: cable??was cut
* over
`
		if lines := strings.ReplaceAll(want[1:], "\n", "\n   61.001 "); got.String() != "   61.001 "+strings.TrimSuffix(lines, "   61.001 ") {
			t.Errorf("trace:\n%s\nwant:%s", &got, want)
		}
	})
}

func TestLogger(t *testing.T) {
	socket, _ := wstest.Pair(t, nil)
	var got bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(slog.NewTextHandler(&got, &slog.HandlerOptions{ReplaceAttr: noTime}))
	allSteps(t, newSteps(&Options{Logger: log}, "example.com:443"), socket)
	const want = `
level=WARN msg="attempt to connect failed" addr=example.com:443 attempt=1 err="websocket: cable\r\nwas cut"
level=WARN msg="attempt to connect failed" addr=example.com:443 attempt=1 wait=1s err="websocket: cable\r\nwas cut"
level=INFO msg="connection is up" addr=example.com:443 protocol=HTTP/2
level=ERROR msg="handler of a socket failed" addr=example.com:443 ref=2 err="websocket: cable\r\nwas cut"
level=ERROR msg="handler of a socket panicked" addr=example.com:443 ref=2 err="websocket: cable\r\nwas cut" stack=stack
level=INFO msg="connection is down" addr=example.com:443 wait=1s err="websocket: cable\r\nwas cut"
level=INFO msg="connection is down" addr=example.com:443 err="websocket: cable\r\nwas cut"
level=INFO msg="connection is down" addr=example.com:443
level=ERROR msg="gave up connecting" addr=example.com:443 err="websocket: cable\r\nwas cut"
`
	if got.String() != want[1:] {
		t.Errorf("log:\n%s\nwant:%s", &got, want)
	}
}

func TestPhaseString(t *testing.T) {
	for p, want := range map[Phase]string{PhaseBegin: "begin", PhaseInterim: "interim", PhaseHead: "head", PhaseTrailer: "trailer", PhaseEnd: "end"} {
		if p.String() != want {
			t.Errorf("%d is %q, want %q", p, p, want)
		}
	}
}
