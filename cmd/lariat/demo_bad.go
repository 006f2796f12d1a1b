package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/lariat-go/websocket/frame"
)

// badClient speaks to the server by hand and breaks a rule: a client must mask
// its frames (RFC 6455, section 5.1). The server has to refuse it with 1002.
func (d *demo) badClient(ctx context.Context) (string, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()

	r, err := upgradeByHand(c, d.addr, "/echo")
	if err != nil {
		return "", err
	}
	if _, err := c.Write(frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText}, []byte("not masked"))); err != nil {
		return "", err
	}
	code, err := readClose(r)
	if err != nil {
		return "", fmt.Errorf("a frame without a mask was not refused: %w", err)
	}
	local := c.LocalAddr().String()
	_ = c.Close() // the server has said all it has to say
	e, err := d.endOf(ctx, local)
	switch {
	case err != nil:
		return "", err
	case code != frame.StatusProtocolError:
		return "", fmt.Errorf("the server closed with %v", code)
	case !errors.Is(e.err, frame.ErrMaskRequired):
		return "", fmt.Errorf("the server complains of something else: %w", e.err)
	}
	return fmt.Sprintf("refused with %v: frame from a client is not masked, %s", code, frame.ErrMaskRequired.Section()), nil
}

// upgradeByHand does the opening handshake without the library's client.
func upgradeByHand(c net.Conn, host, path string) (*bufio.Reader, error) {
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, host)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	// The example of RFC 6455, section 1.3.
	if got := resp.Header.Get("Sec-WebSocket-Accept"); resp.StatusCode != http.StatusSwitchingProtocols || got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		return nil, fmt.Errorf("the server answered %s with Sec-WebSocket-Accept %q", resp.Status, got)
	}
	return r, nil
}

// readClose reads one frame, which has to be a close frame.
func readClose(r *bufio.Reader) (frame.StatusCode, error) {
	// The header of an unmasked control frame has two bytes.
	p := make([]byte, 2)
	if _, err := io.ReadFull(r, p); err != nil {
		return 0, err
	}
	h, n, err := frame.ParseHeader(p)
	switch {
	case err != nil:
		return 0, err
	case n == 0 || h.Opcode != frame.OpClose:
		return 0, fmt.Errorf("the server sent a %v frame", h.Opcode)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, err
	}
	code, _, err := frame.ParseClose(payload)
	return code, err
}
