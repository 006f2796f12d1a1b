package main

import (
	"context"
	"fmt"
	"net"

	"github.com/lariat-go/websocket"
)

const (
	http2Sockets = 100 // sockets that are opened in each way
	http2Rounds  = 10  // messages that each of them sends, and gets back
)

// http2 puts 100 sockets on one connection of HTTP/2, and others on 100 of
// HTTP/1.1, both over TLS, and counts what it took. What is counted is what the
// client does at its TCP sockets, below TLS, from the first byte to the last:
// the bytes of both directions, handshakes included, and the calls of Read and
// Write, each of which is one system call or more.
func (d *demo) http2(ctx context.Context) (string, error) {
	one, err := d.sockets(ctx, websocket.HTTP1, nil)
	if err != nil {
		return "", err
	}
	var pool websocket.Pool
	two, err := d.sockets(ctx, websocket.HTTP2, &pool)
	if err != nil {
		return "", err
	}
	bytes, calls, conns := two.bytes.Load(), two.calls.Load(), two.conns.Load()
	switch {
	case one.conns.Load() != http2Sockets || conns != 1:
		return "", fmt.Errorf("%d sockets took %s of HTTP/1.1 and %d of HTTP/2", http2Sockets, count(one.conns.Load(), "connection"), conns)
	case bytes >= one.bytes.Load():
		return "", fmt.Errorf("%s over HTTP/2, %d over HTTP/1.1", count(bytes, "byte"), one.bytes.Load())
	}
	return fmt.Sprintf("%d sockets with TLS, %d messages there and back each: on 1 connection %s in %s reads and writes of the client; on %d of HTTP/1.1 %s in %s",
		http2Sockets, http2Rounds, count(bytes, "byte"), thousands(calls), http2Sockets, count(one.bytes.Load(), "byte"), thousands(one.calls.Load())), nil
}

// sockets opens 100 sockets, has each of them send and get back its messages,
// all at the same time, closes them, and returns what went over the wire.
func (d *demo) sockets(ctx context.Context, version websocket.HTTPVersion, pool *websocket.Pool) (*traffic, error) {
	wire := new(traffic)
	if pool != nil {
		defer pool.Close() //nolint:errcheck // it is never another than nil
	}
	o := &websocket.DialOptions{
		HTTP: version, Pool: pool, TLSConfig: d.trusted,
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			wire.conns.Add(1)
			return &countingConn{Conn: c, t: wire}, err
		},
	}
	var all []*websocket.Conn
	for range http2Sockets {
		c, err := websocket.Dial(ctx, "wss://"+d.secureAddr+"/echo", o)
		if err != nil {
			return nil, err
		}
		defer c.CloseNow() //nolint:errcheck // after Close
		if got := c.HTTPVersion(); got != int(version) {
			return nil, fmt.Errorf("a socket came over %s", versionName(got))
		}
		all = append(all, c)
	}
	done := make(chan error, len(all))
	for i, c := range all {
		go func() { done <- talk(ctx, c, i) }()
	}
	var err error
	for range all {
		if e := <-done; e != nil && err == nil {
			err = e
		}
	}
	return wire, err
}

// talk sends the messages of one socket, gets them back, and closes it.
func talk(ctx context.Context, c *websocket.Conn, n int) error {
	for i := range http2Rounds {
		text := fmt.Sprintf("message %d of socket %d", i+1, n+1)
		if err := roundTrip(ctx, c, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
	}
	return c.Close(websocket.StatusNormalClosure, "")
}
