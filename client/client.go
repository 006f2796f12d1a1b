package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

// Conn is a connection to one server, made again when it is lost. Any number of
// goroutines may call its methods.
type Conn struct {
	o      *Options // a copy in which timeouts are filled in, and 0 is none
	target dial.Target
	base   url.URL // scheme http or https, and host
	steps  *steps
	mail   mailbox
	done   chan struct{}

	mu       sync.Mutex
	state    State
	changed  chan struct{}      // closed at the next change of state; nil: nobody waits
	cancel   context.CancelFunc // ends the attempt under way; nil: there is none
	session  session            // that there is; nil also while a socket has taken it
	link     *dial.Link
	protocol Protocol
	flows    *flow // a list of what is under way
	lastRef  Ref
	hurried  bool          // by Close: nothing is waited for any more
	pumps    int           // those who tell the owner of what comes on the connection
	handlers int           // and of them, those that are handlers
	quiet    chan struct{} // closed when these change; nil: nobody waits
	left     int           // retries
	attempts int
	ups      int
	since    time.Time
	last     error // why the last attempt failed, or the last connection was lost
	err      error // why it is over for good
}

// Open begins to connect to addr and returns at once:
//
//	c, err := client.Open("example.com:443", nil)
//
// addr is host:port, where port 443 means TLS and any other TCP (S3.16), or a
// URL with the scheme ws, wss, http or https whose path is "/" or empty. A user
// and password in it go with opening handshakes as Basic authentication. Nil
// options mean all defaults. The error is an [*websocket.OptionError] and
// nothing has happened then; what else can go wrong is told by [Conn.AwaitUp],
// the owner and [Conn.Err].
//
// The caller must end the Conn with [Conn.Shutdown] or [Conn.Close].
func Open(addr string, o *Options) (*Conn, error) {
	if o == nil {
		o = &Options{}
	}
	c := &Conn{done: make(chan struct{})}
	if err := c.configure(addr, o); err != nil {
		return nil, err
	}
	c.mail.setOwner(c, c.o.Owner)
	go c.run()
	return c, nil
}

// Check returns the error that [Open] would for addr, and does nothing else. Nil
// options are the defaults.
func (o *Options) Check(addr string) error {
	if o == nil {
		o = &Options{}
	}
	return new(Conn).configure(addr, o)
}

// configure checks and copies the options.
func (c *Conn) configure(addr string, o *Options) error {
	if err := c.setAddr(addr, o); err != nil {
		return err
	}
	own := *o
	own.Protocols = slices.Clone(o.Protocols)
	if len(own.Protocols) == 0 {
		own.Protocols = []Protocol{HTTP1}
	}
	for i, p := range own.Protocols {
		switch {
		case p != HTTP1 && p != HTTP2 && p != HTTP3 || slices.Contains(own.Protocols[:i], p):
			return &websocket.OptionError{Field: "Protocols", Value: o.Protocols, Want: "HTTP1, HTTP2 and HTTP3, each once at most"}
		case p == HTTP3 && (o.HTTP3 == nil || !c.target.Secure):
			return &websocket.OptionError{Field: "Protocols", Value: o.Protocols, Want: "an Opener in HTTP3 and TLS, for HTTP3"}
		}
	}
	if !c.target.Secure && len(own.Protocols) > 1 {
		return &websocket.OptionError{Field: "Protocols", Value: o.Protocols, Want: "one: without TLS there is nothing to choose by"}
	}
	if strings.ContainsRune(o.Unix, 0) {
		return &websocket.OptionError{Field: "Unix", Value: o.Unix, Want: "the path of a unix socket"}
	}
	if err := c.setProxies(o); err != nil {
		return err
	}
	if own.Retry == 0 {
		own.Retry = DefaultRetry
	}
	own.Retry = max(own.Retry, 0)
	own.DomainLookupTimeout = option.OrDefault(o.DomainLookupTimeout, websocket.DefaultLookupTimeout)
	own.ConnectTimeout = option.OrDefault(o.ConnectTimeout, websocket.DefaultConnectTimeout)
	own.TLSHandshakeTimeout = option.OrDefault(o.TLSHandshakeTimeout, websocket.DefaultTLSHandshakeTimeout)
	own.UpgradeTimeout = option.OrDefault(o.UpgradeTimeout, websocket.DefaultUpgradeTimeout)
	own.ClosingTimeout = option.OrDefault(o.ClosingTimeout, DefaultClosingTimeout)
	own.RetryTimeout = option.OrDefault(o.RetryTimeout, DefaultRetryTimeout)
	own.KeepAlive = max(o.KeepAlive, 0)
	if own.MaxRefusalBody == 0 {
		own.MaxRefusalBody = websocket.DefaultMaxRefusalBody
	}
	if own.WebSocket.CloseTimeout == 0 {
		own.WebSocket.CloseTimeout = own.ClosingTimeout
	}
	c.o, c.left = &own, own.Retry
	c.steps = newSteps(&own, c.addr())
	// What is wrong about the sockets' options is found now.
	_, err := c.newHandshake("/", nil)
	return err
}

