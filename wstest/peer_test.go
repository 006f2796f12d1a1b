package wstest_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// recorder is a testing.TB that keeps the first failure instead of failing.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper()        {}
func (r *recorder) Cleanup(func()) {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Errorf(format string, args ...any) {
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
}

// failure runs a script and returns how it fails, "" when it does not.
func failure(script func(t testing.TB)) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		script(r)
	}()
	<-done
	return r.failure
}

var (
	masked = frame.Mask{1, 2, 3, 4}
	hello  = []byte{0x81, 5, 'H', 'e', 'l', 'l', 'o'}
)

func TestPeerFailures(t *testing.T) {
	long := strings.Repeat("0123456789", 10)
	for _, tc := range []struct {
		name   string
		came   []byte // then the end of the stream
		script func(p *wstest.Peer)
		want   string // "" for none
	}{
		{"expected", hello, func(p *wstest.Peer) { p.Expect(wstest.Text("Hello")); p.ExpectEOF() }, ""},
		{"other payload", hello, func(p *wstest.Peer) { p.Expect(wstest.Text("Hallo")) }, `wstest: frame 1 of 1
  expected  text, fin, 5 bytes: "Hallo"
  came      text, fin, 5 bytes: "Hello"
conversation (> sent by the peer, < received by it):
<     0  81 05              text, fin, 5 bytes: "Hello"
`},
		{"other frame, after some", wstest.Close(1002, "").Append(hello), func(p *wstest.Peer) {
			p.Send(frame.Header{Fin: true, Opcode: frame.OpPing, Masked: true, Mask: masked}, []byte("p"))
			p.Expect(wstest.Text("Hello"), wstest.Pong([]byte("p")))
		}, `wstest: frame 2 of 2
  expected  pong, fin, 1 byte: "p"
  came      close, fin, 2 bytes: 1002 (protocol error)
conversation (> sent by the peer, < received by it):
>     0  89 81 01 02 03 04  ping, fin, masked 01020304, 1 byte: "p"
<     0  81 05              text, fin, 5 bytes: "Hello"
<     0  88 02              close, fin, 2 bytes: 1002 (protocol error)
`},
		{"long payloads", wstest.Text(long + "x" + long).Append(nil), func(p *wstest.Peer) { p.Expect(wstest.Text(long + "y" + long)) }, `wstest: frame 1 of 1
  expected  text, fin, 201 bytes: "` + long[:64] + `" …
  came      text, fin, 201 bytes: "` + long[:64] + `" …
  the payloads are equal up to byte 100, then
  expected  "y` + long[:31] + `"
  came      "x` + long[:31] + `"
conversation (> sent by the peer, < received by it):
<     0  81 7e 00 c9        text, fin, 201 bytes: "` + long[:64] + `" …
`},
		{"end of the stream", nil, func(p *wstest.Peer) { p.Expect(wstest.Text("Hello")) }, `wstest: frame 1 of 1
  expected  text, fin, 5 bytes: "Hello"
  came      the end of the stream
nothing was sent or received before`},
		{"end in a frame", hello[:4], func(p *wstest.Peer) { p.Receive() }, `wstest: expected a frame
  came      the end of the stream in the middle of a frame, after
     0  81 05              text, fin, 5 bytes: "He" … (3 bytes missing)

nothing was sent or received before`},
		{"no frame", []byte{0x81, 126, 0, 1}, func(p *wstest.Peer) { p.Receive() }, `wstest: expected a frame
  came      websocket: payload length not in its shortest form (RFC 6455, section 5.2), after
     0  81 7e 00 01: payload length not in its shortest form (RFC 6455, section 5.2)

nothing was sent or received before`},
		{"giant frame", []byte{0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0}, func(p *wstest.Peer) { p.Receive() }, "a header that declares 9151314442816847872 bytes"},
		{"no masking", hello, func(p *wstest.Peer) { p.Expect(wstest.Text("Hello")) }, ""},
		{"masked by a server", wstest.Frame{
			Header:  frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Mask: masked},
			Payload: []byte("Hi"),
		}.Append(nil), func(p *wstest.Peer) { p.Expect(wstest.Text("Hi")) }, "came      text, fin, masked 01020304, 2 bytes"},
		{"close", wstest.Close(1001, "bye").Append(nil), func(p *wstest.Peer) {
			if r := p.ExpectClose(1001); r != "bye" {
				panic(r)
			}
		}, ""},
		{"other close", wstest.Close(1001, "bye").Append(nil), func(p *wstest.Peer) { p.ExpectClose(1000) }, `wstest: expected  close 1000 (normal closure)
  came      close, fin, 5 bytes: 1001 (going away) "bye"
`},
		{"no close", nil, func(p *wstest.Peer) { p.ExpectClose(1000) }, "wstest: expected  close 1000 (normal closure)\n  came      the end of the stream"},
		{"more before the end", hello, func(p *wstest.Peer) { p.ExpectEOF() }, "wstest: expected  the end of the stream\n  came      text, fin, 5 bytes: \"Hello\""},
		{"half a frame before the end", hello[:3], func(p *wstest.Peer) { p.ExpectEOF() }, "in the middle of a frame"},
		{"not nothing", hello, func(p *wstest.Peer) { p.ExpectNothing(time.Second) }, "wstest: expected  nothing for 1s\n  came      text, fin, 5 bytes: \"Hello\""},
		{"not nothing, the end", nil, func(p *wstest.Peer) { p.ExpectNothing(time.Second) }, "came      the end of the stream"},
		{"not nothing, half a frame", hello[:3], func(p *wstest.Peer) { p.ExpectNothing(time.Second) }, "in the middle of a frame"},
		{"bad hex", nil, func(p *wstest.Peer) { p.SendHex("8g") }, `wstest: SendHex("8g"): encoding/hex: invalid byte`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := failure(func(t testing.TB) {
				a, b := wstest.Pipe(nil)
				defer b.Close()
				b.Write(tc.came)
				b.CloseWrite()
				tc.script(wstest.NewPeer(t, a, protocol.RoleClient))
			})
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("failed with\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestPeerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := failure(func(t testing.TB) {
			a, _ := wstest.Pipe(nil)
			p := wstest.NewPeer(t, a, protocol.RoleServer)
			p.ExpectNothing(time.Minute)
			p.Expect(wstest.Text("Hello"))
		})
		if want := "came      nothing for 5s"; !strings.Contains(got, want) {
			t.Errorf("failed with\n%s\nwant\n%s", got, want)
		}
		if d := time.Since(start); d != time.Minute+5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestPeerClosedTransport(t *testing.T) {
	got := failure(func(t testing.TB) {
		a, b := wstest.Pipe(nil)
		p := wstest.NewPeer(t, a, protocol.RoleServer)
		b.Close()
		p.SendHex("81 00")
	})
	if !strings.Contains(got, "sending 2 bytes: ") || !strings.Contains(got, ">     0  81 00              text, fin, 0 bytes") {
		t.Errorf("failed with\n%s", got)
	}
	got = failure(func(t testing.TB) {
		a, _ := wstest.Pipe(nil)
		p := wstest.NewPeer(t, a, protocol.RoleServer)
		p.Close()
		p.CloseWrite()
	})
	if !strings.Contains(got, "CloseWrite: ") {
		t.Errorf("failed with\n%s", got)
	}
}

func TestPeerSends(t *testing.T) {
	a, b := wstest.Pipe(nil)
	client := wstest.NewPeer(t, a, protocol.RoleClient)
	server := wstest.NewPeer(t, b, protocol.RoleServer)

	// A client masks each frame with another key, and leaves its caller's
	// payload as it is.
	text := wstest.Text("Hello")
	client.SendFrames(text, text, wstest.Text("frag").NotFinal(), wstest.Continuation(nil))
	one, two := server.Receive(), server.Receive()
	if !one.Masked || !two.Masked || one.Mask == two.Mask || !bytes.Equal(one.Payload, text.Payload) {
		t.Errorf("came %v and %v", one, two)
	}
	server.Expect(wstest.Text("frag").NotFinal(), wstest.Continuation(nil))

	server.SendHex(`
		81 03 61 62 63   # a text frame
		8a00             # and a pong
	`)
	client.Expect(wstest.Text("abc"), wstest.Pong(nil))

	big := wstest.Binary(make([]byte, 1<<20))
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.SendFrames(big)
	}()
	client.Expect(big)
	<-done
	if c := client.Conversation(); !strings.Contains(c, "<     0  82 7f 00 00 00 00 00 10 00 00  binary, fin, 1048576 bytes: 00 00") {
		t.Error(c)
	}
	client.CloseWrite()
	server.ExpectEOF()
	if server.Conn() != b {
		t.Error("Conn is not the connection")
	}
}

// What is kept of the conversation is bounded.
func TestPeerConversationIsShort(t *testing.T) {
	a, b := wstest.Pipe(nil)
	p := wstest.NewPeer(t, a, protocol.RoleServer)
	for range 100 {
		p.SendFrames(wstest.Text(strings.Repeat("x", 200)), wstest.Text(strings.Repeat("y", 200)), wstest.Text("z"))
		b.Read(make([]byte, 1000))
	}
	c := p.Conversation()
	if n := strings.Count(c, "\n"); n != 1+3*32 {
		t.Errorf("%d lines:\n%s", n, c)
	}
	if want := ">   408  … and 3 bytes more\n"; !strings.Contains(c, want) {
		t.Errorf("%s\nwant a line %q", c, want)
	}
}
