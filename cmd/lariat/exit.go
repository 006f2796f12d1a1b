package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
)

// The exit codes. They are part of the command's interface: scripts branch on
// them, so their meaning never changes.
const (
	exitOK          = 0
	exitOther       = 1
	exitUsage       = 2
	exitConnect     = 3
	exitTLS         = 4
	exitRefused     = 5
	exitLost        = 6
	exitPeerError   = 7
	exitExpect      = 8
	exitInterrupted = 130
)

// exitCodes is the table that "lariat help exit-codes" prints.
var exitCodes = [...]struct {
	code    int
	kind    string
	meaning string
}{
	{exitOK, "ok", "all done"},
	{exitOther, "other", "anything else: a failed step, a broken rule, a file that cannot be read"},
	{exitUsage, "usage", "the command line cannot be understood"},
	{exitConnect, "connect", "could not connect: name, network, proxy"},
	{exitTLS, "tls", "TLS failed: certificate, host name, version"},
	{exitRefused, "refused", "the server refused the opening handshake, or answered a request with 400 or more"},
	{exitLost, "lost", "the connection was lost without a closing handshake, or lines could not be sent"},
	{exitPeerError, "peer-error", "the peer closed with an error code: any but 1000, or 1005 for none"},
	{exitExpect, "expect", "an expectation was not met, or the time was over"},
	{exitInterrupted, "interrupted", "interrupted by a signal"},
}

// failure is an error with its exit code and, where the user can do something,
// what to do next.
type failure struct {
	code int
	msg  string
	hint string
	err  error
}

func (f *failure) Error() string { return f.msg }
func (f *failure) Unwrap() error { return f.err }

func fail(code int, hint, format string, args ...any) *failure {
	err := fmt.Errorf(format, args...)
	return &failure{code: code, msg: err.Error(), hint: hint, err: errors.Unwrap(err)}
}

// usage is a failure of what was typed. hint says what to type instead.
func usage(hint, format string, args ...any) *failure {
	return fail(exitUsage, hint, format, args...)
}

// asFailure gives every error a code. nil stays nil.
func asFailure(err error) *failure {
	var f *failure
	var s *signalError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	case errors.As(err, &s):
		return &failure{code: exitInterrupted, msg: s.Error(), err: err}
	}
	return &failure{code: exitOther, msg: err.Error(), err: err}
}

// kindOf names an exit code for --json.
func kindOf(code int) string {
	for _, c := range exitCodes {
		if c.code == code {
			return c.kind
		}
	}
	return "other"
}

// errTimeout is the cause of a context that --timeout ended.
var errTimeout = errors.New("the time of --timeout is over")

// endedBy returns the failure that ended a context: a signal, --timeout, or a
// cause that is one; or nil.
func endedBy(ctx context.Context) *failure {
	var f *failure
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &f):
		return f
	case signalOf(ctx) != nil:
		return &failure{code: exitInterrupted, msg: cause.Error(), err: cause}
	case errors.Is(cause, errTimeout):
		return &failure{code: exitExpect, msg: cause.Error(), err: cause}
	}
	return nil
}

// dialFailure explains why [websocket.Dial] failed.
func dialFailure(ctx context.Context, target string, err error) *failure {
	if f := endedBy(ctx); f != nil {
		return f
	}
	text := strings.TrimPrefix(err.Error(), "websocket: ")
	var option *websocket.OptionError
	if errors.As(err, &option) {
		return &failure{code: exitUsage, msg: text, err: err}
	}
	if f := versionFailure(text, err); f != nil {
		return f
	}
	if hint, ok := tlsHint(target, err); ok {
		return &failure{code: exitTLS, msg: text, hint: hint, err: err}
	}
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) {
		return &failure{code: exitRefused, msg: text, hint: refusedHint(target, refused), err: err}
	}
	return &failure{code: exitConnect, msg: text, hint: connectHint(target, err), err: err}
}