// setAddr takes the address apart.
func (c *Conn) setAddr(addr string, o *Options) error {
	bare := !strings.Contains(addr, "://")
	if bare {
		addr = "ws://" + addr
	}
	u, err := handshake.ParseURL(addr)
	if err != nil {
		return err
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return &websocket.OptionError{Field: "addr", Value: u.Redacted(), Want: "a host and port without a path: that is given to Upgrade, or is the request's"}
	}
	c.target.Secure = u.Scheme == "wss" || u.Scheme == "https" || bare && u.Port() == "443"
	switch o.Transport {
	case TransportAuto:
	case TCP, TLS:
		if c.target.Secure != (o.Transport == TLS) && !bare {
			return &websocket.OptionError{Field: "Transport", Value: u.Scheme, Want: "the one the address' scheme says, or an address without a scheme"}
		}
		c.target.Secure = o.Transport == TLS
	default:
		return &websocket.OptionError{Field: "Transport", Value: int(o.Transport), Want: "TransportAuto, TCP or TLS"}
	}
	scheme := "http"
	if c.target.Secure {
		scheme = "https"
	}
	c.base = url.URL{Scheme: scheme, Host: u.Host, User: u.User}
	hs, err := handshake.NewClient(&c.base, nil)
	if err != nil {
		return err
	}
	c.target.Host, c.target.Port = hs.HostPort()
	return nil
}

func (c *Conn) setProxies(o *Options) error {
	if o.Unix != "" {
		return nil
	}
	for _, p := range o.Proxies {
		u, err := url.Parse(p.URL)
		if err != nil {
			return &websocket.OptionError{Field: "Proxies", Value: "a URL that cannot be parsed", Want: "http://, https://, socks5:// or socks5h://, and a host"}
		}
		server, err := dial.ParseProxy(u)
		if err != nil {
			oe, _ := errors.AsType[*websocket.OptionError](err)
			return &websocket.OptionError{Field: "Proxies", Value: oe.Value, Want: oe.Want}
		}
		server.TLSConfig, server.Header = p.TLSConfig.Clone(), p.Header.Clone()
		c.target.Proxies = append(c.target.Proxies, server)
	}
	return nil
}

// SetOwner has events from now on go to another owner, nil for none. Sockets
// that are open and have no owner and no handler stay their user's own.
func (c *Conn) SetOwner(o *Owner) { c.mail.setOwner(c, o) }

// Done returns a channel that is closed when the Conn is over for good.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the Conn is over, a [*GaveUpError]. It is nil while it is not,
// and after [Conn.Close], [Conn.Shutdown], [Conn.Detach] or the close of an
// HTTP/1.1 socket by its user.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection at once, and with it the sockets and requests under
// way. It returns when that is done; owners are told by goroutines of their own.
// To say goodbye, use [Conn.Shutdown]. It returns nil.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.close()
	s := c.session
	sockets := c.sockets()
	c.hurried = true
	c.hush()
	c.mu.Unlock()
	c.mail.hurry() // a full channel does not hold up what follows
	for _, k := range sockets {
		k.CloseNow()
	}
	if s != nil {
		s.close()
	}
	<-c.done
	return nil
}

// Shutdown ends the connection with a goodbye: every socket is closed with
// 1001, and the end of the closing handshakes and of requests under way is
// awaited, for ClosingTimeout at most; what is not over then is cut off, without
// an error. No other connection is made. When ctx ends before that, the rest is cut
// off as well, and the error wraps its cause.
func (c *Conn) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return option.ErrNoContext
	}
	c.mu.Lock()
	c.close()
	s := c.session
	sockets := c.sockets()
	c.mu.Unlock()
	if c.o.ClosingTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.o.ClosingTimeout, errClosing)
		defer cancel()
	}
	if s != nil {
		s.drain()
	}
	go func() {
		var closing sync.WaitGroup
		for _, k := range sockets {
			closing.Go(func() { k.Close(websocket.StatusGoingAway, "") })
		}
		closing.Wait()
		c.mail.hurry() // a full channel does not hold up what follows
	}()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	c.Close()
	if context.Cause(ctx) == errClosing {
		return nil
	}
	return stream.ContextError(ctx, "shutdown")
}

var errClosing = errors.New("websocket: closing took longer than ClosingTimeout")

// close says that no other connection is to be made. c.mu is held.
func (c *Conn) close() {
	if c.state != Over {
		c.set(Closing)
	}
	if c.cancel != nil {
		c.cancel()
	}
}

func trimmed(err error) string { return strings.TrimPrefix(err.Error(), "websocket: ") }

// ProxyFromEnvironment returns the proxy for addr that HTTP_PROXY, HTTPS_PROXY
// and NO_PROXY name, as [http.ProxyFromEnvironment] reads them; an empty list
// where there is none.
func ProxyFromEnvironment(addr string) ([]Proxy, error) {
	var c Conn
	if err := c.setAddr(addr, &Options{}); err != nil {
		return nil, err
	}
	u, err := http.ProxyFromEnvironment(&http.Request{URL: &c.base})
	if u == nil || err != nil {
		return nil, err
	}
	return []Proxy{{URL: u.String()}}, nil
}
