package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/stream"
	"github.com/lariat-go/websocket/protocol"
)

const (
	// readSize is how much is read at once, and so the most bytes that can
	// come along with the answer. The connection reads the others.
	readSize = 4 << 10

	// refusalTime is how long the body of a refusal is waited for.
	refusalTime = time.Second
)

// opening is an opening handshake ready to be sent.
type opening struct {
	url  *url.URL // with the scheme http or https, for cookies and proxies
	user *url.Userinfo
	raw  []byte
	*handshake.Request
}

// request builds the opening handshake.
func (d *dialer) request(hs *handshake.Client, u *url.URL) (*opening, error) {
	r := hs.Request(1)
	o := &opening{Request: r, user: u.User, url: &url.URL{Scheme: r.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}}
	if d.o.CookieJar != nil {
		// AddCookie joins them to a Cookie the user sends, and quotes.
		to := http.Request{Header: r.Header}
		for _, c := range d.o.CookieJar.Cookies(o.url) {
			to.AddCookie(c)
		}
	}
	var err error
	o.raw, err = h1.AppendRequest(nil, &h1.Request{Method: r.Method, Target: r.Path, Host: r.Authority, Header: r.Header})
	if err != nil {
		return nil, &OptionError{Field: "Header", Value: err, Want: "names and values that can stand in a request"}
	}
	return o, nil
}

// upgrade makes the opening handshake on l. It returns the connection, or where
// a redirect to be followed leads, or an error; l is still to be closed in the
// last two cases.
func (d *dialer) upgrade(ctx context.Context, l *link, hs *handshake.Client, req *opening) (*Conn, *url.URL, error) {
	uctx, cancel := withStep(ctx, "UpgradeTimeout", d.o.UpgradeTimeout)
	defer cancel()
	// Closing the socket ends whatever waits for it, and unlike a deadline
	// leaves nothing to be taken back.
	stop := context.AfterFunc(uctx, func() { l.socket.Close() })
	defer stop()

	if t := d.o.Trace; t != nil && t.Request != nil {
		h := req.Header.Clone()
		h.Set("Host", req.Authority)
		t.Request(req.Method, req.Path, h)
	}
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	r, rest, err := exchange(l, req.raw, buf)
	if err != nil {
		return nil, nil, upgradeError(uctx, l, err)
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
		he.Body, err = d.refusalBody(uctx, l, r, rest)
		if err != nil {
			he.Err = fmt.Errorf("%w; its body is of no use: %w", he.Err, err)
		}
		return nil, nil, he
	}
	if !stop() {
		// The socket is closed, or about to be.
		if res.Codec != nil {
			res.Codec.Close()
		}
		return nil, nil, upgradeError(uctx, l, net.ErrClosed)
	}
	return newConn(stream.New(l.Conn), protocol.RoleClient, res, &d.o.ConnOptions, rest), nil, nil
}

// accepted checks the answer.
func accepted(hs *handshake.Client, r *h1.Response) (*handshake.Result, error) {
	if r.Status == http.StatusSwitchingProtocols && r.Minor < 1 {
		// S0.15: HTTP/1.0 has no Upgrade.
		return nil, fmt.Errorf("%w: the server answered 101 over HTTP/1.0", handshake.ErrHTTPVersion)
	}
	return hs.Finish(r.Status, r.Header)
}

// exchange sends a request in one write and reads the head of the final answer
// by way of buf. What came behind it is rest, a part of buf.
func exchange(c net.Conn, req, buf []byte) (r *h1.Response, rest []byte, err error) {
	if _, err := c.Write(req); err != nil {
		return nil, nil, err
	}
	p := h1.NewResponseParser(h1.Limits{})
	for {
		n, err := c.Read(buf)
		for in := buf[:n]; len(in) > 0; {
			m, r, err := p.Next(in)
			if err != nil {
				return nil, nil, spokenError(in, err)
			}
			in = in[m:]
			if r != nil && !r.Interim() {
				return r, in, nil
			}
		}
		switch {
		case err == io.EOF && p.InHead():
			return nil, nil, fmt.Errorf("the connection was closed in the middle of the answer: %w", io.ErrUnexpectedEOF)
		case err == io.EOF:
			return nil, nil, fmt.Errorf("the connection was closed without an answer: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, nil, err
		}
	}
}

// spokenError adds a hint to the error for an answer that is not HTTP/1.1.
func spokenError(in []byte, err error) error {
	switch {
	case errors.Is(err, h1.ErrVersion):
		return fmt.Errorf("%w: %w", handshake.ErrHTTPVersion, err)
	case in[0] == 0x15:
		return fmt.Errorf("%w (a TLS alert): use wss:// or another port", err)
	}
	return err
}

// upgradeError returns the error for an opening handshake that got no answer,
// or one that cannot be read.
func upgradeError(ctx context.Context, l *link, err error) error {
	if ended := whyEnded(ctx, err); ended != nil {
		err = ended
	}
	return &HandshakeError{Body: []byte{}, Err: fmt.Errorf("websocket: opening handshake with %s: %w", l.addr, err)}
}

// refusalBody reads the body of a refusal, as much of it as is wanted and comes
// soon; rest is what came with the head. It is never nil.
func (d *dialer) refusalBody(ctx context.Context, l *link, r *h1.Response, rest []byte) ([]byte, error) {
	data := []byte{}
	f, err := r.Framing(http.MethodGet)
	if err != nil {
		return data, err
	}
	ctx, cancel := context.WithTimeout(ctx, refusalTime)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.socket.Close() })()

	body := h1.NewBody(f, h1.Limits{})
	full := func() bool {
		return body.Done() || d.o.MaxRefusalBody > 0 && int64(len(data)) >= d.o.MaxRefusalBody
	}
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	for in := rest; ; {
		for len(in) > 0 && !full() {
			n, piece, err := body.Next(in)
			if err != nil {
				return data, err
			}
			data = append(data, piece...)
			in = in[n:]
		}
		if full() {
			break
		}
		n, err := l.Read(buf)
		if in = buf[:n]; n == 0 && err != nil {
			break // what came so far is worth more than the reason it ended
		}
	}
	if d.o.MaxRefusalBody > 0 && int64(len(data)) > d.o.MaxRefusalBody {
		data = data[:d.o.MaxRefusalBody]
	}
	return data, nil
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
