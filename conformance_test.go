package websocket_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// The conformance tests hold both ends, over loopback TCP and after a real
// opening handshake, against a peer that sends exact bytes and judges every
// byte that comes back. The Conn under test echoes messages. There is no case
// that it is excused from.

// subject is one end under test, and the way in which it echoes.
type subject struct {
	name    string
	role    protocol.Role
	echo    func(*websocket.Conn) error
	carrier string
}

var subjects = overCarriers(carriers,
	subject{"server, one by one", protocol.RoleServer, echo, ""},
	subject{"client, one by one", protocol.RoleClient, echo, ""},
	subject{"server, in batches", protocol.RoleServer, echoBatches, "h1 h2"},
	subject{"client, in batches", protocol.RoleClient, echoBatches, "h1 h2"},
)

// streamers answer with messages in fragments when they are large.
var streamers = overCarriers(carriers,
	subject{"server, as streams", protocol.RoleServer, echoStreams, "h1 h2"},
	subject{"client, as streams", protocol.RoleClient, echoStreams, "h1 h2"},
)

// overCarriers returns each subject once for every carrier, or for those that it
// names.
func overCarriers(carriers []string, list ...subject) (all []subject) {
	for _, carrier := range carriers {
		for _, s := range list {
			if s.carrier != "" && !slices.Contains(strings.Fields(s.carrier), carrier) {
				continue
			}
			s.name += ", " + carrier
			s.carrier = carrier
			all = append(all, s)
		}
	}
	return all
}

// echoStreams is echo with the methods for messages of any size.
func echoStreams(c *websocket.Conn) error {
	ctx := context.Background()
	for {
		mt, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		w, err := c.Writer(ctx, mt)
		if err != nil {
			return err
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, 1000)); err != nil {
			w.Close()
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}

// echoBatches is echo with the methods for high rates.
func echoBatches(c *websocket.Conn) error {
	ctx := context.Background()
	var in []websocket.Message
	var out []websocket.Outgoing
	for {
		var err error
		if in, err = c.ReadBatch(ctx, in[:0]); err != nil {
			return err
		}
		out = out[:0]
		for _, m := range in {
			if m.Type == websocket.MessageText {
				out = append(out, websocket.TextBytes(m.Data))
			} else {
				out = append(out, websocket.Binary(m.Data))
			}
		}
		if err := c.WriteBatch(ctx, out...); err != nil {
			return err
		}
	}
}

func (s subject) streams() bool { return strings.Contains(s.name, "streams") }

// eachSubject runs a test with every subject, the streamers included. dial opens
// a new connection.
func eachSubject(t *testing.T, o *websocket.ConnOptions, f func(t *testing.T, dial func(t *testing.T) *scripter)) {
	t.Helper()
	for _, s := range append(slices.Clone(subjects), streamers...) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f(t, s.serve(t, o, "", ""))
		})
	}
}

// serve returns a function that connects a peer to the subject. offer and
// answer are the peer's Sec-WebSocket-Extensions, when it is the client and
// when it is the server.
func (s subject) serve(t *testing.T, o *websocket.ConnOptions, offer, answer string) func(t *testing.T) *scripter {
	t.Helper()
	if o == nil {
		o = &websocket.ConnOptions{}
	}
	if s.role == protocol.RoleServer {
		h := serveOver(t, s.carrier, &websocket.AcceptOptions{ConnOptions: *o}, func(c *websocket.Conn) { s.echo(c) })
		return func(t *testing.T) *scripter {
			t.Helper()
			return &scripter{wstest.NewPeer(t, h.raw(t, offer), protocol.RoleClient), true, s.streams()}
		}
	}
	d := newDialer(t, s.carrier, o)
	return func(t *testing.T) *scripter {
		t.Helper()
		nc := d.dial(t, answer, func(c *websocket.Conn) { s.echo(c) })
		return &scripter{wstest.NewPeer(t, nc, protocol.RoleServer), false, s.streams()}
	}
}

// scripter is a peer that knows whether it is the client, which masks, and
// whether the subject is a streamer.
type scripter struct {
	*wstest.Peer
	masks     bool
	fragments bool
}

const rawKey = "dGhlIHNhbXBsZSBub25jZQ=="

func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// wire returns the frames as the peer of a subject sends them.
func wire(p *scripter, frames ...wstest.Frame) []byte {
	var b []byte
	for i, f := range frames {
		if f.Masked = p.masks; f.Masked {
			f.Mask = frame.Mask{0x9e, byte(i), 0x3c, byte(len(f.Payload))}
		}
		b = f.Append(b)
	}
	return b
}

