package wsjson_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wsjson"
	"github.com/lariat-go/websocket/wstest"
)

// pair returns two ends of a connection, which Dial and Accept make otherwise.
func pair() (client, server *websocket.Conn) {
	a, b := wstest.Pipe(nil)
	return websocket.NewConn(a, protocol.RoleClient, nil, nil), websocket.NewConn(b, protocol.RoleServer, nil, nil)
}

func Example() {
	type order struct {
		Item  string
		Count int
	}
	client, server := pair()
	defer client.CloseNow()
	defer server.CloseNow()

	ctx := context.Background()
	if err := wsjson.Write(ctx, client, order{"rope", 2}); err != nil {
		fmt.Println(err)
	}
	o, err := wsjson.Read[order](ctx, server)
	fmt.Println(o.Count, o.Item, err)
	// Output: 2 rope <nil>
}

// A message of the wrong shape harms nothing: answer it, or close.
func ExampleRead_badMessage() {
	client, server := pair()
	defer client.CloseNow()
	defer server.CloseNow()

	ctx := context.Background()
	client.Write(ctx, websocket.MessageText, []byte(`{"Count": "two"}`))
	_, err := wsjson.Read[struct{ Count int }](ctx, server)
	if bad, ok := errors.AsType[*wsjson.DecodeError](err); ok {
		fmt.Printf("not an order: %s\n", bad.Message)
	}
	// Output: not an order: {"Count": "two"}
}
