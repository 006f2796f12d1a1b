package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/h2"
)

// peerMain is a server that does what no good one does. Its argument says
// what; it prints its address and serves until it is killed. With dial and an
// address it is a client that never answers.
func peerMain() {
	if os.Args[1] == "dial" {
		if err := dialMute(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("clients ws://%s/\n", l.Addr())
	serve := map[string]func() error{
		"h2":      func() error { return misbehave2(l, "h2") },
		"h2reset": func() error { return misbehave2(l, "h2reset") },
		"login":   func() error { return serveLogin(l) },
	}[os.Args[1]]
	if serve != nil {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if err := misbehave(c, os.Args[1]); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func misbehave(c net.Conn, how string) error {
	switch how {
	case "hangup": // before anything is answered
		return nil
	case "proxy", "socks5":
		return tunnel(c, how)
	}
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	answer := func(status, header string) error {
		_, err := fmt.Fprintf(c, "HTTP/1.1 %s\r\n%sContent-Length: 8\r\nConnection: close\r\n\r\nrefused\n", status, header)
		return err
	}
	switch how {
	case "401":
		return answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n")
	case "403":
		return answer("403 Forbidden", "")
	case "200":
		return answer("200 OK", "")
	case "302":
		return answer("302 Found", "Location: ws://elsewhere.invalid/\r\n")
	case "silent": // never answers
		_, err := io.Copy(io.Discard, r)
		return err
	}

	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if _, err := fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:])); err != nil {
		return err
	}
	var out []byte
	switch how {
	case "lost": // ends without a close frame
		return nil
	case "mute": // takes everything, answers nothing
	case "masked": // breaks a rule
		out = frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText, Masked: true}, []byte("masked"))
	case "escape": // plays with the terminal
		out = frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText}, []byte("\x1b]0;title\x07\x1b[2Jred"))
	case "1011", "1000", "4000":
		code := map[string]frame.StatusCode{"1011": 1011, "1000": 1000, "4000": 4000}[how]
		payload, err := frame.AppendClose(nil, code, "because\x1b[2J")
		if err != nil {
			return err
		}
		out = frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpClose}, payload)
	default:
		return fmt.Errorf("there is no behaviour %q", how)
	}
	if _, err := c.Write(out); err != nil {
		return err
	}
	if how != "mute" {
		// An answer in one read, and the end.
		_, err = r.Read(make([]byte, 1<<10))
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// misbehave2 serves HTTP/2 without TLS: h2 takes no WebSockets, h2reset takes
// them and resets their streams.
func misbehave2(l net.Listener, how string) error {
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			_ = c.CloseNow()
		}),
		Protocols: new(http.Protocols),
	}
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, &h2.Options{NoExtendedConnect: how == "h2"}); err != nil {
		return err
	}
	return srv.Serve(l)
}

// dialMute connects and says what comes, until the end.
func dialMute(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := upgradeByHand(c, addr, "/echo")
	if err != nil {
		return err
	}
	fmt.Printf("connected to ws://%s/\n", addr)
	code, err := readClose(r)
	if err != nil {
		return err
	}
	fmt.Printf("heard %d\n", code)
	_, err = io.Copy(io.Discard, r)
	return err
}
