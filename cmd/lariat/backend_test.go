package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
)

// startBackend starts a server that tells ended of each connection's end.
func startBackend(t *testing.T, ended func(ending)) (*backend, string) {
	t.Helper()
	b := newBackend(t.Context(), websocket.AcceptOptions{}, slog.New(slog.DiscardHandler))
	b.ended = ended
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
	r, err := upgradeByHand(c, addr, "/echo")
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

// A client that never answers the close frame does not keep the server.
func TestStopIsBounded(t *testing.T) {
	b, addr := startBackend(t, nil)
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
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest("GET", "/echo", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("a request after the end was answered %d", w.Code)
	}
}

// A member of the room that takes nothing is dropped, and the others go on.
func TestRoomDropsTheSlow(t *testing.T) {
	gone := make(chan ending, 3)
	b, addr := startBackend(t, func(e ending) { gone <- e })
	defer b.stop(time.Second)
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_ = slow.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := upgradeByHand(slow, addr, "/broadcast"); err != nil {
		t.Fatal(err)
	}
	c, err := websocket.Dial(t.Context(), "ws://"+addr+"/broadcast", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for b.room.Len() < 2 { // Init comes after the answer
		<-tick.C
	}
	message := make([]byte, 1<<20)
	for b.room.Len() > 1 {
		if err := c.Write(t.Context(), websocket.MessageBinary, message); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(t.Context()); err != nil || len(p) != len(message) {
			t.Fatalf("%d bytes, %v", len(p), err)
		}
	}
	if e := <-gone; e.remote != slow.LocalAddr().String() || !errors.Is(e.err, server.ErrSlowPeer) {
		t.Errorf("%s ended with %v", e.remote, e.err)
	}
}

// A client that sends and does not read has to wait: the echo of what it sends
// does not heap up, and nothing is lost.
func TestEchoWaits(t *testing.T) {
	b, addr := startBackend(t, nil)
	defer b.stop(time.Second)
	c, err := websocket.Dial(t.Context(), "ws://"+addr+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	const messages, size = 400, 128 << 10
	written := make(chan error, 1)
	var progress atomic.Int64
	go func() {
		message := make([]byte, size)
		for i := range messages {
			message[0] = byte(i)
			if err := c.Write(t.Context(), websocket.MessageBinary, message); err != nil {
				written <- err
				return
			}
			progress.Add(1)
		}
		written <- nil
	}()
	// It comes to a halt: the socket buffers of both sides are full.
	for last, same := int64(-1), 0; same < 20; {
		<-time.After(5 * time.Millisecond)
		if n := progress.Load(); n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
	if progress.Load() == messages {
		t.Error("everything was taken though nothing was read")
	}
	for i := range messages {
		if _, p, err := c.Read(t.Context()); err != nil || len(p) != size || p[0] != byte(i) {
			t.Fatalf("echo %d: %d bytes, %v", i, len(p), err)
		}
	}
	if err := <-written; err != nil {
		t.Error(err)
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
