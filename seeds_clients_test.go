package websocket_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

// kills is a network with a server that says hello, and echoes.
func kills(t *testing.T) *wstest.Listener {
	ln := wstest.NewListener(nil)
	var sockets sync.WaitGroup
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sockets.Add(1)
		defer sockets.Done()
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		if c.Write(context.Background(), websocket.MessageText, []byte("hello")) == nil {
			wstest.Echo(c)
		}
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(ln)
	}()
	t.Cleanup(func() {
		ln.Cut()
		srv.Close()
		<-served
		sockets.Wait()
	})
	return ln
}

// talker are callbacks that answer a message by "bye", and tell of all of them.
type talker struct {
	reconnect.NopCallbacks
	heard chan string
}

func (k *talker) OnMessage(c *reconnect.Client, m websocket.Message) {
	k.heard <- string(m.Data)
	if string(m.Data) == "hello" {
		c.Write(context.Background(), websocket.MessageText, []byte("bye"))
	}
}

// S0.1, S1.1: each of the three is a client for a server of WebSockets. When the
// connection fails, websocket.Dial tells and does nothing, client connects again
// and leaves the upgrade to its owner, reconnect does both: S0.2, ruling C2.
func TestClients(t *testing.T) {
	const url = "ws://192.0.2.1/ws"
	t.Run("S0.1 Dial", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ln := kills(t)
			c, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{NetDial: ln.Dial})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			wantMessage(t, c, "hello")
			if err := c.Write(t.Context(), websocket.MessageText, []byte("bye")); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, c, "bye")
			ln.Cut()
			if _, _, err := c.Read(t.Context()); err == nil {
				t.Error("a message after the end")
			}
			time.Sleep(time.Hour)
			if ln.Dials() != 1 {
				t.Errorf("%d connections, want 1", ln.Dials())
			}
		})
	})
	t.Run("S0.1 S1.1 client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ln := kills(t)
			c, err := client.Open("192.0.2.1:80", &client.Options{Dial: ln.Dial})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for n := 1; n <= 2; n++ {
				s, err := c.Upgrade(t.Context(), "/ws", nil)
				if err != nil {
					t.Fatal(err)
				}
				wantMessage(t, s, "hello")
				ln.Cut()
				if _, _, err := s.Read(t.Context()); err == nil {
					t.Error("a message after the end")
				}
				time.Sleep(time.Minute)
				if i := c.Info(); ln.Dials() != n+1 || i.State != client.Connected || len(i.Open) != 0 {
					t.Errorf("after the %d. loss: %d connections, %+v", n, ln.Dials(), i)
				}
			}
		})
	})
	t.Run("S0.1 S1.1 reconnect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ln := kills(t)
			k := &talker{heard: make(chan string)}
			o := &reconnect.Options{}
			o.Client.Dial = ln.Dial
			c, err := reconnect.Start(t.Context(), url, k, o)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				for _, want := range []string{"hello", "bye"} {
					if got := <-k.heard; got != want {
						t.Errorf("connection %d: %q, want %q", n, got, want)
					}
				}
				ln.Cut()
			}
			c.CloseNow()
		})
	})
}

func wantMessage(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	if _, p, err := c.Read(t.Context()); err != nil || string(p) != want {
		t.Fatalf("%q, %v; want %q", p, err, want)
	}
}

// Ruling C5: one API. A socket is the same *Conn, by whichever package it was
// opened, and its events name it by that and by the Ref of its Upgrade.
func TestOneConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := kills(t)
		o := client.NewOwner(0)
		c, err := client.Open("192.0.2.1:80", &client.Options{Dial: ln.Dial, Owner: o})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Upgrade(t.Context(), "/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WriteBatch(t.Context(), websocket.Text("one"), websocket.CloseFrame(websocket.StatusNormalClosure, "")); err != nil {
			t.Fatal(err)
		}
		var ref client.Ref
		var texts []string
		closed := false
		for !closed {
			var of client.Ref
			var socket *websocket.Conn
			switch ev := (<-o.C).(type) {
			case client.Upgraded:
				ref = ev.Ref
				of, socket = ev.Ref, ev.Socket
			case client.Message:
				texts = append(texts, string(ev.Data))
				of, socket = ev.Ref, ev.Socket
			case client.Closed:
				of, socket, closed = ev.Ref, ev.Socket, true
			default:
				continue
			}
			if socket != s || of != ref || ref == 0 {
				t.Errorf("C5: an event of socket %p and Ref %d, want %p and %d", socket, of, s, ref)
			}
		}
		if len(texts) != 2 || texts[0] != "hello" || texts[1] != "one" {
			t.Errorf("C5: messages %q", texts)
		}
		o.Close()
		for range o.C {
		}
		<-c.Done()
	})
}
