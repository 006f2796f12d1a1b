package reconnect

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
)

// connect makes the n-th attempt: one connection after the other, as far as
// redirects lead.
func (c *Client) connect(ctx context.Context, n int) (*websocket.Conn, error) {
	rawURL, header := c.url, c.header
	if c.o.Prepare != nil {
		to, h, err := c.o.Prepare(ctx, n)
		if err != nil {
			return nil, err
		}
		if to != "" {
			rawURL = to
		}
		if h != nil {
			header = h
		}
	}
	u, err := handshake.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.target, c.sent = u.Redacted(), header.Clone()
	c.mu.Unlock()
	rule := dial.Redirects{Max: c.o.MaxRedirects, Unix: c.o.Client.Unix, Header: header}
	if rule.Max > 0 {
		rule.Header = header.Clone() // it takes credentials out
	}
	for {
		s, err := c.upgrade(ctx, u, rule.Header)
		if err == nil {
			return s, nil
		}
		refusal, ok := errors.AsType[*websocket.HandshakeError](err)
		if !ok {
			return nil, err
		}
		next, why := rule.Next(u, u.User, refusal.Status, refusal.Header)
		if why != nil {
			return nil, &websocket.HandshakeError{Status: refusal.Status, Header: refusal.Header, Body: refusal.Body, Err: why}
		}
		if next == nil {
			return nil, err
		}
		u = next
	}
}

// upgrade connects to u and makes the opening handshake.
func (c *Client) upgrade(ctx context.Context, u *url.URL, h http.Header) (*websocket.Conn, error) {
	addr := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}
	k, err := client.Open(addr.String(), &c.o.Client)
	if err != nil {
		return nil, err
	}
	o := client.UpgradeOptions{Header: h}
	for _, name := range c.o.Subprotocols {
		o.Subprotocols = append(o.Subprotocols, client.Subprotocol{Name: name})
	}
	s, err := k.Upgrade(ctx, u.RequestURI(), &o)
	if err != nil {
		k.Close()
		if up, ok := errors.AsType[*client.GaveUpError](err); ok {
			err = up.Err // it is this package that tries again
		}
		return nil, err
	}
	if !k.Detach() {
		c.carrier = k // over HTTP/2 it carries the socket
	}
	return s, nil
}
