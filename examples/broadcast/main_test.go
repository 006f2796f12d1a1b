package main

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
)

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestBroadcast(t *testing.T) {
	r := newRoom()
	srv := httptest.NewServer(r)
	defer srv.Close()
	first, second := dial(t, srv.URL), dial(t, srv.URL)

	// Each has its own message back once it is in the room.
	for _, c := range []*websocket.Conn{first, second} {
		if err := c.Write(t.Context(), websocket.MessageText, []byte("here")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(t.Context()); string(p) != "here" || err != nil {
			t.Fatalf("got %q, %v", p, err)
		}
	}
	if _, p, err := first.Read(t.Context()); string(p) != "here" || err != nil {
		t.Fatalf("got %q, %v; want what the second sent", p, err)
	}
	closed := make(chan struct{})
	go func() { defer close(closed); r.close() }()
	for _, err := range first.Messages(t.Context()) {
		if err != nil {
			t.Error(err)
		}
	}
	for {
		if _, _, err := second.Read(t.Context()); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("ended with %v, want 1001", err)
			}
			break
		}
	}
	<-closed
	late := dial(t, srv.URL)
	if _, _, err := late.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("who came late got %v, want 1001", err)
	}
}

// A member that takes nothing is closed, and the others go on.
func TestSlowMember(t *testing.T) {
	r := newRoom()
	srv := httptest.NewServer(r)
	defer srv.Close()
	slow, quick := dial(t, srv.URL), dial(t, srv.URL)
	if err := slow.Write(t.Context(), websocket.MessageText, []byte("here")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := slow.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := make([]byte, 64<<10)
	for n := 0; ; n++ {
		r.mu.Lock()
		members := len(r.members)
		r.mu.Unlock()
		if n > 0 && members == 1 {
			return
		}
		if err := quick.Write(ctx, websocket.MessageBinary, p); err != nil {
			t.Fatal(n, err)
		}
		if _, _, err := quick.Read(ctx); err != nil {
			t.Fatal(n, err)
		}
	}
}
