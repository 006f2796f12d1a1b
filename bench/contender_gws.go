//go:build linux

package main

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

func serveGWS(ln net.Listener, m mode) error {
	o := &gws.ServerOption{CheckUtf8Enabled: m == modeDeflate || m == modeTakeover}
	if m == modeDeflate || m == modeTakeover {
		o.PermessageDeflate = gws.PermessageDeflate{
			Enabled:               true,
			ServerContextTakeover: m == modeTakeover,
			ClientContextTakeover: m == modeTakeover,
			ServerMaxWindowBits:   15,
			ClientMaxWindowBits:   15,
		}
	}
	e := &gwsEcho{mode: m}
	up := gws.NewUpgrader(e, o)
	return serveHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err != nil {
			return
		}
		go c.ReadLoop()
	})
}

type gwsEcho struct {
	gws.BuiltinEventHandler
	mode mode
	hub  hub[*gws.Conn]
}

func (e *gwsEcho) OnOpen(c *gws.Conn) {
	if e.mode == modeBroadcast {
		e.hub.add(c)
	}
}

func (e *gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if e.mode == modeBroadcast {
		b := gws.NewBroadcaster(m.Opcode, m.Bytes())
		defer b.Close()
		_ = e.hub.each(b.Broadcast)
		return
	}
	nap(e.mode, m.Bytes())
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}
