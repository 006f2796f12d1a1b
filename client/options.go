package client

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
)

// The defaults of [Options]. Those of the steps before are the ones of
// [websocket.DialOptions].
const (
	DefaultRetry          = 5
	DefaultRetryTimeout   = 5 * time.Second
	DefaultClosingTimeout = 15 * time.Second
	DefaultOwnerCapacity  = 64
)

// Transport is what carries HTTP.
type Transport uint8

// The transports.
const (
	TransportAuto Transport = iota // by the scheme; of a bare host:port, TLS on port 443 and TCP on any other
	TCP
	TLS
)

// Protocol is a version of HTTP.
type Protocol = websocket.HTTPVersion

// The protocols.
const (
	HTTP1 = websocket.HTTP1
	HTTP2 = websocket.HTTP2
	HTTP3 = websocket.HTTP3
)

// Options are the settings of [Open]. Nil and the zero value mean all defaults;
// a negative number or duration means none, or no limit.
type Options struct {
	// Transport says whether there is TLS. Default: what the address says.
	Transport Transport

	// Protocols are the versions of HTTP to offer by TLS (ALPN), the best first.
	// Without TLS there can be one alone, HTTP/2 with prior knowledge then.
	// Default HTTP1 alone, which every server of WebSockets speaks.
	Protocols []Protocol

	// TLSConfig is used over TLS. Its NextProtos are replaced. Default: the
	// system's roots and the host's name.
	TLSConfig *tls.Config

	// Dial opens the transport instead of a [net.Dialer]: to the server, or to
	// the first proxy.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Unix is the path of a unix socket to connect to instead of the address.
	// No proxy is used then.
	Unix string

	// Proxies are passed one after another, the nearest one first. Default none;
	// the environment's proxies are not asked ([ProxyFromEnvironment] does).
	Proxies []Proxy

	// HTTP3 opens connections of HTTP/3, where Protocols begins with that; when
	// it fails, the others of them are tried. No proxy and no unix socket is used
	// for it. Default none.
	HTTP3 Opener

	// CookieJar gives cookies to requests and opening handshakes, and takes
	// those of the answers. Default none.
	CookieJar http.CookieJar

	// The time each step may take: 10 s each by default. UpgradeTimeout is for
	// opening handshakes, and over HTTP/2 for the server's SETTINGS.
	DomainLookupTimeout time.Duration
	ConnectTimeout      time.Duration
	TLSHandshakeTimeout time.Duration
	UpgradeTimeout      time.Duration

	// ClosingTimeout is how long [Conn.Shutdown] waits for closing handshakes
	// and requests under way, and the CloseTimeout of sockets whose own options
	// leave that to the default. Default 15 s.
	ClosingTimeout time.Duration

	// KeepAlive has a PING sent over HTTP/2 when nothing has come for so long;
	// the connection is lost when nothing comes for as long again. Default
	// none. Sockets have the KeepAlive of their own options.
	KeepAlive time.Duration

	// Retry is how often to try again after an attempt to connect has failed,
	// or the connection was lost. It is counted anew, and the next connection
	// made at once, after one that lived for RetryTimeout, or a second if that is
	// longer; for 5 s where RetryTimeout is none. Default 5; a negative one means
	// never.
	Retry int

	// RetryTimeout is the wait before the next attempt. Default 5 s; a negative
	// one means none.
	RetryTimeout time.Duration

	// RetryFunc decides how many retries are left and how long to wait. It is
	// given how many there are and why the last attempt, or the connection,
	// ended. The default takes one away and waits for RetryTimeout. When it
	// returns 0 (or less) there is one last attempt; it is never called when no
	// retry is left.
	RetryFunc RetryFunc

	// Owner gets every event and message of the connection. Default none.
	Owner *Owner

	// Hooks are told of every step. Default none.
	Hooks *Hooks

	// TraceTo gets a line for every step and every frame, for debugging. Default none.
	TraceTo io.Writer

	// Logger is told of connections that come and go (Info), of attempts that
	// failed (Warn), and of giving up and handlers that fail (Error). Default
	// none.
	Logger *slog.Logger

	// HTTP1 has limits of HTTP/1.1, which hold over HTTP/2 too.
	HTTP1 HTTP1Options

	// WebSocket has the settings of sockets; those of [UpgradeOptions] take
	// their place. Its WriteTimeout, 15 s by default, is that of requests as well.
	WebSocket websocket.ConnOptions

	// MaxRefusalBody is how many bytes of the body of a refused upgrade are
	// kept. Default 64 KiB.
	MaxRefusalBody int64
}

// RetryFunc is the type of [Options].RetryFunc.
type RetryFunc func(retriesLeft int, err error) (left int, wait time.Duration)

// HTTP1Options are the limits of HTTP/1.1, and of the heads of HTTP/2.
type HTTP1Options struct {
	// MaxHeaderBytes and MaxFields limit the header of a response, and its
	// trailer. Default 32 KiB and 100.
	MaxHeaderBytes, MaxFields int
}

// Proxy is a server on the way.
type Proxy struct {
	// URL is http://, https://, socks5:// or socks5h://, with the host, and a
	// user and password if the proxy wants them.
	URL string

	// TLSConfig is for an https proxy. Default: that of the Options, without
	// its ServerName and client certificates.
	TLSConfig *tls.Config

	// Header is sent with CONNECT.
	Header http.Header
}

// Subprotocol is an application protocol and what handles it.
type Subprotocol struct {
	Name string

	// NewHandler, if not nil, makes the handler of a socket for which the server
	// has chosen this subprotocol. It gets the messages instead of the owner.
	NewHandler func(s *websocket.Conn) Handler
}

// Handler gets what comes on a socket. Its methods are called one at a time.
type Handler interface {
	// Message is called with each message; its Data is valid until it returns.
	// An error closes the socket, with 1011 unless it is a *websocket.CloseError.
	Message(m websocket.Message) error
	// Closed is called last, once.
	Closed(err *websocket.CloseError)
}

// UpgradeOptions are the settings of [Conn.Upgrade]. Nil means those of the Options.
type UpgradeOptions struct {
	// Header is sent with the opening handshake.
	Header http.Header

	// Subprotocols are offered, in order of preference, before those of
	// WebSocket. The server must choose one of those offered.
	Subprotocols []Subprotocol

	// WebSocket, if not nil, takes the place of the Options' one.
	WebSocket *websocket.ConnOptions
}
