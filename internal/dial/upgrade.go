package dial

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
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/option"
	"github.com/lariat-go/websocket/internal/stream"
)

// refusalTime is how long the body of a refusal is waited for.
const refusalTime = time.Second

// Wire is what one opening handshake goes over: a connection of HTTP/1.1, or a
// stream of HTTP/2. Its methods are called one at a time, but for Abort.
type Wire interface {
	// Exchange sends the request, if it is not sent yet, and returns the head
	// of the final answer.
	Exchange(ctx context.Context) (*h1.Response, error)

	// Body reads the answer's body as far as it comes before the wire is
	// closed, limit bytes at most where that is more than 0.
	Body(r *h1.Response, limit int64) ([]byte, error)

	// Transport returns what carries the connection from now on, and what came
	// along with the answer.
	Transport() (t stream.Transport, early []byte)

	// Abort ends it at once, and whatever waits for it.
	Abort()

	// Addr is that of the server, for errors.
	Addr() string
}

// Opening is an opening handshake ready to be sent.
type Opening struct {
	URL  *url.URL // with the scheme http or https and without a user, for cookies and proxies
	User *url.Userinfo
	Raw  []byte   // over HTTP/1.1
	Head *h2.Head // over HTTP/2
	*handshake.Request
}

// Opened is what an opening handshake led to: a connection, or a redirect.
type Opened struct {
	Stream    stream.Transport
	Handshake *handshake.Result
	Early     []byte // what came behind the answer

	// Next, if not nil, is where the server is to be looked for instead. The
	// other fields are empty then, and the wire is still to be closed.
	Next *url.URL
}

// Upgrader makes opening handshakes. It keeps nothing but what Redirects has.
type Upgrader struct {
	CookieJar      http.CookieJar // nil: no cookies
	UpgradeTimeout time.Duration
	MaxRefusalBody int64      // bytes kept of a refusal's body
	Redirects      *Redirects // nil: a redirect is a refusal

	// OnRequest is told of requests, by Sending, and OnResponse of the heads of
	// final answers. Both may be nil. What they are given is theirs.
	OnRequest  func(method, target string, header http.Header)
	OnResponse func(status int, header http.Header)
}

// Request builds the opening handshake for a version of HTTP. The error is an
// [*option.Error] for the option Header.
func (u *Upgrader) Request(hs *handshake.Client, target *url.URL, major int) (*Opening, error) {
	r := hs.Request(major)
	o := &Opening{Request: r, User: target.User, URL: &url.URL{Scheme: r.Scheme, Host: target.Host, Path: target.Path, RawPath: target.RawPath, RawQuery: target.RawQuery}}
	if u.CookieJar != nil {
		// AddCookie joins them to a Cookie the user sends, and quotes.
		to := http.Request{Header: r.Header}
		for _, c := range u.CookieJar.Cookies(o.URL) {
			to.AddCookie(c)
		}
	}
	var err error
	if major == 1 {
		o.Raw, err = h1.AppendRequest(nil, &h1.Request{Method: r.Method, Target: r.Path, Host: r.Authority, Header: r.Header})
	} else {
		o.Head = &h2.Head{Method: r.Method, Scheme: r.Scheme, Authority: r.Authority, Path: r.Path, Protocol: r.Protocol, ContentLength: -1}
		o.Head.Fields, err = h2http.AppendFields(nil, r.Header, nil)
	}
	if err != nil {
		return nil, &option.Error{Field: "Header", Value: err, Want: "names and values that can stand in a request"}
	}
	return o, nil
}

// Sending tells of a request that is about to be sent. It is called by who does
// that, which over HTTP/2 is before there is a wire.
func (u *Upgrader) Sending(req *Opening) {
	if u.OnRequest != nil {
		h := req.Header.Clone()
		h.Set("Host", req.Authority)
		if req.Protocol != "" {
			h[":protocol"] = []string{req.Protocol}
		}
		u.OnRequest(req.Method, req.Path, h)
	}
}

