package websocket

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/option"
)

// maxDials is how many connections are made for one stream: those before were
// lost, or told to take no more, before they could carry it.
const maxDials = 3

// want is a stream that somebody wants.
type want struct {
	head    *h2.Head
	end     bool // of our direction
	connect bool // it is for an extended CONNECT
	link    bool // HTTP/1.1 is all right as well
}

// poolDial is a connection in the making. Everything but done is guarded by the
// Pool's mu.
type poolDial struct {
	done     chan struct{}
	cancel   context.CancelFunc
	canceled bool
	waiters  int
	both     bool       // HTTP/1.1 is offered too
	link     *dial.Link // of HTTP/1.1, until somebody takes it
	err      error
}

// errNoRoom is what was waited for in vain (SETTINGS_MAX_CONCURRENT_STREAMS).
var errNoRoom = errors.New("the server takes no more streams on as many connections as MaxConns of the Pool allows")

// open opens a stream to the server of r, on a connection that there is or on a
// new one. Where that is wanted and the server has chosen HTTP/1.1, the result
// is a link, nobody else's. Errors about streams are those of package h2conn.
func (p *Pool) open(ctx context.Context, d *dialer, r *route, w *want) (*h2conn.Stream, *dial.Link, error) {
	k := d.key(r)
	var place *place // in the queue of those who wait for room
	defer func() { p.quit(k, place) }()
	for dials := 0; ; {
		conns, q, err := p.usable(k)
		if err != nil {
			return nil, nil, err
		}
		if place.first(q) {
			s, err := p.openOn(ctx, k, conns, w)
			if s != nil || !again(err) {
				return s, nil, err
			}
			if err != nil {
				dials = 0 // those there are work
			}
		}
		attempt, err := p.join(ctx, d, r, k, w)
		if err != nil {
			return nil, nil, err
		}
		if attempt == nil {
			// There may not be more connections than there are.
			if place == nil {
				place = q.join()
			}
			if err := place.await(ctx); err != nil {
				return nil, nil, fmt.Errorf("%w: %w", errNoRoom, err)
			}
			continue
		}
		l, err := p.await(ctx, attempt, w)
		if l != nil || err != nil {
			return nil, l, err
		}
		if dials++; dials > maxDials {
			return nil, nil, fmt.Errorf("websocket: %d new HTTP/2 connections to %s in a row took no stream", dials, r.addr())
		}
	}
}

// opened notes that c takes streams.
func (p *Pool) opened(c *h2conn.Conn) {
	p.mu.Lock()
	if of := p.conns[c]; of != nil {
		of.none = false
	}
	p.mu.Unlock()
}

// takesNone reports whether the server has not taken any stream on c. It would
// not on another one either. p.mu is held.
func (p *Pool) takesNone(c *h2conn.Conn) bool {
	of := p.conns[c]
	return of != nil && of.none
}

// again reports whether err leaves room for another connection.
func again(err error) bool {
	return err == nil || errors.Is(err, h2.ErrNoSlot)
}

// usable returns the connections for k, the oldest first, and the queue of those
// who wait for room on them.
func (p *Pool) usable(k poolKey) ([]*h2conn.Conn, *queue, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrPoolClosed
	}
	h := p.host(k)
	return slices.Clone(h.conns), h.queue, nil
}

// openOn opens a stream on the first of the connections that has room. No stream
// and no error, or [h2.ErrNoSlot], mean that there is none.
func (p *Pool) openOn(ctx context.Context, k poolKey, conns []*h2conn.Conn, w *want) (*h2conn.Stream, error) {
	var last error
	for _, c := range conns {
		if w.connect && !c.ExtendedConnect() {
			return nil, errDisabled
		}
		s, err := c.Open(ctx, w.head, w.end, false)
		if err == nil {
			p.opened(c)
			return s, nil
		}
		switch usable, _ := c.Usable(); {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, h2.ErrNoSlot):
			last = err
		case usable:
			return nil, err // the request is at fault
		default:
			p.leave(k, c)
		}
	}
	return nil, last
}

