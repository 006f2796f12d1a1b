package h1

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Kind says how the end of a body is told.
type Kind uint8

// The kinds of framing (RFC 9112, section 6.3).
const (
	NoBody     Kind = iota // there is none, or it is not this package's
	Length                 // after so many bytes
	Chunked                // by an empty chunk
	UntilClose             // when the connection ends
)

// Framing says where a body ends.
type Framing struct {
	Kind   Kind
	Length int64 // for Length
}

// Framing returns where the body of r ends, r being the answer to a request
// with the given method. The error wraps [ErrFraming] or [ErrLimit]: where a
// length and chunks are stated, or two lengths, or an unknown coding, the end
// is not guessed.
func (r *Response) Framing(method string) (Framing, error) {
	lengths := r.Header["Content-Length"]
	codings := r.Header["Transfer-Encoding"]
	if method == http.MethodConnect && 200 <= r.Status && r.Status <= 299 {
		// RFC 9110, section 9.3.6: a tunnel begins after the head, and both
		// fields must be ignored.
		return Framing{}, nil
	}
	if len(codings) > 0 {
		switch {
		case len(lengths) > 0:
			return Framing{}, fmt.Errorf("%w: both Content-Length and Transfer-Encoding", ErrFraming)
		case r.Minor == 0:
			return Framing{}, fmt.Errorf("%w: Transfer-Encoding in HTTP/1.0", ErrFraming)
		case len(codings) > 1 || len(codings[0]) != len("chunked") || !strings.EqualFold(codings[0], "chunked"):
			return Framing{}, fmt.Errorf("%w: Transfer-Encoding %.64q, want chunked alone", ErrFraming, strings.Join(codings, ", "))
		}
	}
	length := int64(-1)
	for _, v := range lengths {
		n, err := parseLength(v)
		switch {
		case err != nil:
			return Framing{}, err
		case v != lengths[0]:
			// Also "00" beside "0": who reads one and who the other is not known.
			return Framing{}, fmt.Errorf("%w: Content-Length %.64q and %.64q", ErrFraming, lengths[0], v)
		}
		length = n
	}
	if (r.Status < 200 || r.Status == http.StatusNoContent) && (len(codings) > 0 || length > 0) {
		// RFC 9112, section 6.1, and RFC 9110, section 8.6: such a response has
		// neither field; somebody in between may have taken it at its word.
		return Framing{}, fmt.Errorf("%w: status %d has no body, and states one", ErrFraming, r.Status)
	}
	switch {
	case method == http.MethodHead, r.Status < 200, r.Status == http.StatusNoContent, r.Status == http.StatusNotModified:
		return Framing{}, nil
	case len(codings) > 0:
		return Framing{Kind: Chunked}, nil
	case length > 0:
		return Framing{Kind: Length, Length: length}, nil
	case length == 0:
		return Framing{}, nil
	}
	return Framing{Kind: UntilClose}, nil
}

// parseLength reads 1*DIGIT (RFC 9110, section 8.6).
func parseLength(v string) (int64, error) {
	for i := range len(v) {
		if !isDigit(v[i]) {
			return 0, fmt.Errorf("%w: Content-Length %.64q", ErrFraming, v)
		}
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: Content-Length %.64q", ErrFraming, v)
	}
	return n, nil
}
