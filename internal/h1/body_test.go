package h1_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h1"
)

func TestFraming(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
		head   string
		want   h1.Framing
		err    error
	}{
		{name: "length", head: "HTTP/1.1 200 \r\nContent-Length: 5\r\n", want: h1.Framing{Kind: h1.Length, Length: 5}},
		{name: "length 0", head: "HTTP/1.1 200 \r\nContent-Length: 0\r\n"},
		{name: "equal lengths", head: "HTTP/1.1 200 \r\nContent-Length: 5\r\nContent-Length: 5\r\n", want: h1.Framing{Kind: h1.Length, Length: 5}},
		{name: "chunked", head: "HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n", want: h1.Framing{Kind: h1.Chunked}},
		{name: "until close", head: "HTTP/1.0 200 \r\n", want: h1.Framing{Kind: h1.UntilClose}},
		{name: "HEAD", method: "HEAD", head: "HTTP/1.1 200 \r\nContent-Length: 5\r\n"},
		{name: "101", head: "HTTP/1.1 101 \r\n"},
		{name: "204", head: "HTTP/1.1 204 \r\n"},
		{name: "204 of length 0", head: "HTTP/1.1 204 \r\nContent-Length: 0\r\n"},
		{name: "204 with a length", head: "HTTP/1.1 204 \r\nContent-Length: 5\r\n", err: h1.ErrFraming},
		{name: "204 in chunks", head: "HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n", err: h1.ErrFraming},
		{name: "101 with a length", head: "HTTP/1.1 101 \r\nContent-Length: 5\r\n", err: h1.ErrFraming},
		{name: "304", head: "HTTP/1.1 304 \r\nContent-Length: 5\r\n"},
		{name: "CONNECT", method: "CONNECT", head: "HTTP/1.1 200 \r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n"},
		{name: "CONNECT refused", method: "CONNECT", head: "HTTP/1.1 407 \r\nContent-Length: 5\r\n", want: h1.Framing{Kind: h1.Length, Length: 5}},

		{name: "two lengths", head: "HTTP/1.1 200 \r\nContent-Length: 5\r\nContent-Length: 6\r\n", err: h1.ErrFraming},
		{name: "two spellings of a length", head: "HTTP/1.1 200 \r\nContent-Length: 0\r\nContent-Length: 00\r\n", err: h1.ErrFraming},
		{name: "list of lengths", head: "HTTP/1.1 200 \r\nContent-Length: 5, 5\r\n", err: h1.ErrFraming},
		{name: "empty length", head: "HTTP/1.1 200 \r\nContent-Length:\r\n", err: h1.ErrFraming},
		{name: "negative length", head: "HTTP/1.1 200 \r\nContent-Length: -1\r\n", err: h1.ErrFraming},
		{name: "signed length", head: "HTTP/1.1 200 \r\nContent-Length: +1\r\n", err: h1.ErrFraming},
		{name: "length too large", head: "HTTP/1.1 200 \r\nContent-Length: 9223372036854775808\r\n", err: h1.ErrFraming},
		{name: "length and chunked", head: "HTTP/1.1 200 \r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", err: h1.ErrFraming},
		{name: "chunked in HTTP/1.0", head: "HTTP/1.0 200 \r\nTransfer-Encoding: chunked\r\n", err: h1.ErrFraming},
		{name: "chunked twice", head: "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", err: h1.ErrFraming},
		{name: "gzip, chunked", head: "HTTP/1.1 200 \r\nTransfer-Encoding: gzip, chunked\r\n", err: h1.ErrFraming},
		{name: "chunked with a Kelvin sign", head: "HTTP/1.1 200 \r\nTransfer-Encoding: chun\u212aed\r\n", err: h1.ErrFraming},
		{name: "identity", head: "HTTP/1.1 200 \r\nTransfer-Encoding: identity\r\n", err: h1.ErrFraming},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _, err := parse(h1.NewResponseParser(h1.Limits{}), tt.head+"\r\n")
			if err != nil {
				t.Fatal(err)
			}
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			got, err := r.Framing(method)
			if got != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// body gives the pieces to b and returns the body and how much was left over.
func body(b *h1.Body, pieces ...string) (data string, rest int, err error) {
	for _, piece := range pieces {
		p := []byte(piece)
		for len(p) > 0 && !b.Done() {
			n, d, err := b.Next(p)
			data += string(d)
			p = p[n:]
			if err != nil {
				return data, 0, err
			}
		}
		rest += len(p)
	}
	return data, rest, nil
}

func TestBody(t *testing.T) {
	chunked := h1.Framing{Kind: h1.Chunked}
	for _, tt := range []struct {
		name string
		f    h1.Framing
		in   string
		want string
		rest int
		done bool
		err  error
		eof  error
	}{
		{name: "none", in: "x", rest: 1, done: true},
		{name: "length", f: h1.Framing{Kind: h1.Length, Length: 3}, in: "abcd", want: "abc", rest: 1, done: true},
		{name: "length 0", f: h1.Framing{Kind: h1.Length}, in: "d", rest: 1, done: true},
		{name: "length cut", f: h1.Framing{Kind: h1.Length, Length: 3}, in: "ab", want: "ab", eof: io.ErrUnexpectedEOF},
		{name: "until close", f: h1.Framing{Kind: h1.UntilClose}, in: "abcd", want: "abcd"},
		{name: "chunks", f: chunked, in: "3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\nx", want: "abc0123456789", rest: 1, done: true},
		{name: "extension", f: chunked, in: "3;a=\"b;c\"\r\nabc\r\n000;x\r\n\r\n", want: "abc", done: true},
		{name: "trailer", f: chunked, in: "F\r\n0123456789abcde\r\n0\r\nX: y\r\n\r\n", want: "0123456789abcde", done: true},
		{name: "no chunk", f: chunked, in: "0\r\n\r\n", done: true},
		{name: "chunk cut", f: chunked, in: "3\r\nab", want: "ab", eof: io.ErrUnexpectedEOF},
		{name: "no last chunk", f: chunked, in: "3\r\nabc\r\n", want: "abc", eof: io.ErrUnexpectedEOF},
		{name: "trailer cut", f: chunked, in: "0\r\n", eof: io.ErrUnexpectedEOF},

		{name: "no size", f: chunked, in: "\r\n", err: h1.ErrMalformed},
		{name: "size not hexadecimal", f: chunked, in: "g\r\n", err: h1.ErrMalformed},
		{name: "size 0x3", f: chunked, in: "0x3\r\nabc\r\n", err: h1.ErrMalformed},
		{name: "negative size", f: chunked, in: "-1\r\n", err: h1.ErrMalformed},
		{name: "space after the size", f: chunked, in: "3 \r\nabc\r\n", err: h1.ErrMalformed},
		{name: "16 digits", f: chunked, in: "0000000000000003\r\n", err: h1.ErrLimit},
		{name: "bare LF after the size", f: chunked, in: "3\nabc\r\n", err: h1.ErrMalformed},
		{name: "bare CR after the size", f: chunked, in: "3\rabc\r\n", err: h1.ErrMalformed},
		{name: "bare LF in the extension", f: chunked, in: "3;x\nabc\r\n", err: h1.ErrMalformed},
		{name: "NUL in the extension", f: chunked, in: "3;\x00\r\nabc\r\n", err: h1.ErrMalformed},
		{name: "endless extension", f: chunked, in: "3;" + strings.Repeat("x", 2000), err: h1.ErrLimit},
		{name: "chunk longer than its size", f: chunked, in: "3\r\nabcd\r\n", want: "abc", err: h1.ErrMalformed},
		{name: "bare LF after the chunk", f: chunked, in: "3\r\nabc\n0\r\n", want: "abc", err: h1.ErrMalformed},
		{name: "bare CR after the chunk", f: chunked, in: "3\r\nabc\r0\r\n", want: "abc", err: h1.ErrMalformed},
		{name: "malformed trailer", f: chunked, in: "0\r\nX y\r\n\r\n", err: h1.ErrMalformed},
		{name: "200 fields in the trailer", f: chunked, in: "0\r\n" + strings.Repeat("X: y\r\n", 200), err: h1.ErrLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check := func(how string, pieces ...string) {
				t.Helper()
				b := h1.NewBody(tt.f, h1.Limits{})
				data, rest, err := body(b, pieces...)
				if data != tt.want || rest != tt.rest || b.Done() != tt.done || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
					t.Fatalf("%s: %q, rest %d, done %v, %v; want %q, %d, %v, %v", how, data, rest, b.Done(), err, tt.want, tt.rest, tt.done, tt.err)
				}
				want := tt.eof
				if tt.err != nil {
					want = tt.err
				}
				if eof := b.EOF(); !errors.Is(eof, want) || (eof == nil) != (want == nil) {
					t.Fatalf("%s: EOF: %v, want %v", how, eof, want)
				}
				n, d, err := b.Next([]byte("x"))
				if n != 0 || len(d) != 0 || !errors.Is(err, want) {
					t.Fatalf("%s: after the end: %d, %q, %v", how, n, d, err)
				}
			}
			check("whole", tt.in)
			check("byte by byte", bytesOf(tt.in)...)
			for i := range tt.in {
				check(fmt.Sprintf("split at %d", i), tt.in[:i], tt.in[i:])
			}
		})
	}
}

