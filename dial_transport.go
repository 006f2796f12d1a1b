package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/stream"
)

// link is a connection in the making.
type link struct {
	net.Conn          // what carries HTTP: the socket itself, or TLS over it
	socket   net.Conn // closing it ends all that goes on above it at once
	addr     string   // of the server, for errors
	proto    string   // what TLS agreed on (ALPN), empty for nothing
}

// What is offered by ALPN. With HTTP/1.1 as the only offer no server chooses
// HTTP/2 (S0.4).
const (
	alpnHTTP1 = "http/1.1"
	alpnHTTP2 = "h2"
)

// route is where a server is and how it is reached.
type route struct {
	host, port string
	secure     bool
	url        *url.URL // with the scheme http or https
	proxy      *proxyServer
}

func (r *route) addr() string { return net.JoinHostPort(r.host, r.port) }

// route returns the way to the server of an opening handshake for u.
func (d *dialer) route(ctx context.Context, hs *handshake.Client, u *url.URL) (*route, error) {
	r := &route{secure: hs.Secure(), url: u}
	r.host, r.port = hs.HostPort()
	var err error
	r.proxy, err = d.proxyFor(ctx, u)
	return r, err
}

// attemptDelay is how long an address is tried before the next one is tried
// beside it (RFC 8305, section 5).
const attemptDelay = 250 * time.Millisecond

// connect opens the transport to the server: TCP or a unix socket, a tunnel
// through the proxy, TLS with what is offered by ALPN.
func (d *dialer) connect(ctx context.Context, r *route, offers ...string) (l *link, err error) {
	var socket net.Conn
	switch {
	case d.o.Unix != "":
		socket, err = d.dialOne(ctx, "unix", d.o.Unix)
	case r.proxy != nil:
		socket, err = d.dialHost(ctx, r.proxy.host, r.proxy.port)
	default:
		socket, err = d.dialHost(ctx, r.host, r.port)
	}
	if err != nil {
		return nil, err
	}
	l = &link{Conn: socket, socket: socket, addr: r.addr()}
	if r.proxy != nil {
		err = d.tunnel(ctx, l, r.proxy)
	}
	if err == nil && r.secure {
		err = d.startTLS(ctx, l, l.addr, tlsConfig(d.o.TLSConfig, r.host, offers...))
	}
	if err != nil {
		socket.Close()
		return nil, err
	}
	return l, nil
}

