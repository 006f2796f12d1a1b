package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// follow says hello on a socket and hands on what comes, until the connection is
// given up.
func follow(ctx context.Context, addr string, handle func(data []byte)) error {
	hello := []byte("Hello!")
	o := client.NewOwner(0)
	defer o.Close()
	_, err := client.Open(addr, &client.Options{Owner: o, Retry: -1})
	if err != nil {
		return err
	}
	for ev := range o.C {
		switch ev := ev.(type) {
		case client.Up:
			go ev.Conn.Upgrade(ctx, "/chat", nil)
		case client.Upgraded:
			ev.Socket.Write(ctx, websocket.MessageText, hello)
		case client.Message:
			handle(ev.Data)
			ev.Socket.CloseNow()
		case client.Down:
			fmt.Println("down, with", ev.Killed)
			o.Close()
		case client.GaveUp:
			return ev.Err
		}
	}
	return nil
}

// An owner is told of everything by one channel.
func ExampleOwner() {
	srv := exampleServer()
	defer srv.Close()

	err := follow(context.Background(), srv.URL, func(data []byte) { fmt.Printf("%s\n", data) })
	if err != nil {
		log.Print(err)
	}
	// Output:
	// Hello!
	// down, with [1]
}

// The response to a request made by an owner comes as events.
func ExampleConn_Request() {
	srv := exampleServer()
	defer srv.Close()
	o := client.NewOwner(0)
	c, err := client.Open(srv.URL, &client.Options{Owner: o})
	if err != nil {
		log.Print(err)
		return
	}

	req, err := http.NewRequest(http.MethodGet, "/login?user=me", nil)
	if err != nil {
		log.Print(err)
		return
	}
	ref, err := c.Request(req)
	if err != nil {
		log.Print(err)
		return
	}
	var body strings.Builder
	for ev := range o.C {
		switch ev := ev.(type) {
		case client.Response:
			fmt.Println(ev.Ref == ref, ev.Status)
		case client.Body:
			body.Write(ev.Data)
			if ev.End {
				o.Close()
			}
		case client.Failure:
			log.Print(ev.Err)
			o.Close()
		}
	}
	fmt.Println(body.String())
	// Output:
	// true 200
	// welcome me
}

// With a negative Retry the first attempt is the only one. What went wrong is
// said by Err, and by the last event of an owner.
func ExampleGaveUpError() {
	c, err := client.Open("127.0.0.1:1", &client.Options{Retry: -1})
	if err != nil {
		log.Print(err)
		return
	}
	<-c.Done()
	if e, ok := c.Err().(*client.GaveUpError); ok {
		fmt.Println("attempts:", e.Attempts)
	}
	// Output: attempts: 1
}

// Hooks measure where the time goes.
func ExampleHooks() {
	srv := exampleServer()
	defer srv.Close()
	c, err := client.Open(srv.URL, &client.Options{Hooks: &client.Hooks{
		Connect: func(s client.Step) {
			if s.Done {
				fmt.Println("connected in time:", s.Err == nil && s.Took < time.Minute)
			}
		},
		Up: func(p client.Protocol) { fmt.Println("up with", p) },
	}})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.Close()
	if _, err := c.AwaitUp(context.Background()); err != nil {
		log.Print(err)
	}
	// Output:
	// connected in time: true
	// up with HTTP/1.1
}

// TraceTo shows what happens, line by line.
func ExampleOptions_traceTo() {
	srv := exampleServer()
	defer srv.Close()
	var trace strings.Builder // os.Stderr in a program
	c, err := client.Open(srv.URL, &client.Options{TraceTo: &trace})
	if err != nil {
		log.Print(err)
		return
	}
	if _, err := c.Upgrade(context.Background(), "/chat", nil); err != nil {
		log.Print(err)
	}
	if err := c.Shutdown(context.Background()); err != nil {
		log.Print(err)
	}
	for line := range strings.Lines(trace.String()) {
		if line = line[10:]; !strings.HasPrefix(line, "*") {
			fmt.Print(line) // without the time
		}
	}
	// Output:
	// > #1 GET /chat
	// < #1 101 Switching Protocols
	// > #1 close FIN masked 2 bytes
	// < #1 close FIN 2 bytes
}
