package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/stream"
)

// ErrNoHTTP2: the server was reached by TLS and has chosen, or demands, another
// protocol than HTTP/2 (ALPN). Set HTTP to HTTPAuto or HTTP1 in [DialOptions];
// for an ordinary request use an [http.Transport], or the Fallback of [Pool].
var ErrNoHTTP2 = h2http.ErrNoHTTP2

// openHTTP2 makes one attempt over HTTP/2 and, where that is wanted and makes
// sense, another one over HTTP/1.1.
func (d *dialer) openHTTP2(ctx context.Context, hs *handshake.Client, u *url.URL) (*Conn, *url.URL, error) {
	req, err := d.request(hs, u, 2)
	if err != nil {
		return nil, nil, err
	}
	r, err := d.route(ctx, hs, req.url)
	if err != nil {
		return nil, nil, err
	}
	auto := d.o.HTTP == HTTPAuto
	if auto && d.o.Pool.avoids(d.key(r)) {
		return d.openHTTP1(ctx, hs, u)
	}
	s, l, err := d.openStream(ctx, r, req)
	if l != nil {
		// The server has chosen HTTP/1.1, so there it goes on.
		if req, err = d.request(hs, u, 1); err != nil {
			l.socket.Close()
			return nil, nil, err
		}
		return d.upgradeHTTP1(ctx, l, hs, req)
	}
	var (
		c    *Conn
		next *url.URL
	)
	if err == nil {
		c, next, err = d.upgrade(ctx, s, hs, req)
		if c == nil {
			s.close()
		}
	}
	if err == nil || !auto {
		return c, next, err
	}
	why := whyHTTP1(err)
	if why == stays {
		return c, next, err
	}
	if why == lacksHTTP2 {
		d.o.Pool.avoid(d.key(r), errors.Is(err, ErrNoHTTP2))
	}
	c, next, err1 := d.openHTTP1(ctx, hs, u)
	if c != nil && why == refuses {
		d.o.Pool.avoid(d.key(r), false)
	}
	return c, next, bothErrors(err, err1)
}

// fallback is what an error over HTTP/2 says about HTTP/1.1.
type fallback uint8

const (
	stays      fallback = iota // it would be the same
	lacksHTTP2                 // the server wants HTTP/1.1
	refuses                    // somebody in between may want it
)

// whyHTTP1 tells whether an opening handshake that failed over HTTP/2 is worth
// another attempt over HTTP/1.1. Of the refusals these are the ones by which
// servers and intermediaries say that they can do nothing with a CONNECT: 400,
// 405, 501 and 505, and with this connection: 421, 426 and 502. An application
// may have given them as well: it will give them again, which costs an attempt.
// 401, 403, 404, 429, 500, 503 and 504 are its own in all likelihood.
func whyHTTP1(err error) fallback {
	if errors.Is(err, ErrNoHTTP2) || errors.Is(err, handshake.ErrExtendedConnectDisabled) {
		return lacksHTTP2
	}
	if h2http.Refused(err) {
		return refuses
	}
	if se, ok := errors.AsType[*HTTP2StreamError](err); ok && se.Remote && se.Code == h2.ErrCodeHTTP11Required {
		return lacksHTTP2
	}
	if ce, ok := errors.AsType[*HTTP2ConnError](err); ok && ce.Remote && ce.Code == h2.ErrCodeHTTP11Required {
		return lacksHTTP2
	}
	he, ok := errors.AsType[*HandshakeError](err)
	if !ok || !errors.Is(err, handshake.ErrStatus) {
		return stays
	}
	switch he.Status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusMisdirectedRequest, http.StatusUpgradeRequired,
		http.StatusNotImplemented, http.StatusBadGateway, http.StatusHTTPVersionNotSupported:
		return refuses
	}
	return stays
}

