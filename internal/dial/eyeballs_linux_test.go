package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// blackhole is an address at which connections are never answered: the queue of
// those who knock is full.
func blackhole(t *testing.T, ip [4]byte, port int) netip.Addr {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: ip}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrFrom4(ip)
	for range 8 {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(addr.String(), strconv.Itoa(port)), 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatalf("%v answers", addr)
	return addr
}

// RFC 8305, section 5: an address that does not answer has the next one tried
// after a while, beside it; both may connect in the end, and one is used.
func TestSlowAddress(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	dead := []netip.Addr{blackhole(t, [4]byte{127, 0, 0, 2}, port), blackhole(t, [4]byte{127, 0, 0, 3}, port)}
	for n := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		start := time.Now()
		c, err := dialAny(ctx, append(dead[:n:n], netip.MustParseAddr("127.0.0.1")), strconv.Itoa(port))
		took := time.Since(start)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != l.Addr().String() {
			t.Errorf("connected to %s", got)
		}
		c.Close()
		if least := time.Duration(n) * attemptDelay; took < least || took > least+5*time.Second {
			t.Errorf("behind %d dead addresses it took %v, want %v and a little", n, took, least)
		}
	}
	// Where none answers, the time of the step ends it.
	ctx, cancel := context.WithTimeout(t.Context(), 3*attemptDelay)
	defer cancel()
	if _, err := dialAny(ctx, dead, strconv.Itoa(port)); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with dead addresses alone: %v", err)
	}
}
