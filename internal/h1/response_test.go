package h1_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h1"
)

// parse gives the pieces to a parser and returns the final response, how many
// bytes it left over, and the error.
func parse(p *h1.ResponseParser, pieces ...string) (*h1.Response, int, error) {
	for i, piece := range pieces {
		b := []byte(piece)
		for len(b) > 0 {
			n, r, err := p.Next(b)
			if err != nil {
				return nil, 0, err
			}
			b = b[n:]
			if r != nil && !r.Interim() {
				return r, len(b) + len(strings.Join(pieces[i+1:], "")), nil
			}
		}
	}
	return nil, 0, nil
}

// bytesOf cuts s into single bytes.
func bytesOf(s string) []string {
	return strings.Split(s, "")
}

const accepted = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\n" +
	"connection:Upgrade\r\n" +
	"Sec-WebSocket-Accept: \ts3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t\r\n" +
	"Set-Cookie: a=1\r\n" +
	"set-cookie: b=2\r\n" +
	"\r\n"

func TestResponse(t *testing.T) {
	fields := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "F%d: v\r\n", i)
		}
		return b.String()
	}
	// A head of exactly n bytes.
	sized := func(n int) string {
		const start, end = "HTTP/1.1 200 \r\n", "\r\n"
		var b strings.Builder
		b.WriteString(start)
		for left := n - len(start) - len(end); left > 0; {
			line := min(left, 4096)
			if rest := left - line; rest > 0 && rest < 4 {
				line -= 4
			}
			b.WriteString("X:" + strings.Repeat("y", line-4) + "\r\n")
			left -= line
		}
		return b.String() + end
	}
	line := func(n int) string { return "HTTP/1.1 200 \r\nX:" + strings.Repeat("y", n-2) + "\r\n\r\n" }
	interim := "HTTP/1.1 100 Continue\r\n\r\n" + "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

	for _, tt := range []struct {
		name   string
		in     string
		err    error
		status int
		minor  int
		rest   int
	}{
		{name: "accepted", in: accepted, status: 101, minor: 1},
		{name: "H-C7 frames behind the head are left", in: accepted + "\x81\x02hi", status: 101, minor: 1, rest: 4},
		{name: "no reason", in: "HTTP/1.1 200 \r\n\r\n", status: 200, minor: 1},
		{name: "HTTP/1.0", in: "HTTP/1.0 101 OK\r\n\r\n", status: 101},
		{name: "obs-text", in: "HTTP/1.1 404 \xe9\r\nX: \xe9\t!\r\n\r\n", status: 404, minor: 1},
		{name: "empty value", in: "HTTP/1.1 200 OK\r\nX:\r\nY: \t \r\n\r\n", status: 200, minor: 1},
		{name: "status 999", in: "HTTP/1.1 999 OK\r\n\r\n", status: 999, minor: 1},

		{name: "H-C3 1xx first", in: interim + accepted, status: 101, minor: 1},
		{name: "H-C3 8 of them", in: strings.Repeat(interim, 4) + accepted, status: 101, minor: 1},
		{name: "H-C3 9 of them", in: strings.Repeat(interim, 4) + "HTTP/1.1 102 x\r\n\r\n" + accepted, err: h1.ErrLimit},
		{name: "H-C3 1,000 of them", in: strings.Repeat(interim, 500) + accepted, err: h1.ErrLimit},

		{name: "H-C6 line at the limit", in: line(8 << 10), status: 200, minor: 1},
		{name: "H-C6 line above the limit", in: line(8<<10 + 1), err: h1.ErrLimit},
		{name: "H-C6 status line above the limit", in: "HTTP/1.1 200 " + strings.Repeat("x", 8<<10), err: h1.ErrLimit},
		{name: "H-C6 block at the limit", in: sized(32 << 10), status: 200, minor: 1},
		{name: "H-C6 block above the limit", in: sized(32<<10 + 1), err: h1.ErrLimit},
		{name: "H-C6 40 KiB block", in: sized(40 << 10), err: h1.ErrLimit},
		{name: "H-C6 fields at the limit", in: "HTTP/1.1 200 OK\r\n" + fields(100) + "\r\n", status: 200, minor: 1},
		{name: "H-C6 fields above the limit", in: "HTTP/1.1 200 OK\r\n" + fields(101), err: h1.ErrLimit},
		{name: "H-C6 200 fields", in: "HTTP/1.1 200 OK\r\n" + fields(200) + "\r\n", err: h1.ErrLimit},

		{name: "H-C9 server speaks first", in: "S", err: h1.ErrMalformed},
		{name: "H-C9 SSH", in: "SSH-2.0-x\r\n", err: h1.ErrMalformed},
		{name: "H-C9 HTTP/2 settings", in: "\x00\x00\x00\x04\x00\x00\x00\x00\x00", err: h1.ErrMalformed},
		{name: "H-C9 HTTP/2 preface", in: "PRI * HTTP/2.0\r\n", err: h1.ErrMalformed},
		{name: "H-C9 TLS alert", in: "\x15\x03\x01\x00\x02\x02\x46", err: h1.ErrMalformed},
		{name: "H-C9 empty line first", in: "\r\nHTTP/1.1 200 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "H-C9 lower case", in: "http/1.1 200 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "HTTP/2", in: "HTTP/2 200\r\n", err: h1.ErrVersion},
		{name: "HTTP/2.0", in: "HTTP/2.0 101 OK\r\n", err: h1.ErrVersion},
		{name: "HTTP/0.9", in: "HTTP/0.9 200 OK\r\n", err: h1.ErrVersion},
		{name: "HTTP/1.2", in: "HTTP/1.2 200 OK\r\n", err: h1.ErrVersion},
		{name: "HTTP/1.10", in: "HTTP/1.10 200 OK\r\n", err: h1.ErrVersion},
		{name: "no space after the status", in: "HTTP/1.1 200\r\n\r\n", err: h1.ErrMalformed},
		{name: "two spaces", in: "HTTP/1.1  200 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "status 0101", in: "HTTP/1.1 0101 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "status 099", in: "HTTP/1.1 099 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "status 10", in: "HTTP/1.1 10 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "status 1O1", in: "HTTP/1.1 1O1 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "status 1010", in: "HTTP/1.1 1010 OK\r\n\r\n", err: h1.ErrMalformed},
		{name: "short status line", in: "HTTP/1.1 \r\n\r\n", err: h1.ErrMalformed},
		{name: "NUL in the reason", in: "HTTP/1.1 200 O\x00K\r\n\r\n", err: h1.ErrMalformed},
		{name: "bare LF after the status line", in: "HTTP/1.1 200 OK\n\r\n", err: h1.ErrMalformed},
		{name: "bare CR after the status line", in: "HTTP/1.1 200 OK\rX: y\r\n\r\n", err: h1.ErrMalformed},
		{name: "bare LF after a field", in: "HTTP/1.1 200 OK\r\nX: y\nZ: z\r\n\r\n", err: h1.ErrMalformed},
		{name: "bare LF after a name", in: "HTTP/1.1 200 OK\r\nX\n\r\n", err: h1.ErrMalformed},
		{name: "bare LF for the empty line", in: "HTTP/1.1 200 OK\r\nX: y\r\n\n", err: h1.ErrMalformed},
		{name: "bare CR in a value", in: "HTTP/1.1 200 OK\r\nX: y\rz\r\n\r\n", err: h1.ErrMalformed},
		{name: "obs-fold", in: "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", err: h1.ErrMalformed},
		{name: "obs-fold with a tab", in: "HTTP/1.1 200 OK\r\nX: y\r\n\tz\r\n\r\n", err: h1.ErrMalformed},
		{name: "white space first", in: "HTTP/1.1 200 OK\r\n X: y\r\n\r\n", err: h1.ErrMalformed},
		{name: "space before the colon", in: "HTTP/1.1 200 OK\r\nX : y\r\n\r\n", err: h1.ErrMalformed},
		{name: "no colon", in: "HTTP/1.1 200 OK\r\nX\r\n\r\n", err: h1.ErrMalformed},
		{name: "no name", in: "HTTP/1.1 200 OK\r\n: y\r\n\r\n", err: h1.ErrMalformed},
		{name: "obs-text in a name", in: "HTTP/1.1 200 OK\r\nX\xe9: y\r\n\r\n", err: h1.ErrMalformed},
		{name: "NUL in a value", in: "HTTP/1.1 200 OK\r\nX: y\x00\r\n\r\n", err: h1.ErrMalformed},
		{name: "DEL in a value", in: "HTTP/1.1 200 OK\r\nX: y\x7f\r\n\r\n", err: h1.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, rest, err := parse(h1.NewResponseParser(h1.Limits{}), tt.in)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil && (want.Status != tt.status || want.Minor != tt.minor || rest != tt.rest) {
				t.Fatalf("status %d, minor %d, rest %d; want %d, %d, %d", want.Status, want.Minor, rest, tt.status, tt.minor, tt.rest)
			}
			check := func(how string, pieces ...string) {
				t.Helper()
				r, n, e := parse(h1.NewResponseParser(h1.Limits{}), pieces...)
				if !reflect.DeepEqual(r, want) || n != rest || fmt.Sprint(e) != fmt.Sprint(err) {
					t.Fatalf("%s: %+v, %d, %v; whole: %+v, %d, %v", how, r, n, e, want, rest, err)
				}
			}
			check("byte by byte", bytesOf(tt.in)...)
			if len(tt.in) <= 4<<10 {
				for i := range tt.in {
					check(fmt.Sprintf("split at %d", i), tt.in[:i], tt.in[i:])
				}
			}
		})
	}
}

