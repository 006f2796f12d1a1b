//go:build linux

package main

import (
	"net"
	"net/http"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/server"
)

// serveServer serves sessions from a net/http server.
func serveServer(ln net.Listener, m mode) error {
	return serveHTTP(ln, serverHandler(m).ServeHTTP)
}

// serverHandler has no state per session, so all sessions share a handler.
func serverHandler(m mode) http.Handler {
	o := &server.Options{AcceptOptions: websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{MaxMessageSize: -1}}}
	if m == modeDeflate || m == modeTakeover {
		o.Extensions = []extension.Extension{deflate.New(&deflate.Options{
			ServerContextTakeover: m == modeTakeover,
			ClientContextTakeover: m == modeTakeover,
			MaxContexts:           -1,
		})}
	}
	h := &sessionEcho{mode: m}
	s := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) { return h, o })
	s.MaxSessions = -1
	return s
}

type sessionEcho struct {
	server.NopHandler
	mode  mode
	group server.Group
}

func (h *sessionEcho) Init(s *server.Session) {
	if h.mode == modeBroadcast {
		h.group.Add(s)
	}
}

func (h *sessionEcho) Message(s *server.Session, m websocket.Message) {
	switch {
	case h.mode == modeBroadcast:
		p, err := websocket.NewPrepared(m.Type, m.Data)
		if err != nil {
			return
		}
		h.group.Broadcast(p)
		return
	case h.mode == modeSleep:
		nap(h.mode, m.Data)
	}
	if m.Type == websocket.MessageText {
		_ = s.TextBytes(m.Data)
	} else {
		_ = s.Binary(m.Data)
	}
}
