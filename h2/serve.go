package h2

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/option"
)

// conn is one connection.
type conn struct {
	*host
	srv     *http.Server
	nc      net.Conn
	handler http.Handler
	ctx     context.Context      // that of requests is made of it
	tls     *tls.ConnectionState // nil without TLS
	remote  string
	c       *h2conn.Conn

	states sync.Mutex // held while ConnState is called by active
	over   bool
}

// ServeConn serves HTTP/2 on nc with the handler and the fields of srv, and
// returns when the connection is over: nil after an orderly end. nc is a
// connection whose client is known to speak HTTP/2 (RFC 9113, section 3.3), or a
// [*tls.Conn] that chose h2. It is closed in any case.
//
// With nil Options, those count that [ConfigureServer] was given for srv. When
// it was called, srv.Shutdown drains nc as well; srv.Close does not know of it.
// The context of requests is that of srv.BaseContext and srv.ConnContext;
// BaseContext is given a listener that has the address of nc and no more.
func ServeConn(nc net.Conn, srv *http.Server, o *Options) error {
	defer nc.Close()
	if srv == nil {
		return &option.Error{Field: "srv", Value: srv, Want: "a server"}
	}
	h := hostOf(srv)
	if h == nil || o != nil {
		all := newConns()
		if h != nil {
			all = h.all
		}
		var err error
		if h, err = newHost(o); err != nil {
			return err
		}
		h.all = all
	}
	c := &conn{host: h, srv: srv, nc: nc}
	c.tellState(http.StateNew)
	defer c.tellState(http.StateClosed)
	ctx := connContext(nc, srv)
	if tc, ok := nc.(*tls.Conn); ok {
		if err := h.handshake(ctx, tc, srv); err != nil {
			return err
		}
	}
	return h.serve(ctx, srv, nc, serverHandler{srv}, false)
}

// connContext returns the context that net/http gives a connection.
func connContext(nc net.Conn, srv *http.Server) context.Context {
	ctx := context.Background()
	if srv.BaseContext != nil {
		ctx = srv.BaseContext(listener{nc.LocalAddr()})
	}
	ctx = context.WithValue(ctx, http.ServerContextKey, srv)
	if srv.ConnContext != nil {
		ctx = srv.ConnContext(ctx, nc)
	}
	return context.WithValue(ctx, http.LocalAddrContextKey, nc.LocalAddr())
}

// listener stands for one where a connection has none.
type listener struct{ addr net.Addr }

func (listener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (listener) Close() error              { return nil }
func (l listener) Addr() net.Addr          { return l.addr }

// handshake shakes hands for TLS, if that has not happened.
func (h *host) handshake(ctx context.Context, tc *tls.Conn, srv *http.Server) error {
	timeout := h.o.conn(srv).HandshakeTimeout
	if timeout == 0 {
		timeout = h2conn.DefaultHandshakeTimeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if err := tc.HandshakeContext(ctx); err != nil {
		return err
	}
	if p := tc.ConnectionState().NegotiatedProtocol; p != "" && p != protoTLS {
		return fmt.Errorf("websocket: the connection speaks %q; ServeConn is for those that chose %q", p, protoTLS)
	}
	return nil
}

// serverHandler finds the handler as net/http does.
type serverHandler struct{ srv *http.Server }

func (h serverHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodOptions && r.RequestURI == "*" && !h.srv.DisableGeneralOptionsHandler:
		w.Header().Set("Content-Length", "0")
	case h.srv.Handler != nil:
		h.srv.Handler.ServeHTTP(w, r)
	default:
		http.DefaultServeMux.ServeHTTP(w, r)
	}
}

// serve carries a connection to its end. With preface, the client's connection
// preface was read (RFC 9113, section 3.4).
func (h *host) serve(ctx context.Context, srv *http.Server, nc net.Conn, handler http.Handler, preface bool) error {
	c := &conn{host: h, srv: srv, nc: nc, handler: handler, ctx: ctx, remote: nc.RemoteAddr().String()}
	if t, ok := nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		cs := t.ConnectionState()
		c.tls = &cs
	}
	o := h.o.conn(srv)
	o.Request = c.request
	o.Active = c.active
	if _, ok := nc.(*tls.Conn); ok && h.all.many {
		if o.Poller = h.all.poll.Take(); o.Poller != nil {
			defer h.all.poll.Give(true)
		}
	}
	if preface {
		o.Early = []byte(h2.Preface)
	}
	c.c = h2conn.New(nc, &o)
	if why := inadequate(c.tls, srv.HTTP2 != nil && srv.HTTP2.PermitProhibitedCipherSuites); why != "" {
		c.c.Fail(h2.ErrCodeInadequateSecurity, why)
		return c.c.Serve()
	}
	h.all.crew.begin()
	defer h.all.crew.over()
	defer h.all.remove(c.c)
	if !h.all.add(c.c) {
		c.c.Drain()
	}
	c.tellState(http.StateActive)
	c.tellState(http.StateIdle)
	defer c.end()
	return c.c.Serve()
}