func TestResponseFields(t *testing.T) {
	r, _, err := parse(h1.NewResponseParser(h1.Limits{}), accepted)
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Upgrade":              {"websocket"},
		"Connection":           {"Upgrade"},
		"Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		"Set-Cookie":           {"a=1", "b=2"},
	}
	if !reflect.DeepEqual(r.Header, want) || r.Reason != "Switching Protocols" {
		t.Errorf("reason %q, header %v; want %v", r.Reason, r.Header, want)
	}
}

// What is wrong is told at the byte that shows it, with nothing after it.
func TestResponseEarly(t *testing.T) {
	for _, in := range []string{
		"\x16", "HTTP/2", "HTTP/1.1 1x", "HTTP/1.1 101\r", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\rX",
		"HTTP/1.1 200 OK\r\n ", "HTTP/1.1 200 OK\r\nX ", "HTTP/1.1 200 OK\r\nX\r", "HTTP/1.1 200 OK\r\nX: \x00",
	} {
		p := h1.NewResponseParser(h1.Limits{})
		if _, _, err := parse(p, in[:len(in)-1]); err != nil {
			t.Errorf("%q: error one byte early: %v", in, err)
		}
		if _, _, err := parse(p, in[len(in)-1:]); err == nil {
			t.Errorf("%q: no error", in)
		}
		if n, r, err := p.Next([]byte(accepted)); n != 0 || r != nil || err == nil {
			t.Errorf("%q: after the error: %d, %v, %v", in, n, r, err)
		}
	}
}

