package httpconn

import (
	"net/http"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
)

// Request is a request to be sent.
type Request struct {
	Method string // "": GET; not CONNECT
	Path   string // "/path?query", or "*" with OPTIONS

	// Authority is the host and perhaps port. "": that of the [Options].
	Authority string

	// Header is sent with it. Neither Host, nor Content-Length and
	// Transfer-Encoding, which follow from Body, nor Upgrade may be in it. What
	// belongs to a connection of HTTP/1.1, as Connection does, is left out over
	// HTTP/2. It is not changed, and not kept.
	Header http.Header

	// Body says what follows: 0 nothing; a positive number that many bytes, the
	// last of which end the request; -1 bytes whose number is not known, up to
	// [Conn.End].
	Body int64
}

// head is a request that was checked, as far as that is the same for all
// versions of HTTP.
type head struct {
	method, scheme, authority, path, protocol string

	header  http.Header
	body    int64
	upgrade bool
	last    bool // it says Connection: close
}

func (s *settings) request(r *Request) (head, error) {
	h := head{method: r.Method, scheme: s.scheme(), authority: r.Authority, path: r.Path, header: r.Header, body: r.Body}
	if h.method == "" {
		h.method = http.MethodGet
	}
	if h.authority == "" {
		h.authority = s.Authority
	}
	switch {
	case !h1.ValidName(h.method):
		return h, because(ErrRequest, "method %.64q", h.method)
	case h.method == http.MethodConnect:
		return h, because(ErrRequest, "CONNECT: a WebSocket is opened by Upgrade")
	case h.body < -1:
		return h, because(ErrRequest, "Body is %d, want the number of bytes, or -1 if that is not known", h.body)
	}
	return h, h.check()
}

// handshake checks an opening handshake.
func (s *settings) handshake(r *handshake.Request) (head, error) {
	h := head{
		method: r.Method, scheme: r.Scheme, authority: r.Authority, path: r.Path, protocol: r.Protocol,
		header: r.Header, upgrade: true,
	}
	want := http.MethodGet
	if s.Major == 2 {
		want = http.MethodConnect
	}
	switch {
	case r.Major != s.Major:
		return h, because(ErrRequest, "the opening handshake is for HTTP/%d, the connection speaks HTTP/%d: call handshake.Client.Request(%d)", r.Major, s.Major, s.Major)
	case h.method != want || (h.protocol != "") != (s.Major == 2):
		return h, because(ErrRequest, "no opening handshake over HTTP/%d: %.64q with the protocol %.64q", s.Major, h.method, h.protocol)
	case h.scheme != s.scheme():
		return h, because(ErrScheme, "the URL is for %s, the connection speaks %s: set Secure in Options where there is TLS", h.scheme, s.scheme())
	}
	return h, h.check()
}

func (h *head) check() error {
	switch {
	case h.authority == "":
		return because(ErrRequest, "no Authority: set it here or in Options")
	case !h2.ValidAuthority(h.authority):
		return because(ErrRequest, "authority %.64q, want a host and perhaps a port", h.authority)
	case !validPath(h.path, h.method):
		return because(ErrRequest, "path %.64q, want one that begins with a slash, percent-encoded and without a fragment", h.path)
	}
	for name, values := range h.header { // what the names and values may hold is seen when they are written
		switch http.CanonicalHeaderKey(name) {
		case "Host":
			return because(ErrRequest, "header %s: set Authority", name)
		case "Content-Length", "Transfer-Encoding":
			return because(ErrRequest, "header %s: set Body", name)
		case "Upgrade":
			if !h.upgrade {
				return because(ErrRequest, "header %s: call Upgrade", name)
			}
		case "Connection":
			h.last = h.last || extension.HasToken(values, "close")
		}
	}
	return nil
}

// hasBody reports whether a request of the method usually has a body, so that
// an empty one is said to be so (RFC 9110, section 8.6).
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// validPath reports whether s can be the target of a request, in origin-form or
// asterisk-form (RFC 9112, section 3.2).
func validPath(s, method string) bool {
	if s == "*" {
		return method == http.MethodOptions
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '#' {
			return false
		}
	}
	return s != "" && s[0] == '/'
}

// checkTrailer checks the names of what comes behind a body (RFC 9110, section
// 6.5.1).
func checkTrailer(h http.Header) error {
	for name := range h {
		if !h2http.ValidTrailer(name) {
			return because(ErrRequest, "no trailer can be named %.64q", name)
		}
	}
	return nil
}
