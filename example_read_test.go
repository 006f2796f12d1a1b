package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// examplePair returns the two ends of a connection, which Dial and Accept make
// otherwise.
func examplePair() (client, server *websocket.Conn) {
	a, b := wstest.Pipe(nil)
	return websocket.NewConn(a, protocol.RoleClient, nil, nil), websocket.NewConn(b, protocol.RoleServer, nil, nil)
}

// A loop for high rates: each turn takes all messages that one read of the
// transport brought, and sends all answers with one write.
func ExampleConn_ReadBatch() {
	client, server := examplePair()
	defer client.CloseNow()
	serve := func(ctx context.Context, c *websocket.Conn) error {
		defer c.CloseNow()
		var in []websocket.Message
		var out []websocket.Outgoing
		for {
			var err error
			if in, err = c.ReadBatch(ctx, in[:0]); err != nil {
				return err
			}
			out = out[:0]
			for _, m := range in {
				out = append(out, websocket.TextBytes(m.Data))
			}
			if err := c.WriteBatch(ctx, out...); err != nil {
				return err
			}
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(context.Background(), server) }()

	ctx := context.Background()
	if err := client.WriteBatch(ctx, websocket.Text("one"), websocket.Text("two"), websocket.Text("three")); err != nil {
		log.Print(err)
	}
	for range 3 {
		_, p, err := client.Read(ctx)
		fmt.Printf("%s %v\n", p, err)
	}
	client.Close(websocket.StatusNormalClosure, "")
	fmt.Println(websocket.CloseStatus(<-ended))
	// Output:
	// one <nil>
	// two <nil>
	// three <nil>
	// 1000 (normal closure)
}

// A buffer that is used again saves the allocation of each message.
func ExampleConn_Append() {
	client, server := examplePair()
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()
	client.WriteBatch(ctx, websocket.Text("one"), websocket.Text("two"), websocket.CloseFrame(websocket.StatusNormalClosure, ""))

	var buf []byte
	for {
		t, p, err := server.Append(ctx, buf[:0])
		if err != nil {
			fmt.Println(websocket.CloseStatus(err))
			return
		}
		fmt.Printf("%v %s\n", t, p)
		buf = p
	}
	// Output:
	// text one
	// text two
	// 1000 (normal closure)
}

// A large message is worked through while it comes. Here its bytes are
// counted.
func ExampleConn_Reader() {
	client, server := examplePair()
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()
	go client.Write(ctx, websocket.MessageBinary, make([]byte, 1_000_000))

	t, r, err := server.Reader(ctx)
	if err != nil {
		log.Print(err)
		return
	}
	n, err := io.Copy(io.Discard, r)
	fmt.Println(t, n, err)
	// Output: binary 1000000 <nil>
}

// A context that ends during a read loses nothing: the part of the message
// that had come is kept, and the next read goes on from there.
func ExampleConn_Read_timeout() {
	near, far := wstest.Pipe(nil)
	server := websocket.NewConn(far, protocol.RoleServer, nil, nil)
	defer server.CloseNow()
	defer near.Close()
	near.Write([]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f}) // half of a frame

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, _, err := server.Read(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))

	near.Write([]byte{0x4d, 0x51, 0x58}) // the other half
	_, p, err := server.Read(context.Background())
	fmt.Printf("%s %v\n", p, err)
	// Output:
	// true
	// Hello <nil>
}

// A program that only writes still has to read, or it sees neither pings nor
// the peer's close. CloseRead does so; its context ends with the connection.
func ExampleConn_CloseRead() {
	client, server := examplePair()
	go client.Close(websocket.StatusGoingAway, "")

	ctx := server.CloseRead(context.Background())
	<-ctx.Done()
	fmt.Println(websocket.CloseStatus(context.Cause(ctx)))
	// Output: 1001 (going away)
}

// NetConn gives a stream of bytes, for code that knows nothing of messages.
func ExampleNetConn() {
	client, server := examplePair()
	ctx := context.Background()
	go func() {
		var nc net.Conn = websocket.NetConn(ctx, client, websocket.MessageBinary)
		fmt.Fprint(nc, "one stream, ")
		fmt.Fprint(nc, "two messages")
		nc.Close()
	}()

	p, err := io.ReadAll(websocket.NetConn(ctx, server, websocket.MessageBinary))
	fmt.Printf("%s %v\n", p, err)
	// Output: one stream, two messages <nil>
}
