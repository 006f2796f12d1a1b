//go:build linux

package main

import (
	"net"
	"net/http"

	llibtls "github.com/lesismal/llib/std/crypto/tls"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

// serveNBIO serves from nbio's own HTTP server and pollers, TLS by its own
// crypto/tls.
func serveNBIO(ln net.Listener, m mode) error {
	logging.SetLevel(logging.LevelNone) // it logs to standard output, where the control lines are
	up := websocket.NewUpgrader()
	up.MessageLengthLimit = 0
	up.EnableCompression(m == modeDeflate)
	h := new(hub[*websocket.Conn])
	up.OnOpen(func(c *websocket.Conn) {
		if m == modeBroadcast {
			h.add(c)
		}
	})
	up.OnMessage(func(c *websocket.Conn, t websocket.MessageType, p []byte) {
		if m == modeBroadcast {
			_ = h.each(func(d *websocket.Conn) error { return d.WriteMessage(t, p) })
			return
		}
		nap(m, p)
		_ = c.WriteMessage(t, p)
	})
	o := nbhttp.Config{
		Network:                      "tcp",
		Listen:                       func(_, _ string) (net.Listener, error) { return ln, nil },
		ReleaseWebsocketPayload:      true,
		MaxWebsocketFramePayloadSize: 4 << 20, // one frame per message, as the others
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = up.Upgrade(w, r, nil)
		}),
	}
	if m == modeTLS {
		cert, key, err := selfSigned()
		if err != nil {
			return err
		}
		o.AddrsTLS = []string{ln.Addr().String()}
		o.TLSConfig = &llibtls.Config{Certificates: []llibtls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
	} else {
		o.Addrs = []string{ln.Addr().String()}
	}
	e := nbhttp.NewEngine(o)
	failed := make(chan error, 1)
	e.OnAcceptError(func(err error) {
		select {
		case failed <- err:
		default:
		}
	})
	if err := e.Start(); err != nil {
		return err
	}
	defer e.Stop()
	return <-failed
}
