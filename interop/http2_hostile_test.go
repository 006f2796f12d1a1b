package interop_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
)

// A client that makes its frames by itself, on our server: in order, and not. The
// checks carry the rows H2-S1 to H2-S12.
func TestHostileClient(t *testing.T) {
	python := needWire(t)
	for _, handled := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			if handled && secure {
				continue
			}
			t.Run(strings.TrimSpace(engine(handled)+scheme(secure)), func(t *testing.T) {
				t.Parallel()
				o := websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{WriteTimeout: 4 * time.Second}}
				s := newHTTP2Server(t, secure, handled, o, nil)
				runChecks(t, python, "peers/hostile_client.py", asJSON(t, map[string]any{
					"port": s.port(),
					"tls":  secure,
				}))
				s.wantHostileEndings(t)
			})
		}
	}
}

// wantHostileEndings wants each connection to have ended once, with what the
// client left it with. H2-S10
func (s *server) wantHostileEndings(t *testing.T) {
	t.Helper()
	s.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for check, want := range map[string]struct {
		n              int
		received, sent string
		remoteFirst    bool
		cause          error // wrapped by the cause; nil: any
		whole          bool  // without a cause
	}{
		"echo":                     {n: 1, received: "1000 bye", sent: "1000", remoteFirst: true, whole: true},
		"close with END_STREAM":    {n: 2, received: "4000", sent: "4000", remoteFirst: true, whole: true},
		"close without END_STREAM": {n: 2, received: "4000", sent: "4000", remoteFirst: true, whole: true},
		"server closes":            {n: 1, received: "4001 done here", sent: "4001 done here", whole: true},
		"h2 and wsproto":           {n: 1, received: "1000 bye", sent: "1000", remoteFirst: true, whole: true},
		"END_STREAM alone":         {n: 2, cause: io.ErrUnexpectedEOF},
		"END_STREAM with text":     {n: 2, cause: io.ErrUnexpectedEOF},
		"END_STREAM in a frame":    {n: 2, cause: io.ErrUnexpectedEOF},
		"RST CANCEL":               {n: 1},
		"RST in a frame":           {n: 2},
		"connection lost":          {n: 3},
		"GOAWAY":                   {n: 1, received: "1000", sent: "1000", remoteFirst: true, whole: true},
		"stream window overflow":   {n: 2},
		"connection window 0":      {n: 0},
		"DATA after END_STREAM":    {n: 1, received: "1000", sent: "1000", remoteFirst: true, whole: true},
	} {
		got := s.endings[check]
		if len(got) != want.n {
			t.Errorf("%s: %d connections ended, want %d: %v", check, len(got), want.n, got)
			continue
		}
		if want.n == 0 {
			continue
		}
		first := got[0] // the others are those that find the connection in order
		if want.n == 2 && want.received == "" {
			first = lost(got)
		}
		if first == nil || describe(first.Received) != want.received || describe(first.Sent) != want.sent && !strings.HasPrefix(want.received, "4001") ||
			first.RemoteFirst != want.remoteFirst || want.whole != (first.Cause == nil) || want.cause != nil && !errors.Is(first.Cause, want.cause) {
			t.Errorf("%s: the server saw %+v, want %+v", check, got, want)
		}
	}
}

// lost returns the ending that was not orderly.
func lost(all []*websocket.CloseError) *websocket.CloseError {
	for _, e := range all {
		if e.Received == nil {
			return e
		}
	}
	return nil
}
