package main

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
)

// tick is a message of the feed.
type tick struct {
	Seq   uint64 `json:"seq"` // one more than that of the tick before
	Price int64  `json:"price"`
}

// subscribe is the first message of a client.
type subscribe struct {
	After uint64 `json:"after"` // the last tick it has, 0 for none
}

// feed is the ticks there are. What a tick says follows from its number, so none
// has to be kept; another feed would have a database.
type feed struct {
	mu   sync.Mutex
	last uint64
	more chan struct{} // closed when there is another tick
}

// history is how far back a client can ask.
const history = 100_000

func newFeed() *feed { return &feed{more: make(chan struct{})} }

// run makes rate ticks a second. They are numbered by the clock, so that a
// server that was killed goes on where it would be.
func (f *feed) run(ctx context.Context, rate int) {
	const pace = 10 * time.Millisecond
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		f.advance(uint64(time.Now().UnixMilli()) * uint64(rate) / 1000)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// advance makes the ticks up to a number.
func (f *feed) advance(to uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if to > f.last {
		f.last = to
		close(f.more)
		f.more = make(chan struct{})
	}
}

// after returns the ticks that follow the one with the number, 256 at most, and
// a channel that is closed when there are others.
func (f *feed) after(seq uint64) ([]tick, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last > history {
		seq = max(seq, f.last-history)
	}
	var ticks []tick
	for n := seq + 1; n <= f.last && len(ticks) < 256; n++ {
		ticks = append(ticks, tick{n, price(n)})
	}
	return ticks, f.more
}

// now returns the number of the last tick.
func (f *feed) now() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// price goes up and down, by minutes and by moments.
func price(n uint64) int64 {
	return 10_000 + int64(2_000*math.Sin(float64(n)/2_000)) + int64(n*n%7)
}

// server serves a feed. It can be killed, and started again at the same address:
// the feed goes on meanwhile.
type server struct {
	feed *feed

	mu       sync.Mutex
	addr     string
	listener net.Listener
	http     *http.Server // nil while it is killed
	open     map[*websocket.Conn]bool
}

func newServer(addr string) *server {
	if addr == "" {
		addr = "localhost:0"
	}
	return &server{feed: newFeed(), addr: addr, open: make(map[*websocket.Conn]bool)}
}

func (s *server) url() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "ws://" + s.addr + "/"
}

// start listens, and returns.
func (s *server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr, s.listener = l.Addr().String(), l // the port, for the next time
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout,
		MaxHeaderBytes:    websocket.DefaultMaxHeaderBytes,
	}
	go s.http.Serve(l)
	return nil
}

// kill ends the listener and every connection, without a word, as kill -9 does.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return
	}
	s.http.Close()
	s.listener.Close() // also before Serve has begun
	s.http = nil
	for c := range s.open {
		c.CloseNow()
		delete(s.open, c)
	}
}

// ServeHTTP sends ticks to one client.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client has its answer
	}
	defer c.CloseNow()
	if !s.keep(c, r.Context().Value(http.ServerContextKey)) {
		return // killed in between
	}
	defer s.forget(c)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	_, p, err := c.Read(ctx)
	cancel()
	var request subscribe
	if err != nil || json.Unmarshal(p, &request) != nil {
		c.Close(websocket.StatusPolicyViolation, "subscribe first")
		return
	}
	if request.After == 0 {
		request.After = s.feed.now()
	}
	s.send(c, request.After)
}

func (s *server) keep(c *websocket.Conn, server any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil || server != s.http {
		return false
	}
	s.open[c] = true
	return true
}

func (s *server) forget(c *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// send sends what follows a tick, for as long as the connection lives.
func (s *server) send(c *websocket.Conn, seq uint64) {
	ctx := c.CloseRead(context.Background()) // nothing else is expected
	for {
		ticks, more := s.feed.after(seq)
		batch := make([]websocket.Outgoing, 0, len(ticks))
		for _, t := range ticks {
			p, _ := json.Marshal(t)
			batch = append(batch, websocket.TextBytes(p))
			seq = t.Seq
		}
		if len(batch) > 0 {
			if c.WriteBatch(ctx, batch...) != nil {
				return
			}
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return
		}
	}
}
