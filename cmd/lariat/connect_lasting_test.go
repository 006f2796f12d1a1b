package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
)

// Why there is no connection is said in the words that matter, and when the next
// attempt comes as people say it.
func TestAttemptText(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&websocket.DialError{Step: websocket.StepConnect, Addr: "h:1", Err: refused}, "connect to h:1: connection refused"},
		{&websocket.DialError{Step: websocket.StepLookup, Addr: "h", Err: &net.DNSError{Name: "h", Err: "no such host", Server: "s:53"}}, "lookup of h: no such host"},
		{&websocket.DialError{Step: websocket.StepTLS, Addr: "h:1", Err: errors.New("no")}, "TLS handshake with h:1: no"},
		{
			&websocket.CloseError{Code: 1001, Reason: "bye", Received: &protocol.Close{Code: 1001, Reason: "bye"}, RemoteFirst: true},
			`closed with 1001 (going away) "bye", by the peer`,
		},
		{fmt.Errorf("websocket: a: %w", errors.New("websocket: b")), "a: b"},
	} {
		if got := attemptText(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	for wait, want := range map[time.Duration]string{
		0: "at once", 49 * time.Millisecond: "at once", 50 * time.Millisecond: "in 0.1s", 1234 * time.Millisecond: "in 1.2s",
		12600 * time.Millisecond: "in 13s", 5 * time.Minute: "in 5m0s",
	} {
		if got := inTime(wait); got != want {
			t.Errorf("%v: %q, want %q", wait, got, want)
		}
	}
}
