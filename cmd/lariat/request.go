package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/spf13/cobra"
)

// requestFlags are what "lariat request" can be told.
type requestFlags struct {
	wireFlags
	method    string
	data      string
	dataSet   bool
	output    string
	head      bool
	timings   bool
	anyStatus bool
	follow    bool
}

func (a *app) requestCommand() *cobra.Command {
	f := &requestFlags{}
	c := &cobra.Command{
		Use:   "request URL",
		Short: "Make an HTTP request and show how long each step took",
		Long: `request makes one HTTP request, over the same connections as connect does, and
prints the body of the answer as it comes. An answer with 400 or more gives exit
code 5; its body is printed all the same.

With --data the method is POST, unless --method says another, and the body is sent
as JSON when it begins with { or [, else as a form; -H 'Content-Type: …' says what
it is. @FILE is what a file holds, byte for byte, @- standard input.

--timings shows the time of each phase on standard error: the lookup of the name,
connecting, the tunnels through proxies, the TLS handshakes, from then to the first
byte of the answer, to its last, and all of it.

With --http auto an https server chooses between HTTP/2 and HTTP/1.1, and an http
server is spoken to in HTTP/1.1; with --http 2 it must be known to speak HTTP/2.`,
		Example: `  # a page
  lariat request http://localhost:8080/

  # its head, and where the time goes
  lariat request --include --timings http://localhost:8080/ > page.txt

  # a body to send, an answer of any status
  lariat request --data '{"name":"me"}' --any-status http://localhost:8080/

  # over HTTP/2, as events
  lariat request --http 2 --json http://localhost:8080/`,
		Args: argsBetween(1, 1, "one URL", "lariat request http://localhost:8080/"),
		RunE: func(c *cobra.Command, args []string) error {
			f.dataSet = c.Flags().Changed("data")
			return a.request(c.Context(), args[0], f)
		},
	}
	f.register(c)
	f.http = httpFlag(websocket.HTTPAuto)
	fl := c.Flags()
	fl.StringArrayVarP(&f.headers, "header", "H", nil, "send this `\"NAME: VALUE\"` with the request; can be repeated")
	f.wireFlags.http.register(c, "go over this `VERSION` of HTTP: 1, 2, or auto for what an https server takes")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "show the heads of request and answer on standard error")
	fl.StringVarP(&f.method, "method", "X", "", "use this `METHOD` instead of GET, or of POST with --data")
	fl.StringVarP(&f.data, "data", "d", "", "send this `BODY`; @FILE for what a file holds, @- for standard input")
	fl.StringVarP(&f.output, "output", "o", "", "write the body to `FILE`")
	fl.BoolVarP(&f.head, "include", "i", false, "print the head of the answer before the body")
	fl.BoolVar(&f.timings, "timings", false, "show how long each phase took, on standard error")
	fl.BoolVar(&f.anyStatus, "any-status", false, "end well whatever the status is")
	fl.BoolVar(&f.follow, "follow", false, "follow redirects, 5 at most")
	return c
}

// request makes one request, and those that redirects ask for.
func (a *app) request(ctx context.Context, target string, f *requestFlags) error {
	u, err := checkHTTPURL(target)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	header, err := f.header()
	if err != nil {
		return err
	}
	body, err := f.body(a.in)
	if err != nil {
		return err
	}
	defer body.close()
	if f.method == "" {
		f.method = http.MethodGet
		if f.dataSet {
			f.method = http.MethodPost
		}
	}
	if !validToken(f.method) {
		return usage("-X POST", "%q is not a method", trim(f.method, 64))
	}
	ctx, cancel := f.bound(ctx)
	defer cancel()
	r := &requester{printer: a.printer, flags: f, began: time.Now()}
	for left := 5; ; left-- {
		next, err := r.once(ctx, u, header, body)
		if err != nil || next == nil {
			return err
		}
		if left == 0 {
			return fail(exitRefused, "", "the server redirects more than 5 times, now to %q", trim(next.Redacted(), 64))
		}
		header = redirected(header, u, next)
		u = next
	}
}

// requester makes requests and shows what comes of them.
type requester struct {
	*printer
	flags *requestFlags
	began time.Time
	steps stepTimes
}

