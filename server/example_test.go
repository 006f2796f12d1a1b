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

// greeter is the handler of one session: its fields are the session's state.
type greeter struct {
	server.NopHandler
	name string
}

// Init may send: the client gets this right behind the opening handshake.
func (g *greeter) Init(s *server.Session) {
	s.Text("who are you?")
}

// Message keeps nothing of m.Data: it is valid until it returns.
func (g *greeter) Message(s *server.Session, m websocket.Message) {
	g.name = string(m.Data)
	s.Text("hello, " + g.name)
}

// Terminate comes once and last, however the session ended.
func (g *greeter) Terminate(_ *server.Session, r server.Reason) {
	fmt.Printf("%s has left, %v\n", g.name, r)
}

// A handler with state, on a server of net/http. The Upgrade function decides
// who gets it.
func Example() {
	ws := server.New(func(w http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
		return &greeter{}, nil
	})
	mux := http.NewServeMux()
	mux.Handle("/greet", ws)
	srv := httptest.NewServer(mux)
	defer srv.Close()

	talk(srv.URL+"/greet", "Ada")
	if _, err := ws.Shutdown(context.Background(), nil); err != nil {
		log.Print(err)
	}
	// Output:
	// who are you?
	// hello, Ada
	// Ada has left, remote: 1000 (normal closure)
}

// talk sends messages to a server whose sessions begin by saying something,
// and prints what is said before and after each of them.
func talk(url string, messages ...string) {
	ctx := context.Background()
	c, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close(websocket.StatusNormalClosure, "")
	for i := 0; ; i++ {
		_, p, err := c.Read(ctx)
		if err != nil {
			fmt.Println("closed with", websocket.CloseStatus(err))
			return
		}
		fmt.Printf("%s\n", p)
		if i == len(messages) {
			return
		}
		c.Write(ctx, websocket.MessageText, []byte(messages[i]))
	}
}

// ticker sends what is posted to it.
type ticker struct{ server.NopHandler }

func (ticker) Init(s *server.Session) {
	// This goroutine stands for whatever in a program has news: it needs
	// nothing but the session.
	go func() {
		for i := 1; s.Post(i) == nil; i++ {
			if i == 3 {
				return
			}
		}
	}()
}

// Info has the values that were posted, in order, and never at the same time
// as another callback of the session.
func (ticker) Info(s *server.Session, v any) {
	s.Text(fmt.Sprintf("tick %d", v))
	if v == 3 {
		s.Close(websocket.StatusNormalClosure, "that was all")
	}
}

// Other goroutines talk to a handler by Post, so that its state needs no lock.
func ExampleSession_Post() {
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return ticker{}, nil
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()

	c, err := websocket.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	for {
		_, p, err := c.Read(context.Background())
		if err != nil {
			fmt.Println(websocket.CloseStatus(err))
			break
		}
		fmt.Printf("%s\n", p)
	}
	ws.Shutdown(context.Background(), nil)
	// Output:
	// tick 1
	// tick 2
	// tick 3
	// 1000 (normal closure)
}

// visitor is what a session is to know of its request.
type visitor struct{ Agent, Page string }

// teller tells the client what is known of it.
type teller struct{ server.NopHandler }

func (teller) Init(s *server.Session) {
	v := s.Request().(*visitor)
	s.Text(v.Agent + " asks for " + v.Page)
}

// The request is gone once the session begins: what is needed of it later is
// taken out by a RequestFilter, or by the Upgrade function into the handler.
func ExampleOptions_requestFilter() {
	options := server.Options{
		RequestFilter: func(r *http.Request) any {
			return &visitor{Agent: r.UserAgent(), Page: r.URL.Query().Get("page")}
		},
	}
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return teller{}, &options
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()

	c, err := websocket.Dial(context.Background(), srv.URL+"?page=7", &websocket.DialOptions{
		Header: http.Header{"User-Agent": {"lasso/1"}},
	})
	if err != nil {
		log.Print(err)
		return
	}
	_, p, _ := c.Read(context.Background())
	fmt.Printf("%s\n", p)
	c.Close(websocket.StatusNormalClosure, "")
	ws.Shutdown(context.Background(), nil)
	// Output: lasso/1 asks for 7
}
