package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/roundtrip"
)

// session is one connection that is up, in one version of HTTP. What is above it
// makes it anew.
type session interface {
	protocol() Protocol

	// serve moves the bytes until the connection is over and returns why, nil
	// when this end wanted it. errTaken says that a socket has the connection
	// from now on.
	serve() error

	// open sends the head of a request, in its turn; end says that there is no
	// body.
	open(ctx context.Context, r *http.Request, end bool) (roundtrip.Stream, error)

	// wire returns what an opening handshake goes over, in its turn.
	wire(ctx context.Context, req *dial.Opening) (dial.Wire, error)

	// over reports that nothing goes through any more.
	over() bool

	// drain ends the connection when what is under way is done.
	drain()

	// close ends it at once.
	close()
}

// errTaken is what serve of a session returns that carries a socket.
var errTaken = errors.New("websocket: a socket has the connection")

// session2 is a connection of HTTP/2.
type session2 struct {
	c    *h2conn.Conn
	addr string
	tls  *tls.ConnectionState
}

func (c *Conn) newSession2(l *dial.Link) *session2 {
	o := &h2conn.Options{
		Config:           h2.Config{Role: h2.RoleClient, MaxHeaderBytes: h2.HeaderBytes(c.o.HTTP1.MaxHeaderBytes), MaxFields: c.o.HTTP1.MaxFields, OnFrame: c.steps.http2()},
		WriteTimeout:     c.o.WebSocket.WriteTimeout,
		HandshakeTimeout: -1, // UpgradeTimeout is for that
		PingInterval:     c.o.KeepAlive,
		PingTimeout:      c.o.KeepAlive,
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = websocket.DefaultDialWriteTimeout
	}
	return &session2{c: h2conn.New(l.Conn, o), addr: l.Addr, tls: l.TLS()}
}

func (s *session2) protocol() Protocol { return HTTP2 }

func (s *session2) serve() error { return s.c.Serve() }

func (s *session2) open(ctx context.Context, r *http.Request, end bool) (roundtrip.Stream, error) {
	st, err := roundtrip.OpenHTTP2(ctx, s.c, r, end, s.tls)
	if err != nil && !errors.Is(err, h2http.ErrRequest) {
		err = s.notSent(err)
	}
	return st, err
}

func (s *session2) wire(ctx context.Context, req *dial.Opening) (dial.Wire, error) {
	if err := s.c.AwaitSettings(ctx); err != nil {
		return nil, s.notSent(err)
	}
	if !s.c.ExtendedConnect() {
		return nil, handshake.ErrExtendedConnectDisabled
	}
	st, err := s.c.Open(ctx, req.Head, false, true)
	if err != nil {
		return nil, s.notSent(err)
	}
	return dial.NewWire2(st, s.addr), nil
}

// notSent returns the error of a stream that was not opened: where the connection
// is over, the next one may be tried.
func (s *session2) notSent(err error) error {
	if s.over() {
		return &notSentError{err}
	}
	return err
}

func (s *session2) over() bool { return s.c.Err() != nil }

func (s *session2) drain() { s.c.Drain() }

func (s *session2) close() { s.c.Close() }
