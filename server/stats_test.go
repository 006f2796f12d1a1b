package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// S4 Stats: what goes in and out is counted.
func TestStats(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, &server.Options{IdleTimeout: time.Second}, funcs{message: echo})
		if st := h.Stats(); st != (server.Stats{}) {
			t.Errorf("%+v", st)
		}
		a, _ := h.peer("")
		b, _ := h.peer("")
		wait(t, h.begun)
		wait(t, h.begun)
		for range 3 {
			a.SendFrames(wstest.Text("hello"))
			a.Expect(wstest.Text("hello"))
		}
		until(t, "both are idle", func() bool { return h.Stats().Idle == 2 })
		st := h.Stats()
		if st.Sessions != 2 || st.Opened != 2 || st.MessagesIn != 3 || st.MessagesOut != 3 || st.BytesIn != 3*11 || st.BytesOut < 15 {
			t.Errorf("%+v", st)
		}
		a.SendFrames(wstest.Text("hello"))
		until(t, "one is idle", func() bool { return h.Stats().Idle == 1 })
		a.SendFrames(wstest.Close(1000, ""))
		b.Close()
		wait(t, h.over)
		wait(t, h.over)
		until(t, "the end", func() bool { return h.Stats().Sessions == 0 })
		st = h.Stats()
		if st.Idle != 0 || st.Opened != 2 || st.Ended[server.ReasonRemote] != 1 || st.Ended[server.ReasonClosed] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// S4 MaxSessions: one more is answered 503 with Retry-After; when one has left
// there is room again.
func TestMaxSessions(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		h.MaxSessions = 3
		var peers []*wstest.Peer
		for range 3 {
			p, _ := h.peer("")
			peers = append(peers, p)
			wait(t, h.begun)
		}
		for range 2 {
			res := h.narrow().request(t, version13, "")
			if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
				t.Errorf("%v, %v", res.Status, res.Header)
			}
		}
		if st := h.Stats(); st.Refused != 2 || st.Sessions != 3 {
			t.Errorf("%+v", st)
		}
		peers[0].SendFrames(wstest.Close(1000, ""))
		peers[0].ExpectClose(1000)
		until(t, "room", func() bool { return h.Stats().Sessions == 2 })
		p, _ := h.peer("")
		p.SendFrames(wstest.Text("x"))
		p.Expect(wstest.Text("x"))
	})
}

// Requests that become no sessions take no place.
func TestMaxSessionsCountsSessions(t *testing.T) {
	h := serveUpgrade(t, "poll", func(w http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
		if r.Header.Get("X-No") != "" {
			http.Error(w, "no", http.StatusForbidden)
			return nil, nil
		}
		return &funcs{message: func(s *server.Session, m websocket.Message) { s.Stop() }}, nil
	})
	h.MaxSessions = 1
	for range 3 {
		if res := h.narrow().request(t, version13+"X-No: 1\r\n", ""); res.StatusCode != http.StatusForbidden {
			t.Error(res.Status)
		}
		if res := h.narrow().request(t, "", ""); res.StatusCode != http.StatusUpgradeRequired {
			t.Error(res.Status)
		}
	}
	h.peer("")
}
