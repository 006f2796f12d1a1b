//go:build linux

package main

import (
	"bytes"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

func serveGorilla(ln net.Listener, m mode) error {
	up := &websocket.Upgrader{EnableCompression: m == modeDeflate}
	h := new(hub[*websocket.Conn])
	return serveHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		if m == modeBroadcast {
			h.add(c)
		}
		go echoGorilla(c, m, h)
	})
}

func echoGorilla(c *websocket.Conn, m mode, h *hub[*websocket.Conn]) {
	defer c.Close()
	var buf bytes.Buffer
	for {
		t, r, err := c.NextReader()
		if err != nil {
			return
		}
		buf.Reset()
		if _, err := buf.ReadFrom(r); err != nil {
			return
		}
		if m == modeBroadcast {
			p, err := websocket.NewPreparedMessage(t, buf.Bytes())
			if err != nil {
				return
			}
			if h.each(func(d *websocket.Conn) error { return d.WritePreparedMessage(p) }) != nil {
				return
			}
			continue
		}
		nap(m, buf.Bytes())
		if err := c.WriteMessage(t, buf.Bytes()); err != nil {
			return
		}
	}
}
