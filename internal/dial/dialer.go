package dial

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// What is offered by ALPN. With HTTP/1.1 as the only offer no server chooses
// HTTP/2 (S0.4).
const (
	ALPNHTTP1 = "http/1.1"
	ALPNHTTP2 = "h2"
)

// Dialer opens transports. It keeps nothing: any number of goroutines may use
// one.
type Dialer struct {
	// NetDial opens the first connection instead of a net.Dialer; it looks up
	// names itself then.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Unix is the path of a unix socket to connect to instead of the target's
	// host. Its proxies are not used then.
	Unix string

	// TLSConfig is for the server, nil for the system's roots. Its NextProtos are
	// replaced, an empty ServerName too. A proxy without a TLSConfig of its own
	// takes what does not concern the server alone.
	TLSConfig *tls.Config

	// The bounds of the steps. ConnectTimeout is also that of each proxy's
	// tunnel.
	LookupTimeout       time.Duration
	ConnectTimeout      time.Duration
	TLSHandshakeTimeout time.Duration

	// OnStep, if not nil, is told when each step begins and when it ends, by the
	// goroutine that calls Connect. Each begin is followed by its end.
	OnStep func(Info)
}

// Target is where a server is and how it is reached.
type Target struct {
	Host, Port string // without brackets
	Secure     bool   // by TLS
	Proxies    []*Proxy
}

// Addr returns host and port, as in "[::1]:443".
func (t *Target) Addr() string { return net.JoinHostPort(t.Host, t.Port) }

// Link is a connection to a server, on which nothing was said but TLS.
type Link struct {
	net.Conn          // what carries HTTP: the socket itself, or TLS over it
	Socket   net.Conn // closing it ends all that goes on above it at once
	Addr     string   // of the server, for errors
	Proto    string   // what TLS with the server agreed on (ALPN), empty for nothing

	tls *tls.ConnectionState
}

// TLS returns what TLS with the server agreed on, nil where there is none.
func (l *Link) TLS() *tls.ConnectionState { return l.tls }

// Connect opens the transport to a server: TCP or a unix socket, a tunnel
// through each proxy, TLS with what is offered by ALPN. The server gets no byte
// before the last proxy has said that it is connected. Errors are of the type
// [*Error].
func (d *Dialer) Connect(ctx context.Context, t *Target, offers ...string) (*Link, error) {
	var (
		socket  net.Conn
		err     error
		proxies = t.Proxies
	)
	switch {
	case d.Unix != "":
		socket, err = d.dialOne(ctx, "unix", d.Unix)
		proxies = nil
	case len(proxies) > 0:
		socket, err = d.dialHost(ctx, proxies[0].Host, proxies[0].Port)
	default:
		socket, err = d.dialHost(ctx, t.Host, t.Port)
	}
	if err != nil {
		return nil, err
	}
	l := &Link{Conn: socket, Socket: socket, Addr: t.Addr()}
	if err := d.climb(ctx, l, t, proxies, offers); err != nil {
		socket.Close()
		return nil, err
	}
	return l, nil
}

// climb makes of the connection to the first proxy, or to the server, one to the
// server.
func (d *Dialer) climb(ctx context.Context, l *Link, t *Target, proxies []*Proxy, offers []string) error {
	for i, p := range proxies {
		to := l.Addr
		if i+1 < len(proxies) {
			to = proxies[i+1].Addr()
		}
		if err := d.tunnel(ctx, l, p, to); err != nil {
			return err
		}
	}
	if !t.Secure {
		return nil
	}
	state, err := d.startTLS(ctx, l, l.Addr, tlsConfig(d.TLSConfig, t.Host, offers...))
	if err == nil {
		l.tls, l.Proto = state, state.NegotiatedProtocol
	}
	return err
}
