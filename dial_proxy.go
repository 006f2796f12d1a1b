package websocket

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/net/proxy"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h1"
)

// proxyServer is where a proxy's URL leads.
type proxyServer struct {
	scheme     string
	host, port string
	user       *url.Userinfo
}

func (p *proxyServer) addr() string { return net.JoinHostPort(p.host, p.port) }

// proxyFor returns the proxy for a request to u, nil for none.
func (d *dialer) proxyFor(ctx context.Context, u *url.URL) (*proxyServer, error) {
	if d.o.Unix != "" {
		return nil, nil
	}
	r := &http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Header: d.o.Header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	p, err := d.o.Proxy(r.WithContext(ctx))
	if err != nil {
		return nil, &OptionError{Field: "Proxy", Value: err, Want: "a function that returns a URL or nil; the default one reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY"}
	}
	if p == nil {
		return nil, nil
	}
	ports := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	s := &proxyServer{scheme: p.Scheme, host: p.Hostname(), port: p.Port(), user: p.User}
	if s.port == "" {
		s.port = ports[p.Scheme]
	}
	n, err := strconv.ParseUint(s.port, 10, 16)
	if err != nil || n == 0 || s.host == "" || ports[p.Scheme] == "" {
		return nil, &OptionError{Field: "Proxy", Value: p.Redacted(), Want: "http://, https://, socks5:// or socks5h://, and a host"}
	}
	return s, nil
}

// tunnel has the proxy at the other end of l connect to the server. Nothing is
// sent to the server before the proxy has said that it did.
func (d *dialer) tunnel(ctx context.Context, l *link, p *proxyServer) error {
	if p.scheme == "https" {
		if err := d.startTLS(ctx, l, p.addr(), d.proxyTLSConfig(p)); err != nil {
			return err
		}
	}
	ctx, cancel := withStep(ctx, "ConnectTimeout", d.o.ConnectTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.socket.Close() })
	var (
		r   *h1.Response
		err error
	)
	if p.scheme == "socks5" || p.scheme == "socks5h" {
		err = tunnelSOCKS(ctx, l, p)
	} else {
		r, err = tunnelHTTP(l, p)
	}
	if !stop() && err == nil {
		err = net.ErrClosed // at the last moment
	}
	err = stepError(ctx, StepProxy, p.addr(), err)
	if de, ok := errors.AsType[*DialError](err); ok && r != nil {
		de.Status, de.Header = r.Status, r.Header
	}
	return err
}

// proxyTLSConfig returns the configuration for TLS with the proxy: that for the
// server, but for what concerns the server alone.
func (d *dialer) proxyTLSConfig(p *proxyServer) *tls.Config {
	if d.o.TLSConfig == nil {
		return tlsConfig(nil, p.host, alpnHTTP1)
	}
	c := d.o.TLSConfig.Clone()
	c.ServerName = ""
	c.Certificates, c.GetClientCertificate = nil, nil
	c.EncryptedClientHelloConfigList = nil
	return tlsConfig(c, p.host, alpnHTTP1)
}

// tunnelHTTP is CONNECT (RFC 9110, section 9.3.6). It returns the answer, if
// there was one.
func tunnelHTTP(l *link, p *proxyServer) (*h1.Response, error) {
	header := http.Header{}
	if p.user != nil {
		password, _ := p.user.Password()
		header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user.Username()+":"+password)))
	}
	req, err := h1.AppendRequest(nil, &h1.Request{Method: http.MethodConnect, Target: l.addr, Host: l.addr, Header: header})
	if err != nil {
		return nil, err
	}
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	r, rest, err := exchange(l, req, buf)
	switch {
	case err != nil:
		return nil, err
	case r.Status == http.StatusProxyAuthRequired && p.user == nil:
		return r, fmt.Errorf("it wants a password: put user:password@ before its host (status %d)", r.Status)
	case r.Status == http.StatusProxyAuthRequired:
		return r, fmt.Errorf("it does not take this user and password (status %d)", r.Status)
	case r.Status < 200 || r.Status > 299:
		return r, fmt.Errorf("it refused to connect to %s: status %d %s", l.addr, r.Status, http.StatusText(r.Status))
	case len(rest) > 0:
		// Neither TLS nor HTTP servers speak first: these bytes are the
		// proxy's own, or somebody's who wants to answer before being asked.
		return r, fmt.Errorf("it sent %q before the server was asked anything", rest[:min(len(rest), 64)])
	}
	return r, nil
}

// tunnelSOCKS is SOCKS5 (RFC 1928, RFC 1929). The proxy looks up the name.
func tunnelSOCKS(ctx context.Context, l *link, p *proxyServer) error {
	var auth *proxy.Auth
	if p.user != nil {
		password, _ := p.user.Password()
		auth = &proxy.Auth{User: p.user.Username(), Password: password}
	}
	s, err := proxy.SOCKS5("tcp", p.addr(), auth, opened{l.Conn})
	if err != nil {
		return err
	}
	d, ok := s.(proxy.ContextDialer)
	if !ok {
		return errors.New("SOCKS5 without a context")
	}
	// The connection it returns is l.Conn with a name around it.
	_, err = d.DialContext(ctx, "tcp", l.addr)
	return err
}

// opened is a proxy.Dialer that is there already.
type opened struct{ conn net.Conn }

func (o opened) Dial(string, string) (net.Conn, error) { return o.conn, nil }

func (o opened) DialContext(context.Context, string, string) (net.Conn, error) { return o.conn, nil }
