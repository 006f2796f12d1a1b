package websocket

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/option"
)

// OptionError says which field of an options struct, or which argument, cannot
// be used, and what it may be. Nothing has happened then, except that [Accept]
// has answered 500.
type OptionError = option.Error

// The defaults of the options, in bytes and durations.
const (
	DefaultMaxMessageSize   = 1 << 20
	DefaultMaxFragments     = 16384
	DefaultWriteTimeout     = 10 * time.Second // of Accept
	DefaultDialWriteTimeout = 15 * time.Second // of Dial
	DefaultCloseTimeout     = 5 * time.Second
	DefaultMaxRefusalBody   = 64 << 10
)

// ConnOptions are the settings that clients and servers share. The zero value
// of each field is its documented default; a negative number or duration means
// no limit.
type ConnOptions struct {
	// Subprotocols are the application protocols spoken, in order of
	// preference, 32 at most (RFC 6455, section 1.9). Accept chooses the first
	// one that the client offers, and none when there is no such; a Dial that
	// offers some fails when the server chooses none of them. Default none.
	Subprotocols []string

	// Extensions are offered by Dial and accepted by Accept, in order of
	// preference. Default none. See the deflate package.
	Extensions []extension.Extension

	// MaxMessageSize is the most bytes one received message may have, on the
	// wire and, when it is compressed, also after that. A larger one ends the
	// connection with 1009 as soon as its header says so. Default 1 MiB.
	MaxMessageSize int64

	// MaxFragments is the most frames one received message may come in; more
	// end the connection with 1008. Default 16,384. Of them 64 may be empty,
	// unless MaxFragments is negative.
	MaxFragments int

	// MaxControls is how many pings, pongs and the like may come in a burst;
	// half as many are granted anew each second. More end the connection with
	// 1008. Default 200.
	MaxControls int

	// WriteTimeout is how long the transport may make no progress (less than
	// 1 KiB) on a write before the connection is dropped. Default 10 s after
	// Accept, 15 s after Dial.
	WriteTimeout time.Duration

	// CloseTimeout bounds the closing handshake. Default 5 s.
	CloseTimeout time.Duration

	// KeepAlive pings a silent peer. Default off.
	KeepAlive KeepAlive

	// SkipUTF8 leaves text unchecked in both directions. RFC 6455, section 8.1
	// demands the check: skip it only where the peer is trusted.
	SkipUTF8 bool

	// OnPing and OnPong are called with the payload of each ping and pong
	// received, by the goroutine that reads. Pings are answered in any case.
	// The payload is valid until the function returns. The function must not
	// read from the connection, nor call Close or Ping: they would wait for
	// the reader, and so for the function itself.
	OnPing, OnPong func(payload []byte)

	// OnEnd is called once, when the connection has ended, whoever ended it and
	// by whatever way, and its transport is closed. It is called by the goroutine
	// that found the end or brought it about: one that reads, writes, closes, or
	// a timer's. It must not wait, nor call methods that may, such as Close and
	// CloseNow. The loss of a transport is found by who reads, or by KeepAlive.
	// Default none. A session of package server has Terminate for this.
	OnEnd func(*CloseError)

	// Trace is told of the opening handshake and of each frame. Default none.
	Trace *Trace

	// Logger is told, at debug level, when a keepalive fails. Default none.
	Logger *slog.Logger
}

// KeepAlive pings a peer from whom nothing has come for Interval and fails the
// connection, with [ErrKeepAlive] as the cause, when nothing has come Timeout
// later. Any received byte counts as a sign of life. The judgement is
// suspended while nobody reads. Silence is measured in eighths of Interval, the
// first of which is shortened by chance, by a half at most, so that connections
// opened together do not ping together.
type KeepAlive struct {
	Interval time.Duration // 0 or less: no pings
	Timeout  time.Duration // 0: Interval; negative: pings are sent, nothing is judged
}

// Trace is a set of hooks for debugging. Each may be nil. They are called by
// the goroutine that does the work; they must be quick and must not call
// methods of the connection, nor keep or change what they are given.
type Trace struct {
	// Request is called with a client's opening handshake.
	Request func(method, target string, header http.Header)

	// Response is called with the server's answer to it.
	Response func(status int, header http.Header)

	// Frame is called with the header of each frame; sent says in which
	// direction it goes.
	Frame func(sent bool, h frame.Header)

	// HTTP2 is called with each frame of the HTTP/2 connection that a Dial
	// without a Pool makes, as long as it lives. The Pool and package h2 have
	// hooks of their own.
	HTTP2 func(HTTP2Frame)
}

// HTTPVersion chooses the version of HTTP that carries a connection.
type HTTPVersion int

// The versions Dial can be asked for. HTTP3 is refused with an [*OptionError]
// in this version.
const (
	HTTPAuto HTTPVersion = -1
	HTTP1    HTTPVersion = 1
	HTTP2    HTTPVersion = 2
	HTTP3    HTTPVersion = 3
)

