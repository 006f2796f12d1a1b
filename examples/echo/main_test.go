package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lariat-go/websocket"
)

func TestEcho(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	c, err := websocket.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageText, []byte("Hello")); err != nil {
		t.Fatal(err)
	}
	if typ, p, err := c.Read(t.Context()); typ != websocket.MessageText || string(p) != "Hello" || err != nil {
		t.Errorf("got %v %q, %v", typ, p, err)
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}
