package interop_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
	handlers "github.com/lariat-go/websocket/server"
)

// server is an echo server of ours that obeys the same commands as those in
// peers/, and remembers how each connection ended.
type server struct {
	*httptest.Server
	options websocket.AcceptOptions

	handlers sync.WaitGroup
	mu       sync.Mutex
	endings  map[string][]*websocket.CloseError // by the query of the URL
	refused  map[string][]error

	requests []request

	sessions *handlers.Server // nil: connections are read by loops
	reasons  map[string][]handlers.ReasonKind
}

// newServer starts a server of HTTP/1.1, with TLS when secure, and on package
// server when handled. pages, which may be nil, answers requests that are not
// WebSockets.
func newServer(t *testing.T, secure, handled bool, o websocket.AcceptOptions, pages http.Handler) *server {
	t.Helper()
	s := prepareServer(t, handled, o, pages)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

// prepareServer returns a server that is to be started.
func prepareServer(t *testing.T, handled bool, o websocket.AcceptOptions, pages http.Handler) *server {
	t.Helper()
	s := &server{options: o, endings: make(map[string][]*websocket.CloseError), refused: make(map[string][]error)}
	s.reasons = make(map[string][]handlers.ReasonKind)
	s.options.Subprotocols = []string{"echo"}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.note(r)
		if pages != nil && !isWebSocket(r) {
			pages.ServeHTTP(w, r)
			return
		}
		if handled {
			s.answer(w, r)
			return
		}
		s.handlers.Add(1)
		defer s.handlers.Done()
		s.serve(w, r)
	}))
	t.Cleanup(s.Close)
	if handled {
		s.handle(t)
	}
	return s
}

func isWebSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Method == http.MethodConnect
}

// address is the server's URL for WebSockets.
func (s *server) address() string { return "ws" + strings.TrimPrefix(s.URL, "http") + "/" }

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	check, _ := url.QueryUnescape(r.URL.RawQuery)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var c *websocket.Conn
	o := s.options
	o.SkipUTF8 = check == "bad UTF-8 received" // else it does not send such a thing
	o.OnPong = func(payload []byte) {
		if len(payload) > 0 && payload[0] == 't' { // of the command below
			_ = c.Write(ctx, websocket.MessageText, []byte("pong "+string(payload)))
		}
	}
	c, err := websocket.Accept(w, r, &o)
	if err != nil {
		s.mu.Lock()
		s.refused[check] = append(s.refused[check], err)
		s.mu.Unlock()
		return
	}
	defer c.CloseNow()
	for err == nil {
		var typ websocket.MessageType
		var p []byte
		if typ, p, err = c.Read(ctx); err == nil {
			err = obey(ctx, c, typ, p)
		}
	}
	ending, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		ending = &websocket.CloseError{Cause: err}
	}
	s.mu.Lock()
	s.endings[check] = append(s.endings[check], ending)
	s.mu.Unlock()
}

// obey echoes a message or does what it says; see peers/server.mjs.
func obey(ctx context.Context, c *websocket.Conn, typ websocket.MessageType, p []byte) error {
	command, argument := "", ""
	if typ == websocket.MessageText {
		command, argument, _ = strings.Cut(string(p), " ")
	}
	switch command {
	case "close":
		code, reason, _ := strings.Cut(argument, " ")
		n, err := strconv.ParseUint(code, 10, 16)
		if err != nil {
			return err
		}
		return c.WriteBatch(ctx, websocket.CloseFrame(websocket.StatusCode(n), reason))
	case "fragments":
		w, err := c.Writer(ctx, websocket.MessageText)
		if err != nil {
			return err
		}
		for _, piece := range []string{"frag", "ment", "ed"} {
			if _, err := w.Write([]byte(piece)); err != nil {
				return err
			}
		}
		return w.Close()
	case "bad-utf8":
		return c.Write(ctx, websocket.MessageText, []byte("a\xffb"))
	case "ping":
		return c.WriteBatch(ctx, websocket.PingFrame([]byte(argument)))
	case "terminate":
		return c.CloseNow()
	}
	return c.Write(ctx, typ, p)
}

