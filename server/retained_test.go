package server_test

import (
	"bytes"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// HD9: a message is valid until Message returns. One that is kept changes, and
// under the race detector does so at once; what was copied, or sent, does not.
func TestRetainedMessage(t *testing.T) {
	long := string(bytes.Repeat([]byte("retain"), 50))
	each(t, func(t *testing.T, engine string) {
		var kept, copied []byte
		seen := make(chan []byte, 1)
		g := guarded(t, &funcs{message: func(s *server.Session, m websocket.Message) {
			echo(s, m)
			if kept == nil {
				kept, copied = m.Data, bytes.Clone(m.Data)
				return
			}
			seen <- bytes.Clone(kept[len(kept)/2:])
		}})
		c := g.serve(engine, nil).raw(nil)
		c.say(textFrame(long))
		c.want("t:" + long)
		c.say(textFrame("x"))
		c.want("t:x")
		if p := wait(t, seen); raceEnabled && !bytes.Equal(p, bytes.Repeat([]byte{0xDB}, len(p))) {
			t.Errorf("what was kept reads %q", p)
		}
		if string(copied) != long {
			t.Errorf("what was copied reads %q", copied)
		}
	})
}
