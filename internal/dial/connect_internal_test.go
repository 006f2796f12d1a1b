package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
)

// RFC 8305, section 4.
func TestInterleave(t *testing.T) {
	parse := func(list ...string) (ips []netip.Addr) {
		for _, s := range list {
			ips = append(ips, netip.MustParseAddr(s))
		}
		return ips
	}
	for _, tt := range []struct{ in, want []netip.Addr }{
		{parse("192.0.2.1"), parse("192.0.2.1")},
		{parse("::ffff:192.0.2.1", "192.0.2.2"), parse("192.0.2.1", "192.0.2.2")},
		{parse("2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"), parse("2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3")},
		{parse("192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8::3"), parse("192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8::3")},
	} {
		if got := interleave(slices.Clone(tt.in)); !slices.Equal(got, tt.want) {
			t.Errorf("%v gives %v, want %v", tt.in, got, tt.want)
		}
	}
}

// An address that refuses, or does not answer, does not keep the next one from
// being tried.
func TestDialAny(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	// 192.0.2.1 is nowhere (RFC 5737).
	for _, first := range []string{"::1", "192.0.2.1"} {
		c, err := dialAny(ctx, []netip.Addr{netip.MustParseAddr(first), netip.MustParseAddr("127.0.0.1")}, port)
		if err != nil {
			t.Fatalf("after %s: %v", first, err)
		}
		if got := c.RemoteAddr().String(); got != l.Addr().String() {
			t.Errorf("after %s: connected to %s", first, got)
		}
		c.Close()
	}
	l.Close()
	local := netip.MustParseAddr("127.0.0.1")
	if _, err := dialAny(ctx, []netip.Addr{local, local, local}, port); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("all refuse: %v", err)
	}
	cancel()
	if _, err := dialAny(ctx, []netip.Addr{local}, port); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
