package wstest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// In a test, t is the *testing.T of the test; here it stands for one.
var t = &exampleT{}

// shout is a handler under test: it answers each message in capitals and
// closes when it is told so.
func shout(c *websocket.Conn) {
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			return
		}
		if string(m.Data) == "stop" {
			c.Close(websocket.StatusGoingAway, "")
			return
		}
		for i, b := range m.Data {
			if 'a' <= b && b <= 'z' {
				m.Data[i] = b - 'a' + 'A'
			}
		}
		if err := c.Write(context.Background(), m.Type, m.Data); err != nil {
			return
		}
	}
}

// A handler at one end, the test at the other.
func ExamplePair() {
	client, server := wstest.Pair(t, nil)
	go shout(server)

	ctx := context.Background()
	if err := client.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		fmt.Println(err)
	}
	_, answer, err := client.Read(ctx)
	fmt.Printf("%s %v\n", answer, err)
	client.CloseNow()
	// Output: HELLO <nil>
}

// A client that sends exact bytes, here the masked frame of RFC 6455, section
// 5.7, and expects exact frames.
func ExampleScripted() {
	conn, peer := wstest.Scripted(t, protocol.RoleServer, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		shout(conn)
	}()

	peer.SendHex("81 85 37fa213d 7f9f4d5158") // "Hello"
	peer.Expect(wstest.Text("HELLO"))
	peer.SendFrames(wstest.Text("st").NotFinal(), wstest.Ping([]byte("!")), wstest.Continuation([]byte("op")))
	peer.Expect(wstest.Pong([]byte("!")), wstest.Close(websocket.StatusGoingAway, ""))
	peer.SendFrames(wstest.Close(websocket.StatusGoingAway, ""))
	peer.ExpectEOF()
	<-done
	fmt.Println("as expected")
	// Output: as expected
}

// A server for a client under test.
func ExampleServer() {
	url := wstest.Server(t, shout, nil)

	ctx := context.Background()
	c, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, websocket.MessageText, []byte("hello"))
	_, answer, err := c.Read(ctx)
	fmt.Printf("%s %v\n", answer, err)
	fmt.Println(c.Close(websocket.StatusNormalClosure, ""))
	t.end()
	// Output:
	// HELLO <nil>
	// <nil>
}

// A network that stops without a sign. In a bubble of testing/synctest the
// deadline could be an hour away.
func ExamplePipeConn_Stall() {
	a, b := wstest.Pipe(nil)
	a.Stall()
	a.Write([]byte("on its way"))
	b.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := b.Read(make([]byte, 100))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	// Output: true
}

func ExampleDump() {
	fmt.Print(wstest.Dump([]byte{
		0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
		0x88, 0x02, 0x03, 0xe8,
	}))
	// Output:
	//      0  81 85 37 fa 21 3d  text, fin, masked 37fa213d, 5 bytes: "Hello"
	//     11  88 02              close, fin, 2 bytes: 1000 (normal closure)
}

// exampleT is a testing.TB for examples, which have none.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                      {}
func (t *exampleT) Cleanup(f func())             { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Errorf(f string, args ...any) { fmt.Printf(f+"\n", args...) }
func (t *exampleT) Fatalf(f string, args ...any) { fmt.Printf(f+"\n", args...) }

func (t *exampleT) end() {
	for len(t.cleanups) > 0 {
		f := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		f()
	}
}
