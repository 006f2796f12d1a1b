package handshake_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"strings"

	"github.com/lariat-go/websocket/handshake"
)

// A server without http.Server: bytes in, bytes out.
func ExampleServer_Answer() {
	in := "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://server.example.com\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(in)))
	if err != nil {
		fmt.Println(err)
		return
	}
	server := handshake.Server{Subprotocols: []string{"superchat", "chat"}}
	resp, result, err := server.Answer(r)
	if err != nil {
		fmt.Println(err) // and still send resp, which is the refusal
	}
	os.Stdout.Write(bytes.ReplaceAll(resp.AppendHTTP1(nil), []byte("\r\n"), []byte("\n")))
	fmt.Println("speaking", result.Subprotocol)
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// Sec-WebSocket-Protocol: superchat
	//
	// speaking superchat
}

// A page of another origin.
func ExampleServer_Answer_refusal() {
	in := "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		"Origin: https://other.example\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(in)))
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, _, err := new(handshake.Server).Answer(r)
	fmt.Println(resp.Status, errors.Is(err, handshake.ErrOrigin))
	fmt.Println(err)
	// Output:
	// 403 true
	// websocket: Origin not allowed: "https://other.example" to host "server.example.com"; list it in Origins if its pages may connect
}

// A client without a socket: the request is bytes, and so is the answer.
func ExampleClient() {
	u, err := handshake.ParseURL("ws://user:pass@server.example.com/chat")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := handshake.NewClient(u, &handshake.ClientOptions{
		Subprotocols: []string{"chat"},
		Key:          "dGhlIHNhbXBsZSBub25jZQ==", // so that this example is always the same
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	host, port := c.HostPort()
	fmt.Println("to", host, "port", port)
	os.Stdout.Write(bytes.ReplaceAll(c.Request(1).AppendHTTP1(nil), []byte("\r\n"), []byte("\n")))

	answer := "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(answer))).ReadMIMEHeader()
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := c.Finish(101, http.Header(header))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("speaking", result.Subprotocol)
	// Output:
	// to server.example.com port 80
	// GET /chat HTTP/1.1
	// Host: server.example.com
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
	// Sec-WebSocket-Version: 13
	// Sec-WebSocket-Protocol: chat
	// Authorization: Basic dXNlcjpwYXNz
	//
	// speaking chat
}

// The same client over HTTP/2: what changes is the request.
func ExampleClient_Request_extendedCONNECT() {
	u, err := handshake.ParseURL("wss://server.example.com/chat")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := handshake.NewClient(u, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := c.Request(2)
	fmt.Println(r.Method, r.Protocol, r.Scheme, r.Authority, r.Path, r.Header)
	_, err = c.Finish(200, http.Header{})
	fmt.Println(err)
	// Output:
	// CONNECT websocket https server.example.com /chat map[Sec-Websocket-Version:[13]]
	// <nil>
}
