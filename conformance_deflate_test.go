package websocket_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// deflatePeer compresses as a peer would that knows nothing of this library,
// with the standard library.
type deflatePeer struct {
	*scripter
	takeover         bool // of what it sends
	bits             int  // of what it sends
	subjectsTakeover bool
	subjectsBits     int
	sent, received   []byte // the windows
	w                *flate.Writer
}

const syncTail = "\x00\x00\xff\xff"

// code compresses one message.
func (p *deflatePeer) code(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if !p.takeover {
		p.sent = nil
	}
	if p.bits == 15 {
		if p.w == nil {
			p.w, _ = flate.NewWriter(&b, flate.BestSpeed)
		} else if p.takeover {
			// The next message goes on where the last one ended.
			p.w, _ = flate.NewWriterDict(&b, flate.BestSpeed, p.sent)
		} else {
			p.w.Reset(&b)
		}
		p.w.Write(text)
		p.w.Flush()
	}
	// No distance may pass a smaller window: some pieces of half of it, each
	// with the text before as its dictionary, and the rest without references.
	half, at := 1<<p.bits/2, 0
	for history := p.sent; p.bits < 15 && at < min(len(text), 4*half); at += half {
		piece := text[at:min(at+half, len(text))]
		w, _ := flate.NewWriterDict(&b, flate.BestSpeed, history[max(0, len(history)-half):])
		w.Write(piece)
		w.Flush()
		history = append(bytes.Clone(history), piece...)
	}
	if p.bits < 15 && (at < len(text) || at == 0) {
		w, _ := flate.NewWriter(&b, flate.HuffmanOnly)
		w.Write(text[at:])
		w.Flush()
	}
	p.sent = window(append(p.sent, text...), p.bits)
	out := bytes.TrimSuffix(b.Bytes(), []byte(syncTail))
	if len(out) == 0 {
		out = []byte{0}
	}
	return out
}

// read undoes the compression of one message of the subject's, and fails when
// that refers to text it must not refer to.
func (p *deflatePeer) read(t *testing.T, coded []byte) []byte {
	t.Helper()
	if !p.subjectsTakeover {
		p.received = nil
	}
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(coded), bytes.NewReader([]byte(syncTail+"\x01\x00\x00\xff\xff"))), p.received)
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%d bytes that do not inflate: %v", len(coded), err)
	}
	p.received = window(append(p.received, text...), p.subjectsBits)
	return text
}

func window(p []byte, bits int) []byte { return bytes.Clone(p[max(0, len(p)-1<<bits):]) }

// coded returns a compressed message in one frame.
func (p *deflatePeer) coded(t *testing.T, f wstest.Frame) wstest.Frame {
	t.Helper()
	f.Payload = p.code(t, f.Payload)
	f.RSV = frame.RSV1
	return f
}

// expectMessage expects one message, compressed or not, and no more frames
// than one.
func (p *deflatePeer) expectMessage(t *testing.T, want wstest.Frame) (size int) {
	t.Helper()
	f := p.Receive()
	text := f.Payload
	if f.RSV == frame.RSV1 {
		text = p.read(t, f.Payload)
	}
	if f.Opcode != want.Opcode || !f.Fin || f.RSV&^frame.RSV1 != 0 || f.Masked == p.masks || !bytes.Equal(text, want.Payload) {
		t.Fatalf("came %v, %d bytes of text; expected %v", f, len(text), want)
	}
	return len(f.Payload)
}

