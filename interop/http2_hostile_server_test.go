package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
)

// hostile is a server that makes its frames by itself, with a port for each of
// its scenarios.
type hostile struct {
	*process
	ports map[string]int
}

type result struct {
	Name, Detail string
	OK           bool
}

func startHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{process: start(t, needWire(t), "peers/hostile_server.py")}
	var e struct{ Ports map[string]int }
	if h.next(&e); len(e.Ports) == 0 {
		t.Fatal("no ports")
	}
	h.ports = e.Ports
	return h
}

// dial opens a socket in a scenario.
func (h *hostile) dial(t *testing.T, ctx context.Context, scenario string) (*websocket.Conn, error) {
	t.Helper()
	port := h.ports[scenario]
	if port == 0 {
		t.Fatalf("there is no scenario %q", scenario)
	}
	o := &websocket.DialOptions{HTTP: websocket.HTTP2}
	if scenario == "REFUSED_STREAM" {
		o.Pool = new(websocket.Pool) // else it would be tried again on another connection
		t.Cleanup(func() { _ = o.Pool.Close() })
	}
	c, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/path?query", port), o)
	if err == nil {
		t.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, err
}

// wantPlayed wants a connection to have gone as the scenario says.
func (h *hostile) wantPlayed(t *testing.T, scenario string) {
	t.Helper()
	for {
		var r result
		if h.next(&r); r.Name != scenario {
			continue // of a test that failed
		}
		if !r.OK {
			t.Errorf("the server says: %s", r.Detail)
		}
		return
	}
}

// A server that makes its frames by itself, for our client: in order, and not. It
// plays one scenario at a time. Rows H2-C1 to H2-C5.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	h := startHostile(t)
	left := make(map[string]bool)
	for name := range h.ports {
		left[name] = true
	}
	run := func(scenario string, f func(t *testing.T, ctx context.Context)) {
		delete(left, scenario)
		t.Run(strings.ReplaceAll(scenario, " ", "_"), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			f(t, ctx)
			h.wantPlayed(t, scenario)
		})
	}
	h.testOrder(run)
	h.testRefusals(run)
	h.testEndings(run)
	for name := range left {
		t.Errorf("nobody plays %q", name)
	}
}

type runner func(scenario string, f func(t *testing.T, ctx context.Context))

