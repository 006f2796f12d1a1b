//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// sessionPair returns an engine with one HTTP/2 connection of two streams that
// were asked for, and what writes a server's frames.
func sessionPair(kind string, size int) (e *engine, l *link, fr *http2.Framer, out *bytes.Buffer) {
	spec := loadSpec{kind: kind, mode: modeHTTP, h2: true, raw: true, size: size, inFlight: 1}
	e = &engine{spec: spec, checking: true, stopping: true, outstanding: 2}
	e.ring, _ = spec.ring()
	e.body = randomPayloads(1, size)[0]
	l = &link{sock: new(socket)}
	l.session = newSession(spec)
	for range 2 {
		w := &wire{link: l, inflate: new(inflator)}
		l.wires, e.wires = append(l.wires, w), append(e.wires, w)
		l.session.request(nil, w, 0)
	}
	out = new(bytes.Buffer)
	return e, l, http2.NewFramer(out, nil), out
}

// responseHead is a header block of a status.
func responseHead(status string) []byte {
	var b bytes.Buffer
	_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: ":status", Value: status})
	return b.Bytes()
}

func writeHead(fr *http2.Framer, id uint32, status string, end bool) {
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: responseHead(status), EndHeaders: true, EndStream: end})
}

// Answers are taken apart however they come in.
func TestSessionReads(t *testing.T) {
	for _, chunk := range []int{1, 7, 1 << 20} {
		e, l, fr, out := sessionPair(kindEcho, 1000)
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 5})
		_ = fr.WriteSettingsAck()
		writeHead(fr, 1, "200", false)
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: nil})
		_ = fr.WriteContinuation(3, true, responseHead("200"))
		_ = fr.WritePing(false, [8]byte{1})
		_ = fr.WriteWindowUpdate(0, 10)
		_ = fr.WriteWindowUpdate(3, 20)
		frame := e.ring.buf[:e.ring.off[1]]
		_ = fr.WriteData(1, false, frame[:3])
		_ = fr.WriteData(3, false, frame[:100])
		_ = fr.WriteData(1, false, nil)
		_ = fr.WriteData(3, false, frame[100:])
		_ = fr.WriteData(1, false, frame[3:])
		for p := out.Bytes(); len(p) > 0; p = p[min(chunk, len(p)):] {
			if err := e.frames(l, p[:min(chunk, len(p))]); err != nil {
				t.Fatalf("in pieces of %d: %v", chunk, err)
			}
		}
		s := l.session
		if e.received != 2 || e.outstanding != 0 || !s.settled || !s.connect || s.opened != 2 {
			t.Errorf("in pieces of %d: %d messages; session %+v", chunk, e.received, s)
		}
		if s.window != firstWindow+10 || l.wires[0].stream.window != 5 || l.wires[1].stream.window != 25 {
			t.Errorf("in pieces of %d: windows %d, %d, %d", chunk, s.window, l.wires[0].stream.window, l.wires[1].stream.window)
		}
		want := "\x00\x00\x00\x04\x01\x00\x00\x00\x00" + "\x00\x00\x08\x06\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"
		if string(s.control) != want {
			t.Errorf("in pieces of %d: answers %q", chunk, s.control)
		}
	}
}

// What no server may send ends the measurement.
func TestSessionErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		kind       string
		write      func(*http2.Framer)
	}{
		{"DATA before HEADERS", "not answered", kindEcho, func(fr *http2.Framer) { _ = fr.WriteData(1, false, []byte("x")) }},
		{"DATA on an unknown stream", "not answered", kindEcho, func(fr *http2.Framer) { _ = fr.WriteData(5, false, []byte("x")) }},
		{"status", "404", kindEcho, func(fr *http2.Framer) { writeHead(fr, 1, "404", false) }},
		{"HEADERS twice", "after", kindEcho, func(fr *http2.Framer) { writeHead(fr, 1, "200", false); writeHead(fr, 1, "200", false) }},
		{"END_STREAM", "ended", kindEcho, func(fr *http2.Framer) { writeHead(fr, 1, "200", true) }},
		{"RST_STREAM", "RST_STREAM", kindEcho, func(fr *http2.Framer) { _ = fr.WriteRSTStream(1, http2.ErrCodeCancel) }},
		{"GOAWAY", "GOAWAY", kindEcho, func(fr *http2.Framer) { _ = fr.WriteGoAway(0, http2.ErrCodeNo, nil) }},
		{"large frame", "allowed", kindEcho, func(fr *http2.Framer) { _ = fr.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, largestFrame+1)) }},
		{"PING in a block", "order", kindEcho, func(fr *http2.Framer) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: responseHead("200")})
			_ = fr.WritePing(false, [8]byte{})
		}},
		{"short body", "instead", kindGet, func(fr *http2.Framer) { writeHead(fr, 1, "200", false); _ = fr.WriteData(1, true, nil) }},
		{"long body", "more", kindGet, func(fr *http2.Framer) { writeHead(fr, 1, "200", false); _ = fr.WriteData(1, true, make([]byte, 11)) }},
		{"wrong body", "other", kindGet, func(fr *http2.Framer) { writeHead(fr, 1, "200", false); _ = fr.WriteData(1, true, make([]byte, 10)) }},
	} {
		e, l, fr, out := sessionPair(c.kind, 10)
		c.write(fr)
		if err := e.frames(l, out.Bytes()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The generator sends no more than the server's windows take, and opens its own
// when half is used up.
func TestSessionWindows(t *testing.T) {
	e, l, fr, out := sessionPair(kindEcho, 50_000)
	e.stopping = false
	stage := func() (n int) {
		l.sock.rest = nil
		if _, err := e.stageFrames(l); err != nil {
			t.Fatal(err)
		}
		in := http2.NewFramer(nil, bytes.NewReader(l.sock.rest))
		for {
			f, err := in.ReadFrame()
			if err != nil {
				return n
			}
			switch f := f.(type) {
			case *http2.DataFrame:
				n += len(f.Data())
			case *http2.WindowUpdateFrame:
				n += 1e9 * int(f.StreamID+1)
			}
		}
	}
	give := func(f func()) {
		out.Reset()
		f()
		if err := e.frames(l, out.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	l.wires[0].grant(1)
	l.wires[1].grant(1)
	frame := e.ring.off[1]
	if n := stage(); n != firstWindow { // the connection's
		t.Errorf("%d bytes sent", n)
	}
	give(func() { _ = fr.WriteWindowUpdate(0, 1<<20) })
	if n := stage(); n != 2*frame-firstWindow {
		t.Errorf("then %d bytes, of %d", n, 2*frame)
	}
	l.wires[0].grant(1)
	if n := stage(); n != firstWindow-frame { // the stream's
		t.Errorf("then %d bytes", n)
	}
	give(func() { _ = fr.WriteWindowUpdate(1, 1<<20) })
	if n := stage(); n != 2*frame-firstWindow {
		t.Errorf("then %d bytes, of %d", n, 2*frame)
	}

	e.checking, e.stopping = false, true
	give(func() {
		writeHead(fr, 1, "200", false)
		for len(out.Bytes()) < streamWindow/2+2*frame {
			for p := e.ring.buf[:frame]; len(p) > 0; p = p[min(largestFrame, len(p)):] {
				_ = fr.WriteData(1, false, p[:min(largestFrame, len(p))])
			}
		}
	})
	if n := stage(); n != 2e9 { // one for stream 1
		t.Errorf("windows were opened: %d", n)
	}
}