// Compression with every agreement: takeover or not in each direction, the
// largest and smaller windows, messages of many sizes, whole and in fragments.
func TestConformanceDeflate(t *testing.T) {
	for _, a := range []struct {
		name           string
		params         string // of the answer; an offer for a server
		server, client bool   // takeover
		sbits, cbits   int
	}{
		{"takeover", "", true, true, 15, 15},
		{"no takeover", "; server_no_context_takeover; client_no_context_takeover", false, false, 15, 15},
		{"no takeover by the server", "; server_no_context_takeover", false, true, 15, 15},
		{"no takeover by the client", "; client_no_context_takeover", true, false, 15, 15},
		{"window bits 9", "; server_max_window_bits=9; client_max_window_bits=9", true, true, 9, 9},
		{"window bits 9, no takeover", "; server_max_window_bits=9; client_max_window_bits=9; server_no_context_takeover; client_no_context_takeover", false, false, 9, 9},
		{"window bits 15", "; server_max_window_bits=15; client_max_window_bits=15", true, true, 15, 15},
		{"window bits 15, no takeover", "; server_max_window_bits=15; client_max_window_bits=15; server_no_context_takeover; client_no_context_takeover", false, false, 15, 15},
		{"window bits 8 and 12", "; server_max_window_bits=8; client_max_window_bits=12", true, true, 8, 12},
	} {
		for _, s := range subjects {
			t.Run(a.name+", "+s.name, func(t *testing.T) {
				t.Parallel()
				x := deflate.New(&deflate.Options{
					ServerContextTakeover: true, ClientContextTakeover: true, Threshold: -1,
					ServerMaxWindowBits: a.sbits, ClientMaxWindowBits: a.cbits,
				})
				o := &websocket.ConnOptions{Extensions: []extension.Extension{x}, MaxMessageSize: -1}
				p := &deflatePeer{scripter: s.serve(t, o, deflate.Name+a.params, deflate.Name+a.params)(t)}
				if s.role == protocol.RoleServer {
					p.takeover, p.bits, p.subjectsTakeover, p.subjectsBits = a.client, a.cbits, a.server, a.sbits
				} else {
					p.takeover, p.bits, p.subjectsTakeover, p.subjectsBits = a.server, a.sbits, a.client, a.cbits
				}
				p.converse(t)
				finish(p.scripter)
			})
		}
	}
}

// converse sends messages in each form and expects their echoes.
func (p *deflatePeer) converse(t *testing.T) {
	t.Helper()
	first, again := 0, 0
	sizes := []int{0, 1, 16, 256, 1024, 4096, 16384, 65536, 131072}
	if raceEnabled { // which is slow, and sees no more in more bytes
		sizes = sizes[:6]
	}
	for _, n := range sizes {
		for i := range 4 {
			f := wstest.Text(letters(n))
			if i%2 == 1 {
				f.Opcode = frame.OpBinary
			}
			coded := p.coded(t, f)
			var done <-chan error
			switch i {
			case 0, 1:
				done = pour(p.scripter, wire(p.scripter, coded))
			case 2: // in fragments, of which the first alone has the bit
				done = pour(p.scripter, wire(p.scripter, split(coded, max(1, len(coded.Payload)/7))...))
			case 3: // with an empty one at each end, and what is not compressed after it
				parts := split(coded, max(1, len(coded.Payload)))
				parts[0].Opcode, parts[0].RSV, parts[0].Fin = frame.OpContinuation, 0, false
				frames := append([]wstest.Frame{with(frame.RSV1, as(f.Opcode, wstest.Text(""))).NotFinal()}, parts...)
				frames = append(frames, wstest.Continuation(nil), wstest.Text("plain"))
				done = pour(p.scripter, wire(p.scripter, frames...))
			}
			size := p.expectMessage(t, f)
			if i == 3 {
				p.expectMessage(t, wstest.Text("plain"))
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if n == 256 && i == 0 {
				first = size
			} else if n == 256 && i == 1 {
				again = size
			}
			if n >= 4096 && size > n/2 {
				t.Errorf("%d bytes of text left as %d", n, size)
			}
		}
	}
	// With takeover a message that repeats the one before shrinks to a
	// reference, as far as that is in the window.
	if p.subjectsTakeover && p.subjectsBits > 8 && again*2 > first {
		t.Errorf("a repeated message left as %d bytes, the first as %d: no takeover", again, first)
	}
}

// Many messages at once, with takeover both ways.
func TestConformanceDeflateMany(t *testing.T) {
	x := deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true, Threshold: -1})
	o := &websocket.ConnOptions{Extensions: []extension.Extension{x}}
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := &deflatePeer{scripter: s.serve(t, o, deflate.Name, deflate.Name)(t), takeover: true, bits: 15, subjectsTakeover: true, subjectsBits: 15}
			var b []byte
			var want []wstest.Frame
			for i := range 200 {
				want = append(want, wstest.Text(fmt.Sprint(i, letters(i*5))))
				b = append(b, wire(p.scripter, p.coded(t, want[i]))...)
			}
			done := pour(p.scripter, b)
			for _, f := range want {
				p.expectMessage(t, f)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			finish(p.scripter)
		})
	}
}

