package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

// refusalTime is how long the body of a refusal is waited for.
const refusalTime = time.Second

// wire is what one opening handshake goes over: a connection that is there for
// it alone, or a stream of HTTP/2.
type wire interface {
	// exchange sends the request, if it is not sent yet, and returns the head
	// of the final answer.
	exchange(ctx context.Context) (*h1.Response, error)

	// body reads the answer's body as far as it comes before the wire is
	// closed, limit bytes at most where that is more than 0.
	body(r *h1.Response, limit int64) ([]byte, error)

	// transport returns what carries the connection from now on, and what came
	// along with the answer.
	transport() (t stream.Transport, early []byte)

	// abort ends it at once, and whatever waits for it.
	abort()

	// addr is that of the server, for errors.
	addr() string
}

// opening is an opening handshake ready to be sent.
type opening struct {
	url  *url.URL // with the scheme http or https, for cookies and proxies
	user *url.Userinfo
	raw  []byte   // over HTTP/1.1
	head *h2.Head // over HTTP/2
	*handshake.Request
}

// request builds the opening handshake for a version of HTTP.
func (d *dialer) request(hs *handshake.Client, u *url.URL, major int) (*opening, error) {
	r := hs.Request(major)
	o := &opening{Request: r, user: u.User, url: &url.URL{Scheme: r.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}}
	if d.o.CookieJar != nil {
		// AddCookie joins them to a Cookie the user sends, and quotes.
		to := http.Request{Header: r.Header}
		for _, c := range d.o.CookieJar.Cookies(o.url) {
			to.AddCookie(c)
		}
	}
	var err error
	if major == 1 {
		o.raw, err = h1.AppendRequest(nil, &h1.Request{Method: r.Method, Target: r.Path, Host: r.Authority, Header: r.Header})
	} else {
		o.head = &h2.Head{Method: r.Method, Scheme: r.Scheme, Authority: r.Authority, Path: r.Path, Protocol: r.Protocol, ContentLength: -1}
		o.head.Fields, err = h2http.AppendFields(nil, r.Header, nil)
	}
	if err != nil {
		return nil, &OptionError{Field: "Header", Value: err, Want: "names and values that can stand in a request"}
	}
	return o, nil
}

// traceRequest tells of a request that is about to be sent.
func (d *dialer) traceRequest(req *opening) {
	if t := d.o.Trace; t != nil && t.Request != nil {
		h := req.Header.Clone()
		h.Set("Host", req.Authority)
		if req.Protocol != "" {
			h[":protocol"] = []string{req.Protocol}
		}
		t.Request(req.Method, req.Path, h)
	}
}

// upgrade makes the opening handshake on w. It returns the connection, or where
// a redirect to be followed leads, or an error; w is still to be closed in the
// last two cases.
func (d *dialer) upgrade(ctx context.Context, w wire, hs *handshake.Client, req *opening) (*Conn, *url.URL, error) {
	uctx, cancel := withStep(ctx, "UpgradeTimeout", d.o.UpgradeTimeout)
	defer cancel()
	// Closing it ends whatever waits for it, and unlike a deadline leaves
	// nothing to be taken back.
	stop := context.AfterFunc(uctx, w.abort)
	defer stop()

	r, err := w.exchange(uctx)
	if err != nil {
		return nil, nil, upgradeError(uctx, w.addr(), err)
	}
	if t := d.o.Trace; t != nil && t.Response != nil {
		t.Response(r.Status, r.Header.Clone())
	}
	d.storeCookies(req.url, r)

	next, err := d.redirect(req, r)
	if next != nil {
		return nil, next, nil
	}
	var res *handshake.Result
	if err == nil {
		res, err = accepted(hs, r)
	}
	if err != nil {
		he := &HandshakeError{Status: r.Status, Header: r.Header, Err: err}
		if e, ok := errors.AsType[*HandshakeError](err); ok {
			he = e
		}
		stop() // the body has a shorter time of its own
		he.Body, err = d.refusalBody(uctx, w, r)
		if err != nil {
			he.Err = fmt.Errorf("%w; its body is of no use: %w", he.Err, err)
		}
		return nil, nil, he
	}
	if !stop() {
		// The wire is closed, or about to be.
		if res.Codec != nil {
			res.Codec.Close()
		}
		return nil, nil, upgradeError(uctx, w.addr(), net.ErrClosed)
	}
	t, early := w.transport()
	return newConn(t, protocol.RoleClient, res, &d.o.ConnOptions, early), nil, nil
}

// accepted checks the answer.
func accepted(hs *handshake.Client, r *h1.Response) (*handshake.Result, error) {
	if r.Status == http.StatusSwitchingProtocols && r.Minor < 1 {
		// S0.15: HTTP/1.0 has no Upgrade.
		return nil, fmt.Errorf("%w: the server answered 101 over HTTP/1.0", handshake.ErrHTTPVersion)
	}
	return hs.Finish(r.Status, r.Header)
}

// upgradeError returns the error for an opening handshake that got no answer,
// or one that cannot be read.
func upgradeError(ctx context.Context, addr string, err error) error {
	if ended := whyEnded(ctx, err); ended != nil {
		if errors.Is(err, errNoRoom) {
			ended = fmt.Errorf("%w: %w", errNoRoom, ended)
		}
		err = ended
	}
	return &HandshakeError{Body: []byte{}, Err: &during{"websocket: opening handshake with " + addr + ": ", err}}
}

// during is an error with what was being done, in a text that names the package
// once.
type during struct {
	what string
	err  error
}

func (e *during) Error() string { return e.what + strings.TrimPrefix(e.err.Error(), "websocket: ") }

func (e *during) Unwrap() error { return e.err }

// refusalBody reads the body of a refusal, as much of it as is wanted and comes
// soon. It is never nil.
func (d *dialer) refusalBody(ctx context.Context, w wire, r *h1.Response) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, refusalTime)
	defer cancel()
	defer context.AfterFunc(ctx, w.abort)()
	return w.body(r, d.o.MaxRefusalBody)
}

// storeCookies gives the jar the cookies of an answer, refusals included.
func (d *dialer) storeCookies(u *url.URL, r *h1.Response) {
	if d.o.CookieJar == nil || len(r.Header["Set-Cookie"]) == 0 {
		return
	}
	if list := (&http.Response{Header: r.Header}).Cookies(); len(list) > 0 {
		d.o.CookieJar.SetCookies(u, list)
	}
}
