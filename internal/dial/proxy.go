package dial

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

	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/option"
)

// Proxy is a server on the way.
type Proxy struct {
	Scheme     string // http, https, socks5 or socks5h
	Host, Port string // without brackets
	User       *url.Userinfo

	// TLSConfig is for an https proxy. nil: that of the Dialer, but for what
	// concerns the server alone.
	TLSConfig *tls.Config

	// Header is sent with CONNECT. A Proxy-Authorization in it goes before User.
	Header http.Header
}

// Addr returns host and port, as in "[::1]:3128".
func (p *Proxy) Addr() string { return net.JoinHostPort(p.Host, p.Port) }

// String returns the proxy's URL, with its password.
func (p *Proxy) String() string {
	u := url.URL{Scheme: p.Scheme, User: p.User, Host: p.Addr()}
	return u.String()
}

// ParseProxy returns the proxy at a URL. The error is an [*option.Error] for the
// option Proxy, without the password.
func ParseProxy(u *url.URL) (*Proxy, error) {
	ports := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	p := &Proxy{Scheme: u.Scheme, Host: u.Hostname(), Port: u.Port(), User: u.User}
	if p.Port == "" {
		p.Port = ports[u.Scheme]
	}
	n, err := strconv.ParseUint(p.Port, 10, 16)
	if err != nil || n == 0 || p.Host == "" || ports[u.Scheme] == "" {
		return nil, &option.Error{Field: "Proxy", Value: redacted(u), Want: "http://, https://, socks5:// or socks5h://, and a host"}
	}
	return p, nil
}

// redacted returns a URL for an error: without the password, and without what
// may be one where the scheme was forgotten, as in "user:password@host".
func redacted(u *url.URL) string {
	if u.Opaque != "" {
		return u.Scheme + ":..."
	}
	return u.Redacted()
}

// tunnel has the proxy at the other end of l connect to the address to. Nothing
// is sent there before the proxy has said that it did.
func (d *Dialer) tunnel(ctx context.Context, l *Link, p *Proxy, to string) error {
	if p.Scheme == "https" {
		if _, err := d.startTLS(ctx, l, p.Addr(), d.proxyTLSConfig(p)); err != nil {
			return err
		}
	}
	step := d.begin(StepProxy, p.Addr())
	ctx, cancel := WithStep(ctx, "ConnectTimeout", d.ConnectTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Socket.Close() })
	var (
		r   *h1.Response
		err error
	)
	if p.Scheme == "socks5" || p.Scheme == "socks5h" {
		err = tunnelSOCKS(ctx, l, p, to)
	} else {
		r, err = tunnelHTTP(l, p, to)
	}
	if !stop() && err == nil {
		err = net.ErrClosed // at the last moment
	}
	err = StepError(ctx, StepProxy, p.Addr(), err)
	if de, ok := errors.AsType[*Error](err); ok && r != nil {
		de.Status, de.Header = r.Status, r.Header
	}
	step.end(err)
	return err
}

// proxyTLSConfig returns the configuration for TLS with the proxy: its own, or
// that for the server, but for what concerns the server alone.
func (d *Dialer) proxyTLSConfig(p *Proxy) *tls.Config {
	if p.TLSConfig != nil {
		return tlsConfig(p.TLSConfig, p.Host, ALPNHTTP1)
	}
	if d.TLSConfig == nil {
		return tlsConfig(nil, p.Host, ALPNHTTP1)
	}
	c := d.TLSConfig.Clone()
	c.ServerName = ""
	c.Certificates, c.GetClientCertificate = nil, nil
	c.EncryptedClientHelloConfigList = nil
	return tlsConfig(c, p.Host, ALPNHTTP1)
}

// tunnelHTTP is CONNECT (RFC 9110, section 9.3.6). It returns the answer, if
// there was one.
func tunnelHTTP(l *Link, p *Proxy, to string) (*h1.Response, error) {
	header := http.Header{}
	for name, values := range p.Header {
		name = http.CanonicalHeaderKey(name)
		if name == "Content-Length" || name == "Transfer-Encoding" {
			// The proxy would take what is for the server for a body.
			return nil, fmt.Errorf("%w: %s with CONNECT, which has no body", h1.ErrField, name)
		}
		header[name] = append(header[name], values...)
	}
	asked := header["Proxy-Authorization"] != nil
	if p.User != nil && !asked {
		asked = true
		password, _ := p.User.Password()
		header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.User.Username()+":"+password)))
	}
	req, err := h1.AppendRequest(nil, &h1.Request{Method: http.MethodConnect, Target: to, Host: to, Header: header})
	if err != nil {
		return nil, err
	}
	r, rest, err := exchange(l, req)
	switch {
	case err != nil:
		return nil, err
	case unknownUser(r.Status) && !asked:
		return r, fmt.Errorf("it wants a password: put user:password@ before its host (status %d)", r.Status)
	case unknownUser(r.Status):
		return r, fmt.Errorf("it does not take this user and password (status %d)", r.Status)
	case r.Status < 200 || r.Status > 299:
		return r, fmt.Errorf("it refused to connect to %s: status %d %s", to, r.Status, http.StatusText(r.Status))
	case len(rest) > 0:
		// Neither TLS nor HTTP nor SOCKS5 servers speak first: these bytes are
		// the proxy's own, or somebody's who wants to answer before being asked.
		return r, fmt.Errorf("it sent %q before the server was asked anything", rest[:min(len(rest), 64)])
	}
	return r, nil
}

// tunnelSOCKS is SOCKS5 (RFC 1928, RFC 1929). The proxy looks up the name.
func tunnelSOCKS(ctx context.Context, l *Link, p *Proxy, to string) error {
	var auth *proxy.Auth
	if p.User != nil {
		password, _ := p.User.Password()
		auth = &proxy.Auth{User: p.User.Username(), Password: password}
	}
	s, err := proxy.SOCKS5("tcp", p.Addr(), auth, opened{l.Conn})
	if err != nil {
		return err
	}
	d, ok := s.(proxy.ContextDialer)
	if !ok {
		return errors.New("SOCKS5 without a context")
	}
	// The connection it returns is l.Conn with a name around it.
	_, err = d.DialContext(ctx, "tcp", to)
	return err
}

// opened is a proxy.Dialer that is there already.
type opened struct{ conn net.Conn }

func (o opened) Dial(string, string) (net.Conn, error) { return o.conn, nil }

func (o opened) DialContext(context.Context, string, string) (net.Conn, error) { return o.conn, nil }

// unknownUser reports whether a proxy wants another user and password: 407, or
// 401, which is a server's and given by some proxies (tinyproxy) too.
func unknownUser(status int) bool {
	return status == http.StatusProxyAuthRequired || status == http.StatusUnauthorized
}
