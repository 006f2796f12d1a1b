package h2http

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
)

// ErrField: a header has a name or a value that no field can have.
var ErrField = errors.New("websocket: header field cannot be sent")

// AppendFields appends a header as HTTP/2 carries it: names in lower case and in
// their order, values without the space around them. What belongs to a
// connection of HTTP/1 is left out, and so is what skip, if not nil, says. The
// error wraps [ErrField].
func AppendFields(dst []h2.Field, h http.Header, skip func(name string) bool) ([]h2.Field, error) {
	if len(h) == 0 {
		return dst, nil
	}
	for _, key := range slices.Sorted(maps.Keys(h)) {
		if !h1.ValidName(key) {
			return dst, fmt.Errorf("%w: name %.64q", ErrField, key)
		}
		name := strings.ToLower(key)
		if h2.ConnectionSpecific(name) || skip != nil && skip(name) {
			continue
		}
		for _, v := range h[key] {
			v = strings.Trim(v, " \t")
			if !h1.ValidValue(v) {
				return dst, fmt.Errorf("%w: %s has the value %.64q", ErrField, key, v)
			}
			if name == "te" && !strings.EqualFold(v, "trailers") {
				continue
			}
			dst = append(dst, h2.Field{Name: name, Value: v, Sensitive: secret(name, v)})
		}
	}
	return dst, nil
}

// secret reports whether a value is to stay out of compression's memory, where
// who can send requests of his own can guess at it (RFC 7541, section 7.1.3). A
// long cookie cannot be guessed.
func secret(name, value string) bool {
	switch name {
	case "authorization", "proxy-authorization":
		return true
	case "cookie", "set-cookie":
		return len(value) < 20
	}
	return false
}

// Header returns fields as net/http has them.
func Header(fields []h2.Field) http.Header {
	h := make(http.Header, len(fields))
	values := make([]string, len(fields)) // one piece of memory for the most of them
	for i, f := range fields {
		key := http.CanonicalHeaderKey(f.Name)
		if old := h[key]; old != nil {
			h[key] = append(old, f.Value)
			continue
		}
		values[i] = f.Value
		h[key] = values[i : i+1 : i+1]
	}
	return h
}