// Upgrade makes the opening handshake on w. A refusal, and an answer that does
// not come or cannot be read, is a [*handshake.Error]. After an error, or a
// redirect, w is still to be closed; else its transport belongs to the caller.
func (u *Upgrader) Upgrade(ctx context.Context, w Wire, hs *handshake.Client, req *Opening) (*Opened, error) {
	uctx, cancel := WithStep(ctx, "UpgradeTimeout", u.UpgradeTimeout)
	defer cancel()
	// Closing it ends whatever waits for it, and unlike a deadline leaves
	// nothing to be taken back.
	stop := context.AfterFunc(uctx, w.Abort)
	defer stop()

	r, err := w.Exchange(uctx)
	if err != nil {
		return nil, UpgradeError(uctx, w.Addr(), err)
	}
	if u.OnResponse != nil {
		u.OnResponse(r.Status, r.Header.Clone())
	}
	u.storeCookies(req.URL, r)

	next, err := u.Redirects.next(req, r)
	if next != nil {
		return &Opened{Next: next}, nil
	}
	var res *handshake.Result
	if err == nil {
		res, err = accepted(hs, r)
	}
	if err != nil {
		he := &handshake.Error{Status: r.Status, Header: r.Header, Err: err}
		if e, ok := errors.AsType[*handshake.Error](err); ok {
			he = e
		}
		stop() // the body has a shorter time of its own
		he.Body, err = u.refusalBody(uctx, w, r)
		if err != nil {
			he.Err = fmt.Errorf("%w; its body is of no use: %w", he.Err, err)
		}
		return nil, he
	}
	if !stop() {
		// The wire is closed, or about to be.
		if res.Codec != nil {
			res.Codec.Close()
		}
		return nil, UpgradeError(uctx, w.Addr(), net.ErrClosed)
	}
	t, early := w.Transport()
	return &Opened{Stream: t, Handshake: res, Early: early}, nil
}

// accepted checks the answer.
func accepted(hs *handshake.Client, r *h1.Response) (*handshake.Result, error) {
	if r.Status == http.StatusSwitchingProtocols && r.Minor < 1 {
		// S0.15: HTTP/1.0 has no Upgrade.
		return nil, fmt.Errorf("%w: the server answered 101 over HTTP/1.0", handshake.ErrHTTPVersion)
	}
	return hs.Finish(r.Status, r.Header)
}

// UpgradeError returns the error for an opening handshake with addr that got no
// answer, or one that cannot be read: because ctx ended, or of err.
func UpgradeError(ctx context.Context, addr string, err error) error {
	if ended := WhyEnded(ctx, err); ended != nil {
		err = ended
	}
	return NoAnswer(addr, err)
}

// NoAnswer is UpgradeError for a reason that is known.
func NoAnswer(addr string, err error) error {
	return &handshake.Error{Body: []byte{}, Err: During("websocket: opening handshake with "+addr+": ", err)}
}

// refusalBody reads the body of a refusal, as much of it as is wanted and comes
// soon. It is never nil.
func (u *Upgrader) refusalBody(ctx context.Context, w Wire, r *h1.Response) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, refusalTime)
	defer cancel()
	defer context.AfterFunc(ctx, w.Abort)()
	return w.Body(r, u.MaxRefusalBody)
}

// ReadRefusal reads the body of a refusal, limit bytes at most where that is more
// than 0. It is never nil. What came so far is worth more than the reason it ended.
func ReadRefusal(r io.Reader, limit int64) []byte {
	if limit > 0 {
		r = io.LimitReader(r, limit)
	}
	data, _ := io.ReadAll(r)
	return data
}

// storeCookies gives the jar the cookies of an answer, refusals included.
func (u *Upgrader) storeCookies(to *url.URL, r *h1.Response) {
	if u.CookieJar == nil || len(r.Header["Set-Cookie"]) == 0 {
		return
	}
	if list := (&http.Response{Header: r.Header}).Cookies(); len(list) > 0 {
		u.CookieJar.SetCookies(to, list)
	}
}
