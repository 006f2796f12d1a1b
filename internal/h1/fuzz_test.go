package h1_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h1"
)

// read parses a final response and its body, in pieces of the given size. rest
// is what stands behind it.
func read(in []byte, size int) (r *h1.Response, data []byte, rest int, err error) {
	p := h1.NewResponseParser(h1.Limits{})
	var b *h1.Body
	for len(in) > 0 {
		piece := in[:min(size, len(in))]
		if b == nil {
			n, resp, err := p.Next(piece)
			if err != nil {
				return nil, nil, 0, err
			}
			in = in[n:]
			if resp == nil || resp.Interim() {
				continue
			}
			r = resp
			f, err := r.Framing(http.MethodGet)
			if err != nil {
				return nil, nil, 0, err
			}
			b = h1.NewBody(f, h1.Limits{})
			continue
		}
		if b.Done() {
			break
		}
		n, d, err := b.Next(piece)
		if err != nil {
			return nil, nil, 0, err
		}
		data = append(data, d...)
		in = in[n:]
	}
	if b == nil {
		return nil, nil, 0, io.ErrUnexpectedEOF
	}
	return r, data, len(in), b.EOF()
}

// What this package accepts, net/http accepts and understands in the same way:
// the package is stricter and never more lenient.
func FuzzHTTPResponse(f *testing.F) {
	for _, s := range []string{
		accepted,
		accepted + "\x81\x02hi",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2;x=y\r\nhi\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nno",
		"HTTP/1.0 200 \r\nContent-Length:00\r\nContent-Length:0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: wss://example.com/\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nPragma: no-cache\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\nX: y\n\n",
		"HTTP/1.1 200 OK\r\nX : y\r\n z\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, data, rest, err := read(in, len(in)+1)
		r1, data1, rest1, err1 := read(in, 1)
		if !reflect.DeepEqual(r, r1) || !bytes.Equal(data, data1) || rest != rest1 || (err == nil) != (err1 == nil) {
			t.Fatalf("whole: %+v, %q, %d, %v\nby bytes: %+v, %q, %d, %v", r, data, rest, err, r1, data1, rest1, err1)
		}
		if err != nil {
			return
		}
		if r.Header["Trailer"] != nil {
			return // net/http looks into its names; they mean nothing here
		}

		theirs := bufio.NewReader(bytes.NewReader(in))
		var resp *http.Response
		for {
			if resp, err = http.ReadResponse(theirs, nil); err != nil {
				t.Fatalf("net/http refuses %q: %v", in, err)
			}
			if resp.StatusCode >= 200 || resp.StatusCode == 101 {
				break
			}
		}
		if resp.StatusCode != r.Status || resp.ProtoMajor != 1 || resp.ProtoMinor != r.Minor {
			t.Fatalf("net/http reads %q as %s %d", in, resp.Proto, resp.StatusCode)
		}
		want := resp.Header.Clone()
		got := r.Header.Clone()
		// net/http takes the first of these out, and sets the others.
		got.Del("Transfer-Encoding")
		for _, h := range []http.Header{got, want} {
			h.Del("Content-Length")
			h.Del("Cache-Control")
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("header %v, net/http has %v", got, want)
		}
		all, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("net/http refuses the body of %q: %v", in, err)
		}
		if r.Status == 101 {
			// There resp.Body is the connection.
			all = all[:0]
		}
		if !bytes.Equal(all, data) {
			t.Fatalf("body %q, net/http has %q", data, all)
		}
		if strings.Contains(r.Reason, "\n") {
			t.Fatalf("reason %q", r.Reason)
		}
	})
}