// join waits for the connection that is being made, or has one made. nil means
// that there may be no more.
func (p *Pool) join(ctx context.Context, d *dialer, r *route, k poolKey, w *want) (*poolDial, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrPoolClosed
	}
	h := p.host(k)
	if h.dial == nil {
		if p.MaxConns >= 0 && len(h.conns) >= max(p.MaxConns, 1) || slices.ContainsFunc(h.conns, p.takesNone) {
			return nil, nil
		}
		// Whoever asked first may give up: the others still want it.
		dctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		h.dial = &poolDial{done: make(chan struct{}), cancel: cancel, both: w.link}
		p.running.Add(1)
		go p.dial(dctx, d, r, k, h.dial)
	}
	h.dial.waiters++
	return h.dial, nil
}

// await waits for a connection in the making. No link and no error mean that
// there may be a connection now.
func (p *Pool) await(ctx context.Context, attempt *poolDial, w *want) (*dial.Link, error) {
	var ended error
	select {
	case <-attempt.done:
	case <-ctx.Done():
		ended = context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := attempt.link, attempt.err
	if ended == nil && w.link && l != nil {
		attempt.link = nil // taken
	} else {
		l = nil
	}
	canceled := attempt.canceled
	if attempt.waiters--; attempt.waiters == 0 {
		attempt.canceled = true
		attempt.cancel()
		attempt.drop()
	}
	switch {
	case ended != nil:
		return nil, ended
	case l != nil:
		return l, nil
	case canceled:
		return nil, nil // by those who were here before
	case errors.Is(err, ErrNoHTTP2) && attempt.both && !w.link:
		return nil, nil // it has not refused to be asked for HTTP/2 alone
	}
	return nil, err
}

// drop closes a link that nobody has taken. The Pool's mu is held.
func (d *poolDial) drop() {
	if d.link != nil {
		d.link.Socket.Close()
		d.link = nil
	}
}

// dial makes a connection for k.
func (p *Pool) dial(ctx context.Context, d *dialer, r *route, k poolKey, attempt *poolDial) {
	defer p.running.Done()
	c, l, err := p.connect(ctx, d, r, k, attempt.both)
	if errors.Is(err, ErrNoHTTP2) {
		p.avoid(k, true)
	}
	free := false
	if c != nil {
		_, free = c.Usable()
	}
	p.mu.Lock()
	h := p.host(k)
	h.dial = nil
	defer h.queue.tell()
	if c != nil {
		h.conns = append(h.conns, c)
		if of := p.conns[c]; of != nil {
			of.none = !free
		}
	}
	if attempt.link, attempt.err = l, err; attempt.waiters == 0 || p.closed {
		attempt.drop()
	}
	p.tidy(k)
	p.mu.Unlock()
	close(attempt.done)
}

// connect connects to the server of r and waits for its SETTINGS. With both, a
// server that has chosen HTTP/1.1 gives a link as well as an error.
func (p *Pool) connect(ctx context.Context, d *dialer, r *route, k poolKey, both bool) (*h2conn.Conn, *dial.Link, error) {
	l, err := d.reach.Connect(ctx, r.target(), alpnOffers(both)...)
	if err != nil {
		return nil, nil, err
	}
	if r.secure && l.Proto != dial.ALPNHTTP2 {
		err := dial.NotHTTP2(l)
		if !both {
			l.Socket.Close()
			l = nil
		}
		return nil, l, err
	}
	of := &pooled{tls: l.TLS()}
	p.mu.Lock()
	q := p.host(k).queue
	p.mu.Unlock()
	o := &h2conn.Options{
		Active:       of.busy.Store,
		Config:       h2.Config{OnFrame: onFrame(p.Trace)},
		Room:         q.tell,
		IdleTimeout:  option.OrDefault(p.IdleTimeout, DefaultPoolIdleTimeout),
		PingInterval: max(p.PingInterval, 0),
	}
	c := d.newHTTP2(l, o)
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.conns[c] = of
		p.running.Add(1)
		go p.serve(k, c, q)
	}
	p.mu.Unlock()
	if closed {
		l.Socket.Close()
		return nil, nil, ErrPoolClosed
	}
	if err := dial.AwaitSettings(ctx, c, d.o.UpgradeTimeout); err != nil {
		c.Close()
		return nil, nil, dial.During("websocket: HTTP/2 with "+r.addr()+": ", err)
	}
	return c, nil, nil
}

// serve runs a connection until it is over.
func (p *Pool) serve(k poolKey, c *h2conn.Conn, q *queue) {
	defer p.running.Done()
	c.Serve()
	p.leave(k, c)
	q.tell()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}
