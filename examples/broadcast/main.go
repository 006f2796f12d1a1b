// Broadcast is a server that sends every message to everyone who is connected.
//
//	go run ./examples/broadcast
//
// Each connection has a queue of its own, so that a slow one does not hold up
// the others: when its queue is full, it is closed with 1013. Ctrl-C closes all
// connections with 1001 and waits for them.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/lariat-go/websocket"
)

func main() {
	addr := "localhost:8080"
	if len(os.Args) > 1 {
		addr = os.Args[1]
	}
	if err := serve(addr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	room := newRoom()
	srv := &http.Server{
		Addr:              addr,
		Handler:           room,
		ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout,
		MaxHeaderBytes:    websocket.DefaultMaxHeaderBytes,
	}
	context.AfterFunc(ctx, func() { srv.Close() })
	fmt.Printf("listening on ws://%s/\n", addr)
	err := srv.ListenAndServe()
	room.close() // net/http does not know of connections that were taken over
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// room is who is connected.
type room struct {
	mu      sync.Mutex
	members map[*member]bool
	closed  bool
	all     sync.WaitGroup // handlers
}

// member is one connection, and what is still to be sent to it.
type member struct {
	conn  *websocket.Conn
	queue chan *websocket.Prepared
}

const queueLength = 64 // messages

func newRoom() *room { return &room{members: make(map[*member]bool)} }

func (r *room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c, err := websocket.Accept(w, req, &websocket.AcceptOptions{
		ConnOptions: websocket.ConnOptions{
			MaxMessageSize: 64 << 10,
			KeepAlive:      websocket.KeepAlive{Interval: 30 * time.Second, Timeout: 10 * time.Second},
		},
	})
	if err != nil {
		return // the client has its answer
	}
	defer c.CloseNow()
	m := &member{c, make(chan *websocket.Prepared, queueLength)}
	if !r.join(m) {
		c.Close(websocket.StatusGoingAway, "shutting down")
		return
	}
	defer r.leave(m)
	go m.send()
	for msg, err := range c.Messages(context.Background()) {
		if err != nil {
			fmt.Println(c.RemoteAddr(), err)
			return
		}
		r.broadcast(msg)
	}
}

// send writes what is in the queue, until the queue is closed.
func (m *member) send() {
	for p := range m.queue {
		if err := m.conn.WritePrepared(context.Background(), p); err != nil {
			return // the reader is told why
		}
	}
}

func (r *room) join(m *member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.members[m] = true
	r.all.Add(1)
	return true
}

func (r *room) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, m)
	close(m.queue)
	r.all.Done()
}

// broadcast builds the frame once and leaves it with everyone.
func (r *room) broadcast(msg websocket.Message) {
	p, err := websocket.NewPrepared(msg.Type, msg.Data)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.members {
		select {
		case m.queue <- p:
		default:
			delete(r.members, m)
			go m.conn.Close(websocket.StatusTryAgainLater, "too slow")
		}
	}
}

// close closes all connections and waits for their handlers.
func (r *room) close() {
	r.mu.Lock()
	r.closed = true
	for m := range r.members {
		go m.conn.Close(websocket.StatusGoingAway, "shutting down")
	}
	r.mu.Unlock()
	r.all.Wait()
}
