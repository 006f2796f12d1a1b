package server_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
)

// raw is a client that sends bytes as they are, also such as no honest client
// does.
type raw struct {
	net.Conn
	br *bufio.Reader
	t  testing.TB
}

// opening is an opening handshake; each header is a line of its own.
func opening(headers ...string) string {
	return "GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		strings.Join(append(headers, "", ""), "\r\n")
}

// transport opens a transport to the server.
func (h *host) transport() *raw {
	h.t.Helper()
	if h.pool != nil {
		c := h.stream()
		return &raw{Conn: c, br: bufio.NewReader(c), t: h.t}
	}
	c, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	if strings.HasPrefix(h.http.URL, "https") {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	c.SetDeadline(time.Now().Add(patience))
	h.t.Cleanup(func() { c.Close() })
	return &raw{Conn: c, br: bufio.NewReader(c), t: h.t}
}

// ask sends a request and returns the answer.
func (c *raw) ask(request string) *http.Response {
	c.t.Helper()
	c.say([]byte(request))
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// raw opens a session, and sends early right behind the request.
func (h *host) raw(early []byte, headers ...string) *raw {
	h.t.Helper()
	c := h.transport()
	if resp := c.ask(opening(headers...) + string(early)); resp.StatusCode != http.StatusSwitchingProtocols {
		h.t.Fatalf("status %v", resp.Status)
	}
	return c
}

func (c *raw) say(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

// masked is a frame as a client sends it: b0 is its first byte, the
// masking-key is zero.
func masked(b0 byte, payload string) []byte {
	p := []byte{b0}
	switch n := len(payload); {
	case n <= 125:
		p = append(p, 0x80|byte(n))
	case n <= 0xFFFF:
		p = binary.BigEndian.AppendUint16(append(p, 0x80|126), uint16(n))
	default:
		p = binary.BigEndian.AppendUint64(append(p, 0x80|127), uint64(n))
	}
	return append(append(p, 0, 0, 0, 0), payload...)
}

// closeFrame is a close frame as a client sends it.
func closeFrame(code websocket.StatusCode, reason string) []byte {
	return masked(0x88, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// textFrame is a text message as a client sends it.
func textFrame(s string) []byte { return masked(0x81, s) }

// next reads a frame.
func (c *raw) next() (b0 byte, payload string, err error) {
	var h [8]byte
	if _, err = io.ReadFull(c.br, h[:2]); err != nil {
		return 0, "", err
	}
	b0, n := h[0], uint64(h[1])
	switch n {
	case 126:
		_, err = io.ReadFull(c.br, h[:2])
		n = uint64(binary.BigEndian.Uint16(h[:]))
	case 127:
		_, err = io.ReadFull(c.br, h[:8])
		n = binary.BigEndian.Uint64(h[:])
	}
	if err != nil {
		return 0, "", err
	}
	p := make([]byte, n)
	_, err = io.ReadFull(c.br, p)
	return b0, string(p), err
}

// want reads frames and compares them: "t:hello" is a text message, "b:" a
// binary one, "c:" a compressed one (whatever is in it), "ping:", "pong:", and
// "close:1000 reason", "close:" for an empty one. "eof" is the end of the
// stream.
func (c *raw) want(frames ...string) {
	c.t.Helper()
	for i, want := range frames {
		b0, p, err := c.next()
		got := ""
		switch {
		case err == io.EOF:
			got = "eof"
		case err != nil:
			got = err.Error()
		case b0 == 0xC1 || b0 == 0xC2:
			got = "c:"
		default:
			got = map[byte]string{0x81: "t:", 0x82: "b:", 0x88: "close:", 0x89: "ping:", 0x8A: "pong:"}[b0] + p
			if b0 == 0x88 && len(p) >= 2 {
				got = "close:" + strings.TrimSpace(strconv.Itoa(int(binary.BigEndian.Uint16([]byte(p))))+" "+p[2:])
			}
		}
		if got != want {
			c.t.Fatalf("frame %d: %.100q, want %.100q", i, got, want)
		}
	}
}

// reset ends the transport with an RST.
func (c *raw) reset() {
	nc := c.Conn
	switch t := nc.(type) {
	case *stream:
		t.reset()
		return
	case *tls.Conn:
		nc = t.NetConn()
	}
	nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
}

// cut ends the transport without a word of TLS's.
func (c *raw) cut() {
	nc := c.Conn
	switch t := nc.(type) {
	case *stream:
		t.cut()
		return
	case *tls.Conn:
		nc = t.NetConn()
	}
	nc.Close()
}
