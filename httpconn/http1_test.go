package httpconn_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/option"
)

func TestOptions(t *testing.T) {
	bad := map[string]*httpconn.Options{
		"Major":     {Major: 3},
		"Authority": {Authority: "a b"},
	}
	if tooMuch := int64(math.MaxInt32) + 1; int64(int(tooMuch)) == tooMuch { // an int of 32 bits holds no such number
		bad["Window"] = &httpconn.Options{Window: int(tooMuch)}
	}
	for field, o := range bad {
		c, err := httpconn.New(o)
		if oe, ok := errors.AsType[*option.Error](err); c != nil || !ok || oe.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	o := &httpconn.Options{Authority: "a"}
	c := open(t, o)
	o.Authority = "b" // it was copied
	must(c.Request(&httpconn.Request{Path: "/"}))(t)
	if out := c.Output(); !strings.Contains(string(out), "Host: a\r\n") {
		t.Errorf("sent %q", out)
	}
	if c := open(t, nil); !c.Ready() || !c.IsOpen() || c.Finished() {
		t.Error("nil options")
	}
}

// What goes over the wire of HTTP/1.1.
func TestHTTP1Output(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    httpconn.Request
		do   func(c *httpconn.Conn) error
		want string
	}{
		{name: "GET", r: httpconn.Request{Path: "/a?b"}, want: "GET /a?b HTTP/1.1\r\nHost: example.com\r\n\r\n"},
		{
			name: "header", r: httpconn.Request{Method: "DELETE", Path: "/", Authority: "other:1", Header: http.Header{"X": {"1", " 2 "}, "A": {"0"}}},
			want: "DELETE / HTTP/1.1\r\nHost: other:1\r\nA: 0\r\nX: 1\r\nX: 2\r\n\r\n",
		},
		{name: "OPTIONS", r: httpconn.Request{Method: "OPTIONS", Path: "*"}, want: "OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n"},
		{name: "POST without a body", r: httpconn.Request{Method: "POST", Path: "/"}, want: "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n"},
		{
			name: "length", r: httpconn.Request{Method: "POST", Path: "/", Body: 5},
			do: func(c *httpconn.Conn) error {
				n, err := c.Body(1, []byte("abc"))
				m, err2 := c.Body(1, []byte("de"))
				if n != 3 || m != 2 {
					return fmt.Errorf("took %d and %d", n, m)
				}
				return errors.Join(err, err2)
			},
			want: "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nabcde",
		},
		{
			name: "chunks", r: httpconn.Request{Method: "PUT", Path: "/", Body: -1},
			do: func(c *httpconn.Conn) error {
				_, err := c.Body(1, []byte(strings.Repeat("x", 17)))
				_, err2 := c.Body(1, nil) // not the end
				return errors.Join(err, err2, c.End(1, nil))
			},
			want: "PUT / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n" + strings.Repeat("x", 17) + "\r\n0\r\n\r\n",
		},
		{
			name: "S2.30 trailers", r: httpconn.Request{Method: "PUT", Path: "/", Body: -1},
			do:   func(c *httpconn.Conn) error { return c.End(1, http.Header{"X-Sum": {"1"}, "X-A": {"2"}}) },
			want: "PUT / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: 2\r\nX-Sum: 1\r\n\r\n",
		},
	} {
		c := open(t, &httpconn.Options{Authority: "example.com"})
		id := must(c.Request(&tt.r))(t)
		if id != 1 || c.OpenRequests() != 1 {
			t.Errorf("%s: stream %d, %d open", tt.name, id, c.OpenRequests())
		}
		if tt.do != nil {
			if err := tt.do(c); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if out := c.Output(); string(out) != tt.want {
			t.Errorf("%s: sent %q\nwant %q", tt.name, out, tt.want)
		}
		if out := c.Output(); out != nil {
			t.Errorf("%s: sent %q more", tt.name, out)
		}
	}
}

// What cannot be sent is refused before anything of it is queued, over either
// version: header injection among it.
func TestRequestRefused(t *testing.T) {
	for name, r := range map[string]httpconn.Request{
		"method":            {Method: "GET /", Path: "/"},
		"method injection":  {Method: "GET\r\n", Path: "/"},
		"CONNECT":           {Method: "CONNECT", Path: "/"},
		"no path":           {},
		"absolute path":     {Path: "http://example.com/"},
		"path injection":    {Path: "/ HTTP/1.1\r\nX: y"},
		"path with a space": {Path: "/a b"},
		"fragment":          {Path: "/a#b"},
		"not ASCII":         {Path: "/\u00e9"},
		"asterisk":          {Path: "*"},
		"authority":         {Path: "/", Authority: "a\r\nX: y"},
		"userinfo":          {Path: "/", Authority: "u@example.com"},
		"name injection":    {Path: "/", Header: http.Header{"X: y\r\nZ": {"1"}}},
		"empty name":        {Path: "/", Header: http.Header{"": {"1"}}},
		"value injection":   {Path: "/", Header: http.Header{"X": {"y\r\nZ: 1"}}},
		"NUL":               {Path: "/", Header: http.Header{"X": {"\x00"}}},
		"Host":              {Path: "/", Header: http.Header{"host": {"other"}}},
		"Content-Length":    {Path: "/", Header: http.Header{"content-length": {"5"}}},
		"Transfer-Encoding": {Path: "/", Header: http.Header{"Transfer-Encoding": {"chunked"}}},
		"Upgrade":           {Path: "/", Header: http.Header{"Upgrade": {"websocket"}}},
		"Body":              {Path: "/", Body: -2},
	} {
		for major := 1; major <= 2; major++ {
			c := open(t, &httpconn.Options{Major: major, Authority: "example.com"})
			c.Output()
			if id, err := c.Request(&r); id != 0 || !errors.Is(err, httpconn.ErrRequest) || !strings.HasPrefix(err.Error(), "websocket: request cannot be sent: ") {
				t.Errorf("HTTP/%d, %s: %d, %v", major, name, id, err)
			}
			if out := c.Output(); out != nil || c.OpenRequests() != 0 {
				t.Errorf("HTTP/%d, %s: sent %q", major, name, out)
			}
		}
	}
	if _, err := open(t, nil).Request(&httpconn.Request{Path: "/"}); !errors.Is(err, httpconn.ErrRequest) {
		t.Errorf("without an authority: %v", err)
	}
}

// Bodies that are not what was said, and trailers that can be none.
func TestBodyRefused(t *testing.T) {
	for major := 1; major <= 2; major++ {
		c := open(t, &httpconn.Options{Major: major, Authority: "example.com"})
		id := must(c.Request(&httpconn.Request{Method: "POST", Path: "/", Body: 3}))(t)
		if n, err := c.Body(id, []byte("abcd")); n != 0 || !errors.Is(err, httpconn.ErrRequest) {
			t.Errorf("HTTP/%d: a body too long: %d, %v", major, n, err)
		}
		if n, err := c.Body(id, []byte("ab")); n != 2 || err != nil {
			t.Errorf("HTTP/%d: %d, %v", major, n, err)
		}
		if err := c.End(id, nil); !errors.Is(err, httpconn.ErrRequest) {
			t.Errorf("HTTP/%d: a body too short: %v", major, err)
		}
		if n, err := c.Body(id, []byte("c")); n != 1 || err != nil {
			t.Errorf("HTTP/%d: %d, %v", major, n, err)
		}
		if err := c.End(id, nil); err != httpconn.ErrStream {
			t.Errorf("HTTP/%d: End after the end: %v", major, err)
		}
		if n, err := c.Body(id, []byte("d")); n != 0 || err != httpconn.ErrStream {
			t.Errorf("HTTP/%d: Body after the end: %d, %v", major, n, err)
		}
		if major == 1 {
			c.Output()
			must(c.Receive([]byte(ok)))(t)
		}
		id = must(c.Request(&httpconn.Request{Method: "POST", Path: "/", Body: -1}))(t)
		c.Output()
		for _, trailer := range []http.Header{{"Content-Length": {"3"}}, {"Host": {"x"}}, {"a b": {"c"}}, {"X": {"y\r\nZ: 1"}}} {
			if err := c.End(id, trailer); !errors.Is(err, httpconn.ErrRequest) {
				t.Errorf("HTTP/%d: trailer %v: %v", major, trailer, err)
			}
		}
		if out := c.Output(); out != nil {
			t.Errorf("HTTP/%d: sent %q", major, out)
		}
		if err := c.End(id, http.Header{"X": {"y"}}); err != nil {
			t.Errorf("HTTP/%d: %v", major, err)
		}
		for _, id := range []httpconn.StreamID{0, 99, id + 1} {
			if _, err := c.Body(id, []byte("x")); err != httpconn.ErrStream {
				t.Errorf("HTTP/%d: Body(%d): %v", major, id, err)
			}
			if err := c.Cancel(id); err != httpconn.ErrStream {
				t.Errorf("HTTP/%d: Cancel(%d): %v", major, id, err)
			}
		}
	}
}

// Requests follow one another over HTTP/1.1: a second one while one is under way
// is refused, and harms nothing.
func TestHTTP1Busy(t *testing.T) {
	c := http1(t, nil)
	if id, err := c.Request(&httpconn.Request{Path: "/"}); id != 0 || err != httpconn.ErrBusy || !c.IsOpen() || c.OpenRequests() != 1 {
		t.Fatalf("%d, %v", id, err)
	}
	got, err := feed(t, c, []byte(ok))
	c.Consumed(1, 2) // means nothing here
	if len(got) != 3 || err != nil || c.OpenRequests() != 0 {
		t.Fatalf("%q, %v", got, err)
	}
	for id := httpconn.StreamID(2); id < 5; id++ {
		if got := must(c.Request(&httpconn.Request{Path: "/"}))(t); got != id {
			t.Fatalf("stream %d, want %d", got, id)
		}
		c.Output()
		must(c.Receive([]byte(ok)))(t)
	}
}

// A server that speaks before it was asked anything, or while the request is
// still here, answers no request.
func TestHTTP1Unsolicited(t *testing.T) {
	for _, pieces := range cuts(ok) {
		c := open(t, &httpconn.Options{Authority: "example.com"})
		got, err := feed(t, c, pieces...)
		if got != nil || !errors.Is(err, httpconn.ErrUnsolicited) {
			t.Fatalf("%q, %v", got, err)
		}
		over(t, c, err)
		c = open(t, &httpconn.Options{Authority: "example.com"})
		must(c.Request(&httpconn.Request{Path: "/"}))(t)
		got, err = feed(t, c, pieces...)
		if !slices.Equal(got, []string{"Failed 1: unsolicited"}) || !errors.Is(err, httpconn.ErrUnsolicited) {
			t.Fatalf("%q, %v", got, err)
		}
		over(t, c, err)
	}
}

// Cancel, Close and Drain over HTTP/1.1.
func TestHTTP1Ending(t *testing.T) {
	c := http1(t, nil)
	if err := c.Cancel(1); err != nil {
		t.Fatal(err)
	}
	over(t, c, httpconn.ErrClosed)
	c = http1(t, nil)
	c.Close()
	over(t, c, httpconn.ErrClosed)
	c.Close()

	c = http1(t, nil)
	c.Drain()
	if c.IsOpen() || c.Finished() || c.OpenRequests() != 1 {
		t.Fatal("the request under way is over")
	}
	if got, err := feed(t, c, []byte(ok)); len(got) != 3 || err != nil || !c.Finished() {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := c.Request(&httpconn.Request{Path: "/"}); err != httpconn.ErrClosed {
		t.Fatalf("after Drain: %v", err)
	}
	if evs, err := c.ReceiveEOF(); len(evs) != 0 || err != nil {
		t.Fatalf("%v, %v", evs, err)
	}
	if err := c.Ping([8]byte{}); !errors.Is(err, httpconn.ErrRequest) {
		t.Errorf("Ping: %v", err)
	}
}

// A request that says Connection: close is the last one.
func TestHTTP1CloseRequested(t *testing.T) {
	for range 20 { // the fields come in any order
		c := http1(t, &httpconn.Request{Path: "/", Header: http.Header{"connection": {"TE, close"}, "Connection": {"x"}, "CONNECTION": {"y"}}})
		got, err := feed(t, c, []byte(ok))
		if len(got) != 3 || err != nil || c.IsOpen() || !c.Finished() {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// Limits are those of the options.
func TestHTTP1Limits(t *testing.T) {
	long := "HTTP/1.1 204 \r\nX: " + strings.Repeat("y", 9000) + "\r\n\r\n"
	many := "HTTP/1.1 204 \r\n" + strings.Repeat("X: y\r\n", 101) + "\r\n"
	for _, tt := range []struct {
		o    httpconn.Options
		in   string
		fine bool
	}{
		{httpconn.Options{}, long, false},
		{httpconn.Options{MaxHeaderBytes: len(long)}, long, true},
		{httpconn.Options{MaxHeaderBytes: len(long) - 1}, long, false},
		{httpconn.Options{MaxHeaderBytes: -1}, long, true},
		{httpconn.Options{}, many, false},
		{httpconn.Options{MaxFields: 101}, many, true},
		{httpconn.Options{MaxFields: -1}, many, true},
	} {
		tt.o.Authority = "example.com"
		c := open(t, &tt.o)
		must(c.Request(&httpconn.Request{Path: "/"}))(t)
		c.Output()
		if _, err := c.Receive([]byte(tt.in)); (err == nil) != tt.fine || !tt.fine && !errors.Is(err, httpconn.ErrLimit) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

// Memory of output is used again, within bounds.
func TestAppendOutput(t *testing.T) {
	for major := 1; major <= 2; major++ {
		c := open(t, &httpconn.Options{Major: major, Authority: "example.com"})
		id := must(c.Request(&httpconn.Request{Method: "POST", Path: "/", Body: 40000}))(t)
		must(c.Body(id, make([]byte, 20000)))(t)
		out := c.AppendOutput([]byte("before"))
		if !strings.HasPrefix(string(out), "before") || len(out) < 20000 {
			t.Errorf("HTTP/%d: %d bytes", major, len(out))
		}
		must(c.Body(id, make([]byte, 100)))(t)
		if again := c.AppendOutput(nil); len(again) < 100 || len(again) > 200 {
			t.Errorf("HTTP/%d: %d bytes", major, len(again))
		}
		must(c.Body(id, make([]byte, 100)))(t)
		c.Close()
		if again := c.AppendOutput([]byte("before")); !strings.HasPrefix(string(again), "before") || len(again) < 106 || len(again) > 300 {
			t.Errorf("HTTP/%d: %d bytes after Close", major, len(again))
		}
		if again := c.AppendOutput(nil); len(again) != 0 {
			t.Errorf("HTTP/%d: %d bytes more", major, len(again))
		}
	}
}

func TestText(t *testing.T) {
	for k := httpconn.Interim; k <= httpconn.Pong; k++ {
		if k.String() == "unknown kind" || k.String() == "" {
			t.Errorf("%d has no name", k)
		}
	}
	if s := httpconn.Kind(0).String() + (httpconn.Pong + 1).String(); s != "unknown kindunknown kind" {
		t.Error(s)
	}
	c := http1(t, nil)
	evs, err := c.Receive([]byte("SSH"))
	if got := err.Error(); !strings.HasPrefix(got, "websocket: malformed HTTP/1.1: ") {
		t.Error(got)
	}
	if got := evs[0].Err.Error(); !strings.HasPrefix(got, "websocket: request 1: malformed HTTP/1.1: ") {
		t.Error(got)
	}
	c = http1(t, nil)
	if _, err := c.Receive([]byte{0x15}); !strings.HasSuffix(err.Error(), "the server wants TLS") {
		t.Error(err)
	}
}
