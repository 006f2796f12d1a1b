package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// requestsText is what the help says about --request.
const requestsText = `With --request 'GET /login' that request is made before the opening handshake, on
the same connection, and its status is printed on standard error. Cookies of the
answers go with what follows, and so do the headers of --header. A body may stand
behind the path: --request 'POST /login name=me&word=secret'; it is sent as JSON
when it begins with { or [, else as a form. An answer with 400 or more gives exit
code 5 and no WebSocket is opened, unless --any-status is given.`

// plainRequest is one request of --request.
type plainRequest struct {
	method string
	path   *url.URL
	body   string
}

// parseRequests reads "METHOD PATH [BODY]".
func parseRequests(list []string) ([]*plainRequest, error) {
	var rs []*plainRequest
	for _, s := range list {
		method, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
		path, body, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		to, err := url.Parse(path)
		switch {
		case strings.HasPrefix(method, "/"):
			return nil, usage("--request 'GET "+method+"'", "--request %q has no method", trim(s, 64))
		case !validToken(method):
			return nil, usage("--request 'GET /login'", "%q is not a method", trim(method, 64))
		case err != nil || !strings.HasPrefix(path, "/") || to.Host != "":
			return nil, usage("--request 'GET /login'", "%q is not a path; it begins with one slash", trim(path, 64))
		}
		rs = append(rs, &plainRequest{method, to, body})
	}
	return rs, nil
}

// new makes the request to the server of u.
func (r *plainRequest) new(ctx context.Context, u *url.URL, header http.Header) (*http.Request, error) {
	to := httpURL(&url.URL{Scheme: u.Scheme, Host: u.Host}).ResolveReference(r.path)
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, to.String(), body)
	if err != nil {
		return nil, usage("--request 'GET /login'", "%s %s cannot be requested: %w", r.method, r.path, err)
	}
	setHeader(req, u, header)
	if r.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", contentType(r.body))
	}
	return req, nil
}

// setHeader gives a request the fields of header, and what u logs in with.
func setHeader(req *http.Request, u *url.URL, header http.Header) {
	req.Header = header.Clone()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if u.User != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		req.Header.Set("Authorization", basicAuth(u.User.Username(), password))
	}
}

// contentType is what a body that was typed is taken for.
func contentType(body string) string {
	if t := strings.TrimLeft(body, " \t\r\n"); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

// dialAfter makes the requests and opens the WebSocket on the same connection.
func (f *connectFlags) dialAfter(ctx context.Context, p *printer, u *url.URL, o *websocket.DialOptions, requests []*plainRequest) (c *websocket.Conn, end func(), err error) {
	co, err := f.clientOptions(u, &o.ConnOptions)
	if err != nil {
		return nil, nil, err
	}
	cl, err := f.openClient(ctx, u, co)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = cl.Close()
		}
	}()
	if err := f.before(ctx, p, u, cl, o.Header, requests); err != nil {
		return nil, nil, err
	}
	if c, err = f.upgrade(ctx, p, u, cl, o); err != nil {
		return nil, nil, err
	}
	return c, func() { _ = cl.Close() }, nil
}

// before makes the requests, one after another.
func (f *connectFlags) before(ctx context.Context, p *printer, u *url.URL, cl *client.Conn, header http.Header, requests []*plainRequest) error {
	for _, r := range requests {
		req, err := r.new(ctx, u, header)
		if err != nil {
			return err
		}
		if f.verbose {
			p.showRequest(req)
		}
		resp, err := cl.RoundTrip(req)
		if err != nil {
			return f.clientFailure(ctx, u, err)
		}
		// Over HTTP/1.1 what follows waits for the end of the body.
		start, err := io.ReadAll(io.LimitReader(resp.Body, 64))
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		_ = resp.Body.Close()
		if err != nil {
			return f.clientFailure(ctx, u, err)
		}
		p.showResponse(r, resp, f.verbose)
		if resp.StatusCode >= 400 && !f.anyStatus {
			return statusFailure(r.method+" "+req.URL.RequestURI(), resp.StatusCode, start)
		}
	}
	return nil
}

// showRequest shows the head of a request, for -v.
func (p *printer) showRequest(req *http.Request) {
	if p.json {
		_ = p.event("request", &requestEvent{Method: req.Method, Target: req.URL.RequestURI(), Header: hideSecrets(req.Header)})
		return
	}
	p.traced(true, req.Method+" "+req.URL.RequestURI())
	header := req.Header.Clone()
	header.Set("Host", cmp.Or(req.Host, req.URL.Host))
	p.traceHeader(true, header)
}

// showResponse tells how a request was answered.
func (p *printer) showResponse(r *plainRequest, resp *http.Response, verbose bool) {
	switch {
	case p.json:
		_ = p.event("response", &responseEvent{Status: resp.StatusCode, Header: hideSecrets(resp.Header), Method: r.method, Target: resp.Request.URL.RequestURI()})
		return
	case verbose:
		p.traced(false, statusText(resp.StatusCode))
		p.traceHeader(false, resp.Header)
	}
	p.note("%s", p.errPaint(dim, printable(fmt.Sprintf("%s %s: %s", r.method, r.path, statusText(resp.StatusCode)))))
}

// statusText is a status with its name.
func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// statusFailure is that of an answer with 400 or more.
func statusFailure(what string, status int, body []byte) *failure {
	f := &failure{code: exitRefused, msg: what + " was answered " + statusText(status), hint: "--any-status goes on whatever the status is"}
	if text := strings.TrimSpace(string(body)); text != "" && isText([]byte(text)) {
		f.msg += fmt.Sprintf(": %q", trim(text, 64))
	}
	switch status {
	case http.StatusUnauthorized:
		f.hint = "the server wants a name and password: --user NAME:PASSWORD"
	case http.StatusNotFound:
		f.hint = "nothing is there; check the path, or go on in any case with --any-status"
	}
	return f
}

// validToken reports whether s can be a method (RFC 9110, section 5.6.2).
func validToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}
