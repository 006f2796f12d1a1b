package websocket

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/protocol"
)

// route is where a server is and how it is reached.
type route struct {
	host, port string
	secure     bool
	url        *url.URL // with the scheme http or https
	proxy      *dial.Proxy
}

func (r *route) target() *dial.Target {
	t := &dial.Target{Host: r.host, Port: r.port, Secure: r.secure}
	if r.proxy != nil {
		t.Proxies = []*dial.Proxy{r.proxy}
	}
	return t
}

func (r *route) addr() string { return r.target().Addr() }

// route returns the way to the server of an opening handshake for u.
func (d *dialer) route(ctx context.Context, hs *handshake.Client, u *url.URL) (*route, error) {
	r := &route{secure: hs.Secure(), url: u}
	r.host, r.port = hs.HostPort()
	var err error
	r.proxy, err = d.proxyFor(ctx, u)
	return r, err
}

// proxyFor returns the proxy for a request to u, nil for none.
func (d *dialer) proxyFor(ctx context.Context, u *url.URL) (*dial.Proxy, error) {
	if d.o.Unix != "" {
		return nil, nil
	}
	r := &http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Header: d.o.Header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	p, err := d.o.Proxy(r.WithContext(ctx))
	if err != nil {
		return nil, &OptionError{Field: "Proxy", Value: err, Want: "a function that returns a URL or nil; the default one reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY"}
	}
	if p == nil {
		return nil, nil
	}
	return dial.ParseProxy(p)
}

// openHTTP1 makes one attempt over a new connection of HTTP/1.1.
func (d *dialer) openHTTP1(ctx context.Context, hs *handshake.Client, u *url.URL) (*Conn, *url.URL, error) {
	req, err := d.upgrader.Request(hs, u, 1)
	if err != nil {
		return nil, nil, err
	}
	r, err := d.route(ctx, hs, req.URL)
	if err != nil {
		return nil, nil, err
	}
	l, err := d.reach.Connect(ctx, r.target(), dial.ALPNHTTP1)
	if err != nil {
		return nil, nil, err
	}
	return d.upgradeHTTP1(ctx, l, hs, req)
}

// upgradeHTTP1 makes the opening handshake on l, which it owns.
func (d *dialer) upgradeHTTP1(ctx context.Context, l *dial.Link, hs *handshake.Client, req *dial.Opening) (*Conn, *url.URL, error) {
	d.upgrader.Sending(req)
	c, next, err := d.upgrade(ctx, dial.NewWire1(l, req), hs, req)
	if c == nil {
		l.Socket.Close()
	}
	return c, next, err
}

// upgrade makes the opening handshake on w. It returns the connection, or where
// a redirect to be followed leads, or an error; w is still to be closed in the
// last two cases.
func (d *dialer) upgrade(ctx context.Context, w dial.Wire, hs *handshake.Client, req *dial.Opening) (*Conn, *url.URL, error) {
	up, err := d.upgrader.Upgrade(ctx, w, hs, req)
	if err != nil {
		return nil, nil, err
	}
	if up.Next != nil {
		return nil, up.Next, nil
	}
	return newConn(up.Stream, protocol.RoleClient, up.Handshake, &d.o.ConnOptions, up.Early), nil, nil
}
