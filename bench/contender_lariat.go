//go:build linux

package main

import (
	"context"
	"net"
	"net/http"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

func serveLariat(ln net.Listener, m mode) error      { return serveLariatWith(ln, m, echoLariat) }
func serveLariatBatch(ln net.Listener, m mode) error { return serveLariatWith(ln, m, echoLariatBatch) }

func serveLariatWith(ln net.Listener, m mode, echo func(*websocket.Conn)) error {
	return serveHTTP(ln, lariatHandler(m, echo, false))
}

// lariatHandler upgrades and hands the connection to a goroutine, or stays with
// it.
func lariatHandler(m mode, echo func(*websocket.Conn), stay bool) http.HandlerFunc {
	o := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{MaxMessageSize: -1}}
	if m == modeDeflate || m == modeTakeover {
		o.Extensions = []extension.Extension{deflate.New(&deflate.Options{
			ServerContextTakeover: m == modeTakeover,
			ClientContextTakeover: m == modeTakeover,
			MaxContexts:           -1,
		})}
	}
	h := new(hub[*websocket.Conn])
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			return
		}
		switch {
		case m == modeBroadcast:
			h.add(c)
			go broadcastLariat(c, h)
		case m == modeSleep:
			go napLariat(c)
		case stay:
			echo(c)
		default:
			go echo(c)
		}
	}
}

func echoLariat(c *websocket.Conn) {
	defer c.CloseNow()
	ctx := context.Background()
	var buf []byte
	for {
		t, p, err := c.Append(ctx, buf[:0])
		if err != nil {
			return
		}
		buf = p
		if err := c.Write(ctx, t, p); err != nil {
			return
		}
	}
}

func napLariat(c *websocket.Conn) {
	defer c.CloseNow()
	ctx := context.Background()
	var buf []byte
	for {
		t, p, err := c.Append(ctx, buf[:0])
		if err != nil {
			return
		}
		buf = p
		nap(modeSleep, p)
		if err := c.Write(ctx, t, p); err != nil {
			return
		}
	}
}

func echoLariatBatch(c *websocket.Conn) {
	defer c.CloseNow()
	ctx := context.Background()
	var (
		in  []websocket.Message
		out []websocket.Outgoing
		err error
	)
	for {
		if in, err = c.ReadBatch(ctx, in[:0]); err != nil {
			return
		}
		out = answers(out[:0], in)
		if err := c.WriteBatch(ctx, out...); err != nil {
			return
		}
	}
}

// answers appends what is sent back for in. It is not inlined: its temporaries
// would lie on the stack of every connection that waits in ReadBatch.
//
//go:noinline
func answers(out []websocket.Outgoing, in []websocket.Message) []websocket.Outgoing {
	for _, m := range in {
		if m.Type == websocket.MessageText {
			out = append(out, websocket.TextBytes(m.Data))
		} else {
			out = append(out, websocket.Binary(m.Data))
		}
	}
	return out
}

func broadcastLariat(c *websocket.Conn, h *hub[*websocket.Conn]) {
	defer c.CloseNow()
	ctx := context.Background()
	var buf []byte
	for {
		t, p, err := c.Append(ctx, buf[:0])
		if err != nil {
			return
		}
		buf = p
		m, err := websocket.NewPrepared(t, p)
		if err != nil {
			return
		}
		if h.each(func(d *websocket.Conn) error { return d.WritePrepared(ctx, m) }) != nil {
			return
		}
	}
}
