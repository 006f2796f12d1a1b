package websocket

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// The defaults of [Pool].
const (
	DefaultPoolIdleTimeout = 90 * time.Second

	doubtTime = 15 * time.Second // for the answer to a PING
	avoidTime = 10 * time.Minute // that HTTP/2 is not tried again
	maxAvoids = 1024             // origins remembered
)

// ErrPoolClosed: a [Pool] was used after Close.
var ErrPoolClosed = fmt.Errorf("websocket: the pool is closed: %w", net.ErrClosed)

// Pool shares connections of HTTP/2 among sockets and ordinary requests: each
// takes one stream, and all that go to one server go over one connection. The
// zero value is ready to use:
//
//	var pool websocket.Pool
//	defer pool.Close()
//	c, err := websocket.Dial(ctx, "wss://example.com/chat", &websocket.DialOptions{HTTP: websocket.HTTPAuto, Pool: &pool})
//	res, err := (&http.Client{Transport: &pool}).Get("https://example.com/history")
//
// A connection is shared by what has the same scheme, host and port, the same
// proxy, the same Unix, and the same TLSConfig, by its pointer. How NetDial
// connects is not looked at: it is to be the same wherever these are. The
// timeouts are those of whoever was first to need the connection.
//
// What happens to one stream does not touch the others. A connection that the
// server wants to end (GOAWAY) keeps the sockets it has; new ones go to a new
// connection.
//
// The fields must not be changed once the Pool is in use. Any number of
// goroutines may use one, which must not be copied.
type Pool struct {
	// Options has the settings for connections that [Pool.RoundTrip] makes:
	// TLSConfig, Proxy, NetDial, Unix, the timeouts, WriteTimeout. The other
	// fields have no meaning here. [Dial] has its own options; sockets and
	// requests share connections when the settings named above are equal.
	Options *DialOptions

	// MaxConns is how many connections may be open to a server at a time.
	// A further one is made when the server takes no more streams on those
	// there are (SETTINGS_MAX_CONCURRENT_STREAMS). When that is not allowed, or
	// not possible, whoever wants a stream waits for one within their context,
	// first come first served. Default 1; a negative one means no limit.
	// Connections that wait for the end of their last streams do not count.
	MaxConns int

	// IdleTimeout is how long a connection without streams is kept. Default
	// 90 s; a negative one keeps them until the server ends them.
	IdleTimeout time.Duration

	// PingInterval, if more than 0, has a PING sent on connections from which
	// nothing has come for so long; 15 s without an answer end them. Default 0:
	// a PING is sent when a stream got no answer in its time. Sockets have a
	// [KeepAlive] of their own.
	PingInterval time.Duration

	// ContinueTimeout is how long a request with the header Expect: 100-continue
	// waits for the server to ask for the body. Default 1 s; a negative one
	// means that it does not wait.
	ContinueTimeout time.Duration

	// UnencryptedHTTP2 has requests to http:// URLs sent over HTTP/2 without
	// TLS and without asking, which the server must be known to speak (prior
	// knowledge). Without it they go to Fallback. Sockets say HTTP2 in their
	// DialOptions for that.
	UnencryptedHTTP2 bool

	// Fallback makes the requests to servers that do not speak HTTP/2, and
	// those to http:// URLs. Default none: they fail with [ErrNoHTTP2].
	Fallback http.RoundTripper

	// Trace is told of the frames of all connections. It must be quick, and
	// must not call methods of the Pool or of what uses it. Default none; the
	// Trace of DialOptions is told of the opening handshakes and the WebSocket
	// frames of its own socket.
	Trace func(HTTP2Frame)

	mu      sync.Mutex
	closed  bool
	hosts   map[poolKey]*poolHost
	conns   map[*h2conn.Conn]*pooled // all of them, also those that end
	avoided map[poolKey]avoidance
	running sync.WaitGroup // what serves connections, and makes them

	dialerOnce sync.Once
	dialer     *dialer // of RoundTrip
	dialerErr  error
}

// poolKey is what connections are shared by.
type poolKey struct {
	origin string // scheme, host and port
	proxy  string
	unix   string
	tls    *tls.Config
}

// key returns what connections to r are shared by.
func (d *dialer) key(r *route) poolKey {
	k := poolKey{origin: dial.Origin(r.url), unix: d.o.Unix, tls: d.o.TLSConfig}
	if r.proxy != nil {
		k.proxy = r.proxy.String()
	}
	return k
}

