package h2

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/lariat-go/websocket/internal/option"
)

// Names of protocols: those of ALPN (RFC 9113, section 3.1), the one by which
// net/http hands over a connection without TLS, and one of our own, which is
// never negotiated and leads from a server to what ConfigureServer made for it.
const (
	protoTLS   = "h2"
	protoPlain = "unencrypted_http2"
	protoHTTP1 = "http/1.1"
	protoHost  = "h2; its connections"
)

// ConfigureServer has srv serve HTTP/2 by this package. It must be called once,
// before srv serves; a second call returns [ErrConfigured].
//
// Over TLS, clients choose HTTP/2 by ALPN: h2 is put before http/1.1 in the
// NextProtos of srv.TLSConfig, which is made if it is nil. Without TLS, a client
// that knows that the server speaks HTTP/2 just does (RFC 9113, section 3.3),
// where srv.Protocols has UnencryptedHTTP2.
//
// The fields of srv are read when a connection begins. srv.Shutdown drains all
// connections: clients are told to open no more streams, and those that are open
// end in their own time, but for WebSockets, which are closed with 1001.
func ConfigureServer(srv *http.Server, o *Options) error {
	if srv == nil {
		return &option.Error{Field: "srv", Value: srv, Want: "a server"}
	}
	if srv.TLSNextProto[protoTLS] != nil || srv.TLSNextProto[protoPlain] != nil {
		return ErrConfigured
	}
	h, err := newHost(o)
	if err != nil {
		return err
	}
	if err := configureTLS(srv); err != nil {
		return err
	}
	h.all = newConns()
	h.all.many = true
	next := maps.Clone(srv.TLSNextProto) // it may be shared with other servers
	if next == nil {
		next = make(map[string]func(*http.Server, *tls.Conn, http.Handler))
	}
	next[protoTLS] = func(srv *http.Server, tc *tls.Conn, handler http.Handler) {
		h.serve(baseContext(handler), srv, tc, handler, false)
	}
	next[protoPlain] = func(srv *http.Server, tc *tls.Conn, handler http.Handler) {
		if nc := unwrapPlain(tc); nc != nil {
			h.serve(baseContext(handler), srv, nc, handler, true)
		}
	}
	next[protoHost] = func(_ *http.Server, _ *tls.Conn, handler http.Handler) {
		if f, ok := handler.(*finder); ok {
			f.host = h
		}
	}
	srv.TLSNextProto = next
	srv.RegisterOnShutdown(h.all.drain)
	return nil
}

// configureTLS prepares srv.TLSConfig.
func configureTLS(srv *http.Server) error {
	if srv.TLSConfig == nil {
		srv.TLSConfig = new(tls.Config)
	}
	c := srv.TLSConfig
	if c.CipherSuites != nil && c.MinVersion < tls.VersionTLS13 && !slices.ContainsFunc(c.CipherSuites, requiredSuite) {
		return &option.Error{
			Field: "TLSConfig.CipherSuites", Value: c.CipherSuites,
			Want: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 among them (RFC 9113, section 9.2.2), or nil",
		}
	}
	protos := slices.Clone(c.NextProtos)
	if !slices.Contains(protos, protoHTTP1) {
		protos = append(protos, protoHTTP1)
	}
	if !slices.Contains(protos, protoTLS) {
		protos = slices.Insert(protos, slices.Index(protos, protoHTTP1), protoTLS)
	}
	c.NextProtos = protos
	return nil
}

// baseContext returns the context of a connection, which net/http sends along
// as a method of the handler.
func baseContext(h http.Handler) context.Context {
	if b, ok := h.(interface{ BaseContext() context.Context }); ok {
		return b.BaseContext()
	}
	return context.Background()
}

// unwrapPlain returns the connection without TLS that net/http dresses as one
// with it.
func unwrapPlain(tc *tls.Conn) net.Conn {
	if u, ok := tc.NetConn().(interface{ UnencryptedNetConn() net.Conn }); ok {
		return u.UnencryptedNetConn()
	}
	return nil
}

// finder is a handler that asks a server for what ConfigureServer made.
type finder struct{ host *host }

func (*finder) ServeHTTP(http.ResponseWriter, *http.Request) {}

// hostOf returns what ConfigureServer made for srv, nil if it was not called.
func hostOf(srv *http.Server) *host {
	find := srv.TLSNextProto[protoHost]
	if find == nil {
		return nil
	}
	var f finder
	find(srv, nil, &f)
	return f.host
}
