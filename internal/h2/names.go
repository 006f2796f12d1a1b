package h2

import "strings"

// ConnectionSpecific reports whether a field, by its name in lower case, speaks of
// a connection of HTTP/1, and so is malformed in HTTP/2 (RFC 9113, section 8.2.2).
// A te is one too, unless it says trailers.
func ConnectionSpecific(name string) bool {
	switch name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// MayTrail reports whether a field, by its name in lower case, may come after the
// body: none about framing, routing, authentication, or how the content is treated
// (RFC 9110, section 6.5.1).
func MayTrail(name string) bool {
	switch name {
	case "authorization", "cache-control", "content-encoding", "content-length", "content-range", "content-type", "expect", "host",
		"max-forwards", "pragma", "proxy-authenticate", "proxy-authorization", "range", "realm", "te", "trailer", "www-authenticate":
		return false
	}
	return !strings.HasPrefix(name, "if-") && !ConnectionSpecific(name)
}

// ValidAuthority reports whether s has only what can stand in an authority
// without userinfo, and is not empty (RFC 3986, section 3.2).
func ValidAuthority(s string) bool { return consists(s, hostByte) }
