package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/spf13/cobra"
)

// wireFlags are the flags of all commands that open a connection.
type wireFlags struct {
	headers   []string
	proxies   []string
	unix      string
	insecure  bool
	pin       string
	caFile    string
	cert, key string
	user      string
	timeout   time.Duration
	http      httpFlag
	verbose   bool
}

func (f *wireFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringArrayVar(&f.proxies, "proxy", nil, "go through this proxy `URL`: http, https, socks5 or socks5h; can be repeated, the nearest one first; direct for none")
	fl.StringVar(&f.unix, "unix", "", "connect to the unix socket `PATH` instead of the URL's host")
	fl.BoolVarP(&f.insecure, "insecure", "k", false, "do not check the server's certificate")
	fl.StringVar(&f.pin, "pin", "", "trust the certificate with this SHA-256 `FINGERPRINT` and no other")
	fl.StringVar(&f.caFile, "cacert", "", "trust the certificates in `FILE`, PEM, instead of the system's")
	fl.StringVar(&f.cert, "cert", "", "`FILE` with a client certificate, PEM")
	fl.StringVar(&f.key, "key", "", "`FILE` with its key, PEM")
	fl.StringVarP(&f.user, "user", "u", "", "log in with `NAME:PASSWORD` (Basic)")
	fl.DurationVar(&f.timeout, "timeout", 0, "give up after this `TIME` in all, with exit code 8; 0 for never")
	for _, name := range []string{"cacert", "cert", "key"} {
		_ = c.MarkFlagFilename(name, "pem", "crt", "key")
	}
}

// header is what --header and --user say.
func (f *wireFlags) header() (http.Header, error) {
	header := make(http.Header)
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usage(`-H "Name: value"`, "%q is not a header", trim(h, 64))
		}
		header.Add(name, strings.TrimSpace(value))
	}
	if f.user != "" {
		name, password, ok := strings.Cut(f.user, ":")
		if !ok {
			return nil, usage("--user NAME:PASSWORD", "--user has no password")
		}
		header.Set("Authorization", basicAuth(name, password))
	}
	return header, nil
}

// basicAuth is the value of an Authorization field.
func basicAuth(name, password string) string {
	r := http.Request{Header: make(http.Header)}
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

// tls is the configuration that the flags ask for, nil for the default.
func (f *wireFlags) tls() (*tls.Config, error) {
	return clientTLS(f.insecure, f.pin, f.caFile, f.cert, f.key)
}

func (f *wireFlags) check() error {
	if f.timeout < 0 {
		return usage("--timeout 10s, or 0 for no limit", "--timeout is %v, and a time is never negative", f.timeout)
	}
	return nil
}

// bound gives ctx the end that --timeout sets.
func (f *wireFlags) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, f.timeout, errTimeout)
}

// dialFlags are the flags of the commands that open a WebSocket.
type dialFlags struct {
	wireFlags
	subprotocols []string
	deflate      bool
	follow       bool
	maxMessage   size
}

func (f *dialFlags) register(c *cobra.Command) {
	f.wireFlags.register(c)
	f.maxMessage = 16 << 20
	f.http = httpFlag(websocket.HTTP1)
	fl := c.Flags()
	fl.StringArrayVarP(&f.headers, "header", "H", nil, "send this `\"NAME: VALUE\"` with the opening handshake; can be repeated")
	fl.StringArrayVar(&f.subprotocols, "subprotocol", nil, "offer this `NAME`; can be repeated, in order of preference")
	fl.BoolVar(&f.deflate, "deflate", false, "offer compression (permessage-deflate)")
	f.http.register(c, "go over this `VERSION` of HTTP: 1, 2, or auto for 2 where a wss server takes it")
	fl.BoolVar(&f.follow, "follow", false, "follow redirects, 5 at most")
	fl.Var(&f.maxMessage, "max-message", "largest message accepted, in `BYTES`, or with KiB, MiB")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "show the opening handshake and the frames as they pass, those of HTTP/2 too, on standard error")
}

