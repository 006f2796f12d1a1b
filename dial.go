package websocket

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/option"
)

// The defaults of [DialOptions].
const (
	DefaultLookupTimeout       = 10 * time.Second
	DefaultConnectTimeout      = 10 * time.Second
	DefaultTLSHandshakeTimeout = 10 * time.Second
	DefaultUpgradeTimeout      = 10 * time.Second

	maxRedirects = 5
)

// Dial opens a connection to a server:
//
//	c, err := websocket.Dial(ctx, "wss://example.com/chat", nil)
//
// The URL begins with ws:// or wss://; http:// and https:// mean the same, and
// a bare host:port means wss where the port is 443, else ws. A user and
// password in it are sent as Basic authentication. Nil options mean all
// defaults.
//
// The context bounds everything up to the return: name lookup, TCP, proxy, TLS
// and the opening handshake. Later it has no meaning for the connection. Over
// TLS, HTTP/1.1 is the only protocol offered, so a server that prefers HTTP/2
// does not get in the way; the HTTP and Pool fields of the options are for
// connections over HTTP/2.
//
// What can go wrong, each to be found with [errors.As]:
//
//   - [*OptionError]: an option or the URL cannot be used. Nothing was sent.
//     For the URL, errors.Is(err, handshake.ErrURL) holds as well.
//   - [*DialError]: the server was not reached. Its Step says how far it went:
//     lookup, connect, proxy or TLS.
//   - [*HandshakeError]: the server was reached and refused, with the status,
//     the header and the beginning of the body of its answer; or it answered
//     something that does not open a connection, or nothing (Status is 0).
//
// When ctx ended, errors.Is with [context.Cause] of it holds; when one of the
// timeouts of the options passed, errors.Is with [os.ErrDeadlineExceeded].
//
// The caller must end the connection with [Conn.Close] or [Conn.CloseNow].
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	if ctx == nil {
		return nil, &OptionError{Field: "ctx", Value: nil, Want: "a context, context.Background() for none"}
	}
	d, err := newDialer(o)
	if err != nil {
		return nil, err
	}
	u, err := handshake.ParseURL(withScheme(rawURL))
	if err != nil {
		return nil, err
	}
	for {
		c, next, err := d.open(ctx, u)
		if next == nil {
			return c, err
		}
		u = next
	}
}

// dialer is one call of Dial.
type dialer struct {
	o        DialOptions // a copy in which timeouts are filled in, and 0 is none
	reach    dial.Dialer
	upgrader dial.Upgrader
}

// newDialer checks and copies the options.
func newDialer(o *DialOptions) (*dialer, error) {
	if o == nil {
		o = &DialOptions{}
	}
	switch {
	case o.HTTP != 0 && o.HTTP != HTTP1 && o.HTTP != HTTP2 && o.HTTP != HTTPAuto:
		return nil, &OptionError{Field: "HTTP", Value: int(o.HTTP), Want: "HTTP1 or 0, HTTP2, or HTTPAuto"}
	case o.MaxRedirects < 0 || o.MaxRedirects > maxRedirects:
		return nil, &OptionError{Field: "MaxRedirects", Value: o.MaxRedirects, Want: "0 to 5"}
	case strings.ContainsRune(o.Unix, 0):
		return nil, &OptionError{Field: "Unix", Value: o.Unix, Want: "the path of a unix socket"}
	}
	d := &dialer{o: *o}
	d.o.Header = o.Header.Clone()
	d.o.Subprotocols = slices.Clone(o.Subprotocols)
	d.o.Extensions = slices.Clone(o.Extensions)
	if d.o.WriteTimeout == 0 {
		d.o.WriteTimeout = DefaultDialWriteTimeout
	}
	if d.o.MaxRefusalBody == 0 {
		d.o.MaxRefusalBody = DefaultMaxRefusalBody
	}
	if d.o.Proxy == nil {
		d.o.Proxy = http.ProxyFromEnvironment
	}
	d.o.LookupTimeout = option.OrDefault(o.LookupTimeout, DefaultLookupTimeout)
	d.o.ConnectTimeout = option.OrDefault(o.ConnectTimeout, DefaultConnectTimeout)
	d.o.TLSHandshakeTimeout = option.OrDefault(o.TLSHandshakeTimeout, DefaultTLSHandshakeTimeout)
	d.o.UpgradeTimeout = option.OrDefault(o.UpgradeTimeout, DefaultUpgradeTimeout)
	d.reach = dial.Dialer{
		NetDial: o.NetDial, Unix: o.Unix, TLSConfig: o.TLSConfig,
		LookupTimeout: d.o.LookupTimeout, ConnectTimeout: d.o.ConnectTimeout, TLSHandshakeTimeout: d.o.TLSHandshakeTimeout,
	}
	d.upgrader = dial.Upgrader{
		CookieJar: o.CookieJar, UpgradeTimeout: d.o.UpgradeTimeout, MaxRefusalBody: d.o.MaxRefusalBody,
		Redirects: &dial.Redirects{Max: o.MaxRedirects, Unix: o.Unix, Header: d.o.Header},
	}
	if t := o.Trace; t != nil {
		d.upgrader.OnRequest, d.upgrader.OnResponse = t.Request, t.Response
	}
	return d, nil
}

// withScheme puts the scheme before a bare host:port.
func withScheme(s string) string {
	if strings.Contains(s, "://") {
		return s
	}
	host, _, _ := strings.Cut(s, "/")
	i := strings.LastIndexByte(host, ':')
	port := host[i+1:]
	if i <= 0 || port == "" || strings.Trim(port, "0123456789") != "" {
		return s
	}
	if port == "443" {
		return "wss://" + s
	}
	return "ws://" + s
}

// open makes one attempt at u. When the server redirects and that is to be
// followed, it returns where to.
func (d *dialer) open(ctx context.Context, u *url.URL) (c *Conn, next *url.URL, err error) {
	// All that can be wrong about the options is found here, before any I/O.
	hs, err := handshake.NewClient(u, &handshake.ClientOptions{
		Header:       d.o.Header,
		Subprotocols: d.o.Subprotocols,
		Extensions:   d.o.Extensions,
	})
	if err != nil {
		return nil, nil, err
	}
	// Without TLS there is no ALPN, and so nothing to choose by.
	if d.o.HTTP == HTTP2 || d.o.HTTP == HTTPAuto && hs.Secure() {
		return d.openHTTP2(ctx, hs, u)
	}
	return d.openHTTP1(ctx, hs, u)
}

// Step is a step on the way to a connection, for [DialError]. The opening
// handshake, which follows, has [HandshakeError].
type Step = dial.Step

// The steps, in their order.
const (
	StepLookup  = dial.StepLookup  // of the name
	StepConnect = dial.StepConnect // to the server or the proxy
	StepProxy   = dial.StepProxy   // through the proxy to the server
	StepTLS     = dial.StepTLS     // handshake
)

// DialError says why a server was not reached: the Step that failed, the Addr of
// the server or of the proxy it was with ("example.com:443", or a path), and the
// Err of the net or crypto/tls package, which it wraps. Status and Header are what
// an HTTP proxy answered when it refused to connect to the server; else 0 and
// nil. Its method Timeout reports whether a timeout was the reason.
type DialError = dial.Error

// ErrRedirect: a redirect leads where [Dial] does not follow: to another
// scheme, out of TLS, nowhere, or further than MaxRedirects. The
// [*HandshakeError] around it has the answer.
var ErrRedirect = dial.ErrRedirect
