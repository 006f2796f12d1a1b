package server_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// capped accepts no more connections than the HTTP server may have at a time.
type capped struct {
	net.Listener
	free chan struct{}
}

func (l *capped) Accept() (net.Conn, error) {
	<-l.free
	c, err := l.Listener.Accept()
	if err != nil {
		l.free <- struct{}{}
	}
	return c, err
}

// ws: sessions do not count against the connections that an HTTP server may
// have: a thousand of them, where there may be eight.
func TestSessionsAreNoHTTPConnections(t *testing.T) {
	const sessions, limit = 1000, 8
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return &funcs{message: echo}, nil
	})
	ws.MaxSessions = sessions
	hs := httptest.NewUnstartedServer(ws)
	l := &capped{hs.Listener, make(chan struct{}, limit+1)}
	for range limit {
		l.free <- struct{}{}
	}
	hs.Listener = l
	hs.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateHijacked || s == http.StateClosed {
			l.free <- struct{}{}
		}
	}
	hs.Start()
	h := &host{Server: ws, t: t, http: hs}
	peers := make([]*wstest.Peer, sessions)
	for i := range peers {
		peers[i], _ = h.peer("")
	}
	until(t, "all sessions are there", func() bool { return ws.Stats().Sessions == sessions })
	for _, p := range peers {
		p.SendFrames(wstest.Text("x"))
	}
	var all sync.WaitGroup
	for _, p := range peers {
		all.Go(func() {
			p.Expect(wstest.Text("x"))
			p.ExpectClose(websocket.StatusGoingAway)
			p.SendFrames(wstest.Close(websocket.StatusGoingAway, ""))
		})
	}
	if got := wait(t, h.shutDown(h.context(), nil)); got.err != nil || got.report != (server.Report{Clean: sessions}) {
		t.Errorf("%+v", got)
	}
	all.Wait()
	l.free <- struct{}{} // for the Accept that finds the listener closed
	hs.Close()
}
