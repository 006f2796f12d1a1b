package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
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
	req, err := d.upgrader.Request(hs, u, 2)
	if err != nil {
		return nil, nil, err
	}
	r, err := d.route(ctx, hs, req.URL)
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
		if req, err = d.upgrader.Request(hs, u, 1); err != nil {
			l.Socket.Close()
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
			s.Close()
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
	both.Err = fmt.Errorf("%w; and over HTTP/1.1: %w", first.Err, dial.During("", err1))
	return &both
}

// openStream opens a stream for an opening handshake and sends the request on
// it, again as long as it is refused unseen. Where the server has chosen
// HTTP/1.1, and that is all right, there is a link instead of a stream.
func (d *dialer) openStream(ctx context.Context, r *route, req *dial.Opening) (*wire2, *dial.Link, error) {
	for tries := 0; ; tries++ {
		d.upgrader.Sending(req)
		s, l, err := d.tryStream(ctx, r, req)
		if err != nil {
			return nil, nil, err
		}
		if l != nil {
			return nil, l, nil
		}
		uctx, cancel := dial.WithStep(ctx, "UpgradeTimeout", d.o.UpgradeTimeout)
		err = s.Await(uctx)
		if err != nil && uctx.Err() != nil {
			d.o.Pool.doubt(s.Stream().Conn())
		}
		cancel()
		if !h2http.Refused(err) || tries == h2http.MaxRetries || h2http.Pause(ctx, tries) != nil {
			return s, nil, nil // whatever it is, upgrade finds it
		}
		s.Close()
	}
}

// tryStream opens a stream, on the pool's connection or on one of its own.
func (d *dialer) tryStream(ctx context.Context, r *route, req *dial.Opening) (w *wire2, l *dial.Link, err error) {
	if p := d.o.Pool; p != nil {
		var s *h2conn.Stream
		s, l, err = p.open(ctx, d, r, &want{head: req.Head, connect: true, link: d.o.HTTP == HTTPAuto})
		w = &wire2{Wire2: dial.NewWire2(s, r.addr())}
	} else {
		w, l, err = d.openSingle(ctx, r, req)
	}
	if err != nil {
		if _, ok := errors.AsType[*DialError](err); !ok {
			err = openError(ctx, r.addr(), err)
		}
		return nil, nil, err
	}
	return w, l, nil
}

// openError returns the error for a stream that was not opened.
func openError(ctx context.Context, addr string, err error) error {
	if ended := dial.WhyEnded(ctx, err); ended != nil && errors.Is(err, errNoRoom) {
		return dial.NoAnswer(addr, fmt.Errorf("%w: %w", errNoRoom, ended))
	}
	return dial.UpgradeError(ctx, addr, err)
}

// openSingle opens a stream on a connection that is there for it alone.
func (d *dialer) openSingle(ctx context.Context, r *route, req *dial.Opening) (*wire2, *dial.Link, error) {
	l, err := d.reach.Connect(ctx, r.target(), alpnOffers(d.o.HTTP == HTTPAuto)...)
	if err != nil {
		return nil, nil, err
	}
	if r.secure && l.Proto != dial.ALPNHTTP2 {
		if d.o.HTTP == HTTPAuto {
			return nil, l, nil
		}
		l.Socket.Close()
		return nil, nil, dial.NotHTTP2(l)
	}
	var trace func(HTTP2Frame)
	if d.o.Trace != nil {
		trace = d.o.Trace.HTTP2
	}
	own := new(single)
	own.c = d.newHTTP2(l, &h2conn.Options{Config: h2.Config{OnFrame: onFrame(trace)}, Active: own.active})
	go own.c.Serve()
	err = dial.AwaitSettings(ctx, own.c, d.o.UpgradeTimeout)
	if err == nil && !own.c.ExtendedConnect() {
		err = errDisabled
	}
	var s *h2conn.Stream
	if err == nil {
		s, err = own.c.Open(ctx, req.Head, false, true)
	}
	if err != nil {
		own.c.Close()
		return nil, nil, err
	}
	return &wire2{Wire2: dial.NewWire2(s, l.Addr), own: own}, nil, nil
}

// alpnOffers is what is offered where HTTP/2 is wanted, with HTTP/1.1 or alone.
func alpnOffers(both bool) []string {
	if both {
		return []string{dial.ALPNHTTP2, dial.ALPNHTTP1}
	}
	return []string{dial.ALPNHTTP2}
}

// errDisabled is for a server whose SETTINGS do not allow extended CONNECT.
var errDisabled = fmt.Errorf("%w, or set HTTP to HTTPAuto in DialOptions", handshake.ErrExtendedConnectDisabled)

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
func (d *dialer) newHTTP2(l *dial.Link, o *h2conn.Options) *h2conn.Conn {
	o.Role = h2.RoleClient
	o.WriteTimeout, o.HandshakeTimeout = d.o.WriteTimeout, -1
	if d.o.UpgradeTimeout > 0 {
		o.HandshakeTimeout = d.o.UpgradeTimeout + time.Second // dial.AwaitSettings has an error of its own
	}
	return h2conn.New(l.Conn, o)
}

// wire2 is a stream of HTTP/2, perhaps on a connection of its own.
type wire2 struct {
	*dial.Wire2
	own *single // the stream's connection, when nobody else uses it
}

// Transport returns the stream.
func (w *wire2) Transport() (stream.Transport, []byte) {
	if w.own != nil && w.Stream().Err() != nil {
		go w.own.end() // it was over before it could be told of
	}
	return w.Wire2.Transport()
}

// Close gives the stream up.
func (w *wire2) Close() {
	w.Wire2.Close()
	if w.own != nil {
		w.own.end()
	}
}
