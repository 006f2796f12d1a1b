package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// pieces is a message in three fragments with a ping between.
var pieces = []wstest.Frame{
	wstest.Text("one ").NotFinal(), wstest.Ping([]byte("p")),
	wstest.Continuation([]byte("two ")).NotFinal(), wstest.Continuation([]byte("three")),
}

// Every way to read gives the same messages, whole, in pieces and in pieces
// of one byte.
func TestWaysToRead(t *testing.T) {
	big := strings.Repeat("0123456789", 20_000)
	want := []string{"", "Hello", "one two three", big, "last"}
	ways := map[string]func(t *testing.T, c *websocket.Conn) []string{
		"Read": func(t *testing.T, c *websocket.Conn) (got []string) {
			for len(got) < len(want) {
				_, p, err := c.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(p))
			}
			return got
		},
		"Append": func(t *testing.T, c *websocket.Conn) (got []string) {
			buf := []byte("kept:")
			for len(got) < len(want) {
				_, p, err := c.Append(t.Context(), buf)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, strings.TrimPrefix(string(p), "kept:"))
			}
			return got
		},
		"ReadBatch": func(t *testing.T, c *websocket.Conn) (got []string) {
			var batch []websocket.Message
			for len(got) < len(want) {
				var err error
				if batch, err = c.ReadBatch(t.Context(), batch[:0]); err != nil || len(batch) == 0 {
					t.Fatal(len(batch), err)
				}
				for _, m := range batch {
					got = append(got, string(m.Data))
				}
			}
			return got
		},
		"Reader": func(t *testing.T, c *websocket.Conn) (got []string) {
			for len(got) < len(want) {
				_, r, err := c.Reader(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				p, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Fatalf("after the end: %d, %v", n, err)
				}
				got = append(got, string(p))
			}
			return got
		},
		"Reader by bytes": func(t *testing.T, c *websocket.Conn) (got []string) {
			for len(got) < len(want) {
				_, r, err := c.Reader(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				p, err := io.ReadAll(iotest.OneByteReader(r))
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(p))
			}
			return got
		},
		"Messages": func(t *testing.T, c *websocket.Conn) (got []string) {
			for m, err := range c.Messages(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, string(m.Data)); len(got) == len(want) {
					break
				}
			}
			return got
		},
	}
	for name, read := range ways {
		for _, chunk := range []int{0, 1, 7, 5000} {
			t.Run(fmt.Sprintf("%s/%d", name, chunk), func(t *testing.T) {
				a, b := wstest.Pipe(nil)
				a.Chunk(chunk)
				c := websocket.NewConn(a, protocol.RoleServer, nil, nil)
				defer c.CloseNow()
				go func() {
					p := wstest.NewPeer(t, b, protocol.RoleClient)
					p.SendFrames(wstest.Text(""), wstest.Text("Hello"))
					p.SendFrames(pieces...)
					p.SendFrames(wstest.Binary([]byte(big)), wstest.Text("last"))
				}()
				got := read(t, c)
				for i := range want {
					if got[i] != want[i] {
						t.Errorf("message %d: %.40q, want %.40q", i, got[i], want[i])
					}
				}
			})
		}
	}
}

// A reader that is left in the middle of its message does not give the rest to
// the next read.
func TestReaderLeftInTheMiddle(t *testing.T) {
	c, p := wstest.Scripted(t, protocol.RoleServer, nil)
	go p.SendFrames(append(pieces, wstest.Text("next"), wstest.Text("after"))...)
	_, r, err := c.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != "next" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, websocket.ErrReaderStale) {
		t.Fatalf("stale reader: %v", err)
	}
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != "after" {
		t.Fatalf("%q, %v", got, err)
	}
}

// S2.25: what came before an error is delivered first, and the error after it,
// by every call.
func TestBatchBeforeTheError(t *testing.T) {
	for name, end := range map[string]func(p *wstest.Peer){
		"violation": func(p *wstest.Peer) { p.SendHex("8b 80 00000000") },
		"close":     func(p *wstest.Peer) { p.SendFrames(wstest.Close(1001, "bye")) },
		"EOF":       func(p *wstest.Peer) {},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := wstest.Scripted(t, protocol.RoleServer, nil)
			p.SendFrames(wstest.Text("a"), wstest.Text("b"))
			end(p)
			p.CloseWrite()
			batch, err := c.ReadBatch(t.Context(), nil)
			if err != nil || len(batch) != 2 || string(batch[1].Data) != "b" {
				t.Fatalf("%d messages, %v", len(batch), err)
			}
			var ce *websocket.CloseError
			for range 2 {
				batch, err = c.ReadBatch(t.Context(), batch[:0])
				if len(batch) != 0 || !errors.As(err, &ce) || !errors.Is(err, net.ErrClosed) {
					t.Fatalf("%d messages, %v", len(batch), err)
				}
			}
			if name == "violation" && !errors.Is(err, frame.ErrReservedOpcode) {
				t.Error(err)
			}
		})
	}
}