// testOrder plays what a client has to get along with.
func (h *hostile) testOrder(run runner) {
	for _, scenario := range []string{
		"echo", "echo, later", "h2 and wsproto", "SETTINGS late", "103 first", "REFUSED_STREAM", "GOAWAY",
		"window of a byte", "close, then RST NO_ERROR", "window taken back",
	} {
		run(scenario, func(t *testing.T, ctx context.Context) {
			c, err := h.dial(t, ctx, scenario)
			if err != nil {
				t.Fatal(err)
			}
			if c.HTTPVersion() != 2 {
				t.Errorf("opened over HTTP/%d", c.HTTPVersion())
			}
			switch scenario {
			case "close, then RST NO_ERROR":
			case "window taken back":
				wantText(t, ctx, c, "go")
				if err := c.Write(ctx, websocket.MessageBinary, octets(200_000)); err != nil {
					t.Fatal(err)
				}
				wantText(t, ctx, c, "200000 bytes")
			default:
				for _, text := range []string{"Hello", "κόσμε 🌍", strings.Repeat("x", 4000)} {
					if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
						t.Fatal(err)
					}
					wantText(t, ctx, c, text)
				}
			}
			if err := c.Close(4000, "bye"); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func wantText(t *testing.T, ctx context.Context, c *websocket.Conn, want string) {
	t.Helper()
	typ, p, err := c.Read(ctx)
	if err != nil || typ != websocket.MessageText || string(p) != want {
		t.Fatalf("read %v %.100q, %v; want %.100q", typ, p, err, want)
	}
}

// testRefusals plays what opens no socket.
func (h *hostile) testRefusals(run runner) {
	const calm, flow, protocol = "ENHANCE_YOUR_CALM", "FLOW_CONTROL_ERROR", "PROTOCOL_ERROR"
	for scenario, want := range map[string]struct {
		is     error
		status int    // of a HandshakeError
		text   string // in the error's
	}{
		"no setting":               {is: handshake.ErrExtendedConnectDisabled}, // S2.10
		"setting 0":                {is: handshake.ErrExtendedConnectDisabled},
		"setting 2":                {text: protocol},
		"MAX_FRAME_SIZE 0":         {text: protocol},
		"INITIAL_WINDOW_SIZE 2^31": {text: flow},
		"ENABLE_PUSH 2":            {text: protocol},
		"ENABLE_PUSH 1":            {text: protocol},
		"no SETTINGS":              {text: protocol},
		"HTTP/1.1":                 {},
		"403":                      {status: http.StatusForbidden},
		"302":                      {status: http.StatusFound},
		"101":                      {},
		"subprotocol not asked":    {is: handshake.ErrSubprotocol},
		"extension not asked":      {},
		"upper-case name":          {text: protocol},
		"no status":                {text: protocol},
		"RST CANCEL at once":       {text: "CANCEL"},
		"HTTP_1_1_REQUIRED":        {text: "HTTP_1_1_REQUIRED"},
	} {
		run(scenario, func(t *testing.T, ctx context.Context) {
			_, err := h.dial(t, ctx, scenario)
			if err == nil {
				t.Fatal("a socket was opened")
			}
			if want.is != nil && !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) {
				t.Errorf("the error is %v", err)
			}
			refusal, ok := errors.AsType[*websocket.HandshakeError](err)
			if want.status != 0 && (!ok || refusal.Status != want.status) {
				t.Errorf("the error is %v, want status %d", err, want.status)
			}
			if want.status == http.StatusForbidden && ok && string(refusal.Body) != "go away" {
				t.Errorf("the body is %q", refusal.Body)
			}
		})
	}
}

// testEndings plays how sockets end. H2-S10 for the client
func (h *hostile) testEndings(run runner) {
	for scenario, want := range map[string]struct {
		received, sent string
		remoteFirst    bool
		cause          string // in the cause's text, or "none"
	}{
		"server closes":                 {"4001 done here", "4001", true, "none"},
		"server closes with END_STREAM": {"4001 done here", "4001", true, "none"},
		"END_STREAM alone":              {"", "", false, "EOF"},
		"END_STREAM in a frame":         {"", "", false, "EOF"},
		"200 with END_STREAM":           {"", "", false, "EOF"},
		"RST INTERNAL_ERROR":            {"", "", false, "INTERNAL_ERROR"},
		"connection lost":               {"", "", false, ""},
		"GOAWAY with an error":          {"", "", false, ""},
		"setting 1 then 0":              {"", "", false, "PROTOCOL_ERROR"},
		"masked":                        {"", "1002", false, ""},
		"PUSH_PROMISE":                  {"", "", false, "PROTOCOL_ERROR"},
		"HEADERS on an idle stream":     {"", "", false, "PROTOCOL_ERROR"},
		"DATA on stream 0":              {"", "", false, "PROTOCOL_ERROR"},
		"window overflow":               {"", "", false, "FLOW_CONTROL_ERROR"},
		"a frame of 1 MiB":              {"", "", false, "FRAME_SIZE_ERROR"},
		"PING flood":                    {"", "", false, "ENHANCE_YOUR_CALM"},
	} {
		run(scenario, func(t *testing.T, ctx context.Context) {
			c, err := h.dial(t, ctx, scenario)
			if err != nil {
				t.Fatal(err)
			}
			if scenario == "END_STREAM alone" {
				wantText(t, ctx, c, "before")
			}
			_, _, err = c.Read(ctx)
			end, ok := errors.AsType[*websocket.CloseError](err)
			if !ok {
				t.Fatalf("the end is %v", err)
			}
			sent, _, _ := strings.Cut(describe(end.Sent), " ")
			if describe(end.Received) != want.received || sent != want.sent || end.RemoteFirst != want.remoteFirst {
				t.Errorf("the end is %v", end)
			}
			if want.cause == "none" && end.Cause != nil ||
				want.cause != "none" && (end.Cause == nil || !strings.Contains(end.Cause.Error(), want.cause)) {
				t.Errorf("the cause is %v, want %q", end.Cause, want.cause)
			}
		})
	}
	run("GOAWAY before the answer", func(t *testing.T, ctx context.Context) {
		if _, err := h.dial(t, ctx, "GOAWAY before the answer"); err == nil {
			t.Error("a socket was opened")
		}
	})
}