// bothErrors returns the error for two attempts: that of HTTP/1.1, where it has
// an answer, else both.
func bothErrors(err2, err1 error) error {
	if err1 == nil {
		return nil
	}
	he, answered := errors.AsType[*HandshakeError](err1)
	first, ok := errors.AsType[*HandshakeError](err2)
	if answered && he.Status != 0 || !ok {
		return err1
	}
	both := *first
	both.Err = fmt.Errorf("%w; and over HTTP/1.1: %w", first.Err, &during{"", err1})
	return &both
}

// openStream opens a stream for an opening handshake and sends the request on
// it, again as long as it is refused unseen. Where the server has chosen
// HTTP/1.1, and that is all right, there is a link instead of a stream.
func (d *dialer) openStream(ctx context.Context, r *route, req *opening) (*wire2, *link, error) {
	for tries := 0; ; tries++ {
		d.traceRequest(req)
		s, l, err := d.tryStream(ctx, r, req)
		if err != nil {
			return nil, nil, err
		}
		if l != nil {
			return nil, l, nil
		}
		uctx, cancel := withStep(ctx, "UpgradeTimeout", d.o.UpgradeTimeout)
		err = s.await(uctx)
		if err != nil && uctx.Err() != nil {
			d.o.Pool.doubt(s.s.Conn())
		}
		cancel()
		if !h2http.Refused(err) || tries == h2http.MaxRetries || h2http.Pause(ctx, tries) != nil {
			return s, nil, nil // whatever it is, upgrade finds it
		}
		s.close()
	}
}

// tryStream opens a stream, on the pool's connection or on one of its own.
func (d *dialer) tryStream(ctx context.Context, r *route, req *opening) (w *wire2, l *link, err error) {
	if p := d.o.Pool; p != nil {
		w = &wire2{server: r.addr()}
		w.s, l, err = p.open(ctx, d, r, &want{head: req.head, connect: true, link: d.o.HTTP == HTTPAuto})
	} else {
		w, l, err = d.openSingle(ctx, r, req)
	}
	if err != nil {
		if _, ok := errors.AsType[*DialError](err); !ok {
			err = upgradeError(ctx, r.addr(), err)
		}
		return nil, nil, err
	}
	return w, l, nil
}

// openSingle opens a stream on a connection that is there for it alone.
func (d *dialer) openSingle(ctx context.Context, r *route, req *opening) (*wire2, *link, error) {
	l, err := d.connect(ctx, r, alpnOffers(d.o.HTTP == HTTPAuto)...)
	if err != nil {
		return nil, nil, err
	}
	if r.secure && l.proto != alpnHTTP2 {
		if d.o.HTTP == HTTPAuto {
			return nil, l, nil
		}
		l.socket.Close()
		return nil, nil, notHTTP2(l)
	}
	var trace func(HTTP2Frame)
	if d.o.Trace != nil {
		trace = d.o.Trace.HTTP2
	}
	own := new(single)
	own.c = d.newHTTP2(l, &h2conn.Options{Config: h2.Config{OnFrame: onFrame(trace)}, Active: own.active})
	go own.c.Serve()
	err = d.settled(ctx, own.c)
	if err == nil && !own.c.ExtendedConnect() {
		err = errDisabled
	}
	var s *h2conn.Stream
	if err == nil {
		s, err = own.c.Open(ctx, req.head, false, true)
	}
	if err != nil {
		own.c.Close()
		return nil, nil, err
	}
	return &wire2{s: s, own: own, server: l.addr}, nil, nil
}

// alpnOffers is what is offered where HTTP/2 is wanted, with HTTP/1.1 or alone.
func alpnOffers(both bool) []string {
	if both {
		return []string{alpnHTTP2, alpnHTTP1}
	}
	return []string{alpnHTTP2}
}

// errDisabled is for a server whose SETTINGS do not allow extended CONNECT.
var errDisabled = fmt.Errorf("%w, or set HTTP to HTTPAuto in DialOptions", handshake.ErrExtendedConnectDisabled)

