package reconnect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// serve serves one socket after the other; the examples talk to it.
func serve(sockets ...func(c *websocket.Conn)) (url string, stop func()) {
	n := make(chan int, 1)
	n <- 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		i := <-n
		n <- i + 1
		sockets[min(i, len(sockets)-1)](c)
		c.Close(websocket.StatusNormalClosure, "")
	}))
	return "ws" + strings.TrimPrefix(srv.URL, "http") + "/feed", srv.Close
}

// ticker prints the ticks of a feed.
type ticker struct {
	reconnect.NopCallbacks
}

func (*ticker) OnConnect(*reconnect.Client, http.Header) { fmt.Println("connected") }

func (*ticker) OnMessage(_ *reconnect.Client, m websocket.Message) { fmt.Printf("%s\n", m.Data) }

func (*ticker) OnClose(_ *reconnect.Client, code websocket.StatusCode, reason string) reconnect.Next {
	fmt.Println("closed:", code, reason)
	return reconnect.Next{} // as the options say
}

// A feed whose server is restarted in the middle.
func ExampleStart() {
	url, stop := serve(
		func(c *websocket.Conn) {
			c.Write(context.Background(), websocket.MessageText, []byte("tick 1"))
			c.Close(websocket.StatusServiceRestart, "back soon")
		},
		func(c *websocket.Conn) {
			c.Write(context.Background(), websocket.MessageText, []byte("tick 2"))
			c.Close(websocket.StatusNormalClosure, "that is all")
		},
	)
	defer stop()

	c, err := reconnect.Start(context.Background(), url, &ticker{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ended:", c.Wait())
	// Output:
	// connected
	// tick 1
	// closed: 1012 (service restart) back soon
	// connected
	// tick 2
	// closed: 1000 (normal closure) that is all
	// ended: websocket: closed by the peer with 1000 (normal closure) "that is all", answered with 1000 (normal closure)
}

// Without callbacks: a loop that goes on through reconnects.
func ExampleClient_Messages() {
	url, stop := serve(
		func(c *websocket.Conn) {
			c.Write(context.Background(), websocket.MessageText, []byte("one"))
			c.CloseNow() // the server is gone
		},
		func(c *websocket.Conn) {
			c.Write(context.Background(), websocket.MessageText, []byte("two"))
		},
	)
	defer stop()

	ctx := context.Background()
	c, err := reconnect.Start(ctx, url, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(websocket.StatusNormalClosure, "")
	for m, err := range c.Messages(ctx) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%s\n", m.Data)
	}
	// Output:
	// one
	// two
}

// session logs in before anything else is sent.
type session struct {
	reconnect.NopCallbacks
	token string
}

func (s *session) OnConnect(c *reconnect.Client, _ http.Header) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte("login "+s.token)); err != nil {
		return // the connection is lost already
	}
	_, answer, err := c.Conn().Read(ctx)
	if err == nil {
		fmt.Printf("the server says %q\n", answer)
	}
}

// A login goes before what was queued.
func ExampleCallbacks() {
	url, stop := serve(func(c *websocket.Conn) {
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			fmt.Printf("the server got %q\n", m.Data)
			c.Write(context.Background(), m.Type, []byte("ok"))
		}
	})
	defer stop()

	ctx := context.Background()
	c, err := reconnect.Start(ctx, url, &session{token: "secret"}, &reconnect.Options{WhileDown: reconnect.Queue})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, websocket.MessageText, []byte("order 1")) // there is no connection yet
	if err := c.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	c.Close(websocket.StatusNormalClosure, "")
	// Output:
	// the server got "login secret"
	// the server says "ok"
	// the server got "order 1"
}

// sender takes messages out of the outbox when the server says that it has them.
type sender struct {
	reconnect.NopCallbacks
}

