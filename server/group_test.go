package server_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

func prepared(t testing.TB, text string) *websocket.Prepared {
	t.Helper()
	p, err := websocket.NewPrepared(websocket.MessageText, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Members come and go; who ends leaves, before its Terminate.
func TestGroup(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var g, other server.Group
		left := make(chan bool, 8)
		h := serveOne(t, engine, nil, funcs{terminate: func(s *server.Session, r server.Reason) {
			left <- !slices.Contains(slices.Collect(g.Range()), s) && !g.Add(s)
		}})
		var peers []*wstest.Peer
		var sessions []*server.Session
		for range 4 {
			p, _ := h.peer("")
			s := wait(t, h.begun)
			if !g.Add(s) || g.Add(s) || !other.Add(s) {
				t.Fatal("Add")
			}
			peers, sessions = append(peers, p), append(sessions, s)
		}
		if got := slices.Collect(g.Range()); !slices.Equal(got, sessions) || g.Len() != 4 {
			t.Errorf("%d members", len(got))
		}
		for range g.Range() {
			break
		}
		if !g.Remove(sessions[0]) || g.Remove(sessions[0]) || g.Len() != 3 || other.Len() != 4 {
			t.Error("Remove")
		}
		if n := g.Broadcast(prepared(t, "hello")); n != 3 {
			t.Errorf("sent to %d", n)
		}
		for _, p := range peers[1:] {
			p.Expect(wstest.Text("hello"))
		}
		sessions[1].Text("next") // of the one that was removed nothing came before it
		sessions[0].Text("next")
		peers[0].Expect(wstest.Text("next"))
		peers[1].Expect(wstest.Text("next"))

		peers[1].Close()
		if !wait(t, left) {
			t.Error("a session that has ended is a member")
		}
		if g.Len() != 2 || other.Len() != 3 {
			t.Errorf("%d and %d members", g.Len(), other.Len())
		}
		sessions[2].Stop() // closing: nothing is sent to it, and it can't be added
		if n := g.Broadcast(prepared(t, "more")); n != 1 || !g.Remove(sessions[2]) || g.Add(sessions[2]) {
			t.Errorf("sent to %d", n)
		}
		peers[3].Expect(wstest.Text("more"))
		h.cleanUp()
		if g.Len() != 0 || other.Len() != 0 {
			t.Errorf("%d and %d members", g.Len(), other.Len())
		}
	})
}

// One frame serves all of one compression setting.
func TestGroupCompression(t *testing.T) {
	ext := []extension.Extension{deflate.New(&deflate.Options{Threshold: -1, ServerContextTakeover: true})}
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{}
		o.Extensions = ext
		h := serveOne(t, engine, o, funcs{})
		offers := [][]extension.Extension{
			nil, nil,
			{deflate.New(nil)},
			{deflate.New(nil)},
			{deflate.New(&deflate.Options{ServerContextTakeover: true})},
			{deflate.New(&deflate.Options{ServerMaxWindowBits: 9})},
		}
		var g server.Group
		var clients []*websocket.Conn
		for _, offer := range offers {
			clients = append(clients, h.dial(&websocket.DialOptions{ConnOptions: websocket.ConnOptions{Extensions: offer}}))
			g.Add(wait(t, h.begun))
		}
		for i := range 5 {
			text := fmt.Sprintf("the same and the same and the same, %d", i)
			if n := g.Broadcast(prepared(t, text)); n != len(offers) {
				t.Errorf("sent to %d", n)
			}
			for k, c := range clients {
				if _, p, err := c.Read(h.context()); err != nil || string(p) != text {
					t.Fatalf("client %d: %q, %v", k, p, err)
				}
			}
		}
	})
}

// W7: one member that takes nothing does not delay the others, and is given up.
func TestGroupWithStalledMember(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		members, rounds := 200, 50
		if engine != "poll" {
			members = 40
		}
		if raceEnabled {
			members /= 2
		}
		o := backlog(server.PolicyDropOldest)
		o.WriteTimeout = time.Hour // the stalled one is to stay
		h := serveOne(t, engine, o, funcs{})
		var g server.Group
		_, _ = h.peer("")
		stalled := wait(t, h.begun)
		fill(t, stalled, 0, unit)
		g.Add(stalled)
		var all sync.WaitGroup
		ready := make(chan struct{}, members)
		for range members {
			c := h.dial(nil)
			g.Add(wait(t, h.begun))
			all.Go(func() {
				for i := range rounds {
					_, p, err := c.Read(h.context())
					if err != nil || len(p) != unit || string(p[:4]) != fmt.Sprintf("%04d", i) {
						t.Errorf("message %d: %.4q, %v", i, p, err)
						break
					}
					ready <- struct{}{}
				}
			})
		}
		for i := range rounds {
			if n := g.Broadcast(prepared(t, fmt.Sprintf("%04d%s", i, make([]byte, unit-4)))); n != members+1 {
				t.Errorf("sent to %d", n)
			}
			for range members {
				wait(t, ready) // while the stalled one takes nothing
			}
		}
		all.Wait()
		if owed := stalled.Backlog(); owed == 0 || owed > hard+64 || h.Stats().Dropped == 0 {
			t.Errorf("%d bytes are owed to the stalled one, %d messages dropped", owed, h.Stats().Dropped)
		}
	})
}
