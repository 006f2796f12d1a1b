package h1

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Request is the head of a request.
type Request struct {
	Method string
	Target string // origin-form "/path?query", or "host:port" for CONNECT
	Host   string // the Host field, which comes first
	Header http.Header
}

// AppendRequest appends the head of r, up to and with the empty line. Fields
// are written in the order of their names, so that equal requests are equal
// bytes, and without the spaces around their values. A Host in the header is an
// error.
//
// Nothing that a part of r contains can end a line or begin another one: the
// error then wraps [ErrField], names the part, and dst is returned as it was.
func AppendRequest(dst []byte, r *Request) ([]byte, error) {
	switch {
	case !ValidName(r.Method):
		return dst, fmt.Errorf("%w: method %.64q", ErrField, r.Method)
	case !visible(r.Target):
		return dst, fmt.Errorf("%w: request-target %.64q", ErrField, r.Target)
	case !visible(r.Host):
		return dst, fmt.Errorf("%w: host %.64q", ErrField, r.Host)
	}
	names := slices.Sorted(maps.Keys(r.Header))
	for _, name := range names {
		if !ValidName(name) {
			return dst, fmt.Errorf("%w: header name %.64q", ErrField, name)
		}
		if strings.EqualFold(name, "Host") {
			return dst, fmt.Errorf("%w: second Host field", ErrField)
		}
		for _, v := range r.Header[name] {
			if !ValidValue(v) {
				return dst, fmt.Errorf("%w: header %s has the value %.64q", ErrField, name, v)
			}
		}
	}

	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = appendField(dst, "Host", r.Host)
	for _, name := range names {
		for _, v := range r.Header[name] {
			dst = appendField(dst, name, v)
		}
	}
	return append(dst, "\r\n"...), nil
}

func appendField(dst []byte, name, value string) []byte {
	// RFC 6455 spells them so, and some servers compare letter by letter.
	if rest, ok := strings.CutPrefix(name, "Sec-Websocket-"); ok {
		dst = append(dst, "Sec-WebSocket-"...)
		name = rest
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, strings.Trim(value, " \t")...)
	return append(dst, "\r\n"...)
}

// visible reports whether s has only visible ASCII characters, and one at
// least.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}
