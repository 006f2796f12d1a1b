package h2http

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
)

// ErrRequest: a request cannot be sent as it is. Nothing was sent.
var ErrRequest = errors.New("websocket: request cannot be sent")

// RequestHead returns the head of a client's request (RFC 9113, section 8.3.1).
// The error wraps [ErrRequest].
func RequestHead(r *http.Request) (*h2.Head, error) {
	line, err := RequestLine(r)
	if err != nil {
		return nil, err
	}
	h := &h2.Head{Method: line.Method, Scheme: r.URL.Scheme, Authority: line.Authority, Path: line.Path, ContentLength: -1}
	if h.Method == http.MethodConnect {
		h.Scheme = ""
	}
	fields, err := requestFields(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	h.Fields = fields
	return h, nil
}

// Line is what a request is about.
type Line struct {
	Method    string
	Authority string // host, and perhaps port
	Path      string // with the query; empty for CONNECT
}

// RequestLine returns what a request is about, in any version of HTTP. The error
// wraps [ErrRequest].
func RequestLine(r *http.Request) (Line, error) {
	if r.URL == nil {
		return Line{}, fmt.Errorf("%w: it has no URL", ErrRequest)
	}
	l := Line{Method: r.Method, Authority: r.Host}
	if l.Method == "" {
		l.Method = http.MethodGet
	}
	if l.Authority == "" {
		l.Authority = r.URL.Host
	}
	switch {
	case !h1.ValidName(l.Method):
		return Line{}, fmt.Errorf("%w: method %.64q", ErrRequest, r.Method)
	case l.Authority == "" || strings.ContainsFunc(l.Authority, notVisible):
		return Line{}, fmt.Errorf("%w: host %.64q; want a name, in its xn-- form when it is not ASCII, or an address", ErrRequest, l.Authority)
	case l.Method == http.MethodConnect:
		return l, nil
	}
	l.Path = r.URL.RequestURI()
	if l.Path != "*" && !strings.HasPrefix(l.Path, "/") {
		// An opaque URL, absolute perhaps: what follows the host counts.
		_, rest, ok := strings.Cut(l.Path, "://"+l.Authority)
		if l.Path = rest; !ok || !strings.HasPrefix(rest, "/") {
			return Line{}, fmt.Errorf("%w: the URL %.64q has no path", ErrRequest, r.URL.Redacted())
		}
	}
	if strings.ContainsFunc(l.Path, notVisible) {
		return Line{}, fmt.Errorf("%w: path %.64q; percent-encode it", ErrRequest, l.Path)
	}
	return l, nil
}

func requestFields(r *http.Request) ([]h2.Field, error) {
	fields, err := AppendFields(make([]h2.Field, 0, len(r.Header)+2), r.Header, func(name string) bool {
		switch name {
		case "host", "content-length", "trailer":
			return true // what the request itself says counts
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	switch n := BodyLength(r); {
	case n > 0, n == 0 && (r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch):
		fields = append(fields, h2.Field{Name: "content-length", Value: strconv.FormatInt(n, 10)})
	}
	if len(r.Trailer) == 0 {
		return fields, nil
	}
	for name := range r.Trailer {
		if !ValidTrailer(name) {
			return nil, fmt.Errorf("%w: no trailer can be named %.64q", ErrField, name)
		}
	}
	return append(fields, h2.Field{Name: "trailer", Value: strings.ToLower(strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ", "))}), nil
}

// ValidTrailer reports whether a field can come after the body.
func ValidTrailer(name string) bool {
	return h1.ValidName(name) && h2.MayTrail(strings.ToLower(name))
}

// HasBody reports whether a request has a body, be it an empty one.
func HasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// BodyLength returns how long the body is, -1 when that is not known.
func BodyLength(r *http.Request) int64 {
	switch {
	case !HasBody(r):
		return 0
	case r.ContentLength > 0:
		return r.ContentLength
	}
	return -1
}

func notVisible(c rune) bool { return c <= ' ' || c >= 0x7f }
