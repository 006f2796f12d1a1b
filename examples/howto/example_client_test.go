package howto_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
)

// loginAndChat serves a page that gives a token, and a WebSocket.
func loginAndChat() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "1234") })
	mux.HandleFunc("/chat", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for m, err := range c.Messages(context.Background()) {
			if err != nil || c.Write(context.Background(), m.Type, m.Data) != nil {
				return
			}
		}
	})
	return mux
}

// A login by an ordinary request, then a socket, on one connection.
func Example_requestsAndSockets() {
	srv := httptest.NewServer(loginAndChat())
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	addr := strings.TrimPrefix(srv.URL, "http://")
	c, err := client.Open(addr, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	web := &http.Client{Transport: c}
	res, err := web.Get("http://" + addr + "/login")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, _ := io.ReadAll(res.Body)
	token := string(p)

	socket, err := c.Upgrade(ctx, "/chat", &client.UpgradeOptions{
		Header: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	socket.Write(ctx, websocket.MessageText, []byte("hello"))
	_, answer, err := socket.Read(ctx)
	fmt.Printf("%s %v\n", answer, err)

	_, err = web.Get("http://" + addr + "/login")
	fmt.Println(errors.Is(err, client.ErrUpgraded))
	fmt.Println(c.Info().State, c.Info().Ups)
	// Output:
	// hello <nil>
	// true
	// taken 1
}

// Over HTTP/2 requests and sockets share the connection. A refusal leaves it as it
// was.
func Example_protocols() {
	ts := httptest.NewUnstartedServer(loginAndChat())
	if err := h2.ConfigureServer(ts.Config, nil); err != nil {
		fmt.Println(err)
		return
	}
	ts.TLS = ts.Config.TLSConfig
	ts.StartTLS()
	defer ts.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	o := &client.Options{Protocols: []client.Protocol{client.HTTP2, client.HTTP1}}
	o.TLSConfig = ts.Client().Transport.(*http.Transport).TLSClientConfig
	c, err := client.Open(ts.URL, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for range 2 {
		s, err := c.Upgrade(ctx, "/chat", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		s.Write(ctx, websocket.MessageText, []byte("hello"))
		_, answer, err := s.Read(ctx)
		fmt.Printf("%s %v\n", answer, err)
	}
	_, err = c.Upgrade(ctx, "/nothing", nil)
	refused, _ := errors.AsType[*websocket.HandshakeError](err)
	fmt.Println(refused.Status)
	res, err := (&http.Client{Transport: c}).Get(ts.URL + "/login")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Status, res.Proto)
	res.Body.Close()
	fmt.Println(c.Info().Protocol, len(c.Info().Open), c.Info().Ups)
	fmt.Println(c.Shutdown(ctx))
	// Output:
	// hello <nil>
	// hello <nil>
	// 404
	// 200 OK HTTP/2.0
	// HTTP/2 2 1
	// <nil>
}

// talk opens a socket after each connect, says hello, and ends with the answer.
func talk(ctx context.Context, addr string) error {
	owner := client.NewOwner(0)
	c, err := client.Open(addr, &client.Options{Owner: owner})
	if err != nil {
		return err
	}
	for event := range owner.C {
		switch e := event.(type) {
		case client.Up:
			go c.Upgrade(ctx, "/chat", nil) // again after each loss
		case client.Upgraded:
			go e.Socket.Write(ctx, websocket.MessageText, []byte("hello"))
		case client.Message:
			fmt.Printf("%s\n", e.Data)
			owner.Close() // shuts the connection down
		case client.Down:
			fmt.Println("down:", e.Err)
		case client.GaveUp:
			return e.Err
		}
	}
	return nil
}

func Example_owner() {
	srv := httptest.NewServer(loginAndChat())
	defer srv.Close()
	fmt.Println(talk(context.Background(), strings.TrimPrefix(srv.URL, "http://")))
	// Output:
	// hello
	// <nil>
}
