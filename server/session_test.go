package server_test

import (
	"bytes"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

func TestEcho(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		over := make(chan server.Reason, 1)
		h := serve(t, engine, nil, func() server.Handler {
			return &funcs{message: echo, terminate: func(_ *server.Session, r server.Reason) { over <- r }}
		})
		c := h.dial(nil)
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			p := bytes.Repeat([]byte("x"), n)
			if err := c.Write(h.context(), websocket.MessageBinary, p); err != nil {
				t.Fatal(err)
			}
			typ, got, err := c.Read(h.context())
			if err != nil || typ != websocket.MessageBinary || !bytes.Equal(got, p) {
				t.Fatalf("%d bytes: %v, %d bytes, %v", n, typ, len(got), err)
			}
		}
		if err := c.Close(4000, "bye"); err != nil {
			t.Error(err)
		}
		r := wait(t, over)
		if r.Kind != server.ReasonRemote || r.Close.Code != 4000 || r.Close.Reason != "bye" || r.Close.Sent.Code != 4000 {
			t.Errorf("%+v", r)
		}
	})
}
