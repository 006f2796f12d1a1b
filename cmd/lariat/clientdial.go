package main

import (
	"context"
	"errors"
	"net/http/cookiejar"
	"net/url"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// clientOptions are the flags in the words of package client: a connection to
// u that is made once. Its sockets have the options of o.
func (f *wireFlags) clientOptions(u *url.URL, o *websocket.ConnOptions) (*client.Options, error) {
	c := &client.Options{Unix: f.unix, WebSocket: *o, Retry: -1}
	// A jar without a list of public suffixes is as good as one with it here:
	// all that uses it goes to one host.
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	c.CookieJar = jar
	if c.TLSConfig, err = f.tls(); err != nil {
		return nil, err
	}
	if c.Proxies, err = f.clientProxies(u); err != nil {
		return nil, err
	}
	c.Protocols = f.protocols(isSecure(u))
	return c, nil
}

// protocols is --http. Without TLS there is nothing to choose by.
func (f *wireFlags) protocols(secure bool) []client.Protocol {
	switch v := websocket.HTTPVersion(f.http); {
	case v == websocket.HTTP2:
		return []client.Protocol{client.HTTP2}
	case v == websocket.HTTPAuto && secure:
		return []client.Protocol{client.HTTP2, client.HTTP1}
	}
	return []client.Protocol{client.HTTP1}
}

func isSecure(u *url.URL) bool { return u.Scheme == "wss" || u.Scheme == "https" }

// originOf is the part of u that a connection is made to, with what it logs in
// with.
func originOf(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}).String()
}

// openClient begins to connect to the server of u.
func (f *wireFlags) openClient(ctx context.Context, u *url.URL, o *client.Options) (*client.Conn, error) {
	c, err := client.Open(originOf(u), o)
	if err != nil {
		return nil, f.clientFailure(ctx, u, err)
	}
	return c, nil
}

// clientFailure explains an error of package client: of a connection that could
// not be made or, when it was there, was lost.
func (f *wireFlags) clientFailure(ctx context.Context, u *url.URL, err error) *failure {
	if gave, ok := errors.AsType[*client.GaveUpError](err); ok && gave.Attempts <= 1 {
		err = gave.Err // it was the only one
	}
	fail := dialFailure(ctx, u.Redacted(), err)
	if _, ok := errors.AsType[*websocket.DialError](err); !ok && fail.code == exitConnect {
		fail.code = exitLost
	}
	if fail.hint == "" {
		fail.hint = versionHint(websocket.HTTPVersion(f.http), err)
	}
	return fail
}

// dialThrough opens the WebSocket by package client, which knows chains of
// proxies.
func (f *dialFlags) dialThrough(ctx context.Context, p *printer, u *url.URL, o *websocket.DialOptions) (*websocket.Conn, func(), error) {
	co, err := f.clientOptions(u, &o.ConnOptions)
	if err != nil {
		return nil, nil, err
	}
	if f.follow {
		return nil, nil, usage("the URL that the server points to", "--follow goes through one proxy at most")
	}
	cl, err := f.openClient(ctx, u, co)
	if err != nil {
		return nil, nil, err
	}
	c, err := f.upgrade(ctx, p, u, cl, o)
	if err != nil {
		_ = cl.Close()
		return nil, nil, err
	}
	return c, func() { _ = cl.Close() }, nil
}

// upgrade opens the WebSocket on a connection and tells of it.
func (f *dialFlags) upgrade(ctx context.Context, p *printer, u *url.URL, cl *client.Conn, o *websocket.DialOptions) (*websocket.Conn, error) {
	c, err := cl.Upgrade(ctx, u.RequestURI(), &client.UpgradeOptions{Header: o.Header})
	if err != nil {
		return nil, f.clientFailure(ctx, u, err)
	}
	return c, p.event("open", openOf(u.Redacted(), c))
}