// String returns the name of a version: "HTTP/1.1", "HTTP/2", "HTTP/3" or "auto".
func (v HTTPVersion) String() string {
	switch v {
	case HTTPAuto:
		return "auto"
	case HTTP1:
		return "HTTP/1.1"
	case HTTP2:
		return "HTTP/2"
	case HTTP3:
		return "HTTP/3"
	}
	return "HTTPVersion(" + strconv.Itoa(int(v)) + ")"
}

// DialOptions are the settings of [Dial]. A nil pointer and the zero value
// mean all defaults.
type DialOptions struct {
	ConnOptions

	// Header is sent with the opening handshake. A Sec-WebSocket-Protocol in it
	// is taken as Subprotocols; the other headers of the handshake cannot be
	// overridden.
	Header http.Header

	// HTTP is the version of HTTP to use. Default HTTP1, which every server of
	// WebSockets speaks: a GET with Upgrade on a connection of its own.
	//
	// HTTP2 is an extended CONNECT (RFC 8441), on a stream of a connection that
	// a Pool can share. Over wss, HTTP/2 alone is offered to the server
	// ([ErrNoHTTP2] when it does not take that); over ws it is spoken without
	// asking. A server whose SETTINGS do not allow extended CONNECT, which Dial
	// waits for within UpgradeTimeout, gives
	// [handshake.ErrExtendedConnectDisabled].
	//
	// HTTPAuto lets a wss server choose (ALPN) and takes HTTP/1.1 over ws. When
	// the server chooses HTTP/2 and an opening handshake does not go through
	// with it, Dial tries once more with HTTP/1.1 on a new connection. So it is
	// without the setting, after a reset with HTTP_1_1_REQUIRED, and after a
	// refusal with 400, 405, 421, 426, 501, 502 or 505, by which servers and
	// proxies say that they can do nothing with this kind of request. If such a
	// refusal was the application's, it comes again. A Pool remembers for ten
	// minutes where HTTP/1.1 is to be used at once; without one, nothing is
	// remembered.
	HTTP HTTPVersion

	// Pool has the connections of HTTP/2 on which the socket takes a stream.
	// Default none: it has a connection to itself, which ends with it. Where
	// HTTP/1.1 is used, it has that in any case.
	Pool *Pool

	// TLSConfig is used for wss and https. Default: the system's roots and the
	// host name of the URL. Its NextProtos are replaced.
	TLSConfig *tls.Config

	// Proxy returns the proxy to use for a request to the given URL (whose
	// scheme is http or https), nil for none: http, https, socks5 and socks5h
	// URLs, with user and password. Default [http.ProxyFromEnvironment].
	Proxy func(*http.Request) (*url.URL, error)

	// CookieJar gives cookies to the handshake and takes those of the answer,
	// also those of a refusal. Default none.
	CookieJar http.CookieJar

	// NetDial opens the transport instead of a [net.Dialer], to the server or
	// to the proxy.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Unix is the path of a unix socket to connect to instead of the URL's
	// host. No proxy is used then.
	Unix string

	// LookupTimeout and ConnectTimeout bound the name lookup and the TCP
	// connection (each 10 s by default), TLSHandshakeTimeout the TLS handshake
	// (10 s), UpgradeTimeout the opening handshake (10 s), and over HTTP/2 the
	// wait for the server's SETTINGS before that. A negative one means no bound.
	// With NetDial, ConnectTimeout bounds the lookup as well. The context bounds
	// them all together, and alone the wait for a Pool's connection to have room.
	LookupTimeout       time.Duration
	ConnectTimeout      time.Duration
	TLSHandshakeTimeout time.Duration
	UpgradeTimeout      time.Duration

	// MaxRedirects is how many redirects are followed, 0 to 5. Default 0: a
	// redirect is a *HandshakeError. Credentials in Header and in the URL never
	// follow to another origin, and wss is never left for ws.
	MaxRedirects int

	// MaxRefusalBody is how many bytes of the body of a refusal are kept in
	// *HandshakeError. Default 64 KiB, negative no limit.
	MaxRefusalBody int64
}

// AcceptOptions are the settings of [Accept]. A nil pointer and the zero value
// mean all defaults.
type AcceptOptions struct {
	ConnOptions

	// Origins are the origins allowed besides the one of the request's own
	// host, "https://app.example.com" or "https://example.com:8443"; they must
	// be equal in scheme, host and port. Requests without an Origin, which do
	// not come from a browser, pass.
	Origins []string

	// AnyOrigin lets pages of any origin connect. Together with cookies it
	// opens the door to cross-site WebSocket hijacking.
	AnyOrigin bool

	// Header is sent with the answer that accepts.
	Header http.Header

	// HandshakeTimeout bounds the writing of the answer. Default 10 s,
	// negative no bound. Over HTTP/2 with package h2 the answer leaves with
	// what else its connection has to send, and that one's timeout counts.
	HandshakeTimeout time.Duration

	// RejectEarlyData refuses clients that send frames before they have seen
	// the answer. Default: they are kept and read as the first frames. Over
	// HTTP/2 it has no effect: what comes early is bounded by flow control,
	// and nobody in between can take it for a request.
	RejectEarlyData bool

	// MaxPendingHandshakes is how many calls of Accept in the process may be
	// under way before further ones are answered 503. Default 256 for each
	// processor that Go uses, negative no limit.
	MaxPendingHandshakes int
}
