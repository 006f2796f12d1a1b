package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	handlers "github.com/lariat-go/websocket/server"
)

// echoHandler is what [server.serve] is, as a handler of package server.
type echoHandler struct {
	handlers.NopHandler
	server *server
	check  string
}

// handle has package server answer WebSockets.
func (s *server) handle(t *testing.T) {
	s.sessions = handlers.New(func(_ http.ResponseWriter, r *http.Request) (handlers.Handler, *handlers.Options) {
		check, _ := url.QueryUnescape(r.URL.RawQuery)
		o := &handlers.Options{AcceptOptions: s.options}
		o.SkipUTF8 = check == "bad UTF-8 received" // else it does not send such a thing
		return &echoHandler{server: s, check: check}, o
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := s.sessions.Shutdown(ctx, nil); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// answer serves a WebSocket by a handler. That it was refused is told by the
// answer only.
func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	check, _ := url.QueryUnescape(r.URL.RawQuery)
	before := s.sessions.Stats().Opened
	s.sessions.ServeHTTP(w, r)
	if check == "wrong Origin" && s.sessions.Stats().Opened == before {
		s.mu.Lock()
		s.refused[check] = append(s.refused[check], handshake.ErrOrigin)
		s.mu.Unlock()
	}
}

func (h *echoHandler) Init(*handlers.Session) { h.server.handlers.Add(1) }

func (h *echoHandler) Message(s *handlers.Session, m websocket.Message) {
	command, argument := "", ""
	if m.Type == websocket.MessageText {
		command, argument, _ = strings.Cut(string(m.Data), " ")
	}
	switch command {
	case "close":
		code, reason, _ := strings.Cut(argument, " ")
		n, _ := strconv.ParseUint(code, 10, 16)
		_ = s.Close(websocket.StatusCode(n), reason)
	case "fragments":
		_ = s.Text("fragmented") // a session sends no fragments
	case "bad-utf8":
		_ = s.Text("a\xffb")
	case "ping":
		_ = s.Ping([]byte(argument))
	default:
		_ = s.Send(websocket.Outgoing{Opcode: m.Type, Data: m.Data})
	}
}

func (h *echoHandler) Ping(*handlers.Session, []byte) {}

func (h *echoHandler) Pong(s *handlers.Session, payload []byte) {
	if strings.HasPrefix(string(payload), "t") { // of the command above
		_ = s.Text("pong " + string(payload))
	}
}

func (h *echoHandler) Terminate(_ *handlers.Session, r handlers.Reason) {
	h.server.mu.Lock()
	h.server.endings[h.check] = append(h.server.endings[h.check], r.Close)
	h.server.reasons[h.check] = append(h.server.reasons[h.check], r.Kind)
	h.server.mu.Unlock()
	h.server.handlers.Done()
}

// wantKinds wants the connections of some checks to have ended for a reason.
func (s *server) wantKinds(t *testing.T) {
	t.Helper()
	s.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for check, want := range map[string]handlers.ReasonKind{
		"handshake":     handlers.ReasonRemote,
		"text":          handlers.ReasonRemote,
		"binary":        handlers.ReasonRemote,
		"1 MiB":         handlers.ReasonRemote,
		"many at once":  handlers.ReasonRemote,
		"many sockets":  handlers.ReasonRemote,
		"codes sent":    handlers.ReasonRemote,
		"server closes": handlers.ReasonStop,
		"codes":         handlers.ReasonStop,
	} {
		kinds := s.reasons[check]
		if len(kinds) == 0 || slices.ContainsFunc(kinds, func(k handlers.ReasonKind) bool { return k != want }) {
			t.Errorf("%s: ended with %v, want %v", check, kinds, want)
		}
	}
}

// A client that is killed is seen as gone at once, by each of its sessions.
// HD3 S4.21
func TestKilledClient(t *testing.T) {
	node := needNode(t, "ws")
	for _, secure := range []bool{false, true} {
		t.Run(strings.TrimSpace(scheme(secure)), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, secure, true, websocket.AcceptOptions{}, nil)
			const n = 50
			p := start(t, node, "peers/hold.mjs", s.address(), strconv.Itoa(n))
			var e struct{ Open int }
			if p.next(&e); e.Open != n {
				t.Fatalf("%d sockets are open", e.Open)
			}
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			killed := time.Now()
			s.wait(t)
			if d := time.Since(killed); d > 3*time.Second {
				t.Errorf("it was seen after %v", d)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			kinds := s.reasons["hold"]
			if len(kinds) != n || slices.ContainsFunc(kinds, func(k handlers.ReasonKind) bool { return k != handlers.ReasonClosed }) {
				t.Errorf("%d sessions ended: %v", len(kinds), fmt.Sprint(kinds))
			}
		})
	}
}
