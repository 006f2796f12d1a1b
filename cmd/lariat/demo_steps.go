package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
)

// echo sends a message and gets it back.
func (d *demo) echo(ctx context.Context) (string, error) {
	c, err := d.dialPath(ctx, "/echo", nil)
	if err != nil {
		return "", err
	}
	defer c.CloseNow() //nolint:errcheck // after Close
	const text = "Hello, WebSocket! 👋"
	start := time.Now()
	if err := roundTrip(ctx, c, websocket.MessageText, []byte(text)); err != nil {
		return "", err
	}
	took := time.Since(start)
	return fmt.Sprintf("%q went there and back in %s", text, millis(took)), c.Close(websocket.StatusNormalClosure, "")
}

// roundTrip sends a message and demands the same back.
func roundTrip(ctx context.Context, c *websocket.Conn, t websocket.MessageType, p []byte) error {
	if err := c.Write(ctx, t, p); err != nil {
		return err
	}
	gotType, got, err := c.Read(ctx)
	switch {
	case err != nil:
		return err
	case gotType != t || !bytes.Equal(got, p):
		return fmt.Errorf("%v message of %d bytes came back as %v of %d bytes", t, len(p), gotType, len(got))
	}
	return nil
}

// compression sends the same messages with and without permessage-deflate and
// counts the bytes on the wire, handshakes and all.
func (d *demo) compression(ctx context.Context) (string, error) {
	plain, err := d.wireBytes(ctx, nil)
	if err != nil {
		return "", err
	}
	packed, err := d.wireBytes(ctx, []extension.Extension{deflate.New(&deflate.Options{
		ServerContextTakeover: true, ClientContextTakeover: true,
	})})
	if err != nil {
		return "", err
	}
	if packed*2 > plain {
		return "", fmt.Errorf("%d bytes on the wire with compression, %d without", packed, plain)
	}
	return fmt.Sprintf("200 JSON messages there and back: %s on the wire, %s without; %s saved, %.0f %%",
		count(packed, "byte"), thousands(plain), thousands(plain-packed), 100*(1-float64(packed)/float64(plain))), nil
}

// wireBytes echoes 200 messages and returns the bytes that went over the
// socket, both ways.
func (d *demo) wireBytes(ctx context.Context, exts []extension.Extension) (int64, error) {
	var wire traffic
	o := &websocket.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &countingConn{Conn: c, t: &wire}, err
	}}
	o.Extensions = exts
	c, err := d.dialPath(ctx, "/echo", o)
	if err != nil {
		return 0, err
	}
	defer c.CloseNow() //nolint:errcheck // after Close
	if got := len(c.Extensions()); got != len(exts) {
		return 0, fmt.Errorf("%d extensions were agreed, not %d", got, len(exts))
	}
	for i := range 200 {
		text := fmt.Sprintf(`{"id":%d,"symbol":"LARIAT","bid":%d.25,"ask":%d.50,"venue":"loopback","flags":["live","firm"],"note":"%s"}`,
			i, 100+i%7, 101+i%7, strings.Repeat("all the same in every message ", 20))
		if err := roundTrip(ctx, c, websocket.MessageText, []byte(text)); err != nil {
			return 0, err
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		return 0, err
	}
	return wire.bytes.Load(), nil
}

// traffic is what went over a client's sockets, both ways.
type traffic struct{ conns, bytes, calls atomic.Int64 }

// countingConn counts the bytes of a socket, and the reads and writes.
type countingConn struct {
	net.Conn
	t *traffic
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.t.bytes.Add(int64(n))
	c.t.calls.Add(1)
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.t.bytes.Add(int64(n))
	c.t.calls.Add(1)
	return n, err
}

// fragments sends one message in several frames, as its parts become known.
func (d *demo) fragments(ctx context.Context) (string, error) {
	var frames, fins atomic.Int64
	o := &websocket.DialOptions{}
	o.Trace = &websocket.Trace{Frame: func(sent bool, h frame.Header) {
		if sent && !h.Opcode.IsControl() {
			frames.Add(1)
			if h.Fin {
				fins.Add(1)
			}
		}
	}}
	c, err := d.dialPath(ctx, "/echo", o)
	if err != nil {
		return "", err
	}
	defer c.CloseNow() //nolint:errcheck // after Close
	const parts, size = 5, 64 << 10
	w, err := c.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		return "", err
	}
	var whole []byte
	for i := range parts {
		part := bytes.Repeat([]byte{byte('a' + i)}, size)
		whole = append(whole, part...)
		if _, err := w.Write(part); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	t, got, err := c.Read(ctx)
	switch {
	case err != nil:
		return "", err
	case t != websocket.MessageBinary || !bytes.Equal(got, whole):
		return "", fmt.Errorf("%s came back, not what was sent", count(int64(len(got)), "byte"))
	case frames.Load() < 2 || fins.Load() != 1:
		return "", fmt.Errorf("the message was sent in %d frames, %d of them final", frames.Load(), fins.Load())
	}
	return fmt.Sprintf("one message of %s was written in %d parts, left in %d frames and came back whole",
		count(int64(len(whole)), "byte"), parts, frames.Load()), c.Close(websocket.StatusNormalClosure, "")
}

