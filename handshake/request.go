package handshake

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/lariat-go/websocket/extension"
)

// checkUpgrade checks a request that came over HTTP/1 (RFC 6455, section
// 4.2.1), or over a later version without being an extended CONNECT.
func checkUpgrade(r *http.Request) *Error {
	h := r.Header
	switch {
	case r.ProtoMajor >= 2 && len(h[hUpgrade]) == 0 && len(h[hConnection]) == 0:
		// Neither field can be there over HTTP/2: the request line of an
		// HTTP/1 connection that says HTTP/2.0 is not taken for one.
		err := &reason{kind: ErrNotUpgrade, also: ErrNotHijackable, cause: fmt.Errorf("%q over HTTP/%d is no extended CONNECT", clip(r.Method), r.ProtoMajor)}
		return deny(http.StatusNotImplemented, "Only an extended CONNECT with :protocol websocket is served here.\n", err)
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return deny(http.StatusHTTPVersionNotSupported, "Use HTTP/1.1; a proxy in between may need to be told so.\n",
			because(ErrHTTPVersion, "%q", clip(r.Proto)))
	case r.Method != http.MethodGet:
		e := deny(http.StatusMethodNotAllowed, "This is a WebSocket endpoint: use GET.\n", because(ErrMethod, "%q, want GET", clip(r.Method)))
		e.Header["Allow"] = []string{http.MethodGet}
		return e
	}
	if e := checkTarget(r); e != nil {
		return e
	}
	if !extension.HasToken(h[hConnection], "upgrade") || !extension.HasToken(h[hUpgrade], "websocket") {
		return upgradeRequired("This is a WebSocket endpoint: connect with a WebSocket client.\n",
			because(ErrNotUpgrade, "Connection is %q and Upgrade %q", clip(strings.Join(h[hConnection], ", ")), clip(strings.Join(h[hUpgrade], ", "))))
	}
	if e := checkVersion(r); e != nil {
		return e
	}
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 || len(h["Transfer-Encoding"]) > 0 || hasContentLength(h) {
		return badRequest("An opening handshake has no body: send neither Content-Length nor Transfer-Encoding.\n", ErrBody)
	}
	switch keys := h[hKey]; {
	case len(keys) != 1:
		return badRequest("Send one Sec-WebSocket-Key.\n", because(ErrKey, "%d of them", len(keys)))
	case !validKey(keys[0]):
		return badRequest("Sec-WebSocket-Key must be 16 random bytes in base64.\n", because(ErrKey, "%q", clip(keys[0])))
	}
	return nil
}

func upgradeRequired(body string, err error) *Error {
	e := deny(http.StatusUpgradeRequired, body, err)
	// "The server MUST send an Upgrade header field in a 426 response"
	// (RFC 9110, section 15.5.22), which Connection has to name.
	e.Header[hUpgrade] = []string{"websocket"}
	e.Header[hConnection] = []string{"Upgrade"}
	return e
}

// checkVersion wants 13. A server that gets another one answers with the
// versions it can speak (RFC 6455, section 4.4).
func checkVersion(r *http.Request) *Error {
	lines := r.Header[hVersion]
	if len(lines) == 1 && lines[0] == version {
		return nil
	}
	const body = "Use Sec-WebSocket-Version: 13 (RFC 6455).\n"
	err := because(ErrVersion, "%q, want 13", clip(strings.Join(lines, "\n")))
	e := badRequest(body, err)
	if r.ProtoMajor == 1 && sameLines(lines) {
		e = upgradeRequired(body, err)
	}
	e.Header[hVersion] = []string{version}
	return e
}

// sameLines reports whether a field's lines do not contradict each other.
func sameLines(lines []string) bool {
	for _, l := range lines {
		if l != lines[0] {
			return false
		}
	}
	return true
}

// hasContentLength reports whether a length other than nought is announced.
func hasContentLength(h http.Header) bool {
	lines := h[hContentLength]
	return len(lines) > 1 || len(lines) == 1 && lines[0] != "0"
}

// checkTarget checks what the request asks for: one Host that can be one, and a
// path in origin-form. An absolute-form target is refused, since net/http
// replaces Host by what stands in it and the two can't be compared any more.
func checkTarget(r *http.Request) *Error {
	if lines := r.Header["Host"]; len(lines) > 1 || len(lines) == 1 && lines[0] != r.Host {
		return badRequest("Send one Host.\n", because(ErrHost, "%q", clip(strings.Join(lines, ", "))))
	}
	if _, ok := parseAuthority(r.Host); !ok {
		return badRequest("Host must be a name or address and perhaps a port.\n", because(ErrHost, "%q", clip(r.Host)))
	}
	if r.ProtoMajor == 1 && r.RequestURI != "" && r.RequestURI[0] != '/' {
		return badRequest("The request target must be a path.\n", because(ErrTarget, "%q is no path", clip(r.RequestURI)))
	}
	if r.URL != nil && hasDotSegment(r.URL.Path) {
		return badRequest("The path must not have . or .. in it.\n", because(ErrTarget, "%q", clip(r.URL.Path)))
	}
	return nil
}

// hasDotSegment reports whether a path climbs.
func hasDotSegment(path string) bool {
	for seg := range strings.SplitSeq(path, "/") {
		if seg == ".." || seg == "." {
			return true
		}
	}
	return false
}

// checkConnect checks an extended CONNECT (RFC 8441, section 5; RFC 9220). What
// makes a stream malformed, such as a missing pseudo-header, is found before it
// becomes a request.
func checkConnect(r *http.Request, protocol []string) *Error {
	h := r.Header
	switch {
	case len(protocol) != 1 || !extension.IsToken(protocol[0]):
		return badRequest("Send one :protocol.\n", because(ErrNotUpgrade, ":protocol is %q", clip(strings.Join(protocol, ", "))))
	case !equalFold(protocol[0], "websocket"):
		return deny(http.StatusNotImplemented, "Only :protocol websocket is served here.\n", because(ErrNotUpgrade, ":protocol is %q", clip(protocol[0])))
	case len(h[hUpgrade]) > 0 || len(h[hConnection]) > 0:
		return badRequest("Connection and Upgrade belong to HTTP/1.1.\n", because(ErrNotUpgrade, "Connection or Upgrade in an extended CONNECT"))
	}
	schemes := []string{requestScheme(r)}
	if r.URL != nil { // over TLS the former does not look at it
		schemes = append(schemes, strings.ToLower(r.URL.Scheme))
	}
	for _, s := range schemes {
		switch s {
		case "", "http", "https", "ws", "wss":
		default:
			return badRequest("The :scheme must be http or https.\n", because(ErrTarget, ":scheme is %q", clip(s)))
		}
	}
	if e := checkTarget(r); e != nil {
		return e
	}
	if e := checkVersion(r); e != nil {
		return e
	}
	// A message of the tunnel is no content, so it can't have a length; -1 is
	// net/http's word for an unknown one.
	if r.ContentLength > 0 || len(h[hContentLength]) > 0 {
		return badRequest("An opening handshake has no body: send no content-length.\n", ErrBody)
	}
	return nil
}
