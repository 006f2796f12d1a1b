package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// exampleServer greets at /login, echoes at /chat and /rpc, and refuses at /admin.
func exampleServer() *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "welcome %s", r.URL.Query().Get("user"))
	})
	echo := func(w http.ResponseWriter, r *http.Request) {
		o := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"rpc.v1"}}}
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			return // the client has its answer
		}
		defer c.CloseNow()
		for m, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), m.Type, m.Data) != nil {
				return
			}
		}
	}
	mux.HandleFunc("/chat", echo)
	mux.HandleFunc("/rpc", echo)
	mux.HandleFunc("/admin", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "members only", http.StatusForbidden)
	})
	return httptest.NewServer(mux)
}

// chat makes a request and then talks, on one connection.
func chat(ctx context.Context, addr string) error {
	c, err := client.Open(addr, nil)
	if err != nil {
		return err // an option cannot be used
	}
	defer c.Shutdown(context.Background())

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/login?user=me", nil)
	if err != nil {
		return err
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", body)

	s, err := c.Upgrade(ctx, "/chat?room=1", nil)
	if err != nil {
		return err
	}
	if err := s.Write(ctx, websocket.MessageText, []byte("Hello!")); err != nil {
		return err
	}
	_, answer, err := s.Read(ctx)
	if err == nil {
		fmt.Printf("%s\n", answer)
	}
	return err
}

// A request and a WebSocket on one connection, which is connected in the
// background.
func Example() {
	srv := exampleServer()
	defer srv.Close()

	if err := chat(context.Background(), srv.Listener.Addr().String()); err != nil {
		log.Print(err)
	}
	// Output:
	// welcome me
	// Hello!
}

// A Conn is the transport of an [http.Client] for one server.
func ExampleConn_RoundTrip() {
	srv := exampleServer()
	defer srv.Close()
	c, err := client.Open(srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()

	res, err := (&http.Client{Transport: c}).Get(srv.URL + "/login?user=you")
	if err != nil {
		log.Print(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Printf("%s\n", body)
	// Output: welcome you
}

// A refusal has the status, the header and the body of the answer. The connection
// is as it was.
func ExampleConn_Upgrade() {
	srv := exampleServer()
	defer srv.Close()
	c, err := client.Open(srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()

	ctx := context.Background()
	_, err = c.Upgrade(ctx, "/admin", nil)
	if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok {
		fmt.Printf("%d %s", refused.Status, refused.Body)
	}
	s, err := c.Upgrade(ctx, "/chat", nil)
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(s.HTTPVersion())
	// Output:
	// 403 members only
	// 1
}

// printer is a handler that prints what comes.
type printer struct {
	version string
	done    chan struct{}
}

func (p *printer) Message(m websocket.Message) error {
	fmt.Printf("%s: %s\n", p.version, m.Data)
	return nil
}

func (p *printer) Closed(err *websocket.CloseError) {
	fmt.Printf("%s: %d\n", p.version, err.Sent.Code)
	close(p.done)
}

// The subprotocol that the server chooses decides who handles the socket.
func ExampleUpgradeOptions() {
	srv := exampleServer()
	defer srv.Close()
	c, err := client.Open(srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()

	done := make(chan struct{})
	newV1 := func(*websocket.Conn) client.Handler { return &printer{"one", done} }
	newV2 := func(*websocket.Conn) client.Handler { return &printer{"two", done} }
	ctx := context.Background()
	s, err := c.Upgrade(ctx, "/rpc", &client.UpgradeOptions{
		Subprotocols: []client.Subprotocol{
			{Name: "rpc.v2", NewHandler: newV2},
			{Name: "rpc.v1", NewHandler: newV1},
		},
	})
	if err != nil {
		log.Print(err)
		return
	}
	if err := s.WriteBatch(ctx, websocket.Text("Hello!"), websocket.CloseFrame(1000, "")); err != nil {
		log.Print(err)
	}
	<-done
	// Output:
	// one: Hello!
	// one: 1000
}

// Proxies are passed one after the other; the connection to the last one carries
// the connection to the server.
func ExampleProxy() {
	o := &client.Options{Proxies: []client.Proxy{
		{URL: "http://user:password@proxy.corp.example:3128"},
		{URL: "socks5://gate.example:1080"},
	}}
	fmt.Println(o.Check("example.com:443"))
	o.Proxies[1].URL = "gopher://gate.example"
	fmt.Println(strings.Contains(fmt.Sprint(o.Check("example.com:443")), "socks5"))
	// Output:
	// <nil>
	// true
}