// D3 to D5, D9, D12: what compression must not be used for, and what does not
// inflate or is too large when it does. D1, D2, D6: what is odd and right.
func TestConformanceDeflateRefused(t *testing.T) {
	x := deflate.New(&deflate.Options{Threshold: -1})
	o := &websocket.ConnOptions{Extensions: []extension.Extension{x}, MaxMessageSize: 64 << 10}
	text := func(t *testing.T, s string) wstest.Frame {
		return (&deflatePeer{bits: 15}).coded(t, wstest.Text(s))
	}
	far := text(t, letters(4<<20))
	const params = deflate.Name + "; server_no_context_takeover; client_no_context_takeover"
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dial := s.serve(t, o, params, params)
			for _, tc := range []struct {
				name   string
				code   websocket.StatusCode
				frames []wstest.Frame
			}{
				{"RSV1 on a continuation", 1002, []wstest.Frame{text(t, "Hello").NotFinal(), with(frame.RSV1, wstest.Continuation(nil))}},
				{"RSV1 on a continuation of plain text", 1002, []wstest.Frame{wstest.Text("Hello").NotFinal(), with(frame.RSV1, wstest.Continuation(nil))}},
				{"RSV1 on a ping", 1002, []wstest.Frame{with(frame.RSV1, wstest.Ping(nil))}},
				{"RSV1 on a pong", 1002, []wstest.Frame{with(frame.RSV1, wstest.Pong([]byte{0}))}},
				{"RSV1 on a close frame", 1002, []wstest.Frame{with(frame.RSV1, wstest.Close(1000, ""))}},
				{"RSV2", 1002, []wstest.Frame{with(frame.RSV2, wstest.Text("x"))}},
				{"RSV1 and RSV3", 1002, []wstest.Frame{with(frame.RSV1|frame.RSV3, text(t, "x"))}},
				{"invalid UTF-8", 1007, []wstest.Frame{text(t, "Hello \xff")}},
				{"UTF-8 that does not end", 1007, []wstest.Frame{text(t, "Hello \xe2\x82")}},
				{"no DEFLATE", 1007, []wstest.Frame{with(frame.RSV1, wstest.Binary([]byte("\xff\xff\xff\xff")))}},
				{"above the limit", 1009, []wstest.Frame{text(t, letters(64<<10+1))}},
				{"far above the limit", 1009, []wstest.Frame{far}},
			} {
				t.Run(tc.name, func(t *testing.T) {
					p := dial(t)
					done := pour(p, wire(p, append([]wstest.Frame{text(t, "good")}, tc.frames...)...))
					q := &deflatePeer{scripter: p, subjectsBits: 15}
					q.expectMessage(t, wstest.Text("good"))
					failed(p, tc.code)
					<-done // what lies behind the verdict need not arrive
				})
			}
			t.Run("odd forms", func(t *testing.T) {
				q := &deflatePeer{scripter: dial(t), subjectsBits: 15, bits: 15}
				for _, odd := range []struct{ payload, text string }{
					{"", ""},     // no payload at all
					{"\x00", ""}, // the form we send
					{"\x03\x00", ""},
					{"\x00\x05\x00\xfa\xffHello\x00", "Hello"},                        // not compressed
					{"\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},                         // BFINAL
					{"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"}, // two blocks
				} {
					q.SendBytes(wire(q.scripter, with(frame.RSV1, wstest.Text(odd.payload))))
					q.expectMessage(t, wstest.Text(odd.text))
				}
				finish(q.scripter)
			})
			t.Run("at the limit", func(t *testing.T) {
				q := &deflatePeer{scripter: dial(t), subjectsBits: 15, bits: 15}
				want := wstest.Text(letters(64 << 10))
				q.SendBytes(wire(q.scripter, q.coded(t, want)))
				q.expectMessage(t, want)
				finish(q.scripter)
			})
		})
	}
}
