package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/roundtrip"
)

// RoundTrip makes an ordinary request over HTTP/2, as an [http.RoundTripper]
// does: a Pool is the Transport of an [http.Client]. It returns when the head of
// the response is there. Both bodies are streamed, as fast as they are read at
// the other end, at the same time if need be. The response's Body must be read
// to its end or closed; closing it early, and the end of the request's context,
// reset the stream (CANCEL) and nothing else. Trailers go both ways, and interim
// responses to the hooks of [net/http/httptrace]: Got1xxResponse,
// Got100Continue. No header is added but those that say how long the body is and
// which trailers there are: no User-Agent, no Accept-Encoding.
//
// A request the server says it has not looked at is sent again, up to five
// times, if its body was not begun or there is a GetBody. Any other error is
// that of the one attempt: an [*HTTP2StreamError] or an [*HTTP2ConnError] when
// the stream or the connection was ended by a code, a [*DialError] when the
// server was not reached, [ErrNoHTTP2] when it does not speak HTTP/2 and there is
// no Fallback.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	d, r, err := p.requestRoute(req)
	if err == nil && p.Fallback != nil && p.avoidance(d.key(r)).noHTTP {
		err = ErrNoHTTP2
	}
	if err != nil {
		return p.fallBack(req, err)
	}
	var last *h2conn.Stream
	c := roundtrip.Client{
		ContinueTimeout: p.ContinueTimeout,
		Open: func(ctx context.Context, req *http.Request, end bool) (roundtrip.Stream, error) {
			h, err := h2http.RequestHead(req)
			if err != nil {
				return nil, err
			}
			if last, _, err = p.open(ctx, d, r, &want{head: h, end: end}); err != nil {
				return nil, err
			}
			return roundtrip.H2(last, p.tlsState(last.Conn())), nil
		},
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		if last != nil && req.Context().Err() != nil {
			p.doubt(last.Conn())
		}
		return p.fallBack(req, err)
	}
	return res, nil
}

// tlsState returns that of a connection's TLS, which its responses share.
func (p *Pool) tlsState(c *h2conn.Conn) *tls.ConnectionState {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := p.conns[c]; of != nil {
		return of.tls
	}
	return nil // it is over
}

// fallBack makes a request in another way, if err says that it should be. Where
// the error is that there is no HTTP/2, the body is still whole.
func (p *Pool) fallBack(req *http.Request, err error) (*http.Response, error) {
	if !errors.Is(err, ErrNoHTTP2) {
		return nil, err
	}
	if p.Fallback == nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return p.Fallback.RoundTrip(req)
}

// requestRoute returns the way to the server of a request. Unless the error is
// ErrNoHTTP2 the body is closed with it.
func (p *Pool) requestRoute(req *http.Request) (*dialer, *route, error) {
	p.dialerOnce.Do(func() { p.dialer, p.dialerErr = newDialer(p.Options) })
	d, err := p.dialer, p.dialerErr
	var r *route
	if err == nil {
		r, err = requestTarget(req)
	}
	if err == nil && !r.secure && !p.UnencryptedHTTP2 {
		return nil, nil, fmt.Errorf("%w over http:// unless UnencryptedHTTP2 of the Pool says so", ErrNoHTTP2)
	}
	if err == nil {
		r.proxy, err = d.proxyFor(req.Context(), r.url)
	}
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, nil, err
	}
	return d, r, nil
}

// requestTarget returns where a request is to go.
func requestTarget(req *http.Request) (*route, error) {
	u := req.URL
	if u == nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w: its URL is %v; want http:// or https:// and a host", h2http.ErrRequest, u)
	}
	r := &route{host: u.Hostname(), port: u.Port(), secure: u.Scheme == "https", url: &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}}
	switch {
	case r.port != "":
	case r.secure:
		r.port = "443"
	default:
		r.port = "80"
	}
	return r, nil
}
