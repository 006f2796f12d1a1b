package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/server"
)

//go:embed serve_page.html
var page []byte

// backend is the server of "lariat serve", which "lariat demo" uses as well.
type backend struct {
	ctx      context.Context // ends when the time of stop is over
	cancel   context.CancelFunc
	accept   websocket.AcceptOptions
	log      *slog.Logger
	exec     string // --exec
	sessions *server.Server
	room     room
	policy   string // Content-Security-Policy of the page
	http     *http.Server
	failed   chan error // of serving, buffered

	// ended, when set, is called with the end of each connection.
	ended func(ending)
}

// ending is how a connection went.
type ending struct {
	remote, path string
	version      string // of HTTP
	code         websocket.StatusCode
	err          error
}

func newBackend(ctx context.Context, o websocket.AcceptOptions, log *slog.Logger) *backend {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &backend{
		ctx: ctx, cancel: cancel, accept: o, log: log,
		policy: pagePolicy(page), failed: make(chan error, 1),
	}
	b.sessions = server.New(b.upgrade)
	b.sessions.Logger = log
	return b
}

// ServeHTTP answers what is no WebSocket, and leaves the rest to the sessions.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		if !handshake.IsUpgrade(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			b.servePage(w, r)
			return
		}
	case "/echo", "/broadcast":
	case "/exec":
		if b.exec == "" {
			http.NotFound(w, r)
			return
		}
	case "/ticks":
		if _, err := tickInterval(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	default:
		http.Error(w, "nothing is here; there are / /echo /broadcast and /ticks?every=1s", http.StatusNotFound)
		return
	}
	a := &answer{ResponseWriter: w}
	b.sessions.ServeHTTP(a, r)
	// Over HTTP/2 a session is answered 200.
	if a.status != 0 && a.status != http.StatusOK {
		b.log.Warn("refused", "remote", r.RemoteAddr, "path", r.URL.Path, "http", versionName(r.ProtoMajor), "status", a.status, "error", strings.TrimSpace(a.text))
	}
}

// answer notes the answer to a request that became no session.
type answer struct {
	http.ResponseWriter
	status int
	text   string
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.text += string(p)
	return a.ResponseWriter.Write(p)
}

// Unwrap lets the connection be taken over.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// upgrade finds the handler of a path.
func (b *backend) upgrade(_ http.ResponseWriter, r *http.Request) (server.Handler, *server.Options) {
	c := &connection{
		b: b, remote: r.RemoteAddr, path: r.URL.Path, version: versionName(r.ProtoMajor),
		hello: r.URL.Query().Has("hello"), begun: time.Now(),
	}
	o := &server.Options{AcceptOptions: b.accept, IdleTimeout: -1}
	o.Backlog.Hard = -1 // who does not take answers is asked nothing more, see echo
	switch {
	case c.path == "/broadcast":
		m := &member{c}
		o.Backlog.Hard = roomBacklog(b.accept.MaxMessageSize)
		o.RequestFilter = func(*http.Request) any { return m }
		return m, o
	case c.path == "/ticks":
		every, _ := tickInterval(r)
		return &ticker{connection: c, every: every}, o
	case b.exec != "":
		return newProgram(c, r), o
	}
	return &echo{c}, o
}

// stop closes every connection with 1001 and waits for their handlers, grace
// at the longest. They are not all closed at once, so that clients do not come
// back all at once. Those who come meanwhile are answered 503.
func (b *backend) stop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	defer context.AfterFunc(ctx, b.cancel)()
	_, _ = b.sessions.Shutdown(ctx, &server.Drain{Over: grace / 10, Reason: "the server is stopping"})
	b.cancel()
	if b.http != nil {
		// It would wait for browsers that have connected in advance.
		soon, cancel := context.WithTimeout(ctx, grace/10)
		defer cancel()
		_ = b.http.Shutdown(soon)
		_ = b.http.Close()
	}
}

// pageVersion stands in the page for the version of HTTP that it came over.
var pageVersion = []byte("HTTP/?")

// servePage sends the page.
func (b *backend) servePage(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", b.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(bytes.Replace(page, pageVersion, []byte(versionName(r.ProtoMajor)), 1)))
}

// pagePolicy allows the page its own style and script, by their hashes, and
// connections to WebSockets anywhere; nothing else.
func pagePolicy(html []byte) string {
	return "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; connect-src 'self' ws: wss:" +
		"; style-src " + inlineHash(html, "style") + "; script-src " + inlineHash(html, "script")
}

func inlineHash(html []byte, tag string) string {
	_, rest, _ := bytes.Cut(html, []byte("<"+tag+">"))
	body, _, _ := bytes.Cut(rest, []byte("</"+tag+">"))
	sum := sha256.Sum256(body)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