// options are the flags in the library's words.
func (f *dialFlags) options(p *printer) (*websocket.DialOptions, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	o := &websocket.DialOptions{
		ConnOptions: websocket.ConnOptions{Subprotocols: f.subprotocols, MaxMessageSize: int64(f.maxMessage)},
		Unix:        f.unix,
		HTTP:        websocket.HTTPVersion(f.http),
	}
	if f.deflate {
		o.Extensions = []extension.Extension{deflate.New(&deflate.Options{
			ServerContextTakeover: true, ClientContextTakeover: true,
		})}
	}
	if f.follow {
		o.MaxRedirects = 5
	}
	var err error
	if o.Header, err = f.header(); err != nil {
		return nil, err
	}
	if o.Proxy, err = f.proxyFunc(); err != nil {
		return nil, err
	}
	if o.TLSConfig, err = f.tls(); err != nil {
		return nil, err
	}
	if f.verbose {
		o.Trace = p.trace()
	}
	return o, nil
}

// dial opens the connection and tells of it. end frees what it stands on, and
// is called last.
func (f *dialFlags) dial(ctx context.Context, p *printer, u *url.URL, o *websocket.DialOptions) (c *websocket.Conn, end func(), err error) {
	if len(f.proxies) > 1 {
		return f.dialThrough(ctx, p, u, o)
	}
	c, err = websocket.Dial(ctx, u.String(), o)
	if err != nil {
		fail := dialFailure(ctx, u.Redacted(), err)
		if fail.hint == "" {
			fail.hint = versionHint(o.HTTP, err)
		}
		return nil, nil, fail
	}
	return c, func() {}, p.event("open", openOf(u.Redacted(), c))
}

// openOf is the event of a connection to target that is open.
func openOf(target string, c *websocket.Conn) *openEvent {
	e := &openEvent{URL: target, HTTP: versionName(c.HTTPVersion()), Subprotocol: c.Subprotocol()}
	if a := c.RemoteAddr(); a != nil {
		e.Remote = a.String()
	}
	for _, x := range c.Extensions() {
		e.Extensions = append(e.Extensions, x.String())
	}
	return e
}

// trace shows the opening handshake, the frames, and those of an HTTP/2 connection
// below: > is sent, < is received.
func (p *printer) trace() *websocket.Trace {
	return &websocket.Trace{
		HTTP2: p.traceHTTP2,
		Request: func(method, target string, header http.Header) {
			if p.json {
				_ = p.event("request", &requestEvent{Method: method, Target: target, Header: hideSecrets(header)})
				return
			}
			p.traced(true, fmt.Sprintf("%s %s", method, target))
			p.traceHeader(true, header)
		},
		Response: func(status int, header http.Header) {
			if p.json {
				_ = p.event("response", &responseEvent{Status: status, Header: hideSecrets(header)})
				return
			}
			p.traced(false, fmt.Sprintf("%d %s", status, http.StatusText(status)))
			p.traceHeader(false, header)
		},
		Frame: func(sent bool, h frame.Header) {
			if p.json {
				_ = p.event("frame", &frameEvent{
					Direction: direction(sent), Opcode: h.Opcode.String(), Fin: h.Fin,
					RSV: rsvList(h.RSV), Masked: h.Masked, Size: h.Length,
				})
				return
			}
			masked := ""
			if h.Masked {
				masked = "masked "
			}
			p.traced(sent, fmt.Sprintf("%-12s %s %s%s", h.Opcode, flagText(h), masked, count(h.Length, "byte")))
		},
	}
}

func direction(sent bool) string {
	if sent {
		return "out"
	}
	return "in"
}

func (p *printer) traced(sent bool, text string) {
	if sent {
		p.note("%s %s", p.errPaint(blue, ">"), printable(text))
	} else {
		p.note("%s %s", p.errPaint(green, "<"), printable(text))
	}
}

func (p *printer) traceHeader(sent bool, header http.Header) {
	header = hideSecrets(header)
	for _, name := range sortedNames(header) {
		for _, v := range header[name] {
			p.traced(sent, name+": "+v)
		}
	}
	p.traced(sent, "")
}

// hideSecrets returns header without the values of credentials, so that what
// -v shows can be passed on.
func hideSecrets(header http.Header) http.Header {
	header = header.Clone()
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"} {
		if _, ok := header[name]; ok {
			header[name] = []string{"(hidden)"}
		}
	}
	return header
}
