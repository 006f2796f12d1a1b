package websocket_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// onStream is in the names of tests in which scripted is over a stream of HTTP/2.
const onStream = "over_HTTP2"

// scriptedStream is scripted over a stream of HTTP/2 over a pipe.
func scriptedStream(t testing.TB, role protocol.Role, o *websocket.ConnOptions) (*websocket.Conn, *countedStream, *wstest.Peer) {
	t.Helper()
	ownPipe, peerPipe := wstest.Pipe(nil)
	clientPipe, serverPipe := ownPipe, peerPipe
	if role == protocol.RoleServer {
		clientPipe, serverPipe = peerPipe, ownPipe
	}
	requests := make(chan *h2conn.Stream, 1)
	serve := func(c *h2conn.Conn) {
		served := async(c.Serve)
		t.Cleanup(func() {
			c.Close()
			<-served
		})
	}
	server := h2conn.New(serverPipe, &h2conn.Options{
		Config: h2.Config{Role: h2.RoleServer, ExtendedConnect: true},
		Request: func(s *h2conn.Stream, _ *h2.Head, _ bool) {
			requests <- s
		},
	})
	client := h2conn.New(clientPipe, &h2conn.Options{Config: h2.Config{Role: h2.RoleClient}})
	serve(server)
	serve(client)
	if err := client.AwaitSettings(t.Context()); err != nil {
		t.Fatal(err)
	}
	own, err := client.Open(t.Context(), &h2.Head{
		Method: "CONNECT", Protocol: "websocket", Scheme: "http", Authority: "x", Path: "/", ContentLength: -1,
	}, false, true)
	if err != nil {
		t.Fatal(err)
	}
	peer := <-requests
	peer.Detach()
	if err := peer.Respond(&h2.Head{Status: 200, ContentLength: -1}, nil, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := own.AwaitHead(context.Background()); err != nil {
		t.Fatal(err)
	}
	if role == protocol.RoleServer {
		own, peer = peer, own
	}
	s := &countedStream{PipeConn: ownPipe}
	c := websocket.NewConn(closeCounter{own, s}, role, &handshake.Result{HTTPVersion: 2}, o)
	t.Cleanup(func() { c.CloseNow() })
	return c, s, wstest.NewPeer(t, peerStream{peer}, other(role))
}

// closeCounter counts how often the stream is closed.
type closeCounter struct {
	*h2conn.Stream
	s *countedStream
}

func (c closeCounter) Close() error {
	c.s.closes.Add(1)
	return c.Stream.Close()
}

// peerStream is the peer's end of a stream, in which CANCEL is an end like others,
// and closing it does not say it.
type peerStream struct{ *h2conn.Stream }

func (s peerStream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	if se, ok := errors.AsType[*h2.StreamError](err); ok && se.Code == h2.ErrCodeCancel {
		err = io.EOF
	}
	return n, err
}

func (s peerStream) Close() error {
	s.CloseWrite()
	return s.Stream.Close()
}
