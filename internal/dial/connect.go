package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// attemptDelay is how long an address is tried before the next one is tried
// beside it (RFC 8305, section 5).
const attemptDelay = 250 * time.Millisecond

// dialHost connects to a host and port. The lookup has its own timeout, so it
// is made first; the addresses are then tried as [net.Dialer] does with names,
// each family in turn, the next one when the last has failed or is slow.
func (d *Dialer) dialHost(ctx context.Context, host, port string) (net.Conn, error) {
	addr := net.JoinHostPort(host, port)
	if d.NetDial != nil {
		return d.dialOne(ctx, "tcp", addr)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return d.dialOne(ctx, "tcp", addr)
	}
	ips, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	step := d.begin(StepConnect, addr)
	ctx, cancel := WithStep(ctx, "ConnectTimeout", d.ConnectTimeout)
	defer cancel()
	c, err := dialAny(ctx, interleave(ips), port)
	return connected(ctx, step, c, err)
}

func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	step := d.begin(StepLookup, host)
	ctx, cancel := WithStep(ctx, "LookupTimeout", d.LookupTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("no addresses")
	}
	err = StepError(ctx, StepLookup, host, err)
	for _, ip := range ips {
		step.Addrs = append(step.Addrs, ip.Unmap().String())
	}
	step.end(err)
	return ips, err
}

// dialOne connects to a single address, with NetDial where there is one.
func (d *Dialer) dialOne(ctx context.Context, network, addr string) (net.Conn, error) {
	step := d.begin(StepConnect, addr)
	dial := d.NetDial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	ctx, cancel := WithStep(ctx, "ConnectTimeout", d.ConnectTimeout)
	defer cancel()
	c, err := dial(ctx, network, addr)
	if c == nil && err == nil {
		err = errors.New("the dial function of the options returned neither a connection nor an error")
	}
	return connected(ctx, step, c, err)
}

// connected is the end of StepConnect.
func connected(ctx context.Context, step *report, c net.Conn, err error) (net.Conn, error) {
	err = StepError(ctx, StepConnect, step.Addr, err)
	if step.to != nil && err == nil && c.RemoteAddr() != nil {
		step.Addrs = []string{c.RemoteAddr().String()}
	}
	step.end(err)
	return c, err
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
