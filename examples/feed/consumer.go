package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// consumer follows a feed. Its methods of [reconnect.Callbacks] are called one
// at a time; mu is for counts, which others read.
type consumer struct {
	reconnect.NopCallbacks
	events func(format string, args ...any)

	mu sync.Mutex
	n  counts
}

// counts is what a consumer has seen.
type counts struct {
	last     uint64 // number of the last tick
	ticks    int
	price    int64
	missing  uint64 // ticks that were skipped
	repeated int
	connects int
	state    string
}

func newConsumer(events func(format string, args ...any)) *consumer {
	return &consumer{events: events, n: counts{state: "connecting"}}
}

func (c *consumer) counts() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// OnConnect asks for what comes after the last tick: on the first connect for
// what is to come, later for what was missed as well.
func (c *consumer) OnConnect(client *reconnect.Client, _ http.Header) {
	c.mu.Lock()
	c.n.connects++
	c.n.state = "up"
	after := c.n.last
	c.mu.Unlock()
	request, _ := json.Marshal(subscribe{After: after})
	if err := client.Write(context.Background(), websocket.MessageText, request); err != nil {
		c.events("subscribe: %v", err) // OnError, or OnClose, comes next
		return
	}
	c.events("connected, going on after tick %d", after)
}

// OnMessage takes one tick.
func (c *consumer) OnMessage(client *reconnect.Client, m websocket.Message) {
	var t tick
	if err := json.Unmarshal(m.Data, &t); err != nil {
		client.Close(websocket.StatusInvalidPayloadData, "no tick")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case t.Seq <= c.n.last:
		c.n.repeated++
		return
	case c.n.last > 0:
		c.n.missing += t.Seq - c.n.last - 1
	}
	c.n.last, c.n.price = t.Seq, t.Price
	c.n.ticks++
}

// OnDisconnect is told of the end of a connection, and when the next one is
// tried.
func (c *consumer) OnDisconnect(_ *reconnect.Client, err error, wait time.Duration) {
	c.setState("down")
	c.events("lost: %v; %s", err, next(wait))
}

// OnConnectError is told of an attempt that failed. It leaves to the client what
// to do next.
func (c *consumer) OnConnectError(_ *reconnect.Client, err error, attempt int) reconnect.Next {
	c.setState(fmt.Sprintf("down, %d attempts", attempt))
	return reconnect.Next{}
}

func (c *consumer) setState(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n.state = s
}

func next(wait time.Duration) string {
	if wait < 0 {
		return "that was all"
	}
	return fmt.Sprintf("next attempt in %v", wait.Round(time.Millisecond))
}
