package websocket_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// One prepared message reaches connections of all settings, from both ends,
// between messages of other kinds.
func TestPrepared(t *testing.T) {
	with := func(o *deflate.Options) websocket.ConnOptions {
		return websocket.ConnOptions{Extensions: []extension.Extension{deflate.New(o)}}
	}
	settings := map[string]websocket.ConnOptions{
		"plain":    {},
		"deflate":  with(nil),
		"window 9": with(&deflate.Options{ServerMaxWindowBits: 9}),
		"takeover": with(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true}),
	}
	for _, size := range []int{0, 5, 2000, 100_000} {
		data := bytes.Repeat([]byte("spam "), size/5+1)[:size]
		m, err := websocket.NewPrepared(websocket.MessageText, data)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(data)
		clear(data) // it was copied
		var wg sync.WaitGroup
		for name, o := range settings {
			for _, fromServer := range []bool{true, false} {
				from, to := wstest.Pair(t, &wstest.PairOptions{Client: o, Server: o})
				if fromServer {
					from, to = to, from
				}
				wg.Go(func() {
					for range 3 {
						if err := from.WritePrepared(t.Context(), m); err != nil {
							t.Error(name, err)
						}
						if err := from.Write(t.Context(), websocket.MessageBinary, []byte("between")); err != nil {
							t.Error(name, err)
						}
					}
				})
				wg.Go(func() {
					for range 3 {
						typ, p, err := to.Read(t.Context())
						if err != nil || typ != websocket.MessageText || !bytes.Equal(p, want) {
							t.Errorf("%s: %v, %d bytes, %v", name, typ, len(p), err)
							return
						}
						if _, p, err = to.Read(t.Context()); err != nil || string(p) != "between" {
							t.Errorf("%s: %q, %v", name, p, err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
	}
}

// What cannot be prepared is refused with a reason, and nil is not a message.
func TestPreparedRefuses(t *testing.T) {
	if _, err := websocket.NewPrepared(websocket.MessageText, []byte("\xff")); !errors.Is(err, frame.ErrInvalidUTF8) {
		t.Error(err)
	}
	var oe *websocket.OptionError
	if _, err := websocket.NewPrepared(frame.OpPing, nil); !errors.As(err, &oe) {
		t.Error(err)
	}
	c, _ := wstest.Pair(t, nil)
	if err := c.WritePrepared(t.Context(), nil); !errors.As(err, &oe) {
		t.Error(err)
	}
}

// shared is a codec whose frames can be shared under a key.
type shared struct {
	codecStub
	key any // nil: they cannot
}

func (c shared) ShareKey() (any, bool) { return c.key, c.key != nil }

// codecStub sends everything as it is and can be told from no codec.
type codecStub struct{ rsv frame.RSV }

var errStub = errors.New("cannot encode this")

func (c codecStub) RSV() frame.RSV { return c.rsv }
func (c codecStub) Encode(dst, p []byte, m *extension.Message) ([]byte, error) {
	if string(p) == "bad" {
		return dst, errStub
	}
	m.Coded = !m.Skip
	return append(dst, p...), nil
}

func (c codecStub) Decode(dst, p []byte, _ *extension.Message) ([]byte, error) {
	return append(dst, p...), nil
}
func (c codecStub) Close() {}

// A shell of another kind gets the same frames as Conn: one for all that share
// a setting, none where it has to build its own.
func TestPreparedFrame(t *testing.T) {
	m, err := websocket.NewPrepared(websocket.MessageText, []byte("hi"))
	if err != nil {
		t.Fatal(err)
	}
	if msg := m.Message(); msg.Type != websocket.MessageText || string(msg.Data) != "hi" {
		t.Errorf("Message: %v %q", msg.Type, msg.Data)
	}
	const plain, coded = "\x81\x02hi", "\xC1\x02hi"
	for _, tt := range []struct {
		name  string
		codec extension.Codec
		off   bool
		want  string
	}{
		{"no codec", nil, false, plain},
		{"a codec that keeps its context", codecStub{frame.RSV1}, false, ""},
		{"one that tells so", shared{codecStub{frame.RSV1}, nil}, false, ""},
		{"turned off", codecStub{frame.RSV1}, true, plain},
		{"turned off, but it sees every message", codecStub{}, true, ""},
		{"shared", shared{codecStub{frame.RSV1}, 1}, false, coded},
		{"shared under another key", shared{codecStub{frame.RSV1}, 2}, false, coded},
	} {
		var first []byte
		for i := range 2 {
			send := protocol.NewSender(protocol.RoleServer, &protocol.Options{Codec: tt.codec})
			send.SetCoding(!tt.off)
			f, err := m.Frame(send, tt.codec)
			if err != nil || string(f) != tt.want || (f == nil) != (tt.want == "") {
				t.Errorf("%s: %q, %v, want %q", tt.name, f, err, tt.want)
				break
			}
			if i == 0 {
				first = f
			} else if len(f) > 0 && &f[0] != &first[0] {
				t.Errorf("%s: the frame was built twice", tt.name)
			}
		}
	}

	bad, err := websocket.NewPrepared(websocket.MessageText, []byte("bad"))
	if err != nil {
		t.Fatal(err)
	}
	codec := shared{codecStub{frame.RSV1}, 1}
	send := protocol.NewSender(protocol.RoleServer, &protocol.Options{Codec: codec})
	if f, err := bad.Frame(send, codec); f != nil || !errors.Is(err, errStub) {
		t.Errorf("a codec that fails: %q, %v", f, err)
	}
}

// What Check lets pass is what is sent, whoever filled the fields.
func TestOutgoingCheck(t *testing.T) {
	good := []websocket.Outgoing{
		websocket.Text("a"), websocket.TextBytes(nil), websocket.Binary([]byte("\xff")),
		websocket.PingFrame(make([]byte, 125)), websocket.CloseFrame(1000, "bye"), websocket.CloseFrame(4999, ""), websocket.CloseFrame(0, ""),
		{Opcode: frame.OpText, Data: []byte("a"), Code: 1, Reason: "left out of account", NoCompress: true},
	}
	for i, o := range good {
		if err := o.Check(); err != nil {
			t.Errorf("good item %d: %v", i, err)
		}
	}
	for _, tt := range []struct {
		o    websocket.Outgoing
		want error // nil: an OptionError
	}{
		{websocket.Text("\xff"), frame.ErrInvalidUTF8},
		{websocket.PingFrame(make([]byte, 126)), frame.ErrControlTooLong},
		{websocket.CloseFrame(1005, ""), frame.ErrCloseStatus},
		{websocket.CloseFrame(1000, strings.Repeat("x", 124)), frame.ErrControlTooLong},
		{o: websocket.Outgoing{Opcode: frame.OpClose, Code: 1000, Data: []byte("x")}},
		{o: websocket.Outgoing{Opcode: frame.OpPong}},
		{o: websocket.Outgoing{}},
	} {
		err := tt.o.Check()
		var oe *websocket.OptionError
		if tt.want == nil && !errors.As(err, &oe) || !errors.Is(err, tt.want) && tt.want != nil {
			t.Errorf("%+v: %v, want %v", tt.o, err, tt.want)
		}
	}
}

// S0.19, W8: a batch leaves in order and in one write; what follows a close
// frame is dropped; an item that is not valid keeps all others back.
func TestWriteBatch(t *testing.T) {
	a, b := wstest.Pipe(nil)
	c := websocket.NewConn(a, 1, nil, nil)
	t.Cleanup(func() { c.CloseNow() })
	p := wstest.NewPeer(t, b, 2)
	ctx := t.Context()

	bad := []websocket.Outgoing{
		websocket.Text("\xff"),
		websocket.PingFrame(make([]byte, 126)),
		websocket.CloseFrame(1005, ""),
		websocket.CloseFrame(1000, strings.Repeat("x", 124)),
		{},
		{Opcode: frame.OpPong},
		{Opcode: frame.OpContinuation, Data: []byte("x")},
		{Opcode: frame.OpClose, Code: 1000, Data: make([]byte, 50_000)},
	}
	for i, item := range bad {
		before := a.Stats()
		if err := c.WriteBatch(ctx, websocket.Text("good"), item, websocket.Text("good")); err == nil || !strings.Contains(err.Error(), "item 1") {
			t.Errorf("bad item %d: %v", i, err)
		}
		if a.Stats() != before {
			t.Errorf("bad item %d: something was sent", i)
		}
	}
	big := bytes.Repeat([]byte("b"), 50_000)
	if err := c.WriteBatch(ctx, websocket.Binary(big), websocket.Text("\xff")); err == nil {
		t.Error("bad text after a large message was sent")
	}

	writes := a.Stats().Writes
	if err := c.WriteBatch(ctx, websocket.Text("Hello!"), websocket.Binary([]byte{1}), websocket.PingFrame([]byte("p"))); err != nil {
		t.Fatal(err)
	}
	if n := a.Stats().Writes - writes; n != 1 {
		t.Errorf("%d writes, want 1", n)
	}
	p.Expect(wstest.Text("Hello!"), wstest.Binary([]byte{1}), wstest.Ping([]byte("p")))
	if err := c.WriteBatch(ctx, websocket.Text("a"), websocket.CloseFrame(1001, "bye"), websocket.Text("dropped")); err != nil {
		t.Fatal(err)
	}
	p.Expect(wstest.Text("a"), wstest.Close(1001, "bye"))
	if err := c.Write(ctx, websocket.MessageText, []byte("late")); err == nil {
		t.Error("a write after the close frame")
	}
	p.SendFrames(wstest.Close(1001, ""))
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	p.ExpectEOF()
}
