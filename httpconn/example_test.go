package httpconn_test

import (
	"fmt"
	"log"
	"net/url"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/httpconn"
)

// A request and its response. What the server sends comes from a string here.
func Example() {
	c, err := httpconn.New(&httpconn.Options{Authority: "example.com"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Request(&httpconn.Request{Path: "/"}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", c.Output())

	events, err := c.Receive([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
	if err != nil {
		log.Fatal(err)
	}
	for _, ev := range events {
		switch ev.Kind {
		case httpconn.Status:
			fmt.Println(ev.ID, ev.Status, ev.Header)
		case httpconn.Data:
			fmt.Printf("%d %q\n", ev.ID, ev.Data)
		case httpconn.Done:
			fmt.Println(ev.ID, "is over; another request can be made:", c.IsOpen())
		}
	}
	// Output:
	// "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
	// 1 200 map[Content-Length:[2]]
	// 1 "hi"
	// 1 is over; another request can be made: true
}

// A WebSocket. The answer and the first message come in one piece.
func ExampleConn_Upgrade() {
	c, err := httpconn.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	u, err := url.Parse("ws://example.com/chat")
	if err != nil {
		log.Fatal(err)
	}
	hs, err := handshake.NewClient(u, &handshake.ClientOptions{Key: "dGhlIHNhbXBsZSBub25jZQ=="}) // a key is for tests only
	if err != nil {
		log.Fatal(err)
	}
	id, err := c.Upgrade(hs.Request(1))
	if err != nil {
		log.Fatal(err)
	}
	c.Output()

	events, err := c.Receive([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05Hello"))
	if err != nil {
		log.Fatal(err)
	}
	ep, _, err := c.Accepted(id, hs, nil) // events[0].Kind is Upgraded
	if err != nil {
		log.Fatal(err)
	}
	defer ep.Release()
	messages, err := ep.Receive(events[1].Data)
	fmt.Printf("%q %v\n", messages[0].Data, err)

	if err := ep.Send(frame.OpText, []byte("Hello to you")); err != nil {
		log.Fatal(err)
	}
	if _, err := c.Body(id, ep.Output()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(c.Output()), "bytes to be sent")
	_, err = c.Request(&httpconn.Request{Path: "/", Authority: "example.com"})
	fmt.Println(err)
	// Output:
	// "Hello" <nil>
	// 18 bytes to be sent
	// websocket: the connection was upgraded: open another one for requests
}

// A body whose length is not known goes out in pieces, with a trailer.
func ExampleConn_Body() {
	c, err := httpconn.New(&httpconn.Options{Authority: "example.com"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	id, err := c.Request(&httpconn.Request{Method: "POST", Path: "/upload", Body: -1})
	if err != nil {
		log.Fatal(err)
	}
	for _, piece := range []string{"one, ", "two"} {
		if _, err := c.Body(id, []byte(piece)); err != nil { // over HTTP/2 it may take less: wait for Writable
			log.Fatal(err)
		}
	}
	if err := c.End(id, map[string][]string{"X-Count": {"2"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", c.Output())
	// Output:
	// "POST /upload HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\none, \r\n3\r\ntwo\r\n0\r\nX-Count: 2\r\n\r\n"
}
