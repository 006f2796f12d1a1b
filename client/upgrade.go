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
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/option"
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
		return nil, option.ErrNoContext
	}
	u, err := c.newHandshake(path, o)
	if err != nil {
		return nil, err
	}
	u.flow = c.begin(nil)
	ref := u.flow.ref
	c.steps.upgrade(UpgradeInfo{Ref: ref, Path: path})
	u.flow.tells = true
	k, err := u.run(ctx)
	c.steps.upgrade(UpgradeInfo{Ref: ref, Path: path, Done: true, Socket: k, Err: err})
	if err != nil {
		c.finish(u.flow, nil)
		c.tellRefusal(ref, err)
		c.settle(u.flow)
	}
	if u.lost {
		go c.rejoin(err, false)
	}
	return k, err
}

// upgrade is one call of Upgrade.
type upgrade struct {
	c    *Conn
	flow *flow
	url  *url.URL
	hs   *handshake.Client
	sub  []Subprotocol
	o    websocket.ConnOptions
	lost bool // the answer has used up the connection
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
	u.o.Trace = c.steps.trace(u.flow.ref, u.o.Trace)
	if t := u.o.Trace; t != nil {
		up.OnRequest, up.OnResponse = t.Request, t.Response
	}
	for refusals := 0; ; {
		s, err := c.await(ctx, nil)
		if err != nil {
			return nil, err
		}
		req, err := up.Request(u.hs, u.url, int(s.protocol()))
		if err != nil {
			return nil, err
		}
		up.Sending(req)
		c.carry(u.flow, s)
		w, err := u.wire(ctx, s, req)
		if err != nil && c.again(ctx, u.flow, s, &err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		opened, err := up.Upgrade(ctx, w, u.hs, req)
		if err != nil {
			w.Abort()
			if h2http.Refused(err) && refusals < h2http.MaxRetries && h2http.Pause(ctx, refusals) == nil {
				refusals++ // the server has not looked at it
				continue
			}
			if t, ok := s.(*session1); ok && t.isTaken() {
				c.lose(s)
				u.lost = true
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
func (c *Conn) again(ctx context.Context, f *flow, s session, err *error) bool {
	if _, ended := errors.AsType[*notSentError](*err); !ended {
		if !errors.Is(*err, h2.ErrGoingAway) {
			return false
		}
		c.drop(f)
		if c.carries() {
			*err = ErrGoingAway
			return false
		}
		s.drain()
	}
	c.drop(f)
	if _, werr := c.await(ctx, s); werr != nil {
		*err = werr
		return false
	}
	return true
}

// socket makes a Conn of what was opened.
func (u *upgrade) socket(s session, opened *dial.Opened) (*websocket.Conn, error) {
	c, ref, e := u.c, u.flow.ref, newEnding(u, s)
	one := e.s == nil
	u.o.OnEnd = e.ended
	k := (&websocket.Accepted{Stream: opened.Stream, Handshake: opened.Handshake, Early: opened.Early}).Conn(protocol.RoleClient, &u.o)

	var handler Handler
	if i := slices.IndexFunc(u.sub, func(s Subprotocol) bool { return s.Name == k.Subprotocol() }); i >= 0 && u.sub[i].NewHandler != nil {
		handler = u.sub[i].NewHandler(k)
	}
	c.mu.Lock()
	here, closing := c.session == s, c.state == Closing
	pumped := handler != nil || c.mail.owned()
	if handler != nil && u.flow.pumps {
		u.flow.handled = true
		c.handlers++
	}
	if here {
		u.flow.socket, u.flow.up, u.flow.ending = k, true, e
		if one {
			c.session = nil // it is the socket's
			if !closing {
				c.set(Taken)
			}
		}
	}
	c.mu.Unlock()
	if !here {
		// The connection was lost a moment ago, and is down as far as others know.
		e.noted(c, false)
		k.CloseNow()
		return nil, dial.NoAnswer(c.addr(), errEnded)
	}
	c.mail.post(Upgraded{Source{c}, ref, k, k.Subprotocol(), k.Header()})
	if pumped {
		go c.pumpSocket(u.flow, k, handler)
	} else {
		c.settle(u.flow)
	}
	e.noted(c, true)
	if closing {
		go k.Close(websocket.StatusGoingAway, "")
	}
	return k, nil
}

// pumpSocket brings what comes on a socket to its handler, or to the owner.
func (c *Conn) pumpSocket(f *flow, k *websocket.Conn, h Handler) {
	c.pump(f.ref, k, h)
	if _, _, err := k.Read(context.Background()); orderly(err) {
		c.finish(f, nil) // ahead of OnEnd, perhaps
	}
	c.settle(f)
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