// poolHost is what there is for one key.
type poolHost struct {
	conns []*h2conn.Conn // that take new streams, the oldest first
	dial  *poolDial      // under way; one at a time
	queue *queue
}

// pooled is what the Pool knows of a connection.
type pooled struct {
	busy    atomic.Bool          // it has streams
	doubted atomic.Bool          // a PING is under way
	none    bool                 // it took no stream when it was made, nor since
	tls     *tls.ConnectionState // nil without TLS
}

// avoidance says that HTTP/2 is not to be tried for a while.
type avoidance struct {
	until  time.Time
	noHTTP bool // nor for requests: the server does not speak it at all
}

// avoids reports whether sockets to k are not to be tried over HTTP/2 at present.
func (p *Pool) avoids(k poolKey) bool {
	a := p.avoidance(k)
	return !a.until.IsZero()
}

func (p *Pool) avoidance(k poolKey) avoidance {
	if p == nil {
		return avoidance{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.avoided[k]
	if time.Now().After(a.until) {
		delete(p.avoided, k)
		return avoidance{}
	}
	return a
}

// avoid has sockets to k opened over HTTP/1.1 for a while.
func (p *Pool) avoid(k poolKey, noHTTP bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.avoided == nil {
		p.avoided = make(map[poolKey]avoidance)
	}
	now := time.Now()
	for old, a := range p.avoided {
		if now.After(a.until) || len(p.avoided) >= maxAvoids {
			delete(p.avoided, old)
		}
	}
	p.avoided[k] = avoidance{until: now.Add(avoidTime), noHTTP: noHTTP}
}

// host returns what there is for k. p.mu is held.
func (p *Pool) host(k poolKey) *poolHost {
	h := p.hosts[k]
	if h == nil {
		if p.hosts == nil {
			p.hosts = make(map[poolKey]*poolHost)
			p.conns = make(map[*h2conn.Conn]*pooled)
		}
		h = &poolHost{queue: new(queue)}
		p.hosts[k] = h
	}
	return h
}

// tidy forgets a host for which there is nothing. p.mu is held.
func (p *Pool) tidy(k poolKey) {
	if h := p.hosts[k]; h != nil && len(h.conns) == 0 && h.dial == nil && h.queue.empty() {
		delete(p.hosts, k)
	}
}

// leave takes no more streams on c. It may still have some.
func (p *Pool) leave(k poolKey, c *h2conn.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.hosts[k]; h != nil {
		h.conns = slices.DeleteFunc(h.conns, func(o *h2conn.Conn) bool { return o == c })
		p.tidy(k)
	}
}

// doubt is called when a stream of c got no answer in time. It asks the server
// for a sign of life, and ends the connection when there is none: it may be that
// the network has forgotten it.
func (p *Pool) doubt(c *h2conn.Conn) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.conns[c]
	if of == nil || p.closed || !of.doubted.CompareAndSwap(false, true) {
		return
	}
	p.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), doubtTime)
		defer cancel()
		if c.Ping(ctx) != nil {
			c.Close()
		}
		of.doubted.Store(false)
	})
}

// quit gives up a place in the queue for k.
func (p *Pool) quit(k poolKey, place *place) {
	if place == nil {
		return
	}
	place.leave()
	p.mu.Lock()
	p.tidy(k)
	p.mu.Unlock()
}

// CloseIdle ends the connections on which there is no stream at present.
func (p *Pool) CloseIdle() {
	var idle []*h2conn.Conn
	p.mu.Lock()
	for c, of := range p.conns {
		if !of.busy.Load() {
			idle = append(idle, c)
		}
	}
	p.mu.Unlock()
	for _, c := range idle {
		c.Drain() // a stream that was opened meanwhile lives on
	}
}

// CloseIdleConnections is [Pool.CloseIdle], by the name that [http.Client]
// looks for.
func (p *Pool) CloseIdleConnections() { p.CloseIdle() }

// Close ends all connections at once, and with them the sockets and requests
// that use them, which find 1006 and an error. Whoever wants to use the Pool from
// now on gets [ErrPoolClosed]. Close returns when nothing is left running.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	for _, h := range p.hosts {
		if h.dial != nil {
			h.dial.cancel()
		}
	}
	conns := slices.Collect(maps.Keys(p.conns))
	p.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	p.running.Wait()
	return nil
}
