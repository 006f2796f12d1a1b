package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
)

//go:embed serve_page.html
var page []byte

// backend is the server of "lariat serve", which "lariat demo" uses as well.
type backend struct {
	ctx    context.Context
	cancel context.CancelFunc // of ctx: ends the handlers
	accept websocket.AcceptOptions
	log    *slog.Logger
	exec   string // --exec
	hub    *hub
	policy string // Content-Security-Policy of the page
	http   *http.Server
	failed chan error // of serving, buffered

	// ended, when set, is called with the end of each connection.
	ended func(ending)

	mu       sync.Mutex
	links    map[*link]struct{}
	stopping bool
	wg       sync.WaitGroup
}

// link is one connection with its counts.
type link struct {
	*websocket.Conn
	inMessages, inBytes   atomic.Int64
	outMessages, outBytes atomic.Int64
}

// ending is how a connection went.
type ending struct {
	remote, path string
	code         websocket.StatusCode
	err          error
}

func newBackend(ctx context.Context, o websocket.AcceptOptions, log *slog.Logger) *backend {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	return &backend{
		ctx: ctx, cancel: cancel, accept: o, log: log,
		hub: newHub(), policy: pagePolicy(page),
		failed: make(chan error, 1), links: make(map[*link]struct{}),
	}
}

// ServeHTTP finds the handler of a path.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		if !handshake.IsUpgrade(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			b.servePage(w, r)
			return
		}
		b.serveSocket(w, r, b.echoOrExec())
	case "/echo":
		b.serveSocket(w, r, b.echoOrExec())
	case "/exec":
		if b.exec == "" {
			http.NotFound(w, r)
			return
		}
		b.serveSocket(w, r, b.runProcess)
	case "/broadcast":
		b.serveSocket(w, r, b.broadcast)
	case "/ticks":
		every, err := tickInterval(r.URL.Query().Get("every"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.serveSocket(w, r, func(ctx context.Context, l *link, _ *http.Request) error { return ticks(ctx, l, every) })
	default:
		http.Error(w, "nothing is here; there are / /echo /broadcast and /ticks?every=1s", http.StatusNotFound)
	}
}

// socketHandler works on a connection until it ends, and returns why it did.
type socketHandler func(ctx context.Context, l *link, r *http.Request) error

func (b *backend) echoOrExec() socketHandler {
	if b.exec != "" {
		return b.runProcess
	}
	return echo
}

// serveSocket accepts a connection, runs h on it and logs how it went.
func (b *backend) serveSocket(w http.ResponseWriter, r *http.Request, h socketHandler) {
	c, err := websocket.Accept(w, r, &b.accept)
	if err != nil {
		status := 0
		var refused *websocket.HandshakeError
		if errors.As(err, &refused) {
			status = refused.Status
		}
		b.log.Warn("refused", "remote", r.RemoteAddr, "path", r.URL.Path, "status", status, "error", err.Error())
		return
	}
	l := &link{Conn: c}
	start := time.Now()
	if !b.add(l) {
		_ = c.Close(websocket.StatusGoingAway, "the server is stopping")
		return
	}
	defer b.remove(l)
	err = h(b.ctx, l, r)
	_ = c.CloseNow()
	b.logEnd(l, r, time.Since(start), err)
}

// logEnd writes the access line.
func (b *backend) logEnd(l *link, r *http.Request, open time.Duration, err error) {
	end := ending{remote: r.RemoteAddr, path: r.URL.Path, code: websocket.CloseStatus(err), err: err}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("remote", end.remote),
		slog.String("path", end.path),
		slog.String("subprotocol", l.Subprotocol()),
		slog.Duration("duration", open.Round(time.Millisecond)),
		slog.Int64("in_messages", l.inMessages.Load()),
		slog.Int64("in_bytes", l.inBytes.Load()),
		slog.Int64("out_messages", l.outMessages.Load()),
		slog.Int64("out_bytes", l.outBytes.Load()),
		slog.Int("code", int(end.code)),
	}
	var ce *websocket.CloseError
	var v frame.Violation
	if errors.As(err, &ce) && ce.Sent != nil {
		attrs = append(attrs, slog.Int("sent_code", int(ce.Sent.Code)))
	}
	if errors.As(err, &v) || !errors.As(err, &ce) || ce.Received == nil {
		level = slog.LevelWarn
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
	}
	b.log.LogAttrs(b.ctx, level, "connection", attrs...)
	if b.ended != nil {
		b.ended(end)
	}
}

func (b *backend) add(l *link) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return false
	}
	b.links[l] = struct{}{}
	b.wg.Add(1)
	return true
}

func (b *backend) remove(l *link) {
	b.mu.Lock()
	delete(b.links, l)
	b.mu.Unlock()
	b.wg.Done()
}

// stop closes every connection with 1001 and waits for their handlers, grace
// at the longest.
func (b *backend) stop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	b.mu.Lock()
	b.stopping = true
	links := make([]*link, 0, len(b.links))
	for l := range b.links {
		links = append(links, l)
	}
	b.mu.Unlock()
	if b.http != nil {
		go b.http.Shutdown(ctx) //nolint:errcheck // bounded by ctx
	}
	for _, l := range links {
		go l.Close(websocket.StatusGoingAway, "the server is stopping") //nolint:errcheck // the handler sees it
	}
	done := make(chan struct{})
	go func() {
		b.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		for _, l := range links {
			_ = l.CloseNow()
		}
		b.cancel()
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
	b.cancel()
	if b.http != nil {
		_ = b.http.Close()
	}
}

// servePage sends the page.
func (b *backend) servePage(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", b.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(page))
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
