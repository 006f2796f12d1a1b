package server_test

import (
	"bytes"
	"compress/flate"
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// ws: version 13 is spoken, others are answered 426, over HTTP/2 400, with the one
// that is.
func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{})
		refused := http.StatusUpgradeRequired
		if overHTTP2(engine) { // which has no upgrade
			refused = http.StatusBadRequest
		}
		for version, want := range map[string]int{
			"13": http.StatusSwitchingProtocols, "8": refused, "7": refused,
			"": refused, // hixie
		} {
			line := "Sec-WebSocket-Version: " + version + "\r\n"
			if version == "" {
				line = "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"
			}
			res := h.narrow().request(t, line, "")
			if res.StatusCode != want || want == refused && res.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Errorf("version %q: %v, %v", version, res.Status, res.Header)
			}
		}
	})
}

// clientFrames are frames as a client sends them.
func clientFrames(frames ...wstest.Frame) (b []byte) {
	for i, f := range frames {
		f.Masked, f.Mask = true, frame.Mask{byte(i), 2, 3, 4}
		b = f.Append(b)
	}
	return b
}

// ws: the first frames may come together with the handshake.
func TestFramesBehindHandshake(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{init: func(s *server.Session) { s.Text("init") }, message: echo})
		early := clientFrames(wstest.Text("a"), wstest.Binary([]byte("b")), wstest.Ping([]byte("c")), wstest.Text("half"))
		for _, cut := range []int{len(early), len(early) - 3, len(early) - 9, 1} {
			c := h.narrow()
			if res := c.request(t, version13, string(early[:cut])); res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(res.Status)
			}
			peer := h.peerOn(c)
			peer.SendBytes(early[cut:])
			peer.Expect(wstest.Text("init"), wstest.Text("a"), wstest.Binary([]byte("b")), wstest.Pong([]byte("c")), wstest.Text("half"))
		}
	})
}

// ws: frames may come byte by byte.
func TestSingleBytes(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		peer, _ := h.peer("")
		for _, b := range clientFrames(wstest.Text("hello"), wstest.Ping([]byte("x")), wstest.Text("a").NotFinal(),
			wstest.Ping(nil), wstest.Continuation([]byte("b")), wstest.Binary(make([]byte, 300)), wstest.Close(1000, "bye")) {
			peer.SendBytes([]byte{b})
		}
		peer.Expect(wstest.Text("hello"), wstest.Pong([]byte("x")), wstest.Pong(nil), wstest.Text("ab"), wstest.Binary(make([]byte, 300)))
		peer.ExpectClose(1000)
	})
}

// deflated is a message as an extension without context takeover sends it.
func deflated(t testing.TB, p []byte) wstest.Frame {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(p)
	w.Flush()
	f := wstest.Text("")
	f.RSV |= frame.RSV1
	f.Payload = bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
	return f
}

// ws: the size limit holds for a single frame, for the last and for a middle
// fragment, for what is inflated, also when it comes in pieces: at the limit a
// message passes, one byte more closes with 1009.
func TestMessageSizeLimit(t *testing.T) {
	const limit = 1000
	text := func(n int) []byte { return []byte(strings.Repeat("x", n)) }
	o := &server.Options{}
	o.MaxMessageSize = limit
	o.Extensions = []extension.Extension{deflate.New(nil)}
	for name, make := range map[string]func(n int) []wstest.Frame{
		"single": func(n int) []wstest.Frame { return []wstest.Frame{wstest.Text(string(text(n)))} },
		"final": func(n int) []wstest.Frame {
			return []wstest.Frame{wstest.Text(string(text(500))).NotFinal(), wstest.Continuation(text(n - 500))}
		},
		"middle": func(n int) []wstest.Frame {
			return []wstest.Frame{wstest.Text(string(text(500))).NotFinal(), wstest.Continuation(text(n - 500)).NotFinal(), wstest.Continuation(nil)}
		},
		"inflated": func(n int) []wstest.Frame { return []wstest.Frame{deflated(t, text(n))} },
		"inflated fragments": func(n int) []wstest.Frame {
			f := deflated(t, text(n))
			a, b := f, wstest.Continuation(f.Payload[3:])
			a.Payload = f.Payload[:3]
			return []wstest.Frame{a.NotFinal(), b}
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, engine string) {
				h := serveOne(t, engine, o, funcs{message: func(s *server.Session, m websocket.Message) {
					if len(m.Data) != limit {
						t.Errorf("%d bytes", len(m.Data))
					}
					s.Text("good")
				}})
				for _, pieces := range []int{1, 3} {
					for _, n := range []int{limit, limit + 1} {
						peer, _ := h.peer("Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n")
						b := clientFrames(make(n)...)
						for i := range pieces {
							in := h.Stats().BytesIn
							peer.SendBytes(b[len(b)*i/pieces : len(b)*(i+1)/pieces])
							if i < pieces-1 { // each in a segment of its own
								until(t, "read", func() bool { return h.Stats().BytesIn > in || len(h.over) > 0 })
							}
						}
						if n == limit {
							peer.Expect(wstest.Text("good"))
						} else {
							peer.ExpectClose(websocket.StatusMessageTooBig)
							peer.ExpectEOF()
						}
						peer.Close()
						if r := wait(t, h.over); n > limit && r.Kind != server.ReasonBadFrame {
							t.Error(r)
						}
					}
				}
			})
		})
	}
}