func (sender) OnMessage(c *reconnect.Client, m websocket.Message) {
	var has struct{ Seq uint64 }
	if err := json.Unmarshal(m.Data, &has); err != nil {
		return
	}
	if err := c.Ack(has.Seq); err != nil {
		fmt.Println(err)
	}
}

// Messages that must arrive: each is kept until the server has said that it has
// it, and sent again when the connection was lost before.
func ExampleClient_Ack() {
	receive := func(c *websocket.Conn) uint64 {
		var m struct {
			Seq  uint64
			Text string
		}
		_, p, err := c.Read(context.Background())
		if err != nil || json.Unmarshal(p, &m) != nil {
			return 0
		}
		fmt.Println("the server got", m.Seq, m.Text)
		return m.Seq
	}
	url, stop := serve(
		func(c *websocket.Conn) {
			receive(c)
			c.CloseNow() // it dies before it can say that it has the message
		},
		func(c *websocket.Conn) {
			for {
				seq := receive(c)
				if seq == 0 {
					return
				}
				c.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, `{"seq":%d}`, seq))
			}
		},
	)
	defer stop()

	ctx := context.Background()
	c, err := reconnect.Start(ctx, url, sender{}, &reconnect.Options{
		WhileDown: reconnect.Queue,
		Outbox:    reconnect.Outbox{Acknowledge: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The numbers are those that Send returns: 1, and so on.
	c.Send(ctx, websocket.MessageText, []byte(`{"seq":1,"text":"hello"}`))
	if err := c.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println("closed:", c.Close(websocket.StatusNormalClosure, ""))
	// Output:
	// the server got 1 hello
	// the server got 1 hello
	// closed: <nil>
}

// A token that must be fresh for each attempt.
func ExampleOptions() {
	url, stop := serve(func(c *websocket.Conn) {})
	defer stop()

	tokens := 0
	fetch := func(context.Context) (string, error) {
		if tokens++; tokens == 1 {
			return "", errors.New("the token server is busy")
		}
		return fmt.Sprint("token ", tokens), nil
	}
	c, err := reconnect.Start(context.Background(), url, nil, &reconnect.Options{
		Prepare: func(ctx context.Context, attempt int) (string, http.Header, error) {
			token, err := fetch(ctx)
			if err != nil {
				fmt.Println("attempt", attempt, "failed:", err)
				return "", nil, err // it is tried again
			}
			fmt.Println("attempt", attempt, "with", token)
			return "", http.Header{"Authorization": {"Bearer " + token}}, nil
		},
		Retry:  10,
		Policy: reconnect.Policy{Close: map[websocket.StatusCode]bool{4000: true}}, // this server's way to say: come back
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Wait()
	// Output:
	// attempt 1 failed: the token server is busy
	// attempt 2 with token 2
}

// renewing gets a new token when the server refuses the old one.
type renewing struct {
	reconnect.NopCallbacks
}

func (renewing) OnConnect(*reconnect.Client, http.Header) { fmt.Println("connected") }

func (renewing) OnConnectError(_ *reconnect.Client, err error, attempt int) reconnect.Next {
	refused, ok := errors.AsType[*websocket.HandshakeError](err)
	switch {
	case ok && refused.Status == http.StatusUnauthorized && attempt == 1:
		fmt.Println("refused: trying a new token at once")
		return reconnect.To("", http.Header{"Authorization": {"Bearer new"}}).After(0)
	case attempt == 20:
		return reconnect.Stop()
	}
	return reconnect.Next{} // as the options say
}

// A callback decides what comes next.
func ExampleTo() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if c, err := websocket.Accept(w, r, nil); err == nil {
			c.Close(websocket.StatusNormalClosure, "")
		}
	}))
	defer srv.Close()

	c, err := reconnect.Start(context.Background(), srv.URL, renewing{}, &reconnect.Options{
		Header: http.Header{"Authorization": {"Bearer old"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-c.Done()
	// Output:
	// refused: trying a new token at once
	// connected
}