func TestResponseInterimCountsAnew(t *testing.T) {
	p := h1.NewResponseParser(h1.Limits{Interim: 1})
	for range 3 {
		r, _, err := parse(p, "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 x\r\n\r\n")
		if err != nil || r.Status != 200 {
			t.Fatalf("%+v, %v", r, err)
		}
		if p.InHead() {
			t.Fatal("in a head after its end")
		}
	}
	if _, _, err := parse(p, "H"); err != nil || !p.InHead() {
		t.Fatalf("InHead is false after the first byte, error %v", err)
	}
}

func TestNoLimits(t *testing.T) {
	p := h1.NewResponseParser(h1.Limits{Head: -1, Line: -1, Fields: -1, Interim: -1})
	in := strings.Repeat("HTTP/1.1 102 x\r\n\r\n", 100) + "HTTP/1.1 200 OK\r\n" +
		strings.Repeat("X: y\r\n", 1000) + "Y: " + strings.Repeat("z", 100_000) + "\r\n\r\n"
	if r, _, err := parse(p, in); err != nil || len(r.Header["X"]) != 1000 {
		t.Fatalf("error %v", err)
	}
}

// A peer's bytes are quoted, and no more than 64 of them.
func TestErrorText(t *testing.T) {
	_, _, err := parse(h1.NewResponseParser(h1.Limits{}), "HTTP/1.1 200 OK\r\n"+strings.Repeat("é", 9000))
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("error %v", err)
	}
	_, _, err = parse(h1.NewResponseParser(h1.Limits{}), "HTTP/1.1 200 "+strings.Repeat("\xff", 500)+"\n")
	if err == nil || strings.Count(err.Error(), `\xff`) != 64-len("HTTP/1.1 200 ") {
		t.Errorf("error %v", err)
	}
}
