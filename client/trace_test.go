package client_test

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// lines notes each write.
type lines struct {
	mu   sync.Mutex
	list []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, string(p))
	return 0, io.ErrClosedPipe // nobody minds
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.list, "")
}

// life is a whole one: requests, a refusal, a socket on which a message goes each
// way, and the end of the connection by the network, then by Shutdown.
func life(t *testing.T, p client.Protocol, o *client.Options) {
	t.Helper()
	ln := newNet(t, site())
	o.Protocols = []client.Protocol{p}
	c := open(t, ln, o)
	if _, err := get(t, c, "/login?user=me"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upgrade(t.Context(), "/refuse", nil); err == nil {
		t.Fatal("not refused")
	}
	u := &client.UpgradeOptions{Subprotocols: []client.Subprotocol{{Name: "chat"}}}
	s, err := c.Upgrade(t.Context(), "/ws?room=1", u)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // of the bubble
	echo(t, s, "Hello!")
	ln.Cut()
	if _, _, err := s.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusAbnormalClosure {
		t.Fatal(err)
	}
	for c.Info().Ups < 2 {
		time.Sleep(time.Second) // of the bubble
	}
	if _, err := get(t, c, "/again"); err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-c.Done()
}

// S3.15: TraceTo has a line for every step and every frame.
func TestTraceTo(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		var got lines
		life(t, p, &client.Options{TraceTo: &got})
		t.Log("\n" + got.String())
	})
}