// F12: a declared length reserves nothing. A thousand connections that each
// announce 1 MiB and send one byte cost what they sent.
func TestDeclaredLengthReservesNothing(t *testing.T) {
	const conns = 1000
	announced := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true, Length: 1 << 20})
	announced = append(announced, 'x')
	var all []*websocket.Conn
	before := heap()
	for range conns {
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 512})
		c := websocket.NewConn(a, protocol.RoleServer, nil, nil)
		all = append(all, c)
		go c.Read(context.Background())
		b.Write(announced)
	}
	for _, c := range all {
		for !websocket.Waiting(c) {
		}
	}
	if per := (heap() - before) / conns; per > 8<<10 {
		t.Errorf("%d bytes for each connection", per)
	}
	for _, c := range all {
		c.CloseNow()
	}
}

// Messages ends silently with a clean closing handshake and with the error
// otherwise.
func TestMessagesEnds(t *testing.T) {
	for code, quiet := range map[websocket.StatusCode]bool{1000: true, 1001: true, 1011: false} {
		c, p := wstest.Scripted(t, protocol.RoleServer, nil)
		var peer sync.WaitGroup
		peer.Go(func() {
			p.SendFrames(wstest.Text("only"), wstest.Close(code, ""))
			p.ExpectClose(code)
		})
		var got []string
		var last error
		for m, err := range c.Messages(t.Context()) {
			if last = err; err == nil {
				got = append(got, string(m.Data))
			}
		}
		peer.Wait()
		if len(got) != 1 || quiet != (last == nil) || !quiet && websocket.CloseStatus(last) != code {
			t.Errorf("%d: %q, %v", code, got, last)
		}
	}
}

// S2.20: bad UTF-8 fails the connection with 1007, unless the check is off.
func TestSkipUTF8(t *testing.T) {
	c, p := wstest.Scripted(t, protocol.RoleServer, nil)
	var peer sync.WaitGroup
	peer.Go(func() {
		p.SendFrames(wstest.Text("\xff"))
		p.ExpectClose(1007)
		p.CloseWrite()
	})
	if _, _, err := c.Read(t.Context()); !errors.Is(err, frame.ErrInvalidUTF8) {
		t.Error(err)
	}
	peer.Wait()
	a, b := wstest.Pipe(nil)
	s := websocket.NewConn(a, protocol.RoleServer, nil, &websocket.ConnOptions{SkipUTF8: true})
	defer s.CloseNow()
	q := wstest.NewPeer(t, b, protocol.RoleClient)
	q.SendFrames(wstest.Text("\xff"))
	if _, got, err := s.Read(t.Context()); err != nil || string(got) != "\xff" {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.Write(t.Context(), websocket.MessageText, []byte("\xff")); err != nil {
		t.Error(err)
	}
}

// S2.15: messages are the same through compression, with and without takeover,
// whole, in batches and in fragments.
func TestCompressedMessages(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		t.Run(fmt.Sprint(takeover), func(t *testing.T) {
			ext := []extension.Extension{deflate.New(&deflate.Options{ServerContextTakeover: takeover, ClientContextTakeover: takeover})}
			o := websocket.ConnOptions{Extensions: ext}
			c, s := wstest.Pair(t, &wstest.PairOptions{Client: o, Server: o})
			if len(c.Extensions()) != 1 || c.Extensions()[0].Name != "permessage-deflate" {
				t.Fatal(c.Extensions())
			}
			go func() {
				var batch []websocket.Message
				var out []websocket.Outgoing
				for {
					var err error
					if batch, err = s.ReadBatch(context.Background(), batch[:0]); err != nil {
						return
					}
					out = out[:0]
					for i, m := range batch {
						o := websocket.TextBytes(m.Data)
						o.NoCompress = i%2 == 1
						out = append(out, o)
					}
					if s.WriteBatch(context.Background(), out...) != nil {
						return
					}
				}
			}()
			for i := range 50 {
				want := bytes.Repeat([]byte(fmt.Sprintf("message %d; ", i)), i*20)
				if i%3 == 0 {
					w, err := c.Writer(t.Context(), websocket.MessageText)
					if err != nil {
						t.Fatal(err)
					}
					w.Write(want)
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
				} else if err := c.Write(t.Context(), websocket.MessageText, want); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d: %.40q, %v", i, got, err)
				}
			}
		})
	}
}
