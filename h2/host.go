package h2

import (
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/poll"
)

// host is what the connections of a server share.
type host struct {
	o     Options
	all   *conns
	names names
	date  clock
}

// newHost returns a host without connections.
func newHost(o *Options) (*host, error) {
	h := &host{names: newNames()}
	if o != nil {
		h.o = *o
	}
	return h, h.o.check()
}

// conns are the connections of a server, and who works for them.
type conns struct {
	mu       sync.Mutex
	all      map[*h2conn.Conn]struct{}
	draining bool
	crew     crew
	many     bool        // there may be many: a poller is worth it
	poll     poll.Shared // reads those over TLS
}

func newConns() *conns { return &conns{all: make(map[*h2conn.Conn]struct{})} }

// add takes c in, and reports whether it may have streams.
func (s *conns) add(c *h2conn.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[c] = struct{}{}
	return !s.draining
}

func (s *conns) remove(c *h2conn.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, c)
}

// drain ends all connections in their own time, and those that are still to
// come. http.Server.Shutdown calls it.
func (s *conns) drain() {
	s.mu.Lock()
	s.draining = true
	all := make([]*h2conn.Conn, 0, len(s.all))
	for c := range s.all {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.Drain()
	}
}

// clock is the value of Date, made once a second (RFC 9110, section 6.6.1).
type clock struct{ last atomic.Pointer[second] }

type second struct {
	unix int64
	text string
}

func (c *clock) now() string {
	t := time.Now()
	s := c.last.Load()
	if s == nil || s.unix != t.Unix() {
		s = &second{t.Unix(), t.UTC().Format(http.TimeFormat)}
		c.last.Store(s)
	}
	return s.text
}

// logf tells the server's ErrorLog, as net/http does.
func logf(srv *http.Server, format string, args ...any) {
	l := srv.ErrorLog
	if l == nil {
		l = log.Default()
	}
	l.Printf(format, args...)
}
