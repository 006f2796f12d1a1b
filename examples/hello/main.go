// Hello is a client that sends a message and prints the answer.
//
//	go run ./examples/hello ws://localhost:8080/
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lariat-go/websocket"
)

func main() {
	url := "ws://localhost:8080/"
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := hello(ctx, url, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hello(ctx context.Context, url string, out io.Writer) error {
	c, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageText, []byte("Hello")); err != nil {
		return err
	}
	_, answer, err := c.Read(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", answer)
	return c.Close(websocket.StatusNormalClosure, "")
}