// once makes one request on a connection of its own. next is where the answer
// leads to, if that is to be followed.
func (r *requester) once(ctx context.Context, u *url.URL, header http.Header, body *requestBody) (next *url.URL, err error) {
	co, err := r.flags.clientOptions(u, &websocket.ConnOptions{})
	if err != nil {
		return nil, err
	}
	co.Hooks = r.steps.hooks()
	c, err := r.flags.openClient(ctx, u, co)
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // it returns nil
	req, err := http.NewRequestWithContext(ctx, r.flags.method, u.String(), nil)
	if err != nil {
		return nil, usage("a URL such as http://localhost:8080/", "%s cannot be requested: %w", trim(u.Redacted(), 64), err)
	}
	setHeader(req, u, header)
	req.URL.User = nil
	if err := body.attach(req); err != nil {
		return nil, err
	}
	if r.flags.verbose {
		r.showRequest(req)
	}
	if _, err := c.AwaitUp(ctx); err != nil {
		return nil, r.flags.clientFailure(ctx, u, err)
	}
	r.steps.sending()
	resp, err := c.RoundTrip(req)
	if err != nil {
		return nil, r.flags.clientFailure(ctx, u, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	r.steps.head()
	if next, err = r.leadsTo(u, resp, body); next != nil || err != nil {
		return next, err
	}
	if err := r.answer(ctx, u, resp); err != nil {
		return nil, err
	}
	r.steps.done(r.began)
	if r.flags.timings || r.json {
		r.steps.show(r.printer)
	}
	if resp.StatusCode >= 400 && !r.flags.anyStatus {
		f := statusFailure(req.Method+" "+u.Redacted(), resp.StatusCode, nil)
		f.hint = strings.Replace(f.hint, "goes on", "ends well", 1)
		return nil, f
	}
	return nil, nil
}

// answer prints an answer.
func (r *requester) answer(ctx context.Context, u *url.URL, resp *http.Response) error {
	if r.json {
		e := &responseEvent{
			Status: resp.StatusCode, Header: hideSecrets(resp.Header), Method: resp.Request.Method, Target: resp.Request.URL.RequestURI(),
			HTTP: versionName(resp.ProtoMajor),
		}
		if err := r.event("response", e); err != nil {
			return err
		}
	} else if r.flags.verbose {
		r.traced(false, statusText(resp.StatusCode))
		r.traceHeader(false, resp.Header)
	}
	if r.flags.head && !r.json {
		if err := r.write(headText(resp)); err != nil {
			return err
		}
	}
	to, done, err := r.bodyWriter(resp)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, &sourceReader{r: resp.Body})
	var source *sourceError
	if errors.As(err, &source) {
		err = r.flags.clientFailure(ctx, u, source.err)
	} else if err != nil {
		err = fail(exitOther, "", "the body cannot be written: %w", err)
	}
	return errors.Join(err, done())
}

// headText is the head of an answer, as HTTP/1.1 writes it.
func headText(resp *http.Response) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", versionName(resp.ProtoMajor), statusText(resp.StatusCode))
	for _, name := range sortedNames(resp.Header) {
		for _, v := range resp.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	b.WriteByte('\n')
	return []byte(printable(b.String()))
}

// leadsTo returns where a redirect leads, when redirects are followed.
func (r *requester) leadsTo(u *url.URL, resp *http.Response, body *requestBody) (*url.URL, error) {
	location := resp.Header.Get("Location")
	if !r.flags.follow || location == "" || resp.StatusCode < 300 || resp.StatusCode > 399 {
		return nil, nil
	}
	to, err := u.Parse(location)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
		return nil, fail(exitRefused, "", "the server redirects to %q, which is no URL of HTTP", trim(location, 64))
	}
	to.Fragment = ""
	switch resp.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if !body.again() {
			return nil, fail(exitRefused, "--data @FILE can be sent again", "the server redirects to %q, and standard input cannot be sent again", trim(location, 64))
		}
	case http.StatusMultipleChoices, http.StatusNotModified:
		return nil, nil
	default:
		body.drop()
		if r.flags.method != http.MethodHead {
			r.flags.method = http.MethodGet
		}
	}
	if r.flags.verbose && !r.json {
		r.traced(false, statusText(resp.StatusCode)+", to "+to.Redacted())
	}
	return to, nil
}

// redirected is the header for another server: without credentials.
func redirected(header http.Header, from, to *url.URL) http.Header {
	if strings.EqualFold(from.Host, to.Host) && from.Scheme == to.Scheme {
		return header
	}
	header = header.Clone()
	for _, name := range []string{"Authorization", "Cookie", "Host"} {
		header.Del(name)
	}
	return header
}

// checkHTTPURL reads the URL of a request.
func checkHTTPURL(s string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case s == "":
		return nil, usage("a URL such as http://localhost:8080/", "the URL is empty")
	case !ok:
		return nil, usage(httpGuess(s), "%q is not a URL with a scheme", trim(s, 64))
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
	case "ws", "wss":
		return nil, usage(strings.Replace(strings.ToLower(scheme), "ws", "http", 1)+"://"+rest, "a request has the scheme http or https; lariat connect opens WebSockets")
	default:
		return nil, usage(httpGuess(rest), "a request has the scheme http or https, not %q", trim(scheme, 64))
	}
	before, _, _ := strings.Cut(s, "#")
	u, err := url.Parse(before)
	switch {
	case err != nil:
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which may hold a password
		}
		return nil, usage("a URL such as http://localhost:8080/", "the URL cannot be read: %w", err)
	case u.Hostname() == "":
		return nil, usage(scheme+"://localhost:8080"+withPath(u.RequestURI()), "%q names no host", trim(s, 64))
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// httpGuess is the URL that was probably meant.
func httpGuess(s string) string {
	return strings.Replace(guessScheme("", s), "ws", "http", 1) + "://" + withPath(s)
}

// bodyWriter is where the body goes; done ends that.
func (r *requester) bodyWriter(resp *http.Response) (to io.Writer, done func() error, err error) {
	none := func() error { return nil }
	if r.flags.output != "" {
		file, err := os.Create(r.flags.output)
		if err != nil {
			return nil, nil, fail(exitOther, "--output FILE", "the body cannot be written: %w", err)
		}
		return file, file.Close, nil
	}
	switch {
	case r.json:
		e := &bodyEvents{printer: r.printer, resp: resp}
		return e, e.end, nil
	case r.outTerminal:
		t := &terminalWriter{printer: r.printer}
		return t, t.end, nil
	}
	return writerFunc(func(p []byte) (int, error) { return len(p), r.write(p) }), none, nil
}