// chop sends the frames n bytes at a time.
func chop(p *scripter, n int, frames ...wstest.Frame) {
	for b := wire(p, frames...); len(b) > 0; {
		k := min(n, len(b))
		p.SendBytes(b[:k])
		b = b[k:]
	}
}

// pour sends the frames while something else goes on, for what is more than
// the buffers between hold.
func pour(p *scripter, b []byte) <-chan error {
	return async(func() error {
		_, err := p.Conn().Write(b)
		return err
	})
}

// finish ends a connection well: the peer closes, whose close frame is
// answered by an equal code.
func finish(p *scripter) {
	p.SendFrames(wstest.Close(websocket.StatusNormalClosure, ""))
	p.ExpectClose(websocket.StatusNormalClosure)
	p.CloseWrite()
	p.ExpectEOF()
	p.Close()
}

// failed expects what follows a violation: a close frame with its code and the
// end of the stream. Nothing may come before.
func failed(p *scripter, code websocket.StatusCode) {
	p.ExpectClose(code)
	p.ExpectEOF()
	p.Close()
}

// expectBoth expects data and control frames, each kind in its order. Which
// comes first between a message echoed and a pong is the application's choice.
func expectBoth(t *testing.T, p *scripter, data, control []wstest.Frame) {
	t.Helper()
	for len(data)+len(control) > 0 {
		f := p.Receive()
		queue := &data
		if f.Opcode.IsControl() {
			queue = &control
		}
		if len(*queue) == 0 {
			t.Fatalf("came %v, and nothing of its kind was expected", f)
		}
		want := (*queue)[0]
		*queue = (*queue)[1:]
		if f.Opcode != want.Opcode || !f.Fin || f.RSV != 0 || f.Masked == p.masks || string(f.Payload) != string(want.Payload) {
			t.Fatalf("came %v, expected %v", f, want)
		}
	}
}

// letters is text of n bytes that compresses as prose does.
func letters(n int) string {
	const line = `{"id":%d,"name":"lariat","tags":["rope","loop"],"text":"the quick brown fox"},`
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, line, i*7919)
	}
	return b.String()[:n]
}

// conformanceCase is one conversation. run ends it.
type conformanceCase struct {
	name string
	run  func(t *testing.T, p *scripter)
}

// expectWhole expects one message, in one frame unless a streamer sends it.
func expectWhole(t *testing.T, p *scripter, want wstest.Frame) {
	t.Helper()
	var got []byte
	for op := want.Opcode; ; op = frame.OpContinuation {
		f := p.Receive()
		if f.Opcode != op || f.RSV != 0 || f.Masked == p.masks || !f.Fin && !p.fragments {
			t.Fatalf("came %v, expected %v", f, op)
		}
		if got = append(got, f.Payload...); f.Fin {
			break
		}
	}
	if !bytes.Equal(got, want.Payload) {
		t.Fatalf("a message of %d bytes came, expected %v", len(got), want)
	}
}

// runCases runs every case on a new connection, with every subject.
func runCases(t *testing.T, o *websocket.ConnOptions, cases []conformanceCase) {
	t.Helper()
	eachSubject(t, o, func(t *testing.T, dial func(t *testing.T) *scripter) {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) { tc.run(t, dial(t)) })
		}
	})
}

// refused is the case of frames that break a rule: what was sent before them is
// echoed, then the connection fails with the code. Each is tried at once and a
// byte at a time.
func refused(name string, code websocket.StatusCode, bad ...wstest.Frame) []conformanceCase {
	return []conformanceCase{
		{name, func(_ *testing.T, p *scripter) {
			p.SendBytes(wire(p, bad...))
			failed(p, code)
		}},
		{name + ", after a message and before a ping", func(_ *testing.T, p *scripter) {
			p.SendBytes(wire(p, append(append([]wstest.Frame{wstest.Text("good")}, bad...), wstest.Ping(nil))...))
			p.Expect(wstest.Text("good"))
			failed(p, code)
		}},
		{name + ", chopped", func(_ *testing.T, p *scripter) {
			b := wire(p, append([]wstest.Frame{wstest.Text("good")}, bad...)...)
			end := len(b) - len(bad[len(bad)-1].Payload) // the header is enough
			if code == websocket.StatusInvalidPayloadData {
				end = len(b)
			}
			for i := range b[:end] {
				if _, err := p.Conn().Write(b[i : i+1]); err != nil {
					break // judged before the last byte
				}
			}
			p.Expect(wstest.Text("good"))
			failed(p, code)
		}},
	}
}
