package server_test

import (
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// OnEnd of the options is for a Conn that Detach made. The end of a session is
// Terminate's, and sessions with other options are not told of.
func TestOnEnd(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		ends := make(chan *websocket.CloseError, 4)
		o := &server.Options{}
		o.OnEnd = func(err *websocket.CloseError) { ends <- err }

		g := guarded(t, &funcs{})
		c := g.serve(engine, o).raw(nil)
		c.say(closeFrame(4000, "bye"))
		c.want("close:4000", "eof")
		if r := g.reason(); r.Close == nil {
			t.Errorf("%+v", r)
		}
		select {
		case err := <-ends:
			t.Errorf("a session called OnEnd: %v", err)
		default:
		}

		conns := make(chan *websocket.Conn, 1)
		g = guarded(t, &funcs{message: func(s *server.Session, _ websocket.Message) {
			c, err := s.Detach()
			if err != nil {
				t.Error(err)
			}
			conns <- c
		}})
		c = g.serve(engine, o).raw(nil)
		c.say(textFrame("detach"))
		conn := wait(t, conns)
		conn.CloseNow()
		if err := wait(t, ends); err == nil || err.Received != nil {
			t.Errorf("OnEnd got %v", err)
		}
	})
}
