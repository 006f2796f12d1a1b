package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
)

// STOMP over WebSockets with RabbitMQ, which is Cowboy in earnest. S0.8 S0.11
// S0.13
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	r := newRabbit(t)
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprintf("Dial compressed %v", compressed), func(t *testing.T) { r.testDial(t, compressed) })
	}
	t.Run("refusals", r.testRefusals)
	t.Run("client", r.testClient)
	t.Run("handler", r.testHandler)
	t.Run("killed", r.testKilled)
}

// stompOptions are those for the opening handshake.
func stompOptions(compressed bool) *websocket.DialOptions {
	o := &websocket.DialOptions{}
	o.Subprotocols = []string{"v12.stomp"}
	if compressed {
		o.Extensions = []extension.Extension{deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true})}
	}
	return o
}

// open opens a socket.
func (r *rabbit) open(t *testing.T, compressed bool) *stomper {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c, err := websocket.Dial(ctx, "ws://"+r.addr+"/ws", stompOptions(compressed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	if c.Subprotocol() != "v12.stomp" || (len(c.Extensions()) == 1) != compressed {
		t.Errorf("agreed on %q, %v", c.Subprotocol(), c.Extensions())
	}
	return &stomper{Conn: c, t: t, ctx: ctx}
}

// dial opens a socket and logs in.
func (r *rabbit) dial(t *testing.T, compressed bool) *stomper {
	t.Helper()
	s := r.open(t, compressed)
	s.send(login("guest"))
	if f := s.want("CONNECTED"); f.header["version"] != "1.2" {
		t.Errorf("connected: %+v", f)
	}
	return s
}

// testDial sends messages to a queue and gets them back.
func (r *rabbit) testDial(t *testing.T, compressed bool) {
	s := r.dial(t, compressed)
	queue := fmt.Sprintf("/queue/dial-%v", compressed)
	s.send(frameOf("SUBSCRIBE", "", "id", "0", "destination", queue, "ack", "auto", "receipt", "subscribed"))
	if f := s.want("RECEIPT"); f.header["receipt-id"] != "subscribed" {
		t.Errorf("receipt: %+v", f)
	}
	for i, body := range []string{"Hello", "", "κόσμε 🌍", strings.Repeat("a frame of STOMP, ", 6_000)} {
		s.send(frameOf("SEND", body, "destination", queue, "n", fmt.Sprint(i)))
		if f := s.want("MESSAGE"); f.body != body || f.header["n"] != fmt.Sprint(i) {
			t.Errorf("message %d: %v %.100q", i, f.header, f.body)
		}
	}
	// It would rather close than send a receipt for this.
	s.send(frameOf("DISCONNECT", ""))
	_, _, err := s.Read(s.ctx)
	if end, ok := errors.AsType[*websocket.CloseError](err); !ok || !end.RemoteFirst || describe(end.Received) != "1000 STOMP died" || end.Cause != nil {
		t.Errorf("the end is %v", err)
	}
}

// testRefusals are those of the opening handshake, and of the login.
func (r *rabbit) testRefusals(t *testing.T) {
	o := stompOptions(false)
	_, err := websocket.Dial(t.Context(), "ws://"+r.addr+"/elsewhere", o)
	refusal, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok || refusal.Status != http.StatusNotFound {
		t.Errorf("elsewhere: %v", err)
	}
	// It opens the socket and chooses nothing, which is not what was asked for.
	o.Subprotocols = []string{"v99.stomp"}
	if _, err := websocket.Dial(t.Context(), "ws://"+r.addr+"/ws", o); !errors.Is(err, handshake.ErrSubprotocol) {
		t.Errorf("v99.stomp: %v", err)
	}
	s := r.open(t, false)
	s.send(login("wrong"))
	if f := s.want("ERROR"); f.header["message"] != "Bad CONNECT" {
		t.Errorf("the error is %+v", f)
	}
	// It leaves it to the client to close.
	if err := s.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
}