func TestTrailer(t *testing.T) {
	b := h1.NewBody(h1.Framing{Kind: h1.Chunked}, h1.Limits{})
	if _, _, err := body(b, "0\r\nx: y\r\n\r\n"); err != nil || b.Trailer().Get("X") != "y" {
		t.Errorf("trailer %v, error %v", b.Trailer(), err)
	}
}

// One byte of data for each thousand of its line: a peer that wastes our time.
func TestChunkWaste(t *testing.T) {
	b := h1.NewBody(h1.Framing{Kind: h1.Chunked}, h1.Limits{})
	data, _, err := body(b, strings.Repeat("1;"+strings.Repeat("x", 998)+"\r\ny\r\n", 1000))
	if !errors.Is(err, h1.ErrLimit) || len(data) > 20 {
		t.Errorf("%d bytes of data, error %v", len(data), err)
	}
	// One-byte chunks and chunks with short extensions are only slow.
	b = h1.NewBody(h1.Framing{Kind: h1.Chunked}, h1.Limits{})
	data, _, err = body(b, strings.Repeat("1;ext=1\r\ny\r\n", 10_000)+"0\r\n\r\n")
	if err != nil || len(data) != 10_000 {
		t.Errorf("%d bytes of data, error %v", len(data), err)
	}
	// Large chunks pay for their extensions.
	b = h1.NewBody(h1.Framing{Kind: h1.Chunked}, h1.Limits{})
	_, _, err = body(b, strings.Repeat("400;"+strings.Repeat("x", 900)+"\r\n"+strings.Repeat("y", 1024)+"\r\n", 100)+"0\r\n\r\n")
	if err != nil {
		t.Error(err)
	}
}

// A Body that is used again is as a new one.
func TestBodyReset(t *testing.T) {
	var b h1.Body
	for range 2 {
		b.Reset(h1.Framing{Kind: h1.Chunked}, h1.Limits{})
		if data, _, err := body(&b, "1\r\na\r\n0\r\nX: y\r\nx: z\r\n\r\n"); data != "a" || err != nil || fmt.Sprint(b.Trailer()) != "map[X:[y z]]" {
			t.Fatalf("%q, %v, %v", data, b.Trailer(), err)
		}
		b.Reset(h1.Framing{Kind: h1.Chunked}, h1.Limits{})
		if _, _, err := body(&b, "0\r\n\r\n"); err != nil || b.Trailer() != nil || !b.Done() {
			t.Fatalf("%v, %v", b.Trailer(), err)
		}
		b.Reset(h1.Framing{Kind: h1.Chunked}, h1.Limits{})
		if _, _, err := body(&b, "x"); err == nil {
			t.Fatal("no error")
		}
	}
}