// active is told when the first stream begins and when the last one is over.
func (c *conn) active(active bool) {
	if c.srv.ConnState == nil {
		return
	}
	c.states.Lock()
	defer c.states.Unlock()
	switch {
	case c.over:
	case active:
		c.tellState(http.StateActive)
	default:
		c.tellState(http.StateIdle)
	}
}

// end has nothing follow on [http.StateClosed]: a handler may return after the
// end of its connection.
func (c *conn) end() {
	c.states.Lock()
	defer c.states.Unlock()
	c.over = true
}

func (c *conn) tellState(s http.ConnState) {
	if c.srv.ConnState != nil {
		c.srv.ConnState(c.nc, s)
	}
}

// request is called for every new stream.
func (c *conn) request(s *h2conn.Stream, h *h2.Head, end bool) {
	c.all.crew.run(job{c, s, h, end})
}

// exchange is a request and its answer. It is not used again: handlers may hold
// on to parts of it.
type exchange struct {
	c    *conn
	s    *h2conn.Stream
	r    *http.Request
	ctx  requestContext
	body body
	w    response
}

// handle answers one request.
func (c *conn) handle(s *h2conn.Stream, h *h2.Head, end bool) {
	x := &exchange{c: c, s: s}
	x.ctx.Context, x.ctx.s = c.ctx, s
	x.body.x, x.w.x = x, x
	x.w.length = -1
	x.w.head = h.Method == http.MethodHead
	x.w.tunnel = h.Protocol != ""
	if c.srv.ReadTimeout > 0 && !end {
		s.SetReadDeadline(time.Now().Add(c.srv.ReadTimeout))
	}
	if c.srv.WriteTimeout > 0 {
		s.SetWriteDeadline(time.Now().Add(c.srv.WriteTimeout))
	}
	refusal := x.makeRequest(h, end)
	returned := false
	defer func() {
		x.ctx.cancel(context.Canceled)
		var crash any
		if !returned {
			crash = recover()
		}
		x.end(returned, crash)
	}()
	if refusal != 0 {
		x.refuse(refusal)
	} else {
		c.handler.ServeHTTP(&x.w, x.r)
	}
	returned = true
}

// end ends the exchange when its handler has returned, or not: it crashed, with
// a nil crash by runtime.Goexit.
func (x *exchange) end(returned bool, crash any) {
	x.body.closed.Store(true)
	if x.r != nil && x.r.MultipartForm != nil {
		x.r.MultipartForm.RemoveAll()
	}
	taken := x.w.finish(returned)
	if !returned && crash != nil && crash != http.ErrAbortHandler {
		logf(x.c.srv, "websocket: panic serving %s over HTTP/2: %v\n%s", x.c.remote, crash, debug.Stack())
	}
	if taken {
		x.s.Detach()
		return
	}
	x.body.leave(&x.body.closed)
	x.s.Release()
}

// refuse answers a request that does not get to the handler.
func (x *exchange) refuse(status int) {
	text := http.StatusText(status)
	if status == http.StatusRequestHeaderFieldsTooLarge {
		text += ": send fewer or shorter fields"
	}
	http.Error(&x.w, text, status)
}