// dialHost connects to a host and port. The lookup has its own timeout, so it
// is made first; the addresses are then tried as [net.Dialer] does with names,
// each family in turn, the next one when the last has failed or is slow.
func (d *dialer) dialHost(ctx context.Context, host, port string) (net.Conn, error) {
	if d.o.NetDial != nil {
		return d.dialOne(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return d.dialOne(ctx, "tcp", net.JoinHostPort(host, port))
	}
	lctx, cancel := withStep(ctx, "LookupTimeout", d.o.LookupTimeout)
	ips, err := net.DefaultResolver.LookupNetIP(lctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("no addresses")
	}
	err = stepError(lctx, StepLookup, host, err)
	cancel()
	if err != nil {
		return nil, err
	}
	cctx, cancel := withStep(ctx, "ConnectTimeout", d.o.ConnectTimeout)
	defer cancel()
	c, err := dialAny(cctx, interleave(ips), port)
	return c, stepError(cctx, StepConnect, net.JoinHostPort(host, port), err)
}

// dialOne connects to a single address, with NetDial where there is one.
func (d *dialer) dialOne(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := d.o.NetDial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	ctx, cancel := withStep(ctx, "ConnectTimeout", d.o.ConnectTimeout)
	defer cancel()
	c, err := dial(ctx, network, addr)
	if c == nil && err == nil {
		err = errors.New("NetDial returned neither a connection nor an error")
	}
	return c, stepError(ctx, StepConnect, addr, err)
}

// dialAny tries the addresses until one connects. Those that are still on their
// way then are dropped.
func dialAny(ctx context.Context, addrs []netip.Addr, port string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		c   net.Conn
		err error
	}
	outcomes := make(chan outcome)
	running := 0
	next := func() {
		if len(addrs) == 0 {
			return
		}
		addr := net.JoinHostPort(addrs[0].String(), port)
		addrs = addrs[1:]
		running++
		go func() {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			select {
			case outcomes <- outcome{c, err}:
			case <-ctx.Done():
				if c != nil {
					c.Close()
				}
			}
		}()
	}
	next()
	timer := time.NewTimer(attemptDelay)
	defer timer.Stop()
	var first error
	for running > 0 {
		select {
		case o := <-outcomes:
			if o.err == nil {
				return o.c, nil
			}
			if first == nil {
				first = o.err
			}
			running--
			next()
		case <-timer.C:
			next()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		timer.Reset(attemptDelay)
	}
	return nil, first
}

// interleave orders addresses so that the families take turns, beginning with
// the one the resolver prefers (RFC 8305, section 4).
func interleave(ips []netip.Addr) []netip.Addr {
	var first, other []netip.Addr
	for i, ip := range ips {
		ip = ip.Unmap()
		ips[i] = ip
		if ip.Is4() == ips[0].Is4() {
			first = append(first, ip)
		} else {
			other = append(other, ip)
		}
	}
	all := make([]netip.Addr, 0, len(ips))
	for i := range max(len(first), len(other)) {
		if i < len(first) {
			all = append(all, first[i])
		}
		if i < len(other) {
			all = append(all, other[i])
		}
	}
	return all
}

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

// startTLS puts TLS over l.
func (d *dialer) startTLS(ctx context.Context, l *link, addr string, c *tls.Config) error {
	ctx, cancel := withStep(ctx, "TLSHandshakeTimeout", d.o.TLSHandshakeTimeout)
	defer cancel()
	// HandshakeContext closes what is below it when ctx ends; below a second
	// TLS that can be slow.
	stop := context.AfterFunc(ctx, func() { l.socket.Close() })
	conn := tls.Client(l.Conn, c)
	err := conn.HandshakeContext(ctx)
	if hdr, ok := errors.AsType[tls.RecordHeaderError](err); ok && hdr.Conn != nil {
		err = fmt.Errorf("%w: it answers without TLS, use ws:// or another port if that is right", err)
	}
	if err != nil && len(c.NextProtos) == 1 && c.NextProtos[0] == alpnHTTP2 && strings.Contains(err.Error(), "no application protocol") {
		err = &during{"", fmt.Errorf("%w: %w", ErrNoHTTP2, err)}
	}
	l.Conn, l.proto = conn, conn.ConnectionState().NegotiatedProtocol
	if !stop() && err == nil {
		err = net.ErrClosed // at the last moment
	}
	return stepError(ctx, StepTLS, addr, err)
}

// timeoutError is the cause of a context whose step took too long.
type timeoutError struct {
	option string
	d      time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("took longer than %s, %v", e.option, e.d)
}

// Timeout is true, as for the errors of package net.
func (e *timeoutError) Timeout() bool { return true }

// Is makes it an os.ErrDeadlineExceeded.
func (e *timeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// withStep bounds a step; d is 0 for no bound.
func withStep(ctx context.Context, option string, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, &timeoutError{option, d})
}

// stepError returns the error for a step that was bound to ctx, nil when err is
// nil.
func stepError(ctx context.Context, step Step, addr string, err error) error {
	if err == nil {
		return nil
	}
	if ended := whyEnded(ctx, err); ended != nil {
		err = ended
	}
	return &DialError{Step: step, Addr: addr, Err: err}
}

// whyEnded returns why ctx ended, nil if it has not. err, the consequence, may
// be a little ahead of it: a deadline on a socket and the context's own timer
// run down apart from each other.
func whyEnded(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ok && stream.IsTimeout(err) && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	ended, cause := ctx.Err(), context.Cause(ctx)
	if _, ok := errors.AsType[*timeoutError](cause); ok || cause == ended {
		return cause
	}
	return fmt.Errorf("%w: %w", ended, cause)
}
