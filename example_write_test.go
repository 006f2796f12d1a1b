package websocket_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
)

// A message of unknown length is sent in fragments while it is made.
func ExampleConn_Writer() {
	client, server := examplePair()
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()
	send := func(c *websocket.Conn, src io.Reader) error {
		w, err := c.Writer(ctx, websocket.MessageBinary)
		if err != nil {
			return err
		}
		z := gzip.NewWriter(w)
		if _, err := io.Copy(z, src); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		return w.Close()
	}
	go send(client, strings.NewReader(strings.Repeat("lariat ", 1000)))

	_, r, err := server.Reader(ctx)
	if err != nil {
		log.Print(err)
		return
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		log.Print(err)
		return
	}
	n, err := io.Copy(io.Discard, z)
	fmt.Println(n, err)
	// Output: 7000 <nil>
}

// What stands in a batch leaves in that order, in one write. Nothing follows a
// close frame.
func ExampleConn_WriteBatch() {
	client, server := examplePair()
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()
	err := client.WriteBatch(ctx,
		websocket.Text("Hello!"),
		websocket.Binary([]byte{1, 2, 3}),
		websocket.CloseFrame(websocket.StatusNormalClosure, "done"),
		websocket.Text("dropped"),
	)
	if err != nil {
		log.Print(err)
	}

	for m, err := range server.Messages(ctx) {
		fmt.Println(m.Type, len(m.Data), err)
	}
	// Output:
	// text 6 <nil>
	// binary 3 <nil>
}

// A message for many connections is built once. A connection that takes no
// data holds up the loop until the time of ctx is over; then it is dropped.
func ExampleConn_WritePrepared() {
	one, oneServer := examplePair()
	two, twoServer := examplePair()
	defer one.CloseNow()
	defer two.CloseNow()
	broadcast := func(ctx context.Context, to []*websocket.Conn, text string) error {
		m, err := websocket.NewPrepared(websocket.MessageText, []byte(text))
		if err != nil {
			return err
		}
		for _, c := range to {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			if err := c.WritePrepared(ctx, m); err != nil {
				c.CloseNow()
			}
			cancel()
		}
		return nil
	}

	ctx := context.Background()
	if err := broadcast(ctx, []*websocket.Conn{oneServer, twoServer}, "to all"); err != nil {
		log.Print(err)
	}
	for _, c := range []*websocket.Conn{one, two} {
		_, p, err := c.Read(ctx)
		fmt.Printf("%s %v\n", p, err)
	}
	oneServer.CloseNow()
	twoServer.CloseNow()
	// Output:
	// to all <nil>
	// to all <nil>
}

// Compression is an extension that both ends name. NoCompress leaves a message
// as it is.
func ExampleConnOptions_deflate() {
	compress := []extension.Extension{deflate.New(nil)} // one value for all connections
	handler := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			ConnOptions: websocket.ConnOptions{Extensions: compress},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		token := websocket.Text("a secret of its own")
		token.NoCompress = true
		c.WriteBatch(r.Context(), websocket.Text(strings.Repeat("lariat ", 1000)), token)
		c.Close(websocket.StatusNormalClosure, "")
	}
	srv := httptest.NewServer(http.HandlerFunc(handler))
	defer srv.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, srv.URL, &websocket.DialOptions{
		ConnOptions: websocket.ConnOptions{Extensions: compress},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer c.CloseNow()
	fmt.Println(c.Extensions()[0].Name)
	for m, err := range c.Messages(ctx) {
		fmt.Println(len(m.Data), err)
	}
	// Output:
	// permessage-deflate
	// 7000 <nil>
	// 19 <nil>
}

// Pings are answered by whoever reads at the other end, and pongs are seen by
// whoever reads at this one.
func ExampleConn_Ping() {
	client, server := examplePair()
	defer client.CloseNow()
	defer server.CloseNow()
	server.CloseRead(context.Background())
	client.CloseRead(context.Background())

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	rtt, err := client.Ping(ctx)
	fmt.Println(rtt > 0, err)
	// Output: true <nil>
}
