package handshake

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// checkOrigin answers 403 to a page of another origin (RFC 6455, section 10.2).
// A client that sends no Origin is no browser, and can send what it likes.
//
// The server's own origin has the host and port of Host. Its scheme is https
// when the request came over TLS, else what r.URL.Scheme says, which is empty
// in a server unless a middleware that trusts a proxy has set it. While the
// scheme is unknown the host and port decide.
func (s *Server) checkOrigin(r *http.Request) *Error {
	lines := r.Header["Origin"]
	if len(lines) == 0 || s.AnyOrigin {
		return nil
	}
	o, ok := parseOrigin(lines[0])
	if len(lines) == 1 && ok {
		if sameOrigin(o, r.Host, requestScheme(r)) {
			return nil
		}
		for _, listed := range s.Origins {
			if l, _ := parseOrigin(listed); l.equal(o) {
				return nil
			}
		}
	}
	return deny(http.StatusForbidden, "This Origin may not connect; the server has to list it in its Origins.\n",
		because(ErrOrigin, "%q to host %q; list it in Origins if its pages may connect", clip(strings.Join(lines, ", ")), clip(r.Host)))
}

// requestScheme returns http, https, something odd, or nothing when it is not
// known.
func requestScheme(r *http.Request) string {
	scheme := ""
	switch {
	case len(r.Header[":scheme"]) > 0:
		scheme = strings.ToLower(r.Header[":scheme"][0])
	case r.TLS != nil:
		scheme = "https"
	case r.URL != nil:
		scheme = strings.ToLower(r.URL.Scheme)
	}
	switch scheme {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return scheme
}

// origin is a scheme, host and port (RFC 6454, section 4). The port is the
// scheme's default when none was given, 0 when there is no such default.
type origin struct {
	scheme string
	authority
}

// authority is a host and port. A port that was not given is 0.
type authority struct {
	host string // an IPv6 address is in brackets
	port uint16
}

func (o origin) equal(p origin) bool {
	return equalFold(o.scheme, p.scheme) && equalFold(o.host, p.host) && o.port == p.port
}

func sameOrigin(o origin, host, scheme string) bool {
	if scheme == "" {
		scheme = o.scheme
	}
	a, ok := parseAuthority(host)
	if a.port == 0 {
		a.port = defaultPort(scheme)
	}
	return ok && a.port != 0 && o.equal(origin{scheme, a})
}

// parseOrigin reads "scheme://host" or "scheme://host:port" and nothing else:
// no path, no userinfo, no "null".
func parseOrigin(s string) (o origin, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !validScheme(scheme) {
		return origin{}, false
	}
	a, ok := parseAuthority(rest)
	if a.port == 0 {
		a.port = defaultPort(scheme)
	}
	return origin{scheme, a}, ok
}

// defaultPort returns 0 for a scheme that has none here.
func defaultPort(scheme string) uint16 {
	switch {
	case equalFold(scheme, "http"):
		return 80
	case equalFold(scheme, "https"):
		return 443
	}
	return 0
}

// validScheme follows RFC 3986, section 3.1.
func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case isLetter(c):
		case i > 0 && (isDigit(c) || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

const maxHost = 255 // a domain name's bytes (RFC 1035, section 3.1)

// parseAuthority reads "host" or "host:port". The host is a name, an IPv4
// address, or an IPv6 address in brackets, without a zone: that has a meaning
// on one machine only.
func parseAuthority(s string) (a authority, ok bool) {
	rest := ""
	if strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, ']')
		if i < 0 {
			return authority{}, false
		}
		a.host, rest = s[:i+1], s[i+1:]
		if ip, err := netip.ParseAddr(s[1:i]); err != nil || !ip.Is6() || ip.Zone() != "" {
			return authority{}, false
		}
	} else {
		i := strings.IndexByte(s, ':')
		if i < 0 {
			i = len(s)
		}
		a.host, rest = s[:i], s[i:]
		if !validName(a.host) {
			return authority{}, false
		}
	}
	if rest == "" || rest == ":" {
		return a, true
	}
	port, err := strconv.ParseUint(rest[1:], 10, 16)
	if rest[0] != ':' || err != nil || port == 0 {
		return authority{}, false
	}
	a.port = uint16(port)
	return a, true
}

// validName takes the unreserved characters of RFC 3986: what names of hosts
// are made of in practice, underscores included.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && !strings.ContainsRune("-._~", rune(c)) {
			return false
		}
	}
	return s != "" && len(s) <= maxHost
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// equalFold compares without regard to the case of ASCII letters.
// strings.EqualFold also takes the Kelvin sign for a K.
func equalFold(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if s[i] != t[i] && (s[i]|0x20 != t[i]|0x20 || !isLetter(s[i])) {
			return false
		}
	}
	return true
}
