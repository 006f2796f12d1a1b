package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/spf13/cobra"
)

// serveFlags are what "lariat serve" can be told.
type serveFlags struct {
	listen       string
	tls          bool
	cert, key    string
	exec         string
	origins      []string
	anyOrigin    bool
	subprotocols []string
	deflate      bool
	maxMessage   size
	pingInterval time.Duration
	grace        time.Duration
	http         httpFlag // the zero value is auto
}

func (a *app) serveCommand() *cobra.Command {
	f := &serveFlags{maxMessage: websocket.DefaultMaxMessageSize, http: httpFlag(websocket.HTTPAuto)}
	c := &cobra.Command{
		Use:   "serve",
		Short: "A server to try clients on, with a page for browsers",
		Long: `serve answers on these paths:

  /             a page to connect, send and measure with; as a WebSocket, an echo
  /echo         every message comes back
  /broadcast    every message goes to everyone who is connected there
  /ticks        a line each second; /ticks?every=100ms sets the pace

With ?hello the first message on each of them says over which version of HTTP
the connection has come.

HTTP/1.1 and HTTP/2 are both spoken (RFC 6455, RFC 8441). Over TLS the client
chooses by ALPN; without TLS, one that knows that HTTP/2 is spoken here begins
with it, as lariat connect --http 2 does. --http 1 switches HTTP/2 off.

With --exec every connection to /, /echo or /exec gets a process of its own:
its lines become text messages, and messages become lines of its input. It ends
with the connection, and its exit closes the connection.

Each connection gives one line of log on standard error when it ends. SIGUSR1,
where there is one, gives a line with the sums of all connections so far.

SIGTERM and Ctrl-C drain the server: who comes now is answered 503, and all
connections are closed with 1001, spread over a tenth of --grace, after what
they sent before was answered. Those that are left when --grace is over are
dropped. A second Ctrl-C ends at once.`,
		Example: `  # on http://localhost:8080/ for browsers, ws://localhost:8080/ for clients
  lariat serve

  # wss with a certificate made on the spot
  lariat serve --tls --listen localhost:8443

  # HTTP/1.1 only
  lariat serve --tls --http 1 --listen localhost:8443

  # a program for everyone who connects
  lariat serve --exec 'while read -r line; do echo "$line, indeed"; done'

  # on a unix socket
  lariat serve --listen unix:lariat.sock`,
		Args: argsBetween(0, 0, "", "lariat serve --listen localhost:8080"),
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), f) },
	}
	fl := c.Flags()
	fl.StringVarP(&f.listen, "listen", "l", "localhost:8080", "`ADDRESS` to listen on: host:port, :port for all hosts, unix:PATH")
	fl.BoolVar(&f.tls, "tls", false, "serve wss and https, with a self-signed certificate unless --cert is given")
	fl.StringVar(&f.cert, "cert", "", "`FILE` with the certificate, PEM; implies --tls")
	fl.StringVar(&f.key, "key", "", "`FILE` with its key, PEM")
	f.http.register(c, "speak this `VERSION` of HTTP: 1, 2, or auto for both")
	fl.StringVar(&f.exec, "exec", "", "run `CMD` by the shell for each connection")
	fl.StringArrayVar(&f.origins, "origin", nil, "let pages of this `ORIGIN` connect, such as https://example.com; can be repeated")
	fl.BoolVar(&f.anyOrigin, "any-origin", false, "let pages of any origin connect")
	fl.StringArrayVar(&f.subprotocols, "subprotocol", nil, "speak this `NAME`; can be repeated, in order of preference")
	fl.BoolVar(&f.deflate, "deflate", false, "compress with clients that can (permessage-deflate)")
	fl.Var(&f.maxMessage, "max-message", "largest message accepted, in `BYTES`, or with KiB, MiB")
	fl.DurationVar(&f.pingInterval, "ping-interval", 0, "ping clients that are silent for this `TIME`; 0 for never")
	fl.DurationVar(&f.grace, "grace", 5*time.Second, "wait this `TIME` for connections to close at the end")
	_ = c.MarkFlagFilename("cert", "pem", "crt")
	_ = c.MarkFlagFilename("key", "pem", "key")
	return c
}

// acceptOptions are the flags in the library's words.
func (f *serveFlags) acceptOptions() websocket.AcceptOptions {
	o := websocket.AcceptOptions{
		ConnOptions: websocket.ConnOptions{
			Subprotocols:   f.subprotocols,
			MaxMessageSize: int64(f.maxMessage),
			KeepAlive:      websocket.KeepAlive{Interval: f.pingInterval},
		},
		Origins:   f.origins,
		AnyOrigin: f.anyOrigin,
	}
	if f.deflate {
		o.Extensions = []extension.Extension{deflate.New(&deflate.Options{
			ServerContextTakeover: true, ClientContextTakeover: true,
		})}
	}
	return o
}

func (a *app) serve(ctx context.Context, f *serveFlags) error {
	if err := positive("grace", f.grace); err != nil {
		return err
	}
	o := f.acceptOptions()
	if err := (&handshake.Server{Subprotocols: o.Subprotocols, Origins: o.Origins}).Validate(); err != nil {
		return usage("--origin https://example.com, --subprotocol chat", "%s", strings.TrimPrefix(err.Error(), "websocket: "))
	}
	b := newBackend(ctx, o, a.printer.logger())
	b.exec = f.exec
	defer b.statsOnSignal()()
	l, err := a.listen(f)
	if err != nil {
		return err
	}
	where, err := b.start(l, f)
	if err != nil {
		_ = l.Close()
		return err
	}
	a.printer.listening(where)

	select {
	case <-ctx.Done():
	case err = <-b.failed:
		return fail(exitOther, "", "the server stopped: %w", err)
	}
	b.stop(f.grace)
	if s := signalOf(ctx); s == syscall.SIGTERM {
		return nil
	}
	return context.Cause(ctx)
}

