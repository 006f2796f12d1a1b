package reconnect_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

// counter answers each message with itself, and signals.
type counter struct {
	reconnect.NopCallbacks
	n    atomic.Int64
	echo bool
	got  chan struct{}
}

func (c *counter) OnMessage(k *reconnect.Client, m websocket.Message) {
	c.n.Add(1)
	if c.echo {
		k.Write(context.Background(), m.Type, m.Data)
	}
	if c.got != nil {
		c.got <- struct{}{}
	}
}

// A message that is received by a callback, and one that is written, cost no
// allocation; so it is with a Queue that has nothing in it.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, mode := range []reconnect.WhileDown{reconnect.Refuse, reconnect.Queue} {
		url := wstest.Server(t, wstest.Echo, nil)
		cb := &counter{got: make(chan struct{})}
		c, err := reconnect.Start(t.Context(), url, cb, &reconnect.Options{WhileDown: mode})
		if err != nil {
			t.Fatal(err)
		}
		up(t, c)
		ctx, p := context.Background(), make([]byte, 128)
		once := func() {
			if err := c.Write(ctx, websocket.MessageBinary, p); err != nil {
				t.Fatal(err)
			}
			<-cb.got
		}
		for range 100 {
			once()
		}
		if n := testing.AllocsPerRun(2000, once); n >= 1 {
			t.Errorf("mode %d: %v allocations for a message there and back", mode, n)
		}
		c.CloseNow()
	}
}

// Many clients that are up have one goroutine each, and none when they are
// closed.
func TestGoroutines(t *testing.T) {
	const n = 50
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			readAll(c)
		}
	}))
	defer srv.Close()
	var list []*reconnect.Client
	for range n {
		c, err := reconnect.Start(context.Background(), "ws"+strings.TrimPrefix(srv.URL, "http"), reconnect.NopCallbacks{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		up(t, c)
		list = append(list, c)
	}
	if got := own(); got != n {
		t.Errorf("%d goroutines of %d clients", got, n)
	}
	for _, c := range list {
		if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	begin := time.Now()
	for own() > 0 {
		if time.Since(begin) > 100*time.Millisecond {
			t.Fatalf("%d goroutines are left", own())
		}
		runtime.Gosched()
	}
}

// own counts goroutines of this package and of package client.
func own() (n int) {
	buf := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "websocket/reconnect.(") || strings.Contains(stack, "websocket/client.(") {
			n++
		}
	}
	return n
}

// A server that dies again and again, while numbered messages go to it.
func TestServerDies(t *testing.T) {
	const messages, deaths = 2000, 20
	for _, ack := range []bool{true, false} {
		t.Run(fmt.Sprintf("acknowledged %v", ack), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var conns [][]int // what each connection received
			s := newSite(t, sockets(func(c *websocket.Conn, _ *http.Request) {
				mu.Lock()
				conns = append(conns, nil)
				i := len(conns) - 1
				mu.Unlock()
				for {
					_, p, err := c.Read(context.Background())
					if err != nil {
						return
					}
					var n int
					fmt.Sscan(string(p), &n)
					mu.Lock()
					conns[i] = append(conns[i], n)
					mu.Unlock()
					if ack {
						c.Write(context.Background(), websocket.MessageText, p)
					}
				}
			}))
			r := newRecorder()
			r.message = func(c *reconnect.Client, m websocket.Message) {
				var n uint64
				fmt.Sscan(string(m.Data), &n)
				if err := c.Ack(n); err != nil {
					t.Errorf("Ack(%d) = %v", n, err)
				}
			}
			connected := make(chan struct{}, messages)
			r.connect = func(*reconnect.Client) { connected <- struct{}{} }
			o := options(s)
			o.MinWait, o.MaxWait = time.Millisecond, 5*time.Millisecond
			o.WhileDown, o.Outbox = reconnect.Queue, reconnect.Outbox{MaxMessages: -1, MaxBytes: -1, Acknowledge: ack}
			c := start(t, r, o)
			<-connected
			for i := range messages {
				switch i % (messages / deaths) {
				case 50:
					s.Down(nil) // in the middle of what is under way
				case 70:
					s.Up()
				case 90:
					<-connected
				}
				write(t, c, fmt.Sprint(i+1))
				if i%7 == 0 {
					runtime.Gosched()
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for {
				err := c.Flush(ctx)
				if err == nil {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("Flush = %v, %+v", err, c.Info())
				}
			}
			c.Close(websocket.StatusNormalClosure, "")
			check(t, conns, ack, messages)
		})
	}
}

// check judges what arrived.
func check(t *testing.T, conns [][]int, ack bool, messages int) {
	seen := make(map[int]int)
	last := 0
	for i, got := range conns {
		if !slices.IsSorted(got) {
			t.Errorf("connection %d: out of order: %.100v", i, got)
		}
		for _, n := range got {
			seen[n]++
			if !ack && n <= last {
				t.Errorf("%d came after %d", n, last)
			}
			last = n
		}
	}
	missing := 0
	for n := 1; n <= messages; n++ {
		if seen[n] == 0 {
			missing++
		}
		if !ack && seen[n] > 1 {
			t.Errorf("%d came %d times", n, seen[n])
		}
	}
	if ack && missing > 0 {
		t.Errorf("%d messages are lost", missing)
	}
	if len(conns) < 20 {
		t.Errorf("only %d connections", len(conns))
	}
	t.Logf("%d connections, %d messages missing", len(conns), missing)
}
