package client_test

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// life is a whole one: requests, a refusal, a socket on which a message goes each
// way, and the end of the connection by the network, then by Shutdown.
func life(t *testing.T, p client.Protocol, o *client.Options) {
	t.Helper()
	ln := newNet(t, site())
	o.Protocols = []client.Protocol{p}
	c := open(t, ln, o)
	up(t, c)
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
	synctest.Wait()
	up(t, c)
	if _, err := get(t, c, "/again"); err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-c.Done()
}

// traced is the trace of a life over HTTP/1.1. Over HTTP/2 the handshakes are
// other requests, and its frames come besides.
const traced = `
    0.000 * attempt 1, 5 retries left
    0.000 * connect 192.0.2.1:80
    0.000 * connect 192.0.2.1:80: pipe:b in 0.0ms
    0.000 * up: HTTP/1.1
    0.000 > #1 GET /login?user=me
    0.000 < #1 200 OK
    0.000 < #1 end
    0.000 * #2 upgrade /refuse
    0.000 > #2 GET /refuse
    0.000 < #2 403 Forbidden
    0.000 * #2 upgrade failed: opening handshake refused: status 403 Forbidden, want 101 Switching Protocols; it says "members only"
    0.000 * #3 upgrade /ws?room=1
    0.000 > #3 GET /ws?room=1
    0.000 < #3 101 Switching Protocols
    0.000 * #3 open, subprotocol chat
    1.500 > #3 text FIN masked 6 bytes
    1.500 < #3 text FIN 6 bytes
    1.500 * down: connection lost without a close frame: read pipe pipe:a->pipe:b: read: connection reset by peer
    1.500 * next attempt in 5s, 4 retries left
    6.500 * attempt 2, 4 retries left
    6.500 * connect 192.0.2.1:80
    6.500 * connect 192.0.2.1:80: pipe:b in 0.0ms
    6.500 * up: HTTP/1.1
    6.500 > #4 GET /again
    6.500 < #4 200 OK
    6.500 < #4 end
    6.500 * down: ended by this end
    6.500 * over
`

// S3.15: TraceTo has a line for every step and every frame, each in one Write.
func TestTraceTo(t *testing.T) {
	versions(t, func(t *testing.T, p client.Protocol) {
		var got lines
		life(t, p, &client.Options{TraceTo: &got})
		want := traced
		if p == client.HTTP2 {
			want = strings.NewReplacer(
				"up: HTTP/1.1", "up: HTTP/2", "GET /refuse", "CONNECT /refuse", "GET /ws", "CONNECT /ws",
				"101 Switching Protocols\n", "200 OK\n", "want 101 Switching Protocols", "want 2xx", "down: connection lost without a close frame: ", "down: ",
			).Replace(want)
		}
		var frames, others strings.Builder
		for _, line := range got.list {
			if strings.Count(line, "\n") != 1 {
				t.Errorf("not one line: %q", line)
			}
			if strings.Contains(line, "HTTP/2 ") {
				frames.WriteString(line)
			} else {
				others.WriteString(line)
			}
		}
		if others.String() != want[1:] {
			t.Errorf("trace:\n%s\nwant:%s", &others, want)
		}
		if p == client.HTTP1 {
			return
		}
		for _, want := range []string{
			"0.000 > HTTP/2 SETTINGS ENABLE_PUSH=0 ", "< HTTP/2 SETTINGS ACK\n", "< HTTP/2 WINDOW_UPDATE +",
			"> HTTP/2 HEADERS stream 1 END_STREAM ", "< HTTP/2 DATA stream 1 END_STREAM 18 bytes\n", " HTTP/2 RST_STREAM stream 3 ", // by either side
			"1.500 > HTTP/2 DATA stream 5 12 bytes\n", "6.500 > HTTP/2 GOAWAY NO_ERROR last stream 0\n",
		} {
			if !strings.Contains(frames.String(), want) {
				t.Errorf("no %q among the frames of HTTP/2:\n%s", want, &frames)
			}
		}
	})
}
