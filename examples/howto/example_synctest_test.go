package howto_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

// feedOfOne sends one message on each connection, and drops it a minute later.
func feedOfOne() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(context.Background(), websocket.MessageText, []byte("tick"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		<-c.CloseRead(ctx).Done()
	})
}

// counter counts messages.
type counter struct {
	reconnect.NopCallbacks
	n chan int
}

func (c *counter) OnMessage(*reconnect.Client, websocket.Message) { c.n <- 1 }

// A connection for each minute of an hour; the test takes no time.
func TestAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := wstest.NewListener(nil)
		srv := &http.Server{Handler: feedOfOne()}
		go srv.Serve(network)
		defer srv.Close()
		o := &reconnect.Options{Client: client.Options{Dial: network.Dial}}
		start := time.Now()
		c := &counter{n: make(chan int)}
		cl, err := reconnect.Start(t.Context(), "ws://feed.example.com/", c, o)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.CloseNow()
		for range 60 {
			<-c.n
		}
		if d := time.Since(start); d < 59*time.Minute || d > 60*time.Minute {
			t.Errorf("60 connections of a minute took %v", d)
		}
	})
}

// The server closes a connection without a word; the next one has to subscribe
// again.
func TestSubscribesAgain(t *testing.T) {
	url := wstest.Server(t, func(c *websocket.Conn) {
		if _, p, err := c.Read(t.Context()); err != nil || string(p) != "subscribe" {
			c.Close(websocket.StatusPolicyViolation, "subscribe first")
			return
		}
		c.Write(t.Context(), websocket.MessageText, []byte("tick 1"))
		c.CloseNow() // killed
	}, nil)
	o := &reconnect.Options{MinWait: time.Millisecond, MaxWait: 10 * time.Millisecond}
	s := &subscriber{counter{n: make(chan int)}}
	c, err := reconnect.Start(t.Context(), url, s, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for range 3 {
		select {
		case <-s.n:
		case <-c.Done():
			t.Fatal(c.Err())
		}
	}
}

type subscriber struct{ counter }

func (s *subscriber) OnConnect(c *reconnect.Client, _ http.Header) {
	c.Write(context.Background(), websocket.MessageText, []byte("subscribe"))
}

// A feed that is not there is not asked for again.
func TestNoSuchFeed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no such feed", http.StatusNotFound)
	}))
	defer srv.Close()
	c, err := reconnect.Start(t.Context(), srv.URL, reconnect.NopCallbacks{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Error("it ended without an error")
	}
}

// What a callback says needs no server.
func TestTokenThatRanOut(t *testing.T) {
	f := &follower{tokens: &tokens{token: "old"}}
	next := f.OnClose(nil, 4401, "token expired")
	if !reflect.DeepEqual(next, reconnect.Retry(0)) {
		t.Errorf("next is %v", next)
	}
}
