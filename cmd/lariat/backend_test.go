package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
)

func startBackend(t *testing.T) (*backend, string) {
	t.Helper()
	b := newBackend(t.Context(), websocket.AcceptOptions{}, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.start(l, &serveFlags{}); err != nil {
		t.Fatal(err)
	}
	return b, l.Addr().String()
}

// rawClient is a client that answers nothing unless it is told to.
func rawClient(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r, err := upgradeByHand(c, addr)
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

// A client that never answers the close frame does not keep the server.
func TestStopIsBounded(t *testing.T) {
	b, addr := startBackend(t)
	_, r := rawClient(t, addr)
	start := time.Now()
	b.stop(50 * time.Millisecond)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if code, err := readClose(r); err != nil || code != frame.StatusGoingAway {
		t.Errorf("the client got %v, %v; want 1001", code, err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection is not closed: %v", err)
	}
	if b.add(&link{}) {
		t.Error("a connection was taken after the end")
	}
}

// A member of the hub that takes nothing is dropped, and the others go on.
func TestHubDropsTheSlow(t *testing.T) {
	h := newHub()
	slow, quick := h.join(), h.join()
	p, err := websocket.NewPrepared(websocket.MessageText, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for range hubQueue + 1 {
		h.send(relayed{p, 1})
		<-quick.queue
	}
	select {
	case <-slow.slow:
	default:
		t.Error("the slow member was not dropped")
	}
	select {
	case <-quick.slow:
		t.Error("the quick member was dropped")
	default:
	}
	h.leave(slow)
	h.leave(quick)
	if len(h.members) != 0 {
		t.Errorf("%d members are left", len(h.members))
	}
}

// Plain requests get the page, a reason, or 404.
func TestPlainRequests(t *testing.T) {
	b := newBackend(context.Background(), websocket.AcceptOptions{}, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/", http.StatusOK},
		{"HEAD", "/", http.StatusOK},
		{"POST", "/", http.StatusMethodNotAllowed},
		{"GET", "/echo", http.StatusUpgradeRequired},
		{"GET", "/broadcast", http.StatusUpgradeRequired},
		{"GET", "/ticks?every=1s", http.StatusUpgradeRequired},
		{"GET", "/ticks?every=1", http.StatusBadRequest},
		{"GET", "/ticks?every=1ns", http.StatusBadRequest},
		{"GET", "/exec", http.StatusNotFound},
		{"GET", "/favicon.ico", http.StatusNotFound},
		{"GET", "/../etc/passwd", http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(c.method, c.target, nil))
		if w.Code != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.target, w.Code, c.status, w.Body)
		}
		if c.status == http.StatusOK && !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s has no policy", c.method, c.target)
		}
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 50, 0},
		{times[:1], 0, 1},
		{times[:1], 99, 1},
		{times[:4], 50, 2},
		{times, 0, 1},
		{times, 50, 50},
		{times, 99, 99},
		{times, 100, 100},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %d of %d: %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain ünï\tcode\n": "plain ünï\tcode\n",
		"\x1b[2J\x07":       "\uFFFD[2J\uFFFD",
		"\u009b31m":         "\uFFFD31m",
		"\xff":              "\uFFFD",
		"a\u202eb":          "a\uFFFDb",
		"a\rb":              "a\uFFFDb",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := trim("ééé", 3); got != "é…" {
		t.Errorf("trim cuts a rune: %q", got)
	}
	if got := thousands(-1234567); got != "-1,234,567" {
		t.Errorf("thousands: %s", got)
	}
}
