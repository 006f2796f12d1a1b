package h1

import (
	"fmt"
	"io"
	"net/http"
)

const (
	// maxChunkSize is the most hexadecimal digits in the size of a chunk: what
	// fits an int64 and no more.
	maxChunkSize = 15

	// maxChunkLine is the longest line before a chunk, with its extensions.
	maxChunkLine = 1 << 10

	// maxChunkWaste is how many bytes of chunk lines may come that no data pays
	// for: 1-byte chunks and long extensions cost more than they bring. A byte
	// of data pays for two, each chunk for sixteen.
	maxChunkWaste = 16 << 10
)

// chunkState is a place in a chunked body (RFC 9112, section 7.1).
type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExt
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer
)

// Body takes a body out of the bytes that carry it. It is made by [NewBody], or
// by [Body.Reset].
type Body struct {
	kind    Kind
	left    int64 // bytes of the body, or of the chunk
	state   chunkState
	digits  int // of the chunk's size
	line    int // bytes of the chunk's line
	waste   int64
	trailer head
	fields  http.Header // of the trailer
	done    bool
	err     error
}

// NewBody returns a reader of a body that ends as f says. The limits are for
// the trailer of a chunked one.
func NewBody(f Framing, l Limits) *Body {
	b := new(Body)
	b.Reset(f, l)
	return b
}

// Reset makes a new Body of b, as [NewBody] does, with its memory.
func (b *Body) Reset(f Framing, l Limits) {
	trailer := b.trailer
	*b = Body{kind: f.Kind, left: f.Length, trailer: trailer}
	b.done = f.Kind == NoBody || f.Kind == Length && f.Length == 0
	b.trailer.limits = l.withDefaults()
	b.trailer.reset()
}

// Done reports whether the body has ended.
func (b *Body) Done() bool { return b.done }

// Trailer returns the fields after a chunked body, once it is done; nil when
// there are none.
func (b *Body) Trailer() http.Header { return b.fields }

// Next takes n bytes of p and returns the piece of the body among them, which
// is a part of p. Both are 0 when the body is done, and when p is empty. An
// error wraps [ErrMalformed] or [ErrLimit], and each later call returns it too.
func (b *Body) Next(p []byte) (n int, data []byte, err error) {
	if b.err != nil {
		return 0, nil, b.err
	}
	if b.done {
		return 0, nil, nil
	}
	switch b.kind {
	case UntilClose:
		return len(p), p, nil
	case Length:
		data = b.take(p)
		b.done = b.left == 0
		return len(data), data, nil
	}
	n, data, b.err = b.chunked(p)
	return n, data, b.err
}

// EOF tells the body that the connection has ended. The error is
// [io.ErrUnexpectedEOF] when more was to come.
func (b *Body) EOF() error {
	switch {
	case b.err != nil:
		return b.err
	case b.done || b.kind == UntilClose:
		b.done = true
		return nil
	}
	b.err = io.ErrUnexpectedEOF
	return b.err
}

func (b *Body) take(p []byte) []byte {
	p = p[:min(int64(len(p)), b.left)]
	b.left -= int64(len(p))
	return p
}

// chunked goes on until there is data.
func (b *Body) chunked(p []byte) (n int, data []byte, err error) {
	for n < len(p) && !b.done {
		switch b.state {
		case chunkData:
			data = b.take(p[n:])
			if b.left == 0 {
				b.state = chunkDataCR
			}
			return n + len(data), data, nil
		case chunkTrailer:
			m, done, err := b.trailer.feed(p[n:])
			if err != nil {
				return n + m, nil, err
			}
			if b.done = done; done && len(b.trailer.fields) > 0 {
				_, b.fields = b.trailer.take()
			}
			n += m
		default:
			if err := b.chunkByte(p[n]); err != nil {
				return n, nil, err
			}
			n++
		}
	}
	return n, nil, nil
}

// chunkByte takes a byte that is not data.
func (b *Body) chunkByte(c byte) error {
	switch b.state {
	case chunkDataCR, chunkDataLF:
		if want := "\r\n"[b.state-chunkDataCR]; c != want {
			return fmt.Errorf("%w: %q after a chunk, want CRLF", ErrMalformed, c)
		}
		if b.state++; b.state > chunkDataLF {
			b.state, b.digits, b.line = chunkSize, 0, 0
		}
		return nil
	case chunkSizeLF:
		if c != '\n' {
			return fmt.Errorf("%w: CR without LF after the size of a chunk", ErrMalformed)
		}
		return b.chunkBegin()
	}

	if b.line++; b.line > maxChunkLine {
		return fmt.Errorf("%w: the line before a chunk is longer than %d bytes", ErrLimit, maxChunkLine)
	}
	if b.state == chunkSize {
		if d, ok := hexDigit(c); ok {
			if b.digits++; b.digits > maxChunkSize {
				return fmt.Errorf("%w: the size of a chunk has more than %d digits", ErrLimit, maxChunkSize)
			}
			b.left = b.left<<4 | int64(d)
			return nil
		}
		if b.digits == 0 || c != ';' && c != '\r' {
			return fmt.Errorf("%w: %q in the size of a chunk", ErrMalformed, c)
		}
	}
	switch {
	case c == '\r':
		b.state = chunkSizeLF
	case !isText(c):
		return fmt.Errorf("%w: control character %q in the line before a chunk", ErrMalformed, c)
	default:
		b.state = chunkExt
	}
	return nil
}

// chunkBegin begins the data of a chunk, or the trailer.
func (b *Body) chunkBegin() error {
	if b.waste += int64(b.line) - 16; b.waste < 0 {
		b.waste = 0
	}
	if b.waste > maxChunkWaste {
		return fmt.Errorf("%w: the lines before chunks are much longer than the chunks", ErrLimit)
	}
	b.waste = max(0, b.waste-2*min(b.left, maxChunkWaste))
	b.state = chunkData
	if b.left == 0 {
		b.state = chunkTrailer
	}
	return nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
