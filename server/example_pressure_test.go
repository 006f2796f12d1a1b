package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// export sends a long list, line by line, no faster than its peer takes it.
type export struct {
	server.NopHandler
	next, lines int
}

func (e *export) Init(s *server.Session) { e.send(s) }

// Relieved is called when the peer has caught up after Congested was true.
func (e *export) Relieved(s *server.Session) { e.send(s) }

func (e *export) send(s *server.Session) {
	for e.next < e.lines && !s.Congested() {
		if s.Text(fmt.Sprintf("line %d %s", e.next, strings.Repeat(".", 1000))) != nil {
			return // it has ended
		}
		e.next++
	}
	if e.next == e.lines {
		s.Stop()
	}
}

// A producer that asks Congested before each message holds no more than
// Backlog.Soft for a slow peer, and goes on when it is told to.
func ExampleBacklogHandler() {
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return &export{lines: 20000}, nil
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()

	c, err := websocket.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	n := 0
	for _, err := range c.Messages(context.Background()) {
		if err != nil {
			log.Print(err)
			return
		}
		n++
	}
	fmt.Println(n, "lines")
	ws.Shutdown(context.Background(), nil)
	fmt.Println(ws.Stats().Dropped, "dropped")
	// Output:
	// 20000 lines
	// 0 dropped
}

// prices is a feed of which only the latest value matters.
type prices struct {
	server.NopHandler
}

// Message stands for news from elsewhere: two of each price.
func (prices) Message(s *server.Session, _ websocket.Message) {
	s.SendKeyed("gold", websocket.Text("gold 2310"))
	s.SendKeyed("silver", websocket.Text("silver 27"))
	s.SendKeyed("gold", websocket.Text("gold 2311"))
}

// What is sent with a key replaces the message of that key that still waits for
// a slow peer. One that keeps up, as here, sees every value.
func ExampleSession_SendKeyed() {
	options := server.Options{
		Backlog: server.Backlog{Soft: 16 << 10, Hard: 64 << 10, Policy: server.PolicyLatest},
	}
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return prices{}, &options
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	c.Write(ctx, websocket.MessageText, []byte("prices, please"))
	for range 3 {
		_, p, _ := c.Read(ctx)
		fmt.Printf("%s\n", p)
	}
	c.Close(websocket.StatusNormalClosure, "")
	ws.Shutdown(ctx, nil)
	// Output:
	// gold 2310
	// silver 27
	// gold 2311
}
