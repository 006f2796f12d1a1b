package websocket_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
)

// A refusal has the server's status, header and the beginning of its body.
func ExampleHandshakeError() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "log in first", http.StatusUnauthorized)
	}))
	defer srv.Close()

	_, err := websocket.Dial(context.Background(), srv.URL, nil)
	if refused, ok := errors.AsType[*websocket.HandshakeError](err); ok {
		fmt.Printf("%d %s", refused.Status, refused.Body)
	}
	// Output: 401 log in first
}

// A server that cannot be reached is another error, which says how far the
// client came.
func ExampleDialError() {
	_, err := websocket.Dial(context.Background(), "ws://127.0.0.1:1", nil)
	if unreached, ok := errors.AsType[*websocket.DialError](err); ok {
		fmt.Println(unreached.Step, unreached.Addr)
	}
	// Output: connect 127.0.0.1:1
}

// The settings of a client that lives behind a proxy or a NAT: a timeout for
// all of the opening, credentials, and pings while nothing comes.
func ExampleDial() {
	srv := httptest.NewServer(http.HandlerFunc(echoServer))
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := websocket.Dial(ctx, srv.URL+"/feed", &websocket.DialOptions{
		Header: http.Header{"Authorization": {"Bearer 1234"}},
		ConnOptions: websocket.ConnOptions{
			KeepAlive: websocket.KeepAlive{Interval: 30 * time.Second, Timeout: 10 * time.Second},
		},
	})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(c.Close(websocket.StatusNormalClosure, ""))
	// Output: <nil>
}

// Credentials are checked before Accept, with plain HTTP. Pages of other
// origins are let in by name.
func ExampleAccept() {
	want := sha256.Sum256([]byte("Bearer 1234"))
	handler := func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Origins: []string{"https://app.example.com"},
		})
		if err != nil {
			return
		}
		c.Close(websocket.StatusNormalClosure, "welcome")
	}
	srv := httptest.NewServer(http.HandlerFunc(handler))
	defer srv.Close()

	for _, h := range []http.Header{
		{},
		{"Authorization": {"Bearer 1234"}, "Origin": {"https://evil.example"}},
		{"Authorization": {"Bearer 1234"}, "Origin": {"https://app.example.com"}},
	} {
		c, err := websocket.Dial(context.Background(), srv.URL, &websocket.DialOptions{Header: h})
		if err != nil {
			refused, _ := errors.AsType[*websocket.HandshakeError](err)
			fmt.Println(refused.Status)
			continue
		}
		_, _, err = c.Read(context.Background())
		fmt.Println(websocket.CloseStatus(err))
	}
	// Output:
	// 401
	// 403
	// 1000 (normal closure)
}

// A connection may outlive its handler. A goroutine of its own holds less memory
// while it waits than the handler's, which has parsed a request and keeps it.
func ExampleAccept_goroutine() {
	serve := func(ctx context.Context, c *websocket.Conn) {
		defer c.CloseNow()
		for m, err := range c.Messages(ctx) {
			if err != nil || c.Write(ctx, m.Type, m.Data) != nil {
				return
			}
		}
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // the client has its answer
		}
		go serve(context.Background(), c) // r.Context ends with the handler
	}
	srv := httptest.NewServer(http.HandlerFunc(handler))
	defer srv.Close()

	if err := sayHello(context.Background(), srv.URL); err != nil {
		log.Print(err)
	}
	// Output: Hello
}

// A server prefers its first subprotocol that the client speaks.
func ExampleConnOptions_subprotocols() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			ConnOptions: websocket.ConnOptions{Subprotocols: []string{"chat.v2", "chat.v1"}},
		})
		if err != nil {
			return
		}
		if c.Subprotocol() == "" {
			c.Close(websocket.StatusPolicyViolation, "speak chat.v1 or chat.v2")
			return
		}
		c.Close(websocket.StatusNormalClosure, "")
	}
	srv := httptest.NewServer(http.HandlerFunc(handler))
	defer srv.Close()

	c, err := websocket.Dial(context.Background(), srv.URL, &websocket.DialOptions{
		ConnOptions: websocket.ConnOptions{Subprotocols: []string{"chat.v1", "chat.v2"}},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.CloseNow()
	fmt.Println(c.Subprotocol())
	// Output: chat.v2
}

// The reason of a refused handshake at the server's end, for the log.
func ExampleAccept_refused() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		switch {
		case errors.Is(err, handshake.ErrOrigin):
			fmt.Println("another origin:", r.Header.Get("Origin"))
			return
		case err != nil:
			fmt.Println(err)
			return
		}
		defer c.CloseNow()
	}
	srv := httptest.NewServer(http.HandlerFunc(handler))
	defer srv.Close()

	websocket.Dial(context.Background(), srv.URL, &websocket.DialOptions{
		Header: http.Header{"Origin": {"https://evil.example"}},
	})
	// Output: another origin: https://evil.example
}

// An ending says what each side sent, who was first, and what went wrong.
func ExampleCloseError() {
	client, server := examplePair()
	go client.Close(websocket.StatusGoingAway, "shutting down")

	_, _, err := server.Read(context.Background())
	if ended, ok := errors.AsType[*websocket.CloseError](err); ok {
		fmt.Println(ended.Code)
		fmt.Println(ended.Reason)
		fmt.Println("the peer was first:", ended.RemoteFirst)
		fmt.Println("cause:", ended.Cause)
	}
	// Output:
	// 1001 (going away)
	// shutting down
	// the peer was first: true
	// cause: <nil>
}

// A peer that breaks the protocol is told so by the close code. The rule it
// broke is the cause.
func ExampleCloseError_violation() {
	client, server := examplePair()
	go client.Write(context.Background(), websocket.MessageBinary, make([]byte, 2<<20))

	_, _, err := server.Read(context.Background())
	if broken, ok := errors.AsType[frame.Violation](err); ok {
		fmt.Println(broken == frame.ErrFrameTooBig, broken.Status(), broken.Section())
	}
	client.CloseNow()
	// Output: true 1009 (message too big) RFC 6455, section 10.4
}

// Limits are fields: zero is the default, a negative number no limit.
func ExampleConnOptions() {
	limits := websocket.ConnOptions{
		MaxMessageSize: 64 << 10,
		MaxFragments:   16,
		MaxControls:    20,
		WriteTimeout:   5 * time.Second,
		CloseTimeout:   2 * time.Second,
	}
	ended := make(chan error, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: limits})
		if err != nil {
			return
		}
		defer c.CloseNow()
		_, _, err = c.Read(r.Context())
		ended <- err
	}
	srv := httptest.NewServer(http.HandlerFunc(handler))
	defer srv.Close()

	c, err := websocket.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer c.CloseNow()
	c.Write(context.Background(), websocket.MessageBinary, make([]byte, 65<<10))
	_, _, err = c.Read(context.Background())
	fmt.Println(websocket.CloseStatus(err))
	fmt.Println(errors.Is(<-ended, frame.ErrMessageTooBig))
	// Output:
	// 1009 (message too big)
	// true
}
