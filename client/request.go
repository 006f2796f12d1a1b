package client

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/roundtrip"
)

// RoundTrip makes a request on this one connection, as an [http.RoundTripper]
// does: a Conn is the Transport of an [http.Client] for one server. It waits,
// within the request's context, until the connection is up and, over HTTP/1.1,
// until the requests before it are done; it returns when the head of the
// response is there. Both bodies are streamed, at the same time if need be. The
// response's Body must be read to its end or closed.
//
// The request's URL names the server of the connection, or none, as in
// &url.URL{Path: "/login"}; another one gives [ErrOrigin]. Cookies of CookieJar
// are added, and those of the response taken. No other header is added but
// those that say how long the body is: no User-Agent, no Accept-Encoding, and
// nothing is decompressed.
//
// Closing an unread body, and the end of the request's context, cancel the
// request: over HTTP/2 its stream is reset and nothing else; over HTTP/1.1 that
// ends the connection, which is then made anew. A request that was under way
// when the connection was lost fails; one the server says it has not looked at
// is sent again, on the next connection if need be. After an upgrade over
// HTTP/1.1 the error is [ErrUpgraded].
func (c *Conn) RoundTrip(r *http.Request) (*http.Response, error) {
	return c.roundTrip(r, c.begin(nil))
}

func (c *Conn) roundTrip(r *http.Request, f *flow) (*http.Response, error) {
	x := &exchange{c: c, flow: f}
	res, err := x.run(r)
	c.mu.Lock()
	x.answered = err == nil
	closed := x.closed
	c.mu.Unlock()
	if err != nil || closed {
		x.over(err)
	}
	return res, err
}

// exchange is one request.
type exchange struct {
	c     *Conn
	flow  *flow
	req   *http.Request
	first attempt // most often there is no other

	// Guarded by the Conn's mu.
	last     *attempt
	answered bool // the head of the response is there
	closed   bool // the last attempt's stream is
	canceled bool
	done     bool
}

func (x *exchange) run(r *http.Request) (*http.Response, error) {
	c := x.c
	to, err := c.address(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	x.req = to
	x.tell(PhaseBegin, nil)
	rt := roundtrip.Client{Open: x.open}
	res, err := rt.RoundTrip(to)
	if err != nil {
		return nil, err
	}
	res.Request = r
	if jar := c.o.CookieJar; jar != nil {
		if list := res.Cookies(); len(list) > 0 {
			jar.SetCookies(to.URL, list)
		}
	}
	return res, nil
}

// address returns the request with the server's address, and cookies.
func (c *Conn) address(r *http.Request) (*http.Request, error) {
	u := r.URL
	if u == nil {
		return nil, fmt.Errorf("%w: it has no URL", h2http.ErrRequest)
	}
	jar := c.o.CookieJar
	if u.Host != "" {
		to := url.URL{Scheme: cmp.Or(u.Scheme, c.base.Scheme), Host: u.Host}
		if to.Scheme != c.base.Scheme || dial.Origin(&to) != dial.Origin(&c.base) {
			return nil, fmt.Errorf("%w: %.64q is not %q", ErrOrigin, to.String(), c.base.Scheme+"://"+c.base.Host)
		}
	}
	if u.Host != "" && u.Scheme != "" && jar == nil {
		return r, nil
	}
	to := *r
	full := *u
	full.Scheme, full.Host = c.base.Scheme, c.base.Host
	if full.Path == "" && full.Opaque == "" {
		full.Path = "/"
	}
	to.URL = &full
	if jar != nil {
		if list := jar.Cookies(to.URL); len(list) > 0 {
			to.Header = r.Header.Clone()
			if to.Header == nil {
				to.Header = http.Header{}
			}
			for _, cookie := range list {
				to.AddCookie(cookie)
			}
		}
	}
	return &to, nil
}

// Request makes a request in the background. The owner is told of what comes of
// it: [Response] for each head, [Body] for each piece of the body, or [Failure].
// Without an owner it returns [ErrNoOwner]. The request's context may cancel
// it, and [Conn.Cancel] does.
func (c *Conn) Request(r *http.Request) (Ref, error) {
	if !c.mail.owned() {
		return 0, ErrNoOwner
	}
	if _, err := c.address(r); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	f := c.begin(cancel)
	f.tells = true
	go func() {
		defer c.settle(f)
		defer cancel()
		c.tellResponse(f, r.WithContext(c.interim(ctx, f.ref)))
	}()
	return f.ref, nil
}

// interim has interim responses told to the owner.
func (c *Conn) interim(ctx context.Context, ref Ref) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		c.mail.emit(Response{Source{c}, ref, status, http.Header(h), false})
		return nil
	}})
}

// tellResponse makes a request and tells the owner what comes of it.
func (c *Conn) tellResponse(f *flow, r *http.Request) {
	ref := f.ref
	res, err := c.roundTrip(r, f)
	if err != nil {
		c.mail.emit(Failure{Source{c}, ref, err})
		return
	}
	defer res.Body.Close()
	end := res.Body == http.NoBody
	c.mail.emit(Response{Source{c}, ref, res.StatusCode, res.Header, end})
	for !end {
		buf := make([]byte, bodyPiece)
		n, err := res.Body.Read(buf)
		switch {
		case err == io.EOF:
			end = true
			c.mail.emit(Body{Source{c}, ref, buf[:n], true, res.Trailer})
		case err != nil:
			c.mail.emit(Failure{Source{c}, ref, err})
			return
		case c.mail.inHurry():
			c.mail.emit(Failure{Source{c}, ref, ErrClosed}) // nobody slows down what comes
			return
		default:
			c.mail.emit(Body{Source{c}, ref, buf[:n], false, nil})
		}
	}
}

// bodyPiece is the most of a body that one event has.
const bodyPiece = 16 << 10
