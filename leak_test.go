package websocket_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// Whatever the tests do, nothing is left behind: no goroutine, no descriptor,
// no borrowed buffer.
func TestMain(m *testing.M) { leakcheck.Main(m) }

// A connection that ends gives back every buffer it borrowed, in whatever state
// the end meets it, and holds none while it waits. What is lent to the caller,
// the messages of a batch and the collected part of an open writer, comes back
// when the caller reads, or closes, once more.
func TestEndGivesBuffersBack(t *testing.T) {
	background := context.Background()
	big := make([]byte, 200<<10)
	var open io.Closer
	for _, tc := range []struct {
		name string
		act  func(c *websocket.Conn, peer *wstest.Peer, ctx context.Context)
		idle bool // the connection waits, and holds nothing
	}{
		{"new", func(*websocket.Conn, *wstest.Peer, context.Context) {}, true},
		{"after a message", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("Hello"))
			c.Read(background)
			c.Write(background, websocket.MessageText, []byte("Hello"))
			peer.Receive()
			go c.Read(background)
		}, true},
		{"after a large message", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			go peer.SendFrames(wstest.Binary(big), wstest.Text("x"))
			c.Read(background)
			c.Read(background)
			go c.Read(background)
		}, true},
		{"two messages read at once, one taken", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("one"), wstest.Text("two"))
			c.Read(background)
		}, false},
		{"batch", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("one"), wstest.Text("two"), wstest.Text("thr").NotFinal())
			c.ReadBatch(background, nil)
		}, false},
		{"large batch", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			go peer.SendFrames(wstest.Binary(big))
			c.ReadBatch(background, nil)
		}, false},
		{"part of a message, canceled", func(c *websocket.Conn, peer *wstest.Peer, ctx context.Context) {
			peer.SendFrames(wstest.Text("one").NotFinal())
			c.Read(ctx)
		}, false},
		{"part of a message, canceled in a batch", func(c *websocket.Conn, peer *wstest.Peer, ctx context.Context) {
			peer.SendFrames(wstest.Text("one").NotFinal())
			c.ReadBatch(ctx, nil)
		}, false},
		{"part of a message, waiting", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("one").NotFinal())
			go c.Read(background)
		}, false},
		{"part of a message, waiting in a batch", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("one").NotFinal())
			go c.ReadBatch(background, nil)
		}, false},
		{"reader half-way", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("one two"))
			_, r, _ := c.Reader(background)
			io.ReadFull(r, make([]byte, 3))
		}, false},
		{"writer open", func(c *websocket.Conn, _ *wstest.Peer, _ context.Context) {
			w, _ := c.Writer(background, websocket.MessageText)
			open = w
			io.WriteString(w, "begun")
		}, false},
		{"writer open, fragments sent", func(c *websocket.Conn, _ *wstest.Peer, _ context.Context) {
			w, _ := c.Writer(background, websocket.MessageText)
			open = w
			io.WriteString(w, strings.Repeat("x", 40<<10))
		}, false},
		{"congestion", func(c *websocket.Conn, peer *wstest.Peer, ctx context.Context) {
			go c.Read(background)
			go c.Write(background, websocket.MessageBinary, incompressible(300<<10))
			synctest.Wait()
			for range 10 {
				go c.Write(background, websocket.MessageBinary, incompressible(30<<10))
			}
			go c.Ping(ctx)
			peer.SendFrames(wstest.Ping([]byte("p")))
		}, false},
		{"text refused", func(c *websocket.Conn, _ *wstest.Peer, _ context.Context) {
			c.Write(background, websocket.MessageText, []byte("\xff"))
		}, true},
		{"type refused", func(c *websocket.Conn, _ *wstest.Peer, _ context.Context) {
			c.Write(background, 7, nil)
		}, true},
		{"text of a batch refused", func(c *websocket.Conn, _ *wstest.Peer, _ context.Context) {
			c.WriteBatch(background, websocket.Text("one"), websocket.Text("\xff"))
		}, true},
		{"ping of a batch refused", func(c *websocket.Conn, _ *wstest.Peer, _ context.Context) {
			c.WriteBatch(background, websocket.Text("one"), websocket.PingFrame(make([]byte, 126)))
		}, true},
		{"empty batch", func(c *websocket.Conn, _ *wstest.Peer, _ context.Context) {
			c.WriteBatch(background)
		}, true},
		{"violation", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("one").NotFinal(), wstest.Text("two"))
			go c.Read(background)
		}, false},
		{"peer gone", func(c *websocket.Conn, peer *wstest.Peer, _ context.Context) {
			peer.SendFrames(wstest.Text("one"))
			c.Read(background)
			peer.Close()
			c.Write(background, websocket.MessageBinary, big)
		}, false},
	} {
		for _, coded := range []bool{false, true} {
			name := tc.name
			var o wstest.PairOptions
			if coded {
				name += ", deflate"
				o.Client.Extensions = []extension.Extension{deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true})}
				o.Server.Extensions = o.Client.Extensions
			}
			for ending, end := range map[string]func(*websocket.Conn){
				"CloseNow": func(c *websocket.Conn) { c.CloseNow() },
				"Close":    func(c *websocket.Conn) { c.Close(websocket.StatusNormalClosure, "") },
			} {
				eachRole(t, func(t *testing.T, role protocol.Role) {
					before := bufpool.Outstanding()
					bubble(t, name+", "+ending, func(t *testing.T) {
						c, peer := wstest.Scripted(t, role, &o)
						ctx, cancel := context.WithTimeout(background, time.Second)
						defer cancel()
						tc.act(c, peer, ctx)
						synctest.Wait()
						if n := bufpool.Outstanding() - before; tc.idle && n != 0 && !coded {
							t.Errorf("%d buffers are held while the connection waits", n)
						}
						end(c)
						synctest.Wait()
						c.Read(background)
						if open != nil {
							open.Close()
							open = nil
						}
						peer.Close()
					})
					if n := bufpool.Outstanding() - before; n != 0 {
						t.Errorf("%s, %s: %d buffers were not given back", name, ending, n)
					}
				})
			}
		}
	}
}

