package roundtrip

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// Stream is a request and its response under way. One goroutine at a time writes
// and one reads; any may call Abort and Close.
type Stream interface {
	// AwaitHead waits for the next head of the response, interim ones too, as
	// long as ctx lives. It fills in all of h.
	AwaitHead(ctx context.Context, h *Head) error

	// Read reads the response's body, as it comes, once the final head was
	// there. It returns io.EOF at the end.
	Read(p []byte) (int, error)

	// Trailers returns what came behind the body, once Read has returned io.EOF.
	Trailers() http.Header

	// Write sends a piece of the request's body, WriteEnd the last one, which
	// may be empty. WriteTrailers ends it with trailers, which have been checked.
	Write(p []byte) (int, error)
	WriteEnd(p []byte) error
	WriteTrailers(h http.Header) error

	// Abort gives up what is not sent and what has not come. Where both are
	// done it does nothing.
	Abort()

	// Close says that nobody reads any more.
	Close() error

	// Carrier tells what the request went out on.
	Carrier() Carrier
}

// Carrier is the connection of a [Stream].
type Carrier struct {
	Conn   net.Conn
	Reused bool                 // it has carried requests before
	TLS    *tls.ConnectionState // shared by all responses; nil without TLS
}

// Head is the head of a response.
type Head struct {
	Major, Minor  int // of the version
	Status        int
	Header        http.Header // the reader's
	ContentLength int64       // -1: not given
	Chunked       bool        // HTTP/1.1: the body came in chunks
	Close         bool        // HTTP/1.1: the connection ends with the response
	End           bool        // there is no body
	TooLarge      bool        // there were more fields than are taken
}
