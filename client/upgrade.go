package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/protocol"
)

// Upgrade opens a socket at path, which may have a query. It waits until the
// connection is up. Over HTTP/1.1 requests under way are waited for, and the
// connection is the socket's alone from then on; over HTTP/2 the socket is one
// stream among others.
//
// A refusal is a [*websocket.HandshakeError] with the status, the header and the
// body, and leaves the connection as it was; after a refusal over HTTP/1.1 with
// a body that is long or does not end, it is made anew. Nil options mean those
// of the Conn. When the Conn has an owner, or the subprotocol a handler, that one
// gets the messages: the socket is for writing then.
func (c *Conn) Upgrade(ctx context.Context, path string, o *UpgradeOptions) (*websocket.Conn, error) {
	if ctx == nil {
		return nil, errNoContext
	}
	u, err := c.newHandshake(path, o)
	if err != nil {
		return nil, err
	}
	u.ref = c.begin(&flow{})
	c.steps.upgrade(UpgradeInfo{Ref: u.ref, Path: path})
	k, err := u.run(ctx)
	c.steps.upgrade(UpgradeInfo{Ref: u.ref, Path: path, Done: true, Socket: k, Err: err})
	if err != nil {
		c.finish(u.ref, nil)
		c.tellRefusal(u.ref, err)
	}
	return k, err
}

// upgrade is one call of Upgrade.
type upgrade struct {
	c   *Conn
	ref Ref
	url *url.URL
	hs  *handshake.Client
	sub []Subprotocol
	o   websocket.ConnOptions
}

// newHandshake checks what can be wrong about an upgrade before any I/O.
func (c *Conn) newHandshake(path string, o *UpgradeOptions) (*upgrade, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, &websocket.OptionError{Field: "path", Value: path, Want: `"/", and perhaps more: "/chat?room=1"`}
	}
	full := url.URL{Scheme: c.base.Scheme, Host: c.base.Host}
	to, err := handshake.ParseURL(full.String() + path)
	if err != nil {
		return nil, err
	}
	to.User = c.base.User
	u := &upgrade{c: c, url: to, o: c.o.WebSocket}
	if o == nil {
		o = &UpgradeOptions{}
	}
	if o.WebSocket != nil {
		u.o = *o.WebSocket
		if u.o.CloseTimeout == 0 {
			u.o.CloseTimeout = c.o.ClosingTimeout
		}
	}
	if u.o.WriteTimeout == 0 {
		u.o.WriteTimeout = websocket.DefaultDialWriteTimeout
	}
	u.sub = slices.Clone(o.Subprotocols)
	names := make([]string, 0, len(u.sub)+len(u.o.Subprotocols))
	for _, s := range u.sub {
		names = append(names, s.Name)
	}
	u.hs, err = handshake.NewClient(to, &handshake.ClientOptions{
		Header: o.Header, Subprotocols: append(names, u.o.Subprotocols...), Extensions: u.o.Extensions,
	})
	return u, err
}