// pingOnce measures a round trip.
func (d *demo) pingOnce(ctx context.Context) (string, error) {
	c, err := d.dialPath(ctx, "/echo", nil)
	if err != nil {
		return "", err
	}
	defer c.CloseNow() //nolint:errcheck // after Close
	go discardAll(c)   //nolint:errcheck // ends with the connection
	rtt, err := c.Ping(ctx)
	if err != nil {
		return "", err
	}
	if rtt <= 0 {
		return "", fmt.Errorf("a round-trip time of %v", rtt)
	}
	return fmt.Sprintf("the pong came after %s", millis(rtt)), c.Close(websocket.StatusNormalClosure, "")
}

// demoClients is how many clients hear the broadcast.
const demoClients = 100

// broadcast connects 100 clients and lets one of them speak to all.
func (d *demo) broadcast(ctx context.Context) (string, error) {
	const text = "this goes to everyone"
	ready := make(chan error, demoClients)
	speak := make(chan struct{})
	heard := make(chan error, demoClients)
	for i := range demoClients {
		go func() { heard <- d.listener(ctx, i == 0, text, ready, speak) }()
	}
	for range demoClients {
		if err := <-ready; err != nil {
			return "", err
		}
	}
	start := time.Now()
	close(speak)
	for range demoClients {
		if err := <-heard; err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d clients connected, one spoke, all %d heard it within %s", demoClients, demoClients, millis(time.Since(start))), nil
}

// listener is one client of the broadcast. It says when it is ready and waits
// for all to be; the first one then speaks.
func (d *demo) listener(ctx context.Context, first bool, text string, ready chan<- error, speak <-chan struct{}) error {
	c, err := d.dialPath(ctx, "/broadcast", nil)
	if err != nil {
		ready <- err
		return err
	}
	defer c.CloseNow() //nolint:errcheck // after Close
	type message struct {
		p   []byte
		err error
	}
	got := make(chan message, 1)
	go func() {
		_, p, err := c.Read(ctx)
		got <- message{p, err}
		_ = discardAll(c)
	}()
	// The server answers a ping when it reads, and it reads when the client
	// belongs to the audience.
	_, err = c.Ping(ctx)
	ready <- err
	if err != nil {
		return err
	}
	select {
	case <-speak:
	case <-ctx.Done():
		return ctx.Err()
	}
	if first {
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
	}
	switch m := <-got; {
	case m.err != nil:
		return m.err
	case string(m.p) != text:
		return fmt.Errorf("a client heard %q", trim(string(m.p), 64))
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

// closing ends a connection with a code and a reason, and asks both sides what
// they saw.
func (d *demo) closing(ctx context.Context) (string, error) {
	c, err := d.dialPath(ctx, "/echo", nil)
	if err != nil {
		return "", err
	}
	defer c.CloseNow() //nolint:errcheck // after Close
	const code, reason = websocket.StatusCode(4001), "that was all"
	remote := c.LocalAddr().String()
	if err := c.Close(code, reason); err != nil {
		return "", err
	}
	_, _, err = c.Read(ctx)
	var ours *websocket.CloseError
	if !errors.As(err, &ours) || ours.Received == nil || ours.Received.Code != code || ours.RemoteFirst {
		return "", fmt.Errorf("the client saw %w", err)
	}
	e, err := d.endOf(ctx, remote)
	if err != nil {
		return "", err
	}
	var theirs *websocket.CloseError
	if !errors.As(e.err, &theirs) || theirs.Received == nil || *theirs.Received != (*ours.Sent) || !theirs.RemoteFirst {
		return "", fmt.Errorf("the server saw %w", e.err)
	}
	return fmt.Sprintf("the client sent %d %q, the server answered %d, and both know who was first", code, reason, ours.Received.Code), nil
}
