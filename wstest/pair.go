package wstest

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
)

// PairOptions are the settings of [Pair]. A nil pointer and the zero value
// mean the defaults.
type PairOptions struct {
	Pipe           PipeOptions
	Client, Server websocket.ConnOptions // what each end offers and accepts, and its limits
}

// Pair returns the two ends of an open connection over a [Pipe]. Both are
// dropped at the end of the test.
func Pair(t testing.TB, o *PairOptions) (client, server *websocket.Conn) {
	t.Helper()
	if o == nil {
		o = new(PairOptions)
	}
	a, b := Pipe(&o.Pipe)
	return PairOver(t, a, b, o)
}

// PairOver is [Pair] over a transport that is connected already, such as two
// ends of a [Pipe] that are to misbehave. o.Pipe is not used. The opening
// handshake does not go over it.
func PairOver(t testing.TB, clientStream, serverStream websocket.Stream, o *PairOptions) (client, server *websocket.Conn) {
	t.Helper()
	if o == nil {
		o = new(PairOptions)
	}
	forClient, forServer := open(t, o)
	client = websocket.NewConn(clientStream, protocol.RoleClient, forClient, &o.Client)
	server = websocket.NewConn(serverStream, protocol.RoleServer, forServer, &o.Server)
	t.Cleanup(func() {
		client.CloseNow()
		server.CloseNow()
	})
	return client, server
}

// Scripted returns one end of an open connection over a [Pipe], a Conn of the
// given role, and the other end as a script. The options are those of [Pair];
// the extensions agreed are those that both Client and Server have, and the
// [Peer] does not code by them: it sends and sees what is on the wire.
func Scripted(t testing.TB, role protocol.Role, o *PairOptions) (*websocket.Conn, *Peer) {
	t.Helper()
	if o == nil {
		o = new(PairOptions)
	}
	forClient, forServer := open(t, o)
	own, other, opts, peerRole := forClient, forServer, &o.Client, protocol.RoleServer
	if role == protocol.RoleServer {
		own, other, opts, peerRole = forServer, forClient, &o.Server, protocol.RoleClient
	}
	if other.Codec != nil {
		other.Codec.Close()
	}
	a, b := Pipe(&o.Pipe)
	c := websocket.NewConn(a, role, own, opts)
	t.Cleanup(func() { c.CloseNow() })
	return c, NewPeer(t, b, peerRole)
}

// open runs the opening handshake between two ends that do not exist yet.
func open(t testing.TB, o *PairOptions) (forClient, forServer *handshake.Result) {
	t.Helper()
	u := &url.URL{Scheme: "ws", Host: "wstest.invalid", Path: "/"}
	c, err := handshake.NewClient(u, &handshake.ClientOptions{Subprotocols: o.Client.Subprotocols, Extensions: o.Client.Extensions})
	if err != nil {
		t.Fatalf("wstest: the client's options: %v", err)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.Request(1).AppendHTTP1(nil))))
	if err != nil {
		t.Fatalf("wstest: the client's request: %v", err)
	}
	s := &handshake.Server{Subprotocols: o.Server.Subprotocols, Extensions: o.Server.Extensions}
	answer, forServer, err := s.Answer(r)
	if err != nil {
		t.Fatalf("wstest: the server refuses the client: %v", err)
	}
	forClient, err = c.Finish(answer.Status, answer.Header)
	if err != nil {
		t.Fatalf("wstest: the client refuses the server's answer: %v", err)
	}
	return forClient, forServer
}
