package client_test

import (
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// A program may open many connections, and upgrade them, before it begins to
// receive: what they have to tell until then waits in line.
func TestOwnerOfMany(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		const conns = 20
		o := newOwner(t, 1)
		ln := newNet(t, site())
		for range conns {
			c := open(t, ln, &client.Options{Owner: o, Protocols: []client.Protocol{p}})
			up(t, c)
			s, err := c.Upgrade(t.Context(), "/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Write(t.Context(), websocket.MessageText, []byte("Hello!")); err != nil {
				t.Fatal(err)
			}
		}
		told := make(map[*client.Conn][]string)
		for range 4 * conns {
			ev := <-o.C
			told[ev.Of()] = append(told[ev.Of()], describe(ev))
		}
		if len(told) != conns {
			t.Errorf("%d connections tell of themselves, want %d", len(told), conns)
		}
		for _, list := range told {
			same(t, list, []string{"attempt 1", "up " + p.String(), "upgraded 1 ", "message 1 text Hello!"})
		}
	})
}
