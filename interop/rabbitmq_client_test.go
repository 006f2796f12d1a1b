package interop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/reconnect"
)

// openOwned opens a connection of package client that has an owner.
func (r *rabbit) openOwned(t *testing.T) (*client.Conn, *client.Owner) {
	t.Helper()
	o := client.NewOwner(0)
	c, err := client.Open(r.addr, &client.Options{Owner: o, RetryTimeout: 100 * time.Millisecond, Retry: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, o
}

// subscribeOwned opens a socket, logs in and subscribes. The owner gets what
// comes.
func subscribeOwned(t *testing.T, c *client.Conn, o *client.Owner, queue string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k, err := c.Upgrade(ctx, "/ws", &client.UpgradeOptions{
		Subprotocols: []client.Subprotocol{{Name: "v12.stomp"}},
		WebSocket:    &websocket.ConnOptions{Extensions: stompOptions(true).Extensions},
	})
	if err != nil {
		t.Fatal(err)
	}
	up := awaitEvent[client.Upgraded](t, o, patience)
	if up.Socket != k || up.Subprotocol != "v12.stomp" || len(k.Extensions()) != 1 {
		t.Errorf("upgraded: %+v", up)
	}
	stompWrite(t, k, login("guest"))
	wantOwned(t, o, "CONNECTED")
	stompWrite(t, k, frameOf("SUBSCRIBE", "", "id", "0", "destination", queue, "receipt", "subscribed"))
	wantOwned(t, o, "RECEIPT")
	return k
}

func stompWrite(t *testing.T, k *websocket.Conn, f *stomp) {
	t.Helper()
	if err := k.Write(t.Context(), websocket.MessageText, f.bytes()); err != nil {
		t.Fatal(err)
	}
}

// wantOwned waits for a frame of STOMP.
func wantOwned(t *testing.T, o *client.Owner, command string) *stomp {
	t.Helper()
	m := awaitEvent[client.Message](t, o, patience)
	f, err := parseSTOMP(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if f.command != command {
		t.Fatalf("%+v came, want %s", f, command)
	}
	return f
}

// testClient makes requests, and then opens a socket on the same connection, whose
// owner is told of everything. S0.6 S0.12 S0.22
func (r *rabbit) testClient(t *testing.T) {
	c, o := r.openOwned(t)
	for range 2 {
		a, err := (&http.Client{Transport: c}).Get("http://" + r.addr + "/elsewhere")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, a.Body)
		_ = a.Body.Close()
		if a.StatusCode != http.StatusNotFound || a.Header.Get("Server") != "Cowboy" {
			t.Errorf("%s %v", a.Status, a.Header)
		}
	}
	if _, err := c.Upgrade(t.Context(), "/elsewhere", nil); err == nil {
		t.Error("a socket where there is none")
	}
	if refused := awaitEvent[client.Response](t, o, patience); refused.Status != http.StatusNotFound {
		t.Errorf("refused: %+v", refused)
	}
	k := subscribeOwned(t, c, o, "/queue/owner")
	stompWrite(t, k, frameOf("SEND", "to the owner", "destination", "/queue/owner"))
	if f := wantOwned(t, o, "MESSAGE"); f.body != "to the owner" {
		t.Errorf("%+v came", f)
	}
	if i := c.Info(); i.Ups != 1 || i.State != client.Taken {
		t.Errorf("%+v", i)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if closed := awaitEvent[client.Closed](t, o, patience); closed.Err.Sent == nil || closed.Err.Sent.Code != websocket.StatusGoingAway || closed.Err.Received == nil {
		t.Errorf("closed: %v", closed.Err)
	}
	if down := awaitEvent[client.Down](t, o, patience); down.Err != nil || down.Wait >= 0 {
		t.Errorf("down: %+v", down)
	}
}

// stompHandler is what package client calls for a socket with the subprotocol.
type stompHandler struct {
	frames chan *stomp
	closed chan *websocket.CloseError
}

func (h *stompHandler) Message(m websocket.Message) error {
	f, err := parseSTOMP(m.Data)
	if err == nil {
		h.frames <- f
	}
	return err
}

func (h *stompHandler) Closed(err *websocket.CloseError) { h.closed <- err }

// testHandler has a handler chosen by the subprotocol that the server picks. S0.10
func (r *rabbit) testHandler(t *testing.T) {
	c, err := client.Open("ws://"+r.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := &stompHandler{make(chan *stomp, 9), make(chan *websocket.CloseError, 1)}
	k, err := c.Upgrade(t.Context(), "/ws", &client.UpgradeOptions{Subprotocols: []client.Subprotocol{
		{Name: "v99.stomp", NewHandler: func(*websocket.Conn) client.Handler {
			t.Error("the handler of another subprotocol was made")
			return nil
		}},
		{Name: "v12.stomp", NewHandler: func(*websocket.Conn) client.Handler { return h }},
	}})
	if err != nil {
		t.Fatal(err)
	}
	stompWrite(t, k, login("guest"))
	if f := soon(t, "CONNECTED", h.frames, patience); f.command != "CONNECTED" {
		t.Errorf("%+v came", f)
	}
	stompWrite(t, k, frameOf("DISCONNECT", ""))
	if end := soon(t, "the end", h.closed, patience); describe(end.Received) != "1000 STOMP died" || !end.RemoteFirst {
		t.Errorf("the end is %v", end)
	}
}

// subscriber is a client of package reconnect that subscribes at each connect.
type subscriber struct {
	reconnect.NopCallbacks
	queue  string
	up     chan error
	frames chan *stomp
	down   chan error
}

// OnConnect logs in and subscribes, and waits for the answers, before anything that
// was queued is sent.
func (s *subscriber) OnConnect(c *reconnect.Client, _ http.Header) {
	s.up <- s.subscribe(c)
}

func (s *subscriber) subscribe(c *reconnect.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, step := range []struct {
		say  *stomp
		want string
	}{
		{login("guest"), "CONNECTED"},
		{frameOf("SUBSCRIBE", "", "id", "0", "destination", s.queue, "receipt", "subscribed"), "RECEIPT"},
	} {
		if err := c.Write(ctx, websocket.MessageText, step.say.bytes()); err != nil {
			return err
		}
		_, p, err := c.Conn().Read(ctx)
		if err != nil {
			return err
		}
		if f, err := parseSTOMP(p); err != nil || f.command != step.want {
			return fmt.Errorf("%.200q came, want %s: %w", p, step.want, err)
		}
	}
	return nil
}

// OnMessage passes frames on.
func (s *subscriber) OnMessage(_ *reconnect.Client, m websocket.Message) {
	f, err := parseSTOMP(m.Data)
	if err != nil {
		f = frameOf("BAD", err.Error())
	}
	s.frames <- f
}

// OnDisconnect tells why.
func (s *subscriber) OnDisconnect(_ *reconnect.Client, err error, _ time.Duration) { s.down <- err }

// testKilled ends the node, and starts it again: Dial has an error, package client
// tells its owner, who upgrades again, and package reconnect does that by itself,
// and sends what was written meanwhile. S0.2 S3.20 S3.22 C2
func (r *rabbit) testKilled(t *testing.T) {
	dialed := r.dial(t, true)
	c, o := r.openOwned(t)
	subscribeOwned(t, c, o, "/queue/owner-again")
	s := &subscriber{queue: "/queue/again", up: make(chan error, 9), frames: make(chan *stomp, 99), down: make(chan error, 9)}
	rc, err := reconnect.Start(t.Context(), "ws://"+r.addr+"/ws", s, &reconnect.Options{
		WebSocket: &stompOptions(true).ConnOptions,
		MinWait:   50 * time.Millisecond, MaxWait: 200 * time.Millisecond,
		WhileDown: reconnect.Queue,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer rc.CloseNow()
	if err := soon(t, "OnConnect", s.up, patience); err != nil {
		t.Fatal(err)
	}
	r.kill()
	if _, _, err := dialed.Read(dialed.ctx); websocket.CloseStatus(err) != websocket.StatusAbnormalClosure {
		t.Errorf("Dial: the end is %v", err)
	}
	_, err = websocket.Dial(dialed.ctx, "ws://"+r.addr+"/ws", stompOptions(false))
	if refusal, ok := errors.AsType[*websocket.DialError](err); !ok || refusal.Step != websocket.StepConnect {
		t.Errorf("Dial while it is down: %v", err)
	}
	if closed := awaitEvent[client.Closed](t, o, patience); closed.Err.Code != websocket.StatusAbnormalClosure {
		t.Errorf("client: closed: %v", closed.Err)
	}
	if down := awaitEvent[client.Down](t, o, patience); down.Err == nil || len(down.Killed) != 1 || down.Wait < 0 {
		t.Errorf("client: %+v", down)
	}
	if err := soon(t, "OnDisconnect", s.down, patience); websocket.CloseStatus(err) != websocket.StatusAbnormalClosure {
		t.Errorf("reconnect: %v", err)
	}
	var written []string
	for i := range 5 {
		written = append(written, fmt.Sprintf("written while it was down: %d", i))
		if err := rc.Write(t.Context(), websocket.MessageText, frameOf("SEND", written[i], "destination", s.queue).bytes()); err != nil {
			t.Error(err)
		}
	}
	r.boot()
	if err := soon(t, "OnConnect", s.up, patience); err != nil {
		t.Fatal(err)
	}
	var came []string
	for range written {
		came = append(came, soon(t, "a message", s.frames, patience).body)
	}
	if !slices.Equal(came, written) {
		t.Errorf("reconnect: %q came, want %q", came, written)
	}
	if i := rc.Info(); i.Connects != 2 || i.Queued != 0 {
		t.Errorf("reconnect: %+v", i)
	}
	if err := rc.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("reconnect: Close: %v", err)
	}
	awaitEvent[client.Up](t, o, patience)
	k := subscribeOwned(t, c, o, "/queue/owner-again")
	stompWrite(t, k, frameOf("SEND", "to the owner again", "destination", "/queue/owner-again"))
	if f := wantOwned(t, o, "MESSAGE"); f.body != "to the owner again" {
		t.Errorf("client: %+v came", f)
	}
	if i := c.Info(); i.Ups != 2 {
		t.Errorf("client: %+v", i)
	}
	r.testDial(t, true)
}
