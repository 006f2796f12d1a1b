package server_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// Where something else calls Shutdown of the http.Server, the sessions are
// drained by it, and the end of that is waited for.
func ExampleServer_Shutdown() {
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return &guest{room: &room{}}, nil
	})
	hs := &http.Server{Handler: ws, ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout}

	drained := make(chan struct{})
	hs.RegisterOnShutdown(func() {
		defer close(drained)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		report, err := ws.Shutdown(ctx, &server.Drain{Over: 100 * time.Millisecond})
		fmt.Println(report.Clean, "clean,", report.Forced, "forced,", err)
	})

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Print(err)
		return
	}
	go hs.Serve(ln)
	for range 3 {
		c, err := websocket.Dial(context.Background(), "ws://"+ln.Addr().String(), nil)
		if err != nil {
			log.Print(err)
			return
		}
		c.Read(context.Background())    // come in
		go c.Read(context.Background()) // it answers the close frame
	}

	hs.Shutdown(context.Background()) // does not wait for sessions
	<-drained
	// Output: 3 clean, 0 forced, <nil>
}

// Stats is cheap enough to be read every second. What only grows fits counters
// of a metrics library.
func ExampleServer_Stats() {
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return &greeter{}, nil
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()
	talk(srv.URL, "Ada")
	ws.Shutdown(context.Background(), nil)

	st := ws.Stats()
	fmt.Println("opened", st.Opened, "now", st.Sessions, "in", st.MessagesIn, "out", st.MessagesOut)
	for kind, n := range st.Ended {
		if n > 0 {
			fmt.Println("ended by", server.ReasonKind(kind), n)
		}
	}
	// Output:
	// who are you?
	// hello, Ada
	// Ada has left, remote: 1000 (normal closure)
	// opened 1 now 0 in 1 out 2
	// ended by remote 1
}

// upload reads what follows its first message by the plain API.
type upload struct{ server.NopHandler }

func (upload) Message(s *server.Session, _ websocket.Message) {
	c, err := s.Detach()
	if err != nil {
		s.Close(websocket.StatusInternalError, "try again")
		return
	}
	go func() {
		defer c.CloseNow()
		_, p, err := c.Read(context.Background())
		if err == nil {
			c.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, "%d bytes", len(p)))
		}
		c.Close(websocket.StatusNormalClosure, "")
	}()
}

// A session can be handed over as a Conn, for what is easier to write with
// blocking calls.
func ExampleSession_Detach() {
	ws := server.New(func(http.ResponseWriter, *http.Request) (server.Handler, *server.Options) {
		return upload{}, nil
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	c.Write(ctx, websocket.MessageText, []byte("upload"))
	c.Write(ctx, websocket.MessageBinary, make([]byte, 1000))
	_, p, _ := c.Read(ctx)
	fmt.Printf("%s\n", p)
	_, _, err = c.Read(ctx)
	fmt.Println(websocket.CloseStatus(err))
	// Output:
	// 1000 bytes
	// 1000 (normal closure)
}
