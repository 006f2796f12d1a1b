package server_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// userOf stands for a look at the cookies of a session or at a ticket.
func userOf(ticket string) (name string, ok bool) {
	if ticket == "ticket of Ada" {
		return "Ada", true
	}
	return "", false
}

// before decides by the request: whoever may not connect gets a plain answer.
func before(w http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
	user, ok := userOf(r.Header.Get("Authorization"))
	if !ok {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return nil, nil
	}
	return &account{user: user}, nil
}

// account is the handler of somebody who is known, or has still to say who.
type account struct {
	server.NopHandler
	user string
}

func (a *account) Message(s *server.Session, m websocket.Message) {
	if a.user != "" {
		s.Text("yes, " + a.user)
		return
	}
	user, ok := userOf(string(m.Data))
	if !ok {
		s.Close(websocket.StatusPolicyViolation, "not a ticket")
		return
	}
	a.user = user
	s.Authenticated()
	s.SetMaxMessageSize(1 << 20)
	s.SetIdleTimeout(10 * time.Minute)
	s.Text("welcome, " + user)
}

// Who may connect is decided before the upgrade, by an HTTP answer.
func ExampleUpgrade() {
	ws := server.New(before)
	srv := httptest.NewServer(ws)
	defer srv.Close()

	for _, ticket := range []string{"", "ticket of Ada"} {
		c, err := websocket.Dial(context.Background(), srv.URL, &websocket.DialOptions{
			Header: http.Header{"Authorization": {ticket}},
		})
		if err != nil {
			if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok {
				fmt.Println(refused.Status, http.StatusText(refused.Status))
			}
			continue
		}
		c.Write(context.Background(), websocket.MessageText, []byte("may I?"))
		_, p, _ := c.Read(context.Background())
		fmt.Printf("%s\n", p)
		c.Close(websocket.StatusNormalClosure, "")
	}
	ws.Shutdown(context.Background(), nil)
	// Output:
	// 401 Unauthorized
	// yes, Ada
}

// A client that says who it is in its first message has a few seconds for that,
// and until then may send little.
func ExampleSession_Authenticated() {
	options := server.Options{AuthTimeout: 5 * time.Second}
	options.MaxMessageSize = 4 << 10
	ws := server.New(func(w http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
		return &account{}, &options
	})
	srv := httptest.NewServer(ws)
	defer srv.Close()

	for _, ticket := range []string{"a guess", "ticket of Ada"} {
		c, err := websocket.Dial(context.Background(), srv.URL, nil)
		if err != nil {
			log.Print(err)
			return
		}
		c.Write(context.Background(), websocket.MessageText, []byte(ticket))
		_, p, err := c.Read(context.Background())
		if err != nil {
			fmt.Println(websocket.CloseStatus(err))
			continue
		}
		fmt.Printf("%s\n", p)
		c.Close(websocket.StatusNormalClosure, "")
	}
	ws.Shutdown(context.Background(), nil)
	// Output:
	// 1008 (policy violation)
	// welcome, Ada
}
