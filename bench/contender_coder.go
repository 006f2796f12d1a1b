//go:build linux

package main

import (
	"bytes"
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

func serveCoder(ln net.Listener, m mode) error {
	o := &websocket.AcceptOptions{}
	switch m {
	case modeDeflate:
		o.CompressionMode = websocket.CompressionNoContextTakeover
	case modeTakeover:
		o.CompressionMode = websocket.CompressionContextTakeover
	}
	h := new(hub[*websocket.Conn])
	return serveHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			return
		}
		c.SetReadLimit(-1)
		if m == modeBroadcast {
			h.add(c)
		}
		go echoCoder(c, m, h)
	})
}

func echoCoder(c *websocket.Conn, m mode, h *hub[*websocket.Conn]) {
	defer c.CloseNow()
	ctx := context.Background()
	var buf bytes.Buffer
	for {
		t, r, err := c.Reader(ctx)
		if err != nil {
			return
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return
		}
		if m == modeBroadcast {
			if h.each(func(d *websocket.Conn) error { return d.Write(ctx, t, buf.Bytes()) }) != nil {
				return
			}
			continue
		}
		nap(m, buf.Bytes())
		if err := c.Write(ctx, t, buf.Bytes()); err != nil {
			return
		}
	}
}
