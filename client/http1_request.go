package client

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/h2http"
)

// request1 returns a request as HTTP/1.1 has it; end says that no body and no
// trailers follow. The error wraps [h2http.ErrRequest].
func request1(r *http.Request, end bool) (httpconn.Request, error) {
	line, err := h2http.RequestLine(r)
	if err != nil {
		return httpconn.Request{}, err
	}
	req := httpconn.Request{Method: line.Method, Path: line.Path, Authority: line.Authority}
	if !end {
		req.Body = h2http.BodyLength(r)
		if len(r.Trailer) > 0 || slices.Contains(r.TransferEncoding, "chunked") {
			req.Body = -1
		}
	}
	req.Header, err = header1(r)
	return req, err
}

// header1 returns the header of a request without what the request itself says,
// and with which trailers there are. Where that changes nothing it is r's own.
func header1(r *http.Request) (http.Header, error) {
	h, own := r.Header, false
	change := func() {
		if !own {
			h, own = maps.Clone(r.Header), true
		}
		if h == nil {
			h = make(http.Header, 1)
		}
	}
	for name := range r.Header {
		if said1(name) {
			change()
			delete(h, name)
		}
	}
	if r.Close {
		change()
		h["Connection"] = []string{"close"}
	}
	if len(r.Trailer) == 0 {
		return h, nil
	}
	for name := range r.Trailer {
		if !h2http.ValidTrailer(name) {
			return nil, fmt.Errorf("%w: no trailer can be named %.64q", h2http.ErrRequest, name)
		}
	}
	change()
	h["Trailer"] = []string{strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ", ")}
	return h, nil
}

// said1 reports whether the request itself says what a field would.
func said1(name string) bool {
	switch len(name) {
	case len("Host"), len("Trailer"), len("Content-Length"), len("Transfer-Encoding"):
	default:
		return false
	}
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Trailer", "Content-Length", "Transfer-Encoding":
		return true
	}
	return false
}
