package websocket_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/lariat-go/websocket"
)

func echoServer(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client has its answer
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) {
		if err == nil {
			err = c.Write(r.Context(), m.Type, m.Data)
		}
		if err != nil {
			return // the connection has ended
		}
	}
}

func sayHello(ctx context.Context, url string) error {
	c, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.Close(websocket.StatusNormalClosure, "")
	if err := c.Write(ctx, websocket.MessageText, []byte("Hello")); err != nil {
		return err
	}
	_, answer, err := c.Read(ctx)
	if err == nil {
		fmt.Printf("%s\n", answer)
	}
	return err
}

// A server that sends every message back, and a client that sends one.
func Example() {
	srv := httptest.NewServer(http.HandlerFunc(echoServer))
	defer srv.Close()

	if err := sayHello(context.Background(), srv.URL); err != nil {
		log.Print(err)
	}
	// Output: Hello
}
