package protocol_test

import (
	"errors"
	"fmt"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

func ExampleReceiver() {
	// What a client sent, cut where the network pleased.
	reads := []string{
		"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", // "Hello", masked
		"\x01\x86\x00\x00",
		"\x00\x00frag",
		"ed\x89\x81\x00\x00\x00\x00!\x80\x80\x00\x00\x00\x00", // a ping, then the last fragment
	}
	r := protocol.NewReceiver(protocol.RoleServer, nil)
	for _, read := range reads {
		for p := []byte(read); ; {
			n, ev, ok, err := r.Next(p)
			if err != nil {
				fmt.Println(err)
				return
			}
			if !ok {
				break // all of p is used up
			}
			p = p[n:]
			fmt.Printf("%v %q first=%v final=%v\n", ev.Kind, ev.Data, ev.First, ev.Final)
		}
	}
	// Output:
	// data "Hello" first=true final=true
	// data "frag" first=true final=false
	// data "ed" first=false final=false
	// ping "!" first=true final=true
	// data "" first=false final=true
}

func ExampleReceiver_Next() {
	// A violation comes with the first byte that shows it: a client must mask.
	r := protocol.NewReceiver(protocol.RoleServer, nil)
	_, _, _, err := r.Next([]byte{0x81, 0x05})
	fmt.Println(err)
	var v frame.Violation
	if errors.As(err, &v) {
		fmt.Println(v.Status())
	}
	// Output:
	// websocket: frame from a client is not masked (RFC 6455, section 5.1)
	// 1002 (protocol error)
}

func ExampleSender() {
	s := protocol.NewSender(protocol.RoleServer, nil)
	var out []byte
	var errs [4]error
	out, errs[0] = s.AppendMessage(out, frame.OpText, []byte("Hello"))
	out, errs[1] = s.AppendControl(out, frame.OpPing, nil)
	out, errs[2] = s.AppendMessage(out, frame.OpText, []byte("\xff")) // refused, nothing appended
	out, errs[3] = s.AppendClose(out, frame.StatusNormalClosure, "")
	fmt.Printf("% x\n", out)
	fmt.Println(errors.Join(errs[:]...))
	// Output:
	// 81 05 48 65 6c 6c 6f 89 00 88 02 03 e8
	// websocket: text is not valid UTF-8 (RFC 6455, section 8.1)
}

func ExampleSender_AppendFragment() {
	s := protocol.NewSender(protocol.RoleServer, nil)
	var out []byte
	for i, piece := range []string{"one, ", "two, ", "three"} {
		var err error
		if out, err = s.AppendFragment(out, frame.OpText, []byte(piece), i == 2); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Printf("%q\n", out)
	// Output:
	// "\x01\x05one, \x00\x05two, \x80\x05three"
}

func ExampleClosingHandshake() {
	var h protocol.ClosingHandshake
	h.Received(protocol.Close{Code: frame.StatusGoingAway, Reason: "restart"})
	if c, ok := h.Reply(); ok {
		fmt.Println("owed:", c.Code)
		h.Sent(c)
	}
	fmt.Println(h.State())
	fmt.Println(h.Err())
	// Output:
	// owed: 1001 (going away)
	// closed
	// websocket: closed by the peer with 1001 (going away) "restart", answered with 1001 (going away)
}

func ExampleEndpoint() {
	client := protocol.NewEndpoint(protocol.RoleClient, nil)
	server := protocol.NewEndpoint(protocol.RoleServer, nil)

	// The caller moves the bytes: here from one end to the other.
	if err := client.Send(frame.OpText, []byte("Hello")); err != nil {
		fmt.Println(err)
	}
	if err := client.Ping([]byte("1")); err != nil {
		fmt.Println(err)
	}
	events, err := server.Receive(client.Output())
	for _, ev := range events {
		fmt.Printf("server: %v %q\n", ev.Opcode, ev.Data)
	}
	fmt.Println(err)

	// The ping is answered already; one more message and a goodbye.
	if err := server.Send(frame.OpBinary, []byte{1, 2, 3}); err != nil {
		fmt.Println(err)
	}
	if err := server.Close(frame.StatusGoingAway, "maintenance"); err != nil {
		fmt.Println(err)
	}
	events, err = client.Receive(server.Output())
	for _, ev := range events {
		if ev.Kind == protocol.EventClose {
			fmt.Printf("client: close %v %q\n", ev.Code, ev.Reason)
			continue
		}
		fmt.Printf("client: %v %q\n", ev.Opcode, ev.Data)
	}
	fmt.Println(err, client.State())
	fmt.Println(client.Err())
	// Output:
	// server: text "Hello"
	// server: ping "1"
	// <nil>
	// client: pong "1"
	// client: binary "\x01\x02\x03"
	// client: close 1001 (going away) "maintenance"
	// <nil> closed
	// websocket: closed by the peer with 1001 (going away) "maintenance", answered with 1001 (going away)
}

func ExampleEndpoint_Receive() {
	// A server gets a good frame and one that is not masked.
	server := protocol.NewEndpoint(protocol.RoleServer, nil)
	in := []byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" + "\x81\x05Hello")
	events, err := server.Receive(in)
	for _, ev := range events {
		fmt.Printf("%s\n", ev.Data)
	}
	fmt.Println(errors.Is(err, frame.ErrMaskRequired))
	fmt.Printf("% x\n", server.Output()) // a close frame with 1002
	// Output:
	// Hello
	// true
	// 88 02 03 ea
}