// ending is what a check should leave behind at the server: the close frames
// that came and went, and who began.
type ending struct {
	received, sent string // code and reason; empty when there was no frame
	remoteFirst    bool
}

func describe(c *protocol.Close) string {
	if c == nil {
		return ""
	}
	if c.Reason == "" {
		return strconv.Itoa(int(c.Code))
	}
	return strconv.Itoa(int(c.Code)) + " " + c.Reason
}

// clientEndings are those that a client's checks leave behind. The close frame
// of a peer that failed the connection carries a reason of its own choice, so
// only the code counts.
func clientEndings() map[string][]ending {
	echoed := func(close string) []ending { return []ending{{close, close, true}} }
	return map[string][]ending{
		"handshake":    echoed("1000"),
		"text":         echoed("1000 bye"),
		"binary":       echoed("4000 bye"),
		"many at once": echoed("1000"),
		"fragments":    echoed("1000"),
		"ping":         echoed("1000"),
		"same Origin":  echoed("1000"),
		"server closes": {
			{"1000", "1000", false},
			{"1001 going", "1001 going", false},
			{"1011 inner", "1011 inner", false},
			{"3000 κόσμε", "3000 κόσμε", false},
			{"4999 last", "4999 last", false},
		},
	}
}

// wait returns when all handlers have.
func (s *server) wait(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	go func() { s.handlers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("handlers still run %v after the client's end", patience)
	}
}

// wantEnding wants one connection of that check, closed with code on both
// sides.
func (s *server) wantEnding(t *testing.T, check string, code websocket.StatusCode) {
	t.Helper()
	s.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.endings[check]
	if len(got) != 1 || got[0].Sent == nil || got[0].Received == nil || got[0].Sent.Code != code || got[0].Received.Code != code {
		t.Errorf("the server saw %v, want %d on both sides", got, code)
	}
}

// habits are what clients differ in.
type habits struct {
	cannotSendBadUTF8 bool
	badUTF8           websocket.StatusCode // the code it fails a connection with that brings some, 1006 for none
}

// wantEndings compares what a client's checks left behind with the table.
func (s *server) wantEndings(t *testing.T, c habits) {
	t.Helper()
	s.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for check, want := range clientEndings() {
		got := s.endings[check]
		if len(got) != len(want) {
			t.Errorf("%s: %d connections ended, want %d", check, len(got), len(want))
			continue
		}
		for i, e := range got {
			if !want[i].fits(e) {
				t.Errorf("%s: the server saw %v (received %q, sent %q, remote first %v, cause %v), want %+v",
					check, e, describe(e.Received), describe(e.Sent), e.RemoteFirst, e.Cause, want[i])
			}
		}
	}
	if e := s.endings["bad UTF-8 sent"]; !c.cannotSendBadUTF8 &&
		(len(e) != 1 || e[0].Sent == nil || e[0].Sent.Code != 1007 || !errors.Is(e[0], frame.ErrInvalidUTF8)) {
		t.Errorf("bad UTF-8 sent: the server saw %v", e)
	}
	e := s.endings["bad UTF-8 received"]
	switch {
	case len(e) == 1 && c.badUTF8 == websocket.StatusAbnormalClosure && e[0].Received == nil:
	case len(e) == 1 && e[0].Received != nil && e[0].Received.Code == c.badUTF8:
	default:
		t.Errorf("bad UTF-8 received: the server saw %v", e)
	}
	if e := s.refused["wrong Origin"]; len(e) != 1 || !errors.Is(e[0], handshake.ErrOrigin) {
		t.Errorf("wrong Origin: the server refused for %v", e)
	}
}

// fits reports whether a connection ended so. A peer may echo the code of our
// close frame without the reason.
func (w *ending) fits(e *websocket.CloseError) bool {
	received, sent := describe(e.Received), describe(e.Sent)
	if code, _, _ := strings.Cut(w.received, " "); !w.remoteFirst && received == code {
		received = w.received
	}
	if code, _, _ := strings.Cut(w.sent, " "); w.remoteFirst && sent == code {
		sent = w.sent
	}
	return received == w.received && sent == w.sent && e.RemoteFirst == w.remoteFirst && e.Cause == nil
}