// notHTTP2 is the error for a server that chose another protocol.
func notHTTP2(l *link) error {
	if l.proto == "" {
		return fmt.Errorf("%w: it chose no protocol by ALPN", ErrNoHTTP2)
	}
	return fmt.Errorf("%w: it chose %q by ALPN", ErrNoHTTP2, l.proto)
}

// single ends a connection that is there for one stream when that is over. A
// GOAWAY any earlier would be in order; there are servers that take it for the
// end of the stream as well.
type single struct{ c *h2conn.Conn }

func (o *single) active(active bool) {
	if !active {
		go o.end() // the caller waits for nothing
	}
}

// end lets what is still to be sent leave, if the server takes it in a second.
func (o *single) end() {
	o.c.Drain()
	time.AfterFunc(lingerTime, func() { o.c.Close() })
}

// newHTTP2 makes an HTTP/2 connection of l.
func (d *dialer) newHTTP2(l *link, o *h2conn.Options) *h2conn.Conn {
	o.Role = h2.RoleClient
	o.WriteTimeout, o.HandshakeTimeout = d.o.WriteTimeout, -1
	if d.o.UpgradeTimeout > 0 {
		o.HandshakeTimeout = d.o.UpgradeTimeout + time.Second // settled has an error of its own
	}
	return h2conn.New(l.Conn, o)
}

// settled waits for the server's SETTINGS.
func (d *dialer) settled(ctx context.Context, c *h2conn.Conn) error {
	sctx, cancel := withStep(ctx, "UpgradeTimeout", d.o.UpgradeTimeout)
	defer cancel()
	err := c.AwaitSettings(sctx)
	if err == nil {
		return nil
	}
	if ended := whyEnded(sctx, err); ended != nil {
		return fmt.Errorf("waiting for the server's SETTINGS: %w", ended)
	}
	if _, told := errors.AsType[*HTTP2ConnError](err); told {
		return err
	}
	return &during{"the connection ended before the server's SETTINGS came, it may not speak HTTP/2 there: ", err}
}

// wire2 is a stream of HTTP/2.
type wire2 struct {
	s      *h2conn.Stream
	own    *single // the stream's connection, when nobody else uses it
	server string

	done bool // await has returned
	head *h2.Head
	err  error
}

// await waits for the final answer, once.
func (w *wire2) await(ctx context.Context) error {
	for interim := 0; !w.done; interim++ {
		w.head, _, w.err = w.s.AwaitHead(ctx)
		switch {
		case w.err != nil:
		case w.head.TooLarge:
			w.err = errors.New("the header of the answer is longer than 32 KiB or has more than 100 fields")
		case w.head.Status < 200 && interim == h2http.MaxInterim:
			w.err = fmt.Errorf("more than %d interim responses, the last one %d", h2http.MaxInterim, w.head.Status)
		}
		w.done = w.err != nil || w.head.Status >= 200
	}
	return w.err
}

func (w *wire2) exchange(ctx context.Context) (*h1.Response, error) {
	if err := w.await(ctx); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the connection was closed without an answer: %w", io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	return &h1.Response{Minor: 1, Status: w.head.Status, Header: h2http.Header(w.head.Fields)}, nil
}

// body reads nothing of a tunnel.
func (w *wire2) body(r *h1.Response, limit int64) ([]byte, error) {
	data := []byte{}
	if r.Status < 300 {
		return data, nil
	}
	var from io.Reader = w.s
	if limit > 0 {
		from = io.LimitReader(from, limit)
	}
	data, _ = io.ReadAll(from) // what came so far is worth more than the reason it ended
	return data, nil
}

func (w *wire2) transport() (stream.Transport, []byte) {
	if w.own != nil && w.s.Err() != nil {
		go w.own.end() // it was over before it could be told of
	}
	return w.s, nil
}

func (w *wire2) abort() { w.s.Abort(uint32(h2.ErrCodeCancel)) }

func (w *wire2) addr() string { return w.server }

// close gives the stream up.
func (w *wire2) close() {
	w.abort()
	w.s.Close()
	if w.own != nil {
		w.own.end()
	}
}
