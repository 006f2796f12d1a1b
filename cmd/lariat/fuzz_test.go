package main

import (
	"io"
	"testing"

	"github.com/lariat-go/websocket/frame"
)

// decode takes any bytes apart without a panic, and what it says of them does
// not depend on whether people or programs read it.
func FuzzDecode(f *testing.F) {
	hello := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText}, []byte("Hello"))
	masked := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Mask: frame.Mask{1, 2, 3, 4}}, []byte("Hello"))
	f.Add(hello, "", "")
	f.Add(masked, "client", "")
	f.Add([]byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), "server", "server_no_context_takeover")
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n\x88\x00"), "", "")
	f.Add([]byte("81 05 48 65 6c 6c 6f # text"), "", "-")
	f.Add([]byte("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), "client", "client_max_window_bits=8")
	f.Fuzz(func(t *testing.T, data []byte, from, params string) {
		if from != "client" && from != "server" {
			from = ""
		}
		if looksHex(data) {
			p, err := parseHex(data)
			if err != nil {
				t.Fatalf("it looks like hex, but: %v", err)
			}
			data = p
		}
		var codes [2]int
		for i, json := range []bool{false, true} {
			d := &decoder{printer: &printer{json: json, out: io.Discard, err: io.Discard}, from: from, preview: 16}
			if params != "-" {
				d.deflate = &params
			}
			if f := asFailure(d.run(data)); f != nil {
				codes[i] = f.code
			}
		}
		if codes[0] != codes[1] {
			t.Errorf("exit codes %d for people, %d for programs", codes[0], codes[1])
		}
	})
}

// A wrong URL is answered with one that can be used.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"", "localhost:8080", "ws:localhost", "wss:/localhost/x", "http://a#b", "ftp://a", "://", "ws://", "ws://a:b:c/", "a b", "ws://[::1", "#", "ws://user:secret@h:99999/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := checkURL(s)
		if err == nil {
			if u.Hostname() == "" {
				t.Errorf("%q has no host", s)
			}
			return
		}
		if bad := asFailure(err); bad.code != exitUsage || bad.hint == "" || bad.msg == "" {
			t.Errorf("%q: %+v", s, bad)
		}
	})
}
