package httpconn_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/httpconn"
)

var (
	errUnexpectedEOF = io.ErrUnexpectedEOF
	errHTTPVersion   = handshake.ErrHTTPVersion
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

// What the server of HTTP/1.1 may send, and what comes of it, however it is cut.
// eof is what ReceiveEOF does after it, in the same words.
func TestHTTP1Responses(t *testing.T) {
	post := &httpconn.Request{Method: "POST", Path: "/", Body: -1}
	interim := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	for _, tt := range []struct {
		name   string
		method string
		r      *httpconn.Request
		in     string
		want   []string
		err    string
		eof    []string
		eofErr string
		open   bool // for another request, before the end
	}{
		{name: "length", in: ok, want: []string{"Status 1 200 Content-Length=2", `Data 1 "hi"`, "Done 1"}, open: true},
		{name: "length 0", in: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", want: []string{"Status 1 200 Content-Length=0 end", "Done 1"}, open: true},
		{
			name: "chunks", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
			want: []string{"Status 1 200 Transfer-Encoding=chunked", `Data 1 "abcd"`, "Done 1"}, open: true,
		},
		{
			name: "S2.30 trailers", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\nx: z\r\n\r\n",
			want: []string{"Status 1 200 Transfer-Encoding=chunked", `Data 1 "a"`, "Trailer 1 X=y|z", "Done 1"}, open: true,
		},
		{
			name: "until the end", in: "HTTP/1.1 200 OK\r\n\r\nabc",
			want: []string{"Status 1 200", `Data 1 "abc"`}, eof: []string{"Done 1"}, open: true,
		},
		{name: "until the end, empty", in: "HTTP/1.1 200 OK\r\n\r\n", want: []string{"Status 1 200"}, eof: []string{"Done 1"}, open: true},
		{name: "HEAD", method: "HEAD", in: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", want: []string{"Status 1 200 Content-Length=5 end", "Done 1"}, open: true},
		{name: "204", in: "HTTP/1.1 204 \r\n\r\n", want: []string{"Status 1 204 end", "Done 1"}, open: true},
		{name: "304", in: "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", want: []string{"Status 1 304 Content-Length=5 end", "Done 1"}, open: true},

		{name: "close", in: "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", want: []string{"Status 1 200 Connection=x, Close Content-Length=0 end", "Done 1"}},
		{name: "HTTP/1.0", in: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", want: []string{"Status 1 200 Content-Length=0 end", "Done 1"}},
		{name: "HTTP/1.0 keep-alive", in: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", want: []string{"Status 1 200 Connection=Keep-Alive Content-Length=0 end", "Done 1"}, open: true},
		{name: "HTTP/1.0 keep-alive and close", in: "HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 0\r\n\r\n", want: []string{"Status 1 200 Connection=keep-alive, close Content-Length=0 end", "Done 1"}},
		{name: "before the request's end", r: post, in: "HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n", want: []string{"Status 1 413 Content-Length=0 end", "Done 1"}},

		{
			name: "H-C3 1xx first", in: interim + ok,
			want: []string{"Interim 1 100", "Interim 1 103 Link=</x>", "Status 1 200 Content-Length=2", `Data 1 "hi"`, "Done 1"}, open: true,
		},
		{name: "H-C3 8 of them", in: strings.Repeat("HTTP/1.1 102 x\r\n\r\n", 8) + "HTTP/1.1 204 \r\n\r\n", want: append(slices.Repeat([]string{"Interim 1 102"}, 8), "Status 1 204 end", "Done 1"), open: true},
		{name: "H-C3 9 of them", in: strings.Repeat("HTTP/1.1 102 x\r\n\r\n", 9), want: append(slices.Repeat([]string{"Interim 1 102"}, 8), "Failed 1: limit"), err: "limit"},
		{name: "H-C3 1,000 of them", in: strings.Repeat(interim, 500), want: append(slices.Repeat([]string{"Interim 1 100", "Interim 1 103 Link=</x>"}, 4), "Failed 1: limit"), err: "limit"},
		{name: "H-C3 101 to a plain request", in: "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", want: []string{"Failed 1: unexpected upgrade"}, err: "unexpected upgrade"},

		{name: "two responses", in: ok + ok, want: []string{"Status 1 200 Content-Length=2", `Data 1 "hi"`, "Done 1"}, err: "unsolicited"},
		{name: "a byte too much", in: ok + "\r", want: []string{"Status 1 200 Content-Length=2", `Data 1 "hi"`, "Done 1"}, err: "unsolicited"},
		{name: "a body for HEAD", method: "HEAD", in: ok, want: []string{"Status 1 200 Content-Length=2 end", "Done 1"}, err: "unsolicited"},

		{name: "two lengths", in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", want: []string{"Failed 1: framing"}, err: "framing"},
		{name: "list of lengths", in: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", want: []string{"Failed 1: framing"}, err: "framing"},
		{name: "length and chunks", in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", want: []string{"Failed 1: framing"}, err: "framing"},
		{name: "gzip, chunked", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", want: []string{"Failed 1: framing"}, err: "framing"},
		{name: "chunks over HTTP/1.0", in: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", want: []string{"Failed 1: framing"}, err: "framing"},
		{name: "100 with a length", in: "HTTP/1.1 100 x\r\nContent-Length: 2\r\n\r\n", want: []string{"Failed 1: framing"}, err: "framing"},
		{name: "204 with a length", in: "HTTP/1.1 204 x\r\nContent-Length: 2\r\n\r\n", want: []string{"Failed 1: framing"}, err: "framing"},
		{name: "bad chunk size", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0x1\r\n", want: []string{"Status 1 200 Transfer-Encoding=chunked", `Data 1 "a"`, "Failed 1: malformed"}, err: "malformed"},
		{name: "chunk size too large", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n", want: []string{"Status 1 200 Transfer-Encoding=chunked", "Failed 1: limit"}, err: "limit"},
		{name: "bare LF", in: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", want: []string{"Failed 1: malformed"}, err: "malformed"},
		{name: "bare CR", in: "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", want: []string{"Failed 1: malformed"}, err: "malformed"},
		{name: "obs-fold", in: "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", want: []string{"Failed 1: malformed"}, err: "malformed"},
		{name: "space before the colon", in: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", want: []string{"Failed 1: malformed"}, err: "malformed"},
		{name: "NUL", in: "HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n", want: []string{"Failed 1: malformed"}, err: "malformed"},

		{name: "H-C6 40 KiB block", in: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 4000)+"\r\n", 10) + "\r\n", want: []string{"Failed 1: limit"}, err: "limit"},
		{name: "H-C6 200 fields", in: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 200) + "\r\n", want: []string{"Failed 1: limit"}, err: "limit"},
		{name: "H-C9 garbage", in: "SSH-2.0-x\r\n", want: []string{"Failed 1: malformed"}, err: "malformed"},
		{name: "H-C9 HTTP/2", in: "\x00\x00\x00\x04\x00\x00\x00\x00\x00", want: []string{"Failed 1: malformed"}, err: "malformed"},
		{name: "H-C9 TLS alert", in: "\x15\x03\x01\x00\x02\x02\x46", want: []string{"Failed 1: malformed"}, err: "malformed"},
		{name: "HTTP/2.0", in: "HTTP/2.0 200 OK\r\n", want: []string{"Failed 1: version"}, err: "version"},

		{name: "no answer", eof: []string{"Failed 1: no response"}, eofErr: "no response", open: true},
		{name: "only 1xx", in: "HTTP/1.1 100 Continue\r\n\r\n", want: []string{"Interim 1 100"}, eof: []string{"Failed 1: no response"}, eofErr: "no response", open: true},
		{name: "half a head", in: "HTTP/1.1 200", eof: []string{"Failed 1: cut"}, eofErr: "cut", open: true},
		{name: "half a body", in: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", want: []string{"Status 1 200 Content-Length=9", `Data 1 "hi"`}, eof: []string{"Failed 1: cut"}, eofErr: "cut", open: true},
		{name: "no last chunk", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", want: []string{"Status 1 200 Transfer-Encoding=chunked", `Data 1 "hi"`}, eof: []string{"Failed 1: cut"}, eofErr: "cut", open: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.r
			if r == nil {
				r = &httpconn.Request{Method: tt.method, Path: "/"}
			}
			for how, pieces := range cuts(tt.in) {
				c := http1(t, r)
				got, err := feed(t, c, pieces...)
				if !slices.Equal(got, tt.want) || kindOf(err) != tt.err {
					t.Fatalf("%s: %q, %v\nwant %q, %s", how, got, err, tt.want, tt.err)
				}
				if c.IsOpen() != tt.open || c.Finished() != (!tt.open && c.OpenRequests() == 0) {
					t.Fatalf("%s: open %v, finished %v, %d requests", how, c.IsOpen(), c.Finished(), c.OpenRequests())
				}
				if tt.err != "" {
					over(t, c, err)
					continue
				}
				// S2.28: what was read so far comes with the end.
				var j journal
				evs, err := c.ReceiveEOF()
				if j.add(evs...); !slices.Equal(j.lines, tt.eof) || kindOf(err) != tt.eofErr {
					t.Fatalf("%s: at the end %q, %v\nwant %q, %s", how, j.lines, err, tt.eof, tt.eofErr)
				}
				if err == nil {
					err = httpconn.ErrClosed
				}
				over(t, c, err)
			}
		})
	}
}

// over checks that a connection is over for a reason.
func over(t testing.TB, c *httpconn.Conn, want error) {
	t.Helper()
	if c.IsOpen() || c.OpenRequests() != 0 || !c.Finished() {
		t.Fatalf("open %v, %d requests, finished %v", c.IsOpen(), c.OpenRequests(), c.Finished())
	}
	evs, err := c.Receive([]byte(ok))
	if len(evs) != 0 || err != want {
		t.Fatalf("after the end: %v, %v; want %v", evs, err, want)
	}
	if evs, err = c.ReceiveEOF(); len(evs) != 0 || err != want {
		t.Fatalf("after the end: %v, %v; want %v", evs, err, want)
	}
	if _, err := c.Request(&httpconn.Request{Path: "/"}); err != want {
		t.Fatalf("a request after the end: %v, want %v", err, want)
	}
	if _, err := c.Body(1, []byte("x")); err != want {
		t.Fatalf("a body after the end: %v, want %v", err, want)
	}
	if err := c.End(1, http.Header{}); err != want {
		t.Fatalf("the end of a body after the end: %v, want %v", err, want)
	}
	if err := c.Cancel(1); err != httpconn.ErrStream {
		t.Fatalf("Cancel after the end: %v", err)
	}
}
