package interop_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/h2"
)

// newHTTP2Server is newServer with HTTP/2: over TLS a client may choose HTTP/1.1
// as well, without it HTTP/2 needs prior knowledge.
func newHTTP2Server(t *testing.T, secure, handled bool, o websocket.AcceptOptions, pages http.Handler) *server {
	t.Helper()
	s := prepareServer(t, handled, o, pages)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetHTTP2(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ReadHeaderTimeout = websocket.DefaultReadHeaderTimeout
	if err := h2.ConfigureServer(s.Config, nil); err != nil {
		t.Fatal(err)
	}
	if secure {
		s.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// takeover are the options of a server that compresses with context.
func takeover() websocket.AcceptOptions {
	return websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Extensions: []extension.Extension{
		deflate.New(&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true}),
	}}}
}

// request is what a server saw of a request.
type request struct {
	major            int
	websocket        bool
	host, connection string // connection is the client's address
	check            string
}

// note remembers a request.
func (s *server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request{r.ProtoMajor, isWebSocket(r), r.Host, r.RemoteAddr, r.URL.RawQuery})
}

// wantOneSession wants the WebSockets for each host, of which there were at least
// n together, to have come over one connection of HTTP/2, and the pages too.
func (s *server) wantOneSession(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	sockets := 0
	connections := make(map[string][]string) // by the host
	for _, r := range s.requests {
		if r.check == "wrong%20Origin" {
			continue // of a page elsewhere, which has no session with this host
		}
		if r.major != 2 {
			t.Errorf("%+v came over HTTP/%d", r, r.major)
		}
		if r.websocket {
			sockets++
		}
		if !slices.Contains(connections[r.host], r.connection) {
			connections[r.host] = append(connections[r.host], r.connection)
		}
	}
	if sockets < n {
		t.Errorf("the server saw %d WebSockets, want %d", sockets, n)
	}
	for host, all := range connections {
		if len(all) != 1 {
			t.Errorf("%d connections were made to %s", len(all), host)
		}
	}
}

// port is the server's.
func (s *server) port() int { return s.Listener.Addr().(*net.TCPAddr).Port }
