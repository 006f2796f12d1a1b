package h1

import (
	"errors"
	"fmt"
)

// The kinds of errors. The errors returned wrap one of them and say what was
// found.
var (
	// ErrMalformed says that the bytes are not what RFC 9112 allows.
	ErrMalformed = errors.New("malformed HTTP/1.1")

	// ErrVersion says that the peer speaks HTTP, but not HTTP/1.0 or 1.1.
	ErrVersion = errors.New("not HTTP/1.1")

	// ErrLimit says that a part is longer, or that there are more of it, than
	// is accepted.
	ErrLimit = errors.New("HTTP/1.1 limit exceeded")

	// ErrFraming says that it is not clear where a body ends (RFC 9112,
	// section 6.3), which is how requests and responses are smuggled.
	ErrFraming = errors.New("ambiguous HTTP/1.1 body length")

	// ErrField says that a part of a request cannot be sent as it is.
	ErrField = errors.New("not allowed in an HTTP/1.1 request")
)

// quote returns at most 64 bytes of what a peer sent, quoted.
func quote(p []byte) string {
	return fmt.Sprintf("%q", p[:min(len(p), 64)])
}