// run makes the opening handshake.
func (u *upgrade) run(ctx context.Context) (*websocket.Conn, error) {
	c := u.c
	up := &dial.Upgrader{CookieJar: c.o.CookieJar, UpgradeTimeout: c.o.UpgradeTimeout, MaxRefusalBody: c.o.MaxRefusalBody}
	u.o.Trace = c.steps.trace(u.ref, u.o.Trace)
	if t := u.o.Trace; t != nil {
		up.OnRequest, up.OnResponse = t.Request, t.Response
	}
	for {
		s, err := c.await(ctx, nil)
		if err != nil {
			return nil, err
		}
		req, err := up.Request(u.hs, u.url, int(s.protocol()))
		if err != nil {
			return nil, err
		}
		up.Sending(req)
		w, err := u.wire(ctx, s, req)
		if err != nil && c.again(ctx, s, &err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.carry(u.ref, s)
		opened, err := up.Upgrade(ctx, w, u.hs, req)
		if err != nil {
			w.Abort()
			if t, ok := s.(*session1); ok && t.isTaken() {
				c.lose(s)
				go c.rejoin(err, false)
			}
			return nil, err
		}
		return u.socket(s, opened)
	}
}

// wire waits for the turn of the opening handshake.
func (u *upgrade) wire(ctx context.Context, s session, req *dial.Opening) (dial.Wire, error) {
	wctx, cancel := dial.WithStep(ctx, "UpgradeTimeout", u.c.o.UpgradeTimeout)
	defer cancel()
	w, err := s.wire(wctx, req)
	if err != nil {
		if ended := dial.WhyEnded(wctx, err); ended != nil {
			err = fmt.Errorf("websocket: upgrade: %w", ended)
		}
	}
	return w, err
}

// again reports whether something that could not be sent over s is to be sent
// over the next connection, which is waited for; else err may become one that
// says more.
func (c *Conn) again(ctx context.Context, s session, err *error) bool {
	if _, ended := errors.AsType[*notSentError](*err); !ended {
		if !errors.Is(*err, h2.ErrGoingAway) {
			return false
		}
		if c.carries(s) {
			*err = ErrGoingAway
			return false
		}
		s.drain()
	}
	if _, werr := c.await(ctx, s); werr != nil {
		*err = werr
		return false
	}
	return true
}

// carries reports whether something is under way on s.
func (c *Conn) carries(s session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.open {
		if f.on == s {
			return true
		}
	}
	return false
}

// socket makes a Conn of what was opened.
func (u *upgrade) socket(s session, opened *dial.Opened) (*websocket.Conn, error) {
	c, ref, o := u.c, u.ref, u.o
	noted := make(chan struct{}) // closed when the socket is known to all
	users := o.OnEnd
	o.OnEnd = func(e *websocket.CloseError) {
		if users != nil {
			users(e)
		}
		u.ended(s, e, noted)
	}
	k := (&websocket.Accepted{Stream: opened.Stream, Handshake: opened.Handshake, Early: opened.Early}).Conn(protocol.RoleClient, &o)

	var handler Handler
	if i := slices.IndexFunc(u.sub, func(s Subprotocol) bool { return s.Name == k.Subprotocol() }); i >= 0 && u.sub[i].NewHandler != nil {
		handler = u.sub[i].NewHandler(k)
	}
	c.mu.Lock()
	f, here, closing := c.open[ref], c.session == s, c.state == Closing
	pumped := here && (handler != nil || c.mail.owned())
	if here && f != nil {
		f.socket, f.on = k, s
		if s.protocol() == HTTP1 && !closing {
			c.set(Taken)
		}
	}
	if pumped {
		c.addPump()
	}
	c.mu.Unlock()
	if !here {
		// The connection was lost a moment ago, and is down as far as others know.
		close(noted)
		k.CloseNow()
		return nil, dial.NoAnswer(c.addr(), errEnded)
	}
	c.mail.post(Upgraded{Source{c}, ref, k, k.Subprotocol(), k.Header()})
	if pumped {
		go func() {
			defer c.donePump()
			c.pump(ref, k, handler)
			if _, _, err := k.Read(c.ctx); orderly(err) {
				c.finish(ref, nil) // ahead of OnEnd, perhaps
			}
		}()
	}
	close(noted)
	if closing {
		go k.Close(websocket.StatusGoingAway, "")
	}
	return k, nil
}

// ended deals with the end of a socket. It does not wait.
func (u *upgrade) ended(s session, e *websocket.CloseError, noted chan struct{}) {
	one := s.protocol() == HTTP1
	switch {
	case orderly(e):
		u.c.finish(u.ref, nil)
	case !one:
		u.c.finish(u.ref, s)
	}
	if one {
		go func() {
			<-noted
			u.c.rejoin(e, local(e))
		}()
	}
}

// orderly reports whether a socket ended by a closing handshake: it was killed by
// nobody then.
func orderly(err error) bool {
	e, ok := errors.AsType[*websocket.CloseError](err)
	return ok && e.Cause == nil
}

// tellRefusal tells the owner of an upgrade that came to nothing (S0.13, S0.15).
func (c *Conn) tellRefusal(ref Ref, err error) {
	he, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok || he.Status == 0 {
		c.mail.post(Failure{Source{c}, ref, err})
		return
	}
	c.mail.post(Response{Source{c}, ref, he.Status, he.Header, len(he.Body) == 0})
	if len(he.Body) > 0 {
		c.mail.post(Body{Source{c}, ref, he.Body, true, nil})
	}
}