// ws: what is offered is agreed on as far as it can be; what can't is declined.
func TestDeflateNegotiation(t *testing.T) {
	const name = "permessage-deflate"
	tests := []struct{ offer, want string }{
		{"", ""},
		{name, name + "; server_no_context_takeover; client_no_context_takeover"},
		{name + "; server_no_context_takeover", name + "; server_no_context_takeover; client_no_context_takeover"},
		{name + "; client_no_context_takeover", name + "; server_no_context_takeover; client_no_context_takeover"},
		{name + "; server_max_window_bits=10", "server_max_window_bits=10"},
		{name + "; client_max_window_bits", name},
		{name + "; client_max_window_bits=10", name},
		{name + "; server_max_window_bits=7", ""},
		{name + "; server_max_window_bits=08", ""},
		{name + "; unknown", ""},
		{name + "; client_no_context_takeover; client_no_context_takeover", ""},
		{name + "; unknown, " + name, name},
		{"x-webkit-deflate-frame", ""},
	}
	o := &server.Options{}
	o.Extensions = []extension.Extension{deflate.New(&deflate.Options{Threshold: 100})}
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, o, funcs{message: echo})
		for _, tt := range tests {
			c := h.narrow()
			lines := version13
			if tt.offer != "" {
				lines += "Sec-WebSocket-Extensions: " + tt.offer + "\r\n"
			}
			res := c.request(t, lines, "")
			got := res.Header.Get("Sec-WebSocket-Extensions")
			s := wait(t, h.begun)
			ok := (got == "") == (tt.want == "") && (len(s.Extensions()) == 1) == (got != "")
			for _, part := range strings.Split(tt.want, "; ") {
				ok = ok && strings.Contains(got, part)
			}
			if res.StatusCode != http.StatusSwitchingProtocols || !ok {
				t.Errorf("%q was answered %v, %q, want %q", tt.offer, res.Status, got, tt.want)
			}
			peer := h.peerOn(c)
			long := strings.Repeat("again and ", 30)
			peer.SendFrames(wstest.Text("short"), wstest.Text(long)) // ws: below the threshold nothing is compressed
			peer.Expect(wstest.Text("short"))
			if f := peer.Receive(); (f.RSV != 0) != (got != "") || (len(f.Payload) < len(long)) != (got != "") {
				t.Errorf("%q: came %v", tt.offer, f)
			}
			s.SetDeflate(false)
			peer.SendFrames(wstest.Text(long))
			peer.Expect(wstest.Text(long))
		}
	})
}

// ws: text is checked, unless it is not wanted.
func TestSkipUTF8(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		for _, skip := range []bool{false, true} {
			o := &server.Options{}
			o.SkipUTF8 = skip
			h := serveOne(t, engine, o, funcs{message: echo})
			peer, _ := h.peer("")
			peer.SendFrames(wstest.Text("\xff"))
			if skip {
				peer.Expect(wstest.Text("\xff"))
				continue
			}
			peer.ExpectClose(1007)
			peer.Close()
			if r := wait(t, h.over); r.Kind != server.ReasonBadEncoding {
				t.Error(r)
			}
		}
	})
}

// ws: Init may send any number of frames, and close.
func TestInitReplies(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{init: func(s *server.Session) {
			for range 100 {
				s.Send(websocket.Text("a"), websocket.Binary([]byte("b")))
			}
			s.Send(websocket.Text("last"), websocket.CloseFrame(4000, "done"), websocket.Text("never"))
			s.Text("never")
		}})
		peer, _ := h.peer("")
		for range 100 {
			peer.Expect(wstest.Text("a"), wstest.Binary([]byte("b")))
		}
		peer.Expect(wstest.Text("last"))
		peer.ExpectClose(4000)
		peer.SendFrames(wstest.Close(4000, ""))
		peer.ExpectEOF()
		if r := wait(t, h.over); r.Kind != server.ReasonStop {
			t.Error(r)
		}
	})
}
