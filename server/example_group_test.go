package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// room is a group with what its members do.
type room struct {
	members server.Group
}

// guest is a session in a room.
type guest struct {
	server.NopHandler
	room *room
}

func (g *guest) Init(s *server.Session) {
	g.room.members.Add(s)
	s.Text("come in")
}

func (g *guest) Message(_ *server.Session, m websocket.Message) {
	g.room.say(m)
}

// say sends m to everyone, and waits for nobody.
func (r *room) say(m websocket.Message) {
	p, err := websocket.NewPrepared(m.Type, m.Data)
	if err != nil {
		return
	}
	r.members.Broadcast(p)
}

// A group sends one frame to all its members. They leave it by themselves when
// they end.
func ExampleGroup() {
	r := &room{}
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return &guest{room: r}, nil
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()

	ctx := context.Background()
	var conns []*websocket.Conn
	for range 3 {
		c, err := websocket.Dial(ctx, srv.URL, nil)
		if err != nil {
			log.Print(err)
			return
		}
		c.Read(ctx) // come in
		conns = append(conns, c)
	}
	conns[0].Write(ctx, websocket.MessageText, []byte("good evening"))
	for _, c := range conns {
		_, p, _ := c.Read(ctx)
		fmt.Printf("%s\n", p)
		c.Close(websocket.StatusNormalClosure, "")
	}
	ws.Shutdown(ctx, nil)
	fmt.Println(r.members.Len())
	// Output:
	// good evening
	// good evening
	// good evening
	// 0
}
