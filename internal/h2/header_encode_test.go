package h2

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// headerRaw returns the fields of a block in their order, as hpack decodes them.
func headerRaw(t *testing.T, p []byte) string {
	t.Helper()
	f, err := hpack.NewDecoder(tableSize, func(hpack.HeaderField) {}).DecodeFull(p)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range f {
		fmt.Fprintf(&b, "%s=%s;", f.Name, f.Value)
		if f.Sensitive {
			b.WriteString("sensitive;")
		}
	}
	return b.String()
}

func TestHeaderEncode(t *testing.T) {
	for _, c := range []struct {
		name string
		enc  func(e *encoder, dst []byte, h *Head) []byte
		h    Head
		want string
	}{
		{
			"a request", (*encoder).request,
			Head{Method: "GET", Scheme: "https", Authority: "example.com", Path: "/", ContentLength: -1, Fields: headerFields("accept", "*/*")},
			":method=GET;:scheme=https;:authority=example.com;:path=/;accept=*/*;",
		},
		{
			"an extended CONNECT", (*encoder).request,
			Head{Method: "CONNECT", Protocol: "websocket", Scheme: "https", Authority: "example.com", Path: "/chat"},
			":method=CONNECT;:scheme=https;:authority=example.com;:path=/chat;:protocol=websocket;",
		},
		{
			"a CONNECT", (*encoder).request,
			Head{Method: "CONNECT", Scheme: "https", Authority: "example.com:443", Path: "/"},
			":method=CONNECT;:authority=example.com:443;",
		},
		{
			"a request with a length", (*encoder).request,
			Head{Method: "POST", Scheme: "http", Authority: "h", Path: "/", ContentLength: 1234, Fields: headerFields("a", "")},
			":method=POST;:scheme=http;:authority=h;:path=/;a=;content-length=1234;",
		},
		{
			"a length that is a field already", (*encoder).request,
			Head{Method: "POST", Scheme: "http", Authority: "h", Path: "/", ContentLength: 1234, Fields: headerFields("a", "b", "content-length", "1234")},
			":method=POST;:scheme=http;:authority=h;:path=/;a=b;content-length=1234;",
		},
		{
			"a Host and no :authority", (*encoder).request,
			Head{Method: "GET", Scheme: "http", Path: "/", ContentLength: -1, Fields: headerFields("host", "h")},
			":method=GET;:scheme=http;:path=/;host=h;",
		},
		{
			"a field that is sensitive", (*encoder).request,
			Head{
				Method: "GET", Scheme: "http", Authority: "h", Path: "/", ContentLength: -1,
				Fields: []Field{{Name: "authorization", Value: "secret", Sensitive: true}},
			},
			":method=GET;:scheme=http;:authority=h;:path=/;authorization=secret;sensitive;",
		},
		{"a response", (*encoder).response, Head{Status: 200, ContentLength: -1, Fields: headerFields("server", "x")}, ":status=200;server=x;"},
		{"a response with a length", (*encoder).response, Head{Status: 404, Fields: headerFields("server", "x")}, ":status=404;server=x;content-length=0;"},
		{"an interim response", (*encoder).response, Head{Status: 103}, ":status=103;"},
		{"a response without content", (*encoder).response, Head{Status: 204}, ":status=204;"},
		{"a status of its own", (*encoder).response, Head{Status: 799, ContentLength: -1}, ":status=799;"},
		{
			"trailers", func(e *encoder, dst []byte, h *Head) []byte { return e.trailers(dst, h.Fields) },
			Head{Fields: headerFields("grpc-status", "0")},
			"grpc-status=0;",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e encoder
			e.init()
			p := c.enc(&e, []byte("before"), &c.h)
			if !strings.HasPrefix(string(p), "before") {
				t.Fatalf("%q", p)
			}
			if got := headerRaw(t, p[len("before"):]); got != c.want {
				t.Fatalf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Heads come out as they went in, by the table too, whatever its size.
func TestHeaderRoundTrip(t *testing.T) {
	var e encoder
	var requests, responses decoder
	requests.init(RoleServer, headerServer)
	responses.init(RoleClient, &Config{})
	secret := headerBrowser("/secret")
	secret.Fields[12].Sensitive = true
	e.init()
	for i, size := range []int{-1, -1, 100, 0, -1, 4096, 65536, 50, 4096, -1} {
		if size >= 0 {
			e.setTableSize(uint32(size))
		}
		for _, want := range []*Head{
			headerBrowser("/"), secret, headerBrowser("/?i=" + fmt.Sprint(i)),
			{
				Method: "CONNECT", Protocol: "websocket", Scheme: "https", Authority: "[::1]:8443", Path: "/chat", ContentLength: -1,
				Fields: headerFields("sec-websocket-version", "13", "host", "[::1]:8443"),
			},
			{Method: "CONNECT", Authority: "example.com:443", ContentLength: -1, Fields: []Field{}},
			{Method: "POST", Scheme: "http", Authority: "a", Path: "/", ContentLength: 9, Fields: headerFields("content-length", "9", "x", strings.Repeat("\x80", 5000))},
		} {
			r := headerDecodeWith(t, &requests, modeRequest, e.request(nil, want))
			if r.err != nil || r.bad != "" || !reflect.DeepEqual(r.head, want) {
				t.Fatalf("%d\ngot  %v\nwant %+v", i, r, want)
			}
		}
	}
	e.init()
	for i := range 200 {
		want := headerAnswer(fmt.Sprint("date ", i/3))
		want.Status = 200 + i%7
		if want.Status == 204 {
			want.ContentLength = -1
		}
		if i == 50 {
			e.setTableSize(0)
			e.setTableSize(1000)
		}
		r := headerDecodeWith(t, &responses, modeResponse, e.response(nil, want))
		if want.ContentLength >= 0 && r.err == nil && r.bad == "" {
			want.Fields = append(want.Fields, Field{Name: "content-length", Value: fmt.Sprint(want.ContentLength)})
		}
		if r.err != nil || r.bad != "" || !reflect.DeepEqual(r.head, want) {
			t.Fatalf("%d\ngot  %v\nwant %+v", i, r, want)
		}
	}
}

// Fields that are seldom the same twice, or larger than the table, are encoded
// whole each time; the others go into the table, and the peer's stays the same
// as ours.
func TestHeaderUnique(t *testing.T) {
	var e encoder
	e.init()
	var d decoder
	d.init(RoleClient, &Config{})
	names := []string{
		"age", "content-length", "content-range", "etag", "if-modified-since", "if-none-match", "last-modified", "location", "set-cookie",
	}
	var all []Field
	for i, n := range names {
		all = append(
			all, Field{Name: n, Value: strings.Repeat("1", 1+100*i)}, Field{Name: n, Value: "\xff\xfe", Sensitive: true},
			Field{Name: "x-" + n, Value: "y"},
		)
	}
	for _, n := range []int{4096, 127, 126, 128, 254, 255, 256, 16<<10 + 127} {
		all = append(all, Field{Name: "x-large", Value: strings.Repeat("\xff", n)})
	}
	for _, size := range []uint32{4096, 1000, 2000, 0} {
		e.setTableSize(size)
		// Encoded as trailers, after a new size at first: the first field has to
		// tell it, which only hpack can.
		p := e.trailers(nil, all)
		r := headerDecodeWith(t, &d, modeTrailers, p)
		if r.err != nil || r.bad != "" || !reflect.DeepEqual(r.head.Fields, all) {
			t.Fatal(r)
		}
	}
}

// A table's size that is larger than ours, or as it was, is not told.
func TestHeaderTableSize(t *testing.T) {
	var e encoder
	e.init()
	f := headerFields("a", "b")
	first := e.trailers(nil, f)
	e.setTableSize(1 << 20)
	e.setTableSize(tableSize)
	if p := e.trailers(nil, f); len(p) != 1 || len(first) != 5 {
		t.Fatalf("% x, then % x", first, p)
	}
	e.setTableSize(0)
	e.setTableSize(1 << 31)
	if p := e.trailers(nil, f); fmt.Sprintf("% x", p) != "20 3f e1 1f"+fmt.Sprintf(" % x", first) {
		t.Fatalf("% x", p)
	}
}

// What encoding and decoding allocate.
func TestHeaderAllocs(t *testing.T) {
	var e encoder
	e.init()
	var d decoder
	d.init(RoleServer, headerServer)
	dst := make([]byte, 0, 4096)
	request, response := headerBrowser("/"), headerAnswer("today")
	decodeOne := func(mode blockMode) {
		d.begin(mode)
		if err := d.write(dst); err != nil {
			t.Fatal(err)
		}
		if h, bad, err := d.finish(); h == nil || bad != "" || err != nil {
			t.Fatal(bad, err)
		}
	}
	dst = e.request(dst[:0], request)
	decodeOne(modeRequest)
	for _, c := range []struct {
		name string
		max  float64
		f    func()
	}{
		{"encoding a request", 0, func() { dst = e.request(dst[:0], request) }},
		{"decoding it", 1, func() { decodeOne(modeRequest) }},
		{"encoding a response", 0, func() { dst = e.response(dst[:0], response) }},
	} {
		if n := testing.AllocsPerRun(100, c.f); n > c.max {
			t.Errorf("%s: %v allocations, want %v", c.name, n, c.max)
		}
	}
}
