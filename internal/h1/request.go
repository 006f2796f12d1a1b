package h1

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Request is the head of a request.
type Request struct {
	Method string
	Target string // origin-form "/path?query", or "host:port" for CONNECT
	Host   string // the Host field, which comes first
	Header http.Header
	Body   Framing // Length and Chunked are said in a field of their own, which Header must not have; NoBody in none
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
	for name := range r.Header {
		if strings.EqualFold(name, "Host") {
			return dst, fmt.Errorf("%w: second Host field", ErrField)
		}
	}
	if err := checkHeader(r.Header); err != nil {
		return dst, err
	}

	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = appendField(dst, "Host", r.Host)
	switch r.Body.Kind {
	case Length:
		dst = strconv.AppendInt(append(dst, "Content-Length: "...), r.Body.Length, 10)
		dst = append(dst, "\r\n"...)
	case Chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	dst = appendHeader(dst, r.Header)
	return append(dst, "\r\n"...), nil
}

// AppendChunk appends p, which is not empty, as a chunk of a body (RFC 9112,
// section 7.1).
func AppendChunk(dst, p []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(len(p)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, p...)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the end of a chunked body, with the fields of a
// trailer. The error is as that of [AppendRequest].
func AppendLastChunk(dst []byte, trailer http.Header) ([]byte, error) {
	if err := checkHeader(trailer); err != nil {
		return dst, err
	}
	dst = append(dst, "0\r\n"...)
	dst = appendHeader(dst, trailer)
	return append(dst, "\r\n"...), nil
}

func checkHeader(h http.Header) error {
	for name, values := range h {
		if !ValidName(name) {
			return fmt.Errorf("%w: header name %.64q", ErrField, name)
		}
		for _, v := range values {
			if !ValidValue(v) {
				return fmt.Errorf("%w: header %s has the value %.64q", ErrField, name, v)
			}
		}
	}
	return nil
}

// appendHeader appends fields in the order of their names.
func appendHeader(dst []byte, h http.Header) []byte {
	var room [16]string
	names := room[:0]
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			dst = appendField(dst, name, v)
		}
	}
	return dst
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
