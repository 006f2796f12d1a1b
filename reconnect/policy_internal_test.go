package reconnect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
)

// C1, R6: the table of close codes, with and without overrides.
func TestPolicyClose(t *testing.T) {
	again := map[websocket.StatusCode]bool{1001: true, 1006: true, 1011: true, 1012: true, 1013: true, 1014: true}
	p := Policy{Close: map[websocket.StatusCode]bool{1012: false, 4000: true}}
	for code := websocket.StatusCode(0); code < 5000; code++ {
		if got := new(Policy).afterClose(code); got != again[code] {
			t.Errorf("C1: %d: %v", code, got)
		}
		want := again[code] && code != 1012 || code == 4000
		if got := p.afterClose(code); got != want {
			t.Errorf("C1: %d with overrides: %v", code, got)
		}
	}
	d := DefaultPolicy()
	for code, want := range d.Close {
		if want != again[code] {
			t.Errorf("DefaultPolicy: %d: %v", code, want)
		}
	}
	if d.Close[1001] = false; !DefaultPolicy().Close[1001] {
		t.Error("the table of DefaultPolicy is shared")
	}
}

// R4 and Required: which failures are permanent.
func TestPolicyFailure(t *testing.T) {
	refused := func(status int) error {
		return fmt.Errorf("wrapped: %w", &websocket.HandshakeError{Status: status, Err: handshake.ErrStatus})
	}
	dialError := func(err error) error {
		return &websocket.DialError{Step: websocket.StepTLS, Addr: "example.com:443", Err: err}
	}
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"R4 400", refused(400), false},
		{"R4 401", refused(401), false},
		{"R4 403", refused(403), false},
		{"R4 404", refused(404), false},
		{"R4 426", refused(426), false},
		{"200", refused(200), true},
		{"redirect", refused(302), true},
		{"408", refused(408), true},
		{"429", refused(429), true},
		{"500", refused(500), true},
		{"503", refused(503), true},
		{"no answer", refused(0), true},
		{"R1", &websocket.DialError{Step: websocket.StepConnect, Err: errors.New("refused")}, true},
		{"R3", &websocket.DialError{Step: websocket.StepLookup, Err: &net.DNSError{IsNotFound: true}}, true},
		{"R4 certificate", dialError(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), false},
		{"R4 authority", dialError(x509.UnknownAuthorityError{}), false},
		{"R4 host name", dialError(x509.HostnameError{Certificate: &x509.Certificate{}}), false},
		{"R4 expired", dialError(x509.CertificateInvalidError{Reason: x509.Expired}), false},
		{"TLS cut off", dialError(io.ErrUnexpectedEOF), true},
		{"options", &websocket.OptionError{Field: "Header"}, false},
		{"no HTTP/2", websocket.ErrNoHTTP2, false},
		{"no WebSockets over HTTP/2", fmt.Errorf("wrapped: %w", handshake.ErrExtendedConnectDisabled), false},
		{"permanent", fmt.Errorf("no account: %w", ErrPermanent), false},
		{"Prepare", errors.New("token server is down"), true},
	} {
		if got := new(Policy).afterFailure(tc.err); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	p := Policy{Status: map[int]bool{403: true, 500: false}}
	if !p.afterFailure(refused(403)) || p.afterFailure(refused(500)) || p.afterFailure(refused(404)) {
		t.Error("overrides of Policy.Status do not hold")
	}
}

// C1, C8: how endings are told apart.
func TestJudge(t *testing.T) {
	frameOf := func(code websocket.StatusCode, reason string) *protocol.Close {
		return &protocol.Close{Code: code, Reason: reason}
	}
	for _, tc := range []struct {
		name string
		err  error
		want ending
	}{
		{"remote", &websocket.CloseError{Received: frameOf(1012, "restart"), Sent: frameOf(1012, ""), RemoteFirst: true}, ending{framed: true, code: 1012, reason: "restart"}},
		{"remote, and our answer was not sent", &websocket.CloseError{Received: frameOf(4001, ""), RemoteFirst: true, Cause: io.ErrClosedPipe}, ending{framed: true, code: 4001}},
		{"local", &websocket.CloseError{Received: frameOf(1000, ""), Sent: frameOf(1000, "bye")}, ending{framed: true, local: true, code: 1000, reason: "bye"}},
		{"local, no answer", &websocket.CloseError{Sent: frameOf(1001, ""), Cause: websocket.ErrCloseTimeout}, ending{framed: true, local: true, code: 1001}},
		{"CloseNow", &websocket.CloseError{Code: 1006, Cause: fmt.Errorf("dropped: %w", net.ErrClosed)}, ending{local: true, code: 1006}},
		{"violation", &websocket.CloseError{Code: 1006, Sent: frameOf(1009, ""), Cause: fmt.Errorf("at byte 2: %w", frame.ErrMessageTooBig)}, ending{code: 1009}},
		{"lost", &websocket.CloseError{Code: 1006, Cause: io.ErrUnexpectedEOF}, ending{code: 1006}},
		{"keepalive", &websocket.CloseError{Code: 1006, Cause: websocket.ErrKeepAlive}, ending{code: 1006}},
		{"asleep", &websocket.CloseError{Code: 1006, Cause: ErrAsleep}, ending{code: 1006}},
		{"something else", io.EOF, ending{code: 1006}},
	} {
		if got := judge(tc.err); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}
