package wstest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func TestPair(t *testing.T) {
	client, server := wstest.Pair(t, nil)
	go wstest.Echo(server)
	ctx := t.Context()
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		want := bytes.Repeat([]byte("x"), size)
		go client.Write(ctx, websocket.MessageBinary, want)
		mt, got, err := client.Read(ctx)
		if err != nil || mt != websocket.MessageBinary || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: came %v, %d bytes, %v", size, mt, len(got), err)
		}
	}
	if err := client.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Fatal(err)
	}
}

// Both ends run the opening handshake with each other.
func TestPairNegotiates(t *testing.T) {
	pmd := []extension.Extension{deflate.New(nil)}
	o := &wstest.PairOptions{
		Client: websocket.ConnOptions{Subprotocols: []string{"one", "two"}, Extensions: pmd},
		Server: websocket.ConnOptions{Subprotocols: []string{"two", "three"}, Extensions: pmd},
	}
	a, b := wstest.Pipe(nil)
	client, server := wstest.PairOver(t, a, b, o)
	for _, c := range []*websocket.Conn{client, server} {
		if got := c.Subprotocol(); got != "two" {
			t.Errorf("subprotocol %q", got)
		}
		if x := c.Extensions(); len(x) != 1 || x[0].Name != "permessage-deflate" {
			t.Errorf("extensions %v", x)
		}
	}
	text := strings.Repeat("compress me, please. ", 1000)
	ctx := t.Context()
	if err := client.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := server.Read(ctx); err != nil || string(got) != text {
		t.Fatalf("came %d bytes, %v", len(got), err)
	}
	if n := a.Stats().Written; n > 1000 {
		t.Errorf("%d bytes for a text of %d: not compressed", n, len(text))
	}
}

func TestPairOptionsThatDoNotMeet(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    wstest.PairOptions
		want string
	}{
		{"bad client", wstest.PairOptions{Client: websocket.ConnOptions{Subprotocols: []string{"no token"}}}, "wstest: the client's options: "},
		{"bad server", wstest.PairOptions{Server: websocket.ConnOptions{Subprotocols: []string{"no token"}}}, "wstest: the server refuses the client: "},
		{"nothing in common", wstest.PairOptions{Client: websocket.ConnOptions{Subprotocols: []string{"one"}}}, "wstest: the client refuses the server's answer: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := failure(func(t testing.TB) { wstest.Pair(t, &tc.o) })
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("failed with %q, want %q", got, tc.want)
			}
		})
	}
}

func TestScripted(t *testing.T) {
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		t.Run(role.String(), func(t *testing.T) {
			conn, peer := wstest.Scripted(t, role, nil)
			go wstest.Echo(conn)
			peer.SendFrames(wstest.Text("Hello"), wstest.Ping([]byte("p")), wstest.Close(1001, "bye"))
			peer.Expect(wstest.Text("Hello"), wstest.Pong([]byte("p")), wstest.Close(1001, ""))
		})
	}
}

// The extensions are agreed, and the peer is left to code by them itself.
func TestScriptedDeflate(t *testing.T) {
	pmd := websocket.ConnOptions{Extensions: []extension.Extension{deflate.New(nil)}}
	conn, peer := wstest.Scripted(t, protocol.RoleClient, &wstest.PairOptions{Client: pmd, Server: pmd})
	peer.SendHex("c1 07 f2 48 cd c9 c9 07 00") // RFC 7692, section 7.2.3.1
	_, got, err := conn.Read(t.Context())
	if err != nil || string(got) != "Hello" {
		t.Fatalf("came %q, %v", got, err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, bytes.Repeat([]byte("x"), 10000)); err != nil {
		t.Fatal(err)
	}
	if f := peer.Receive(); f.RSV != frame.RSV1 || len(f.Payload) > 100 {
		t.Errorf("came %v", f)
	}
}

// A peer that reads nothing: the write time-out of ten seconds passes in
// virtual time.
func TestPairWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := wstest.Pair(t, &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: 512}})
		start := time.Now()
		err := server.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20))
		if d := time.Since(start); !errors.Is(err, websocket.ErrWriteTimeout) || d != 10*time.Second {
			t.Errorf("Write = %v after %v", err, d)
		}
	})
}