// tlsHint reports whether err is one of TLS, and what to do about it.
func tlsHint(target string, err error) (hint string, ok bool) {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     *net.OpError
		pin       *pinError
	)
	switch {
	case errors.As(err, &pin):
		return "compare the fingerprint with the one the server printed; it changes when a self-signed certificate is made anew", true
	case errors.As(err, &authority):
		return "trust its issuer with --cacert FILE or the certificate itself with --pin FINGERPRINT, or use --insecure to check nothing", true
	case errors.As(err, &host):
		return "use a host name the certificate is made for, or --insecure to check nothing", true
	case errors.As(err, &invalid):
		return "the server needs a valid certificate; --insecure checks nothing", true
	case errors.As(err, &verify):
		return "--cacert FILE names an issuer to trust, --insecure checks nothing", true
	case errors.As(err, &record):
		return "the server does not speak TLS there; try " + withScheme(target, "ws"), true
	case errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error"):
		return "the server may want a client certificate: --cert FILE --key FILE", true
	case strings.Contains(err.Error(), "tls: "):
		return "", true
	}
	return "", false
}

// refusedHint says what to try after the server's answer.
func refusedHint(target string, e *websocket.HandshakeError) string {
	switch {
	case e.Status == 401:
		return "the server wants a name and password: --user NAME:PASSWORD"
	case e.Status == 403:
		return `the server may refuse this origin or user: -H "Origin: https://…" or --user NAME:PASSWORD`
	case e.Status == 404:
		return "nothing is served at that path; check the end of the URL"
	case e.Status == 407:
		return "the proxy wants a name and password: --proxy http://NAME:PASSWORD@HOST:PORT"
	case e.Status >= 300 && e.Status <= 399 && e.Header.Get("Location") != "":
		return fmt.Sprintf("the server points to %q; --follow goes there", trim(e.Header.Get("Location"), 64))
	case e.Status == 400 && strings.Contains(string(e.Body), "HTTPS"):
		return "the server wants TLS there; try " + withScheme(target, "wss")
	case e.Status == 200:
		return "that is an ordinary web page; a WebSocket may have another path, such as /ws"
	}
	return ""
}

// connectHint says what to try when there is no connection at all.
func connectHint(target string, err error) string {
	var dns *net.DNSError
	var dial *websocket.DialError
	switch {
	case errors.As(err, &dial) && (dial.Status == 407 || dial.Status == 401):
		return "the proxy wants a name and password: --proxy http://NAME:PASSWORD@HOST:PORT"
	case errors.As(err, &dial) && dial.Step == websocket.StepProxy:
		return "check the proxy and the URL; --proxy direct goes without one"
	case errors.As(err, &dns):
		return "check the host name in the URL"
	case strings.Contains(err.Error(), "connection refused"):
		return "nothing listens there; check the port, or start a server with: lariat serve"
	case strings.Contains(err.Error(), "no such file"):
		return "the unix socket does not exist; is the server running?"
	case strings.Contains(err.Error(), "EOF"), strings.Contains(err.Error(), "reset by peer"):
		if strings.HasPrefix(target, "ws:") {
			return "the server hung up; if it wants TLS, try " + withScheme(target, "wss")
		}
	}
	return ""
}

// endFailure explains how a connection ended, or returns nil when it ended
// well. ctx is the one the reading ran with.
func endFailure(ctx context.Context, err error) *failure {
	var v frame.Violation
	var ce *websocket.CloseError
	text := strings.TrimPrefix(err.Error(), "websocket: ")
	switch {
	case errors.As(err, &v):
		return &failure{code: exitOther, msg: text, hint: violationHint(v), err: err}
	case errors.As(err, &ce) && ce.Received != nil:
		return closedFailure(ce)
	case endedBy(ctx) != nil:
		return endedBy(ctx)
	case errors.As(err, &ce):
		if hint, ok := tlsHint("", err); ok {
			return &failure{code: exitTLS, msg: text, hint: hint, err: err}
		}
		return &failure{code: exitLost, msg: text, err: err}
	}
	return &failure{code: exitOther, msg: text, err: err}
}

func violationHint(v frame.Violation) string {
	if v == frame.ErrMessageTooBig || v == frame.ErrFrameTooBig {
		return "--max-message SIZE allows larger ones"
	}
	return ""
}

// closedFailure judges a finished closing handshake: an echo of our own code
// is an answer, not a complaint.
func closedFailure(ce *websocket.CloseError) *failure {
	code := ce.Received.Code
	switch {
	case code == websocket.StatusNormalClosure, code == websocket.StatusNoStatusRcvd:
		return nil
	case !ce.RemoteFirst && ce.Sent != nil && ce.Sent.Code == code:
		return nil
	}
	msg := "the peer closed with " + code.String()
	if ce.Received.Reason != "" {
		msg += fmt.Sprintf(": %q", ce.Received.Reason)
	}
	return &failure{code: exitPeerError, msg: msg, err: ce}
}
