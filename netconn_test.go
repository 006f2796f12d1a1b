package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// A NetConn is a net.Conn to the letter of nettest, whatever is below.
func TestNetConn(t *testing.T) {
	pmd := websocket.ConnOptions{Extensions: []extension.Extension{deflate.New(nil)}}
	pairs := map[string]func(t *testing.T) (a, b *websocket.Conn){
		"pipe": func(t *testing.T) (a, b *websocket.Conn) { return wstest.Pair(t, nil) },
		"pipe, server first": func(t *testing.T) (a, b *websocket.Conn) {
			b, a = wstest.Pair(t, nil)
			return a, b
		},
		"pipe, deflate": func(t *testing.T) (a, b *websocket.Conn) {
			return wstest.Pair(t, &wstest.PairOptions{Client: pmd, Server: pmd})
		},
		"small pipe": func(t *testing.T) (a, b *websocket.Conn) {
			return wstest.Pair(t, &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: 100}})
		},
	}
	for _, carrier := range carriers {
		pairs[carrier] = func(t *testing.T) (a, b *websocket.Conn) { return carriedPair(t, carrier, nil, nil) }
	}
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b := pair(t)
				c1 = websocket.NetConn(context.Background(), a, websocket.MessageBinary)
				c2 = websocket.NetConn(context.Background(), b, websocket.MessageBinary)
				// Not CloseNow: it would cut off a Close that nettest does not
				// wait for.
				return c1, c2, func() {
					other := async(c1.Close)
					c2.Close()
					<-other
				}, nil
			})
		})
	}
}

// The borders of messages are nothing to a reader, and each Write is one
// message.
func TestNetConnBorders(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, s, peer := scripted(t, role, nil, nil)
		n := websocket.NetConn(context.Background(), c, websocket.MessageText)
		peer.SendFrames(wstest.Text("ab"), wstest.Text(""), wstest.Text("c").NotFinal(), wstest.Ping(nil), wstest.Continuation([]byte("def")))
		got := make([]byte, 6)
		if _, err := io.ReadFull(n, got[:3]); err != nil {
			t.Fatal(err)
		}
		if m, err := n.Read(nil); m != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v", m, err)
		}
		if _, err := io.ReadFull(n, got[3:]); err != nil || string(got) != "abcdef" {
			t.Fatalf("read %q, %v", got, err)
		}
		for _, p := range []string{"one", "", "two"} {
			if m, err := n.Write([]byte(p)); m != len(p) || err != nil {
				t.Errorf("Write = %d, %v", m, err)
			}
		}
		peer.Expect(wstest.Pong(nil), wstest.Text("one"), wstest.Text(""), wstest.Text("two"))
		if n.LocalAddr() != s.LocalAddr() || n.RemoteAddr() != s.RemoteAddr() {
			t.Errorf("addresses %v, %v", n.LocalAddr(), n.RemoteAddr())
		}
	})
}

func TestNetConnEnds(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		for _, code := range []websocket.StatusCode{1000, 1001} {
			bubble(t, code.String(), func(t *testing.T) {
				c, _, peer := scripted(t, role, nil, nil)
				n := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
				peer.SendFrames(wstest.Binary([]byte("last")), wstest.Close(code, ""))
				peer.CloseWrite()
				if got, err := io.ReadAll(n); err != nil || string(got) != "last" {
					t.Errorf("read %q, %v", got, err)
				}
				if _, err := n.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("Read again = %v", err)
				}
				if _, err := n.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write = %v", err)
				}
				peer.ExpectClose(code)
			})
		}
		bubble(t, "another code", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			n := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
			peer.SendFrames(wstest.Close(1011, "broken"))
			peer.CloseWrite()
			if _, err := n.Read(make([]byte, 1)); websocket.CloseStatus(err) != 1011 {
				t.Errorf("Read = %v", err)
			}
		})
		bubble(t, "lost", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			n := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
			peer.Close()
			if _, err := n.Read(make([]byte, 1)); err == io.EOF || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("Read = %v, which must not look like a clean end", err)
			}
		})
		bubble(t, "wrong type", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			n := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
			read := async(func() error { _, err := n.Read(make([]byte, 1)); return err })
			peer.SendFrames(wstest.Text("no bytes"))
			peer.ExpectClose(1003)
			peer.SendFrames(wstest.Close(1003, ""))
			peer.CloseWrite()
			if err := <-read; err == nil || err == io.EOF {
				t.Errorf("Read = %v", err)
			}
		})
		bubble(t, "Close", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			n := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
			read := async(func() error { _, err := n.Read(make([]byte, 1)); return err })
			synctest.Wait()
			closed := async(n.Close)
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Close(1000, ""))
			peer.CloseWrite()
			if err := <-closed; err != nil {
				t.Errorf("Close = %v", err)
			}
			<-read
			peer.ExpectEOF()
			_, errRead := n.Read(make([]byte, 1))
			_, errWrite := n.Write([]byte("x"))
			for what, err := range map[string]error{"Read": errRead, "Write": errWrite} {
				if !errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s after Close = %v", what, err)
				}
			}
		})
		bubble(t, "context", func(t *testing.T) {
			c, s, _ := scripted(t, role, nil, nil)
			ctx, cancel := context.WithCancelCause(context.Background())
			n := websocket.NetConn(ctx, c, websocket.MessageBinary)
			read := async(func() error { _, err := n.Read(make([]byte, 1)); return err })
			synctest.Wait()
			cancel(errPatience)
			if err := <-read; !errors.Is(err, errPatience) {
				t.Errorf("Read = %v", err)
			}
			synctest.Wait()
			if n := s.closes.Load(); n != 1 {
				t.Errorf("the transport was closed %d times", n)
			}
		})
	})
}

// Deadlines never harm the connection, wherever they strike.
func TestNetConnDeadlines(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 1 << 10})
		n := websocket.NetConn(context.Background(), c, websocket.MessageBinary)

		// In the middle of a frame that comes.
		frame := wstest.Binary([]byte("0123456789"))
		frame.Masked = role == protocol.RoleServer
		wire := frame.Append(nil)
		var got []byte
		for _, b := range wire {
			n.SetReadDeadline(time.Now().Add(time.Second))
			buf := make([]byte, 20)
			m, err := n.Read(buf)
			if !errors.Is(err, os.ErrDeadlineExceeded) && err != nil {
				t.Fatalf("Read = %v", err)
			}
			got = append(got, buf[:m]...)
			peer.SendBytes([]byte{b})
		}
		n.SetReadDeadline(time.Time{})
		rest := make([]byte, 10-len(got))
		if _, err := io.ReadFull(n, rest); err != nil || string(got)+string(rest) != "0123456789" {
			t.Errorf("read %q and %q, %v", got, rest, err)
		}

		// When the peer takes nothing.
		n.SetWriteDeadline(time.Now().Add(time.Second))
		part := bytes.Repeat([]byte("x"), 10<<10)
		taken := 0
		for {
			m, err := n.Write(part)
			taken += m
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Write = %v", err)
				}
				break
			}
			if taken > 1<<20 {
				t.Fatal("there is no end to what is kept")
			}
		}
		n.SetWriteDeadline(time.Time{})
		for came := 0; came < taken; {
			came += len(peer.Receive().Payload)
		}
		if _, err := n.Write([]byte("and on")); err != nil {
			t.Errorf("Write after a deadline = %v", err)
		}
		peer.Expect(wstest.Binary([]byte("and on")))
	})
}
