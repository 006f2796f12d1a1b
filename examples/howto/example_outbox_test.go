package howto_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
)

// order is a message of a client that must not be lost, and is processed once.
type order struct {
	Number uint64 // 1, 2, 3
	Text   string
}

// sender sends orders.
type sender struct {
	reconnect.NopCallbacks
	client *reconnect.Client

	mu   sync.Mutex
	next uint64 // the number of the last order
}

// send sends an order, now or when there is a connection.
func (s *sender) send(ctx context.Context, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := json.Marshal(order{Number: s.next + 1, Text: text})
	if err != nil {
		return err
	}
	number, err := s.client.Send(ctx, websocket.MessageText, p)
	if err != nil {
		return err // reconnect.ErrOutboxFull: try again later
	}
	s.next = number // they are counted: 1, 2, 3
	return nil
}

// OnMessage takes the server's answer: all up to this number is done.
func (s *sender) OnMessage(c *reconnect.Client, m websocket.Message) {
	var answer struct{ Done uint64 }
	if json.Unmarshal(m.Data, &answer) == nil {
		c.Ack(answer.Done)
	}
}

// shop processes orders. It can be killed and started again at its address.
type shop struct {
	addr     string
	listener net.Listener
	http     *http.Server

	mu     sync.Mutex
	done   uint64
	orders []string
	open   []*websocket.Conn
}

// handle processes an order, once.
func (s *shop) handle(o order) (done uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.Number == s.done+1 {
		s.orders = append(s.orders, o.Text)
		s.done++
	}
	return s.done
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	s.mu.Lock()
	s.open = append(s.open, c)
	s.mu.Unlock()
	for m, err := range c.Messages(context.Background()) {
		var o order
		if err != nil || json.Unmarshal(m.Data, &o) != nil {
			return
		}
		if c.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, `{"Done":%d}`, s.handle(o))) != nil {
			return
		}
	}
}

func (s *shop) start() {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		panic(err)
	}
	s.addr, s.listener = l.Addr().String(), l
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout}
	go s.http.Serve(l)
}

func (s *shop) kill() {
	s.http.Close()
	s.listener.Close() // also before Serve has begun
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		c.CloseNow()
	}
	s.open = nil
}

// Orders that are sent while the server is up, while it is down and around its
// end are processed, each once, in order.
func Example_outbox() {
	shop := &shop{addr: "127.0.0.1:0"}
	shop.start()
	defer func() { shop.kill() }()

	o := &reconnect.Options{
		WhileDown: reconnect.Queue,
		Outbox:    reconnect.Outbox{Acknowledge: true},
	}
	o.MinWait, o.MaxWait = time.Millisecond, 10*time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s := &sender{}
	var err error
	if s.client, err = reconnect.Start(ctx, "ws://"+shop.addr, s, o); err != nil {
		fmt.Println(err)
		return
	}
	defer s.client.CloseNow()
	for i := range 30 {
		if i%10 == 5 {
			shop.kill()
		}
		if err := s.send(ctx, fmt.Sprint("order ", i+1)); err != nil {
			fmt.Println(err)
		}
		if i%10 == 9 {
			shop.start()
		}
	}
	if err := s.client.Flush(ctx); err != nil {
		fmt.Println(err)
	}
	shop.mu.Lock()
	defer shop.mu.Unlock()
	fmt.Println(len(shop.orders), shop.orders[0], shop.orders[29])
	// Output: 30 order 1 order 30
}

// Without an acknowledgement of the server, what was written while down is sent
// when there is a connection.
func Example_queue() {
	shop := &shop{addr: "127.0.0.1:0"}
	shop.start()
	shop.kill()

	o := &reconnect.Options{WhileDown: reconnect.Queue}
	client, err := reconnect.Start(context.Background(), "ws://"+shop.addr, reconnect.NopCallbacks{}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	fmt.Println(client.Write(ctx, websocket.MessageText, []byte(`{"Number":1,"Text":"tea"}`)))
	shop.start()
	defer shop.kill()
	fmt.Println(client.Flush(ctx))
	// Output:
	// <nil>
	// <nil>
}
