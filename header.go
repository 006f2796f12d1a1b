package websocket

import (
	"net/http"
	"strings"
)

// packedHeader is a header in one string: a map takes several times as much, and
// a connection keeps the answer's for as long as it lives. Names and values hold
// no control characters.
type packedHeader string

func packHeader(h http.Header) packedHeader {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 2
		}
	}
	var b strings.Builder
	b.Grow(n)
	for name, values := range h {
		for _, v := range values {
			b.WriteString(name)
			b.WriteByte(0)
			b.WriteString(v)
			b.WriteByte(0)
		}
	}
	return packedHeader(b.String())
}

// unpack returns the header anew.
func (p packedHeader) unpack() http.Header {
	h := make(http.Header)
	for s := string(p); s != ""; {
		var name, value string
		name, s, _ = strings.Cut(s, "\x00")
		value, s, _ = strings.Cut(s, "\x00")
		h[name] = append(h[name], value)
	}
	return h
}