// What a batch lent stays as it is until the next read, also when the
// connection ends meanwhile.
func TestBatchStaysAfterTheEnd(t *testing.T) {
	for _, coded := range []bool{false, true} {
		var o wstest.PairOptions
		if coded {
			o.Client.Extensions = []extension.Extension{deflate.New(&deflate.Options{Threshold: -1})}
			o.Server.Extensions = o.Client.Extensions
		}
		client, server := wstest.Pair(t, &o)
		ctx := t.Context()
		large := strings.Repeat("large", 20<<10)
		if err := client.WriteBatch(ctx, websocket.Text("one"), websocket.Text("two"), websocket.Text("three")); err != nil {
			t.Fatal(err)
		}
		batch, err := server.ReadBatch(ctx, nil)
		if err != nil || len(batch) != 3 {
			t.Fatalf("ReadBatch = %d messages, %v", len(batch), err)
		}
		server.CloseNow()
		// Whoever borrows now must not get this memory.
		other, peer := wstest.Pair(t, &o)
		go other.Write(ctx, websocket.MessageText, []byte(large))
		if _, _, err := peer.Read(ctx); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"one", "two", "three"} {
			if string(batch[i].Data) != want {
				t.Errorf("deflate %v: message %d became %q", coded, i, batch[i].Data)
			}
		}
		if _, err := server.ReadBatch(ctx, batch[:0]); err == nil {
			t.Error("a batch came after the end")
		}
	}
}

// W6: a Close by another goroutine does not take back what a batch lent, and
// the peer's answer is seen although it lies in the same buffer.
func TestBatchStaysWhileClosing(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		peer.SendFrames(wstest.Text("one"), wstest.Text("two"), wstest.Text("part").NotFinal(), wstest.Continuation(nil))
		batch, err := c.ReadBatch(t.Context(), nil)
		if err != nil || len(batch) < 2 {
			t.Fatalf("ReadBatch = %d messages, %v", len(batch), err)
		}
		done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
		synctest.Wait() // it waits for the peer
		var others [][]byte
		for range 64 {
			b := bufpool.Get(4 << 10)
			for i := range b {
				b[i] = 0xdb
			}
			others = append(others, b)
		}
		for i, want := range []string{"one", "two"} {
			if string(batch[i].Data) != want {
				t.Errorf("message %d became %q", i, batch[i].Data)
			}
		}
		for _, b := range others {
			bufpool.Put(b)
		}
		peer.ExpectClose(1000)
		peer.SendFrames(wstest.Close(1000, ""))
		peer.CloseWrite()
		if err := <-done; err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}