// logger writes the log of a server: lines for people on standard error, or
// events on standard output.
func (p *printer) logger() *slog.Logger {
	if !p.json {
		return slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.err.Write(b)
		}), nil))
	}
	return slog.New(slog.NewJSONHandler(writerFunc(func(b []byte) (int, error) {
		return len(b), p.write(b)
	}), &slog.HandlerOptions{ReplaceAttr: func(groups []string, at slog.Attr) slog.Attr {
		switch {
		case len(groups) > 0:
		case at.Key == slog.MessageKey:
			at.Key = "event"
		case at.Key == slog.TimeKey:
			at.Value = slog.StringValue(at.Value.Time().UTC().Format(time.RFC3339Nano))
		case at.Value.Kind() == slog.KindDuration:
			at.Value = slog.StringValue(at.Value.Duration().String())
		}
		return at
	}}))
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// listen opens the listener, with an answer to what people get wrong.
func (a *app) listen(f *serveFlags) (net.Listener, error) {
	if path, ok := strings.CutPrefix(f.listen, "unix:"); ok {
		l, err := net.Listen("unix", path)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fail(exitConnect, "remove the file when no server uses it", "%q exists already", trim(path, 64))
		} else if err != nil {
			return nil, fail(exitConnect, "", "cannot listen: %w", err)
		}
		return l, nil
	}
	if strings.Contains(f.listen, "://") {
		_, rest, _ := strings.Cut(f.listen, "://")
		rest, _, _ = strings.Cut(rest, "/")
		return nil, usage("--listen "+rest, "--listen takes host:port, not a URL")
	}
	if _, _, err := net.SplitHostPort(f.listen); err != nil {
		if strings.Trim(f.listen, "0123456789") == "" {
			return nil, usage("--listen localhost:"+f.listen, "%q is not host:port", trim(f.listen, 64))
		}
		return nil, usage("--listen "+f.listen+":8080", "%q is not host:port", trim(f.listen, 64))
	}
	l, err := net.Listen("tcp", f.listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fail(exitConnect, "another port, or --listen localhost:0 for a free one", "%s is in use by another program", f.listen)
	case errors.Is(err, os.ErrPermission):
		return nil, fail(exitConnect, "a port from 1024 on", "this user may not listen on %s", f.listen)
	case err != nil:
		return nil, fail(exitConnect, "--listen localhost:8080", "cannot listen: %w", err)
	}
	return l, nil
}

// address says where a server can be reached.
type address struct {
	url, page, fingerprint string
	unix                   string // path of the socket, or empty
	http                   []string
}

// start serves on l in the background.
func (b *backend) start(l net.Listener, f *serveFlags) (address, error) {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		host, port = "localhost", ""
	}
	// The name that was typed, where it says more than the address it led to.
	if name, _, err := net.SplitHostPort(f.listen); err == nil && name != "" && port != "" {
		host = name
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	at := address{url: "ws://", page: "http://"}
	if l.Addr().Network() == "unix" {
		at.unix = l.Addr().String()
	}
	var config *tls.Config
	if f.tls || f.cert != "" || f.key != "" {
		cert, err := serverCertificate(f.cert, f.key, host)
		if err != nil {
			return at, err
		}
		at.url, at.page, at.fingerprint = "wss://", "https://", fingerprint(cert.Certificate[0])
		config = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	if port != "" {
		host = net.JoinHostPort(host, port)
	}
	at.url, at.page = at.url+host+"/", at.page+host+"/"
	b.http = &http.Server{
		Handler:           b,
		ReadHeaderTimeout: websocket.DefaultReadHeaderTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    websocket.DefaultMaxHeaderBytes,
		ErrorLog:          b.problems(),
		TLSConfig:         config,
	}
	if at.http, err = f.http.configure(b.http, config != nil); err != nil {
		return at, err
	}
	serve := b.http.Serve
	if config != nil {
		serve = func(l net.Listener) error { return b.http.ServeTLS(l, "", "") }
	}
	go func() {
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			b.failed <- err
		}
	}()
	return at, nil
}

// problems takes what net/http has to say, such as a TLS handshake that failed.
func (b *backend) problems() *log.Logger {
	return log.New(writerFunc(func(p []byte) (int, error) {
		b.log.Warn("problem", "error", strings.TrimPrefix(strings.TrimSpace(string(p)), "http: "))
		return len(p), nil
	}), "", 0)
}

// listening tells where the server is.
func (p *printer) listening(at address) {
	_ = p.event("listening", &listeningEvent{URL: at.url, Page: at.page, Unix: at.unix, HTTP: at.http, Fingerprint: at.fingerprint})
	p.line("%s %s", p.paint(dim, "clients      "), p.paint(bold, at.url))
	if at.unix == "" {
		p.line("%s %s", p.paint(dim, "browsers     "), p.paint(bold, at.page))
	} else {
		p.line("%s lariat connect --unix %s %s", p.paint(dim, "connect with "), at.unix, at.url)
	}
	p.line("%s %s", p.paint(dim, "versions     "), strings.Join(at.http, " and "))
	if at.fingerprint != "" {
		p.line("%s %s", p.paint(dim, "certificate  "), at.fingerprint)
		p.line("%s lariat connect --pin %s %s", p.paint(dim, "trust it with"), at.fingerprint, at.url)
	}
	p.line("%s", p.paint(dim, "Ctrl-C closes all connections and stops."))
}
