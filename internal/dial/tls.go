package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/lariat-go/websocket/internal/h2http"
)

// tlsConfig returns base, nil for none, as it is used for a server named host.
func tlsConfig(base *tls.Config, host string, offers ...string) *tls.Config {
	c := base.Clone()
	if c == nil {
		c = &tls.Config{}
	}
	c.NextProtos = offers
	if c.ServerName == "" {
		if ip, err := netip.ParseAddr(host); err == nil {
			host = ip.WithZone("").String()
		}
		c.ServerName = host
	}
	return c
}

// startTLS puts TLS with addr over l.
func (d *Dialer) startTLS(ctx context.Context, l *Link, addr string, c *tls.Config) (*tls.ConnectionState, error) {
	step := d.begin(StepTLS, addr)
	ctx, cancel := WithStep(ctx, "TLSHandshakeTimeout", d.TLSHandshakeTimeout)
	defer cancel()
	// HandshakeContext closes what is below it when ctx ends; below a second
	// TLS that can be slow.
	stop := context.AfterFunc(ctx, func() { l.Socket.Close() })
	conn := tls.Client(l.Conn, c)
	err := conn.HandshakeContext(ctx)
	if hdr, ok := errors.AsType[tls.RecordHeaderError](err); ok && hdr.Conn != nil {
		err = fmt.Errorf("%w: it answers without TLS, use ws:// or another port if that is right", err)
	}
	if err != nil && len(c.NextProtos) == 1 && c.NextProtos[0] == ALPNHTTP2 && strings.Contains(err.Error(), "no application protocol") {
		err = During("", fmt.Errorf("%w: %w", h2http.ErrNoHTTP2, err))
	}
	l.Conn = conn
	if !stop() && err == nil {
		err = net.ErrClosed // at the last moment
	}
	err = StepError(ctx, StepTLS, addr, err)
	if err == nil {
		state := conn.ConnectionState()
		step.TLS = &state
	}
	step.end(err)
	return step.TLS, err
}

// NotHTTP2 is the error for a server that chose another protocol.
func NotHTTP2(l *Link) error {
	if l.Proto == "" {
		return fmt.Errorf("%w: it chose no protocol by ALPN", h2http.ErrNoHTTP2)
	}
	return fmt.Errorf("%w: it chose %q by ALPN", h2http.ErrNoHTTP2, l.Proto)
}

// noProtocol reports whether err is a server's alert that it speaks nothing of
// what was offered (RFC 7301, section 3.2). With TLS 1.3 it may come when the
// client thinks that all is well.
func noProtocol(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && strings.Contains(op.Err.Error(), "no application protocol")
}

// untrusted reports whether err is about the certificate of a server or a proxy.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}
