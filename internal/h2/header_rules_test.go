package h2

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// packHeader encodes fields, given as name and value in turn, with a fresh table.
func packHeader(nv ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(nv); i += 2 {
		e.WriteField(Field{Name: nv[i], Value: nv[i+1]})
	}
	return b.Bytes()
}

// headerResult is what a decoder says of a block.
type headerResult struct {
	head *Head
	bad  string
	err  *ConnError
}

func (r headerResult) String() string {
	return fmt.Sprintf("%+v, bad %q, error %v", r.head, r.bad, r.err)
}

func headerDecodeWith(t *testing.T, d *decoder, mode blockMode, fragments ...[]byte) headerResult {
	t.Helper()
	d.begin(mode)
	for _, p := range fragments {
		// What is given is not the decoder's to keep.
		q := bytes.Clone(p)
		err := d.write(q)
		clear(q)
		if err != nil {
			return headerResult{err: headerConnError(t, err)}
		}
	}
	h, bad, err := d.finish()
	if err != nil {
		return headerResult{err: headerConnError(t, err)}
	}
	if h != nil && bad != "" {
		t.Fatalf("a head of a malformed block: %+v", h)
	}
	return headerResult{head: h, bad: bad}
}

func headerConnError(t *testing.T, err error) *ConnError {
	t.Helper()
	var ce *ConnError
	if !errors.As(err, &ce) || ce.Reason == "" || ce.Remote {
		t.Fatalf("%#v is no ConnError with a reason", err)
	}
	return ce
}

// headerDecode decodes p whole, split at every byte, and byte by byte, and wants the
// same each time.
func headerDecode(t *testing.T, cfg *Config, mode blockMode, p []byte) headerResult {
	t.Helper()
	once := func(fragments ...[]byte) headerResult {
		var d decoder
		d.init(cfg.Role, cfg)
		return headerDecodeWith(t, &d, mode, fragments...)
	}
	want := once(p)
	same := func(got headerResult, how string) {
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %v\nwhole: %v", how, got, want)
		}
	}
	step := 1 + len(p)/2000
	for i := 0; i < len(p); i += step {
		same(once(p[:i], p[i:]), fmt.Sprint("split at ", i))
	}
	var single [][]byte
	for i := range p {
		single = append(single, p[i:i+1])
	}
	same(once(single...), "byte by byte")
	return want
}

var headerServer = &Config{Role: RoleServer, ExtendedConnect: true}

// headerEdit returns base without the fields named in drop, with more at its end.
func headerEdit(base []string, drop string, more ...string) []string {
	var nv []string
	for i := 0; i < len(base); i += 2 {
		if !strings.Contains(" "+drop+" ", " "+base[i]+" ") {
			nv = append(nv, base[i], base[i+1])
		}
	}
	return append(nv, more...)
}

var (
	headerGet     = []string{":method", "GET", ":scheme", "https", ":authority", "example.com", ":path", "/"}
	headerConnect = []string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "example.com", ":path", "/chat",
		"sec-websocket-version", "13",
	}
)

func TestHeaderRequest(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		name string
		nv   []string
		bad  string // part of the reason; empty: well-formed
	}{
		{"a request", headerGet, ""},
		{"an extended CONNECT", headerConnect, ""},
		{"H2-S1 3 upper case", headerEdit(headerConnect, ":protocol sec-websocket-version", ":protocol", "WEBSOCKET"), ""},
		{"H2-S1 4 two :protocol", headerEdit(headerConnect, "sec-websocket-version", ":protocol", "websocket"), "twice"},
		{"H2-S1 5 unknown token", headerEdit(headerConnect, ":protocol sec-websocket-version", ":protocol", "mqtt"), ""},
		{"H2-S1 6 two words", headerEdit(headerConnect, ":protocol sec-websocket-version", ":protocol", "websocket mqtt"), "not allowed"},
		{"H2-S1 7 CR LF", headerEdit(headerConnect, ":protocol sec-websocket-version", ":protocol", "websocket\r\n"), "not allowed"},
		{"H2-S1 8 NUL", headerEdit(headerConnect, ":protocol sec-websocket-version", ":protocol", "websocket\x00"), "not allowed"},
		{"H2-S1 8 nothing", headerEdit(headerConnect, ":protocol sec-websocket-version", ":protocol", ""), "not allowed"},
		{"H2-S1 9 no :scheme", headerEdit(headerConnect, ":scheme"), "without :method, :scheme or :path"},
		{"H2-S1 10 no :path", headerEdit(headerConnect, ":path"), "without :method, :scheme or :path"},
		{"H2-S1 11 no :authority", headerEdit(headerConnect, ":authority"), "without :authority"},
		{"H2-S1 11 no :authority but Host", headerEdit(headerConnect, ":authority", "host", "example.com"), "without :authority"},
		{"H2-S1 12 no :protocol", headerEdit(headerConnect, ":protocol"), "neither :scheme nor :path"},
		{"H2-S1 13 connection", headerEdit(headerConnect, "", "connection", "Upgrade"), "connection-specific"},
		{"H2-S1 14 upgrade", headerEdit(headerConnect, "", "upgrade", "websocket"), "connection-specific"},
		{":protocol without CONNECT", append([]string{":protocol", "websocket"}, headerGet...), "without CONNECT"},

		{"H2-S3 the same Host", headerEdit(headerGet, "", "host", "example.com"), ""},
		{"H2-S3 Host in other letters", headerEdit(headerGet, "", "host", "EXAMPLE.com"), ""},
		{"H2-S3 Host with the scheme's port", headerEdit(headerGet, "", "host", "example.com:443"), ""},
		{"H2-S3 Host with no port", headerEdit(headerGet, "", "host", "example.com:"), ""},
		{"H2-S3 Host with http's port", headerEdit(headerGet, ":scheme", ":scheme", "http", "host", "example.com:80"), ""},
		{"H2-S3 other Host", headerEdit(headerGet, "", "host", "example.org"), "differ"},
		{"H2-S3 other port", headerEdit(headerGet, "", "host", "example.com:80"), "differ"},
		{"H2-S3 other scheme, other port", headerEdit(headerGet, ":scheme", ":scheme", "ftp", "host", "example.com:80"), "differ"},
		{"H2-S3 an empty Host", headerEdit(headerGet, "", "host", ""), "empty"},
		{"H2-S3 an empty :authority", headerEdit(headerGet, ":authority", ":authority", "", "host", "example.com"), "empty"},
		{"H2-S3 two Hosts", headerEdit(headerGet, "", "host", "example.com", "host", "example.com"), "several Host"},
		{"H2-S3 Host alone", headerEdit(headerGet, ":authority", "host", "example.com"), ""},
		{"H2-S3 neither", headerEdit(headerGet, ":authority"), "without :authority and Host"},
		{"H2-S3 neither, of another scheme", headerEdit(headerGet, ":authority :scheme", ":scheme", "urn"), ""},
		{"userinfo", headerEdit(headerGet, ":authority", ":authority", "user:secret@example.com"), "not allowed"},
		{"userinfo in Host", headerEdit(headerGet, ":authority", "host", "user@example.com"), "Host with characters"},
		{"space in :authority", headerEdit(headerGet, ":authority", ":authority", "example .com"), "not allowed"},
		{"an IPv6 address", headerEdit(headerGet, ":authority", ":authority", "[::1]:8443"), ""},

		{"H2-S4 upper-case name", headerEdit(headerGet, "", "X-Upper", "1"), "field name"},
		{"H2-S4 empty name", headerEdit(headerGet, "", "", "1"), "field name"},
		{"H2-S4 space in a name", headerEdit(headerGet, "", "a b", "1"), "field name"},
		{"H2-S4 colon in a name", headerEdit(headerGet, "", "a:b", "1"), "field name"},
		{"H2-S4 CR LF in a name", headerEdit(headerGet, "", "a\r\nb", "1"), "field name"},
		{"H2-S4 NUL in a name", headerEdit(headerGet, "", "a\x00", "1"), "field name"},
		{"H2-S4 beyond ASCII in a name", headerEdit(headerGet, "", "\u00e4", "1"), "field name"},
		{"H2-S4 CR in a value", headerEdit(headerGet, "", "a", "x\ry"), "field value"},
		{"H2-S4 LF in a value", headerEdit(headerGet, "", "a", long+"\n"+long), "field value"},
		{"H2-S4 NUL in a value", headerEdit(headerGet, "", "a", long+"\x00"), "field value"},
		{"H2-S4 DEL in a value", headerEdit(headerGet, "", "a", long+"\x7f"+long), "field value"},
		{"H2-S4 ESC in a value", headerEdit(headerGet, "", "a", "\x1b[31m"), "field value"},
		{"H2-S4 leading space", headerEdit(headerGet, "", "a", " x"), "field value"},
		{"H2-S4 leading HTAB", headerEdit(headerGet, "", "a", "\tx"), "field value"},
		{"H2-S4 trailing space", headerEdit(headerGet, "", "a", "x "), "field value"},
		{"H2-S4 trailing HTAB", headerEdit(headerGet, "", "a", "x\t"), "field value"},
		{"H2-S4 one space", headerEdit(headerGet, "", "a", " "), "field value"},
		{"an empty value", headerEdit(headerGet, "", "a", ""), ""},
		{"HTAB within a value", headerEdit(headerGet, "", "a", "12345678\t90\tabcdefghij"), ""},
		{"beyond ASCII in a value", headerEdit(headerGet, "", "a", "gr\u00fc\u00dfe, \xff\x80"), ""},
		{"all that a name may hold", headerEdit(headerGet, "", "0a!#$%&'*+-.^_`|~z", "1"), ""},

		{"no :method", headerEdit(headerGet, ":method"), "without :method"},
		{"no :scheme", headerEdit(headerGet, ":scheme"), "without :method"},
		{"no :path", headerEdit(headerGet, ":path"), "without :method"},
		{"nothing", nil, "without :method"},
		{"two :method", append([]string{":method", "GET"}, headerGet...), "twice"},
		{"two :scheme", append([]string{":scheme", "https"}, headerGet...), "twice"},
		{"two :path", append([]string{":path", "/"}, headerGet...), "twice"},
		{"two :authority", append([]string{":authority", "example.com"}, headerGet...), "twice"},
		{"an unknown one", headerEdit(headerGet, "", ":foo", "bar"), "unknown"},
		{"a lone colon", headerEdit(headerGet, "", ":", "bar"), "unknown"},
		{"one in upper case", headerEdit(headerGet, ":path", ":Path", "/"), "unknown"},
		{"one of a response", headerEdit(headerGet, "", ":status", "200"), "the other way round"},
		{"a :method that is no token", headerEdit(headerGet, ":method", ":method", "GET /"), "not allowed"},
		{"an empty :method", headerEdit(headerGet, ":method", ":method", ""), "not allowed"},
		{"a :scheme with a colon", headerEdit(headerGet, ":scheme", ":scheme", "https:"), "not allowed"},
		{"a :scheme that begins with a digit", headerEdit(headerGet, ":scheme", ":scheme", "1a"), "not allowed"},
		{"an empty :scheme", headerEdit(headerGet, ":scheme", ":scheme", ""), "not allowed"},
		{"an empty :path", headerEdit(headerGet, ":path", ":path", ""), "not allowed"},
		{"a :path with a fragment", headerEdit(headerGet, ":path", ":path", "/a#b"), "not allowed"},
		{"a :path with a space", headerEdit(headerGet, ":path", ":path", "/a b"), "not allowed"},
		{"a :path with CR LF", headerEdit(headerGet, ":path", ":path", "/a\r\nb: c"), "not allowed"},
		{"a :path with NUL", headerEdit(headerGet, ":path", ":path", "/\x00"), "not allowed"},
		{"a :path with DEL", headerEdit(headerGet, ":path", ":path", "/\x7f"), "not allowed"},
		{"a :path with a query", headerEdit(headerGet, ":path", ":path", "/a?b=c&d=%20"), ""},
		{"a :path without a slash", headerEdit(headerGet, ":path", ":path", "a"), "slash"},
		{"a whole URL as :path", headerEdit(headerGet, ":path", ":path", "http://example.com/"), "slash"},
		{"* of GET", headerEdit(headerGet, ":path", ":path", "*"), "slash"},
		{"* of OPTIONS", headerEdit(headerGet, ":path :method", ":path", "*", ":method", "OPTIONS"), ""},
		{"*a of OPTIONS", headerEdit(headerGet, ":path :method", ":path", "*a", ":method", "OPTIONS"), "slash"},

		{"CONNECT", []string{":method", "CONNECT", ":authority", "example.com:443"}, ""},
		{"CONNECT without :authority", []string{":method", "CONNECT", "host", "example.com:443"}, "CONNECT must have"},
		{"CONNECT with an empty :authority", []string{":method", "CONNECT", ":authority", ""}, "empty"},
		{"CONNECT with :scheme", []string{":method", "CONNECT", ":authority", "example.com:443", ":scheme", "https"}, "CONNECT must have"},
		{"CONNECT with :path", []string{":method", "CONNECT", ":authority", "example.com:443", ":path", "/"}, "CONNECT must have"},
		{"connect in lower case", headerEdit(headerGet, ":method", ":method", "connect"), ""},

		{"proxy-connection", headerEdit(headerGet, "", "proxy-connection", "close"), "connection-specific"},
		{"keep-alive", headerEdit(headerGet, "", "keep-alive", "timeout=5"), "connection-specific"},
		{"transfer-encoding", headerEdit(headerGet, "", "transfer-encoding", "chunked"), "connection-specific"},
		{"te: trailers", headerEdit(headerGet, "", "te", "trailers"), ""},
		{"te: gzip", headerEdit(headerGet, "", "te", "gzip"), "TE"},
		{"te: trailers and more", headerEdit(headerGet, "", "te", "trailers, gzip"), "TE"},

		{"content-length", headerEdit(headerGet, "", "content-length", "12"), ""},
		{"content-length twice", headerEdit(headerGet, "", "content-length", "12", "content-length", "12"), ""},
		{"content-length that differ", headerEdit(headerGet, "", "content-length", "12", "content-length", "13"), "differ"},
		{"content-length with a sign", headerEdit(headerGet, "", "content-length", "+12"), "not a number"},
		{"content-length below zero", headerEdit(headerGet, "", "content-length", "-1"), "not a number"},
		{"content-length as a list", headerEdit(headerGet, "", "content-length", "12, 12"), "not a number"},
		{"content-length in hexadecimal", headerEdit(headerGet, "", "content-length", "0x1"), "not a number"},
		{"an empty content-length", headerEdit(headerGet, "", "content-length", ""), "not a number"},
		{"content-length of 2^63-1", headerEdit(headerGet, "", "content-length", "9223372036854775807"), ""},
		{"content-length of 2^63", headerEdit(headerGet, "", "content-length", "9223372036854775808"), "not a number"},
		{"content-length of 10^19", headerEdit(headerGet, "", "content-length", "10000000000000000000"), "not a number"},
		{"the first reason counts", headerEdit(headerGet, "", "connection", "close", "X-Upper", "1"), "connection-specific"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headerBad(t, headerDecode(t, headerServer, modeRequest, packHeader(headerOrder(c.nv)...)), c.bad)
		})
	}
}

// headerOrder puts pseudo-header fields first.
func headerOrder(nv []string) []string {
	var pseudo, rest []string
	for i := 0; i < len(nv); i += 2 {
		if strings.HasPrefix(nv[i], ":") {
			pseudo = append(pseudo, nv[i], nv[i+1])
		} else {
			rest = append(rest, nv[i], nv[i+1])
		}
	}
	return append(pseudo, rest...)
}

func headerBad(t *testing.T, r headerResult, bad string) {
	t.Helper()
	switch {
	case r.err != nil:
		t.Fatal(r.err)
	case bad == "" && (r.bad != "" || r.head == nil):
		t.Fatalf("malformed: %q", r.bad)
	case bad != "" && !strings.Contains(r.bad, bad):
		t.Fatalf("got %q, want %q", r.bad, bad)
	}
}

// H2-S1 1: extended CONNECT is malformed where it was not announced.
func TestHeaderExtendedConnectOff(t *testing.T) {
	headerBad(t, headerDecode(t, &Config{Role: RoleServer}, modeRequest, packHeader(headerConnect...)), "was not announced")
	headerBad(t, headerDecode(t, &Config{Role: RoleServer}, modeRequest, packHeader(headerGet...)), "")
}

// A pseudo-header field after others, whether it is the first of its name or not.
func TestHeaderOrder(t *testing.T) {
	headerBad(t, headerDecode(t, headerServer, modeRequest, packHeader(headerEdit(headerGet, ":path", "a", "b", ":path", "/")...)), "after others")
	headerBad(t, headerDecode(t, headerServer, modeRequest, packHeader(headerEdit(headerGet, "", "a", "b", ":foo", "/")...)), "after others")
}

func TestHeaderResponse(t *testing.T) {
	for _, c := range []struct {
		name string
		nv   []string
		bad  string
	}{
		{"200", []string{":status", "200"}, ""},
		{"100", []string{":status", "100"}, ""},
		{"999", []string{":status", "999", "a", "b"}, ""},
		{"099", []string{":status", "099"}, "not allowed"},
		{"101", []string{":status", "101"}, "not allowed"},
		{"two digits", []string{":status", "20"}, "not allowed"},
		{"four digits", []string{":status", "2000"}, "not allowed"},
		{"words", []string{":status", "200 OK"}, "not allowed"},
		{"letters", []string{":status", "abc"}, "not allowed"},
		{"an empty status", []string{":status", ""}, "not allowed"},
		{"none", []string{"a", "b"}, "without :status"},
		{"two", []string{":status", "200", ":status", "200"}, "twice"},
		{"after others", []string{"a", "b", ":status", "200"}, "after others"},
		{"a request's", []string{":status", "200", ":path", "/"}, "the other way round"},
		{"a request's :protocol", []string{":status", "200", ":protocol", "websocket"}, "the other way round"},
		{"connection", []string{":status", "200", "connection", "close"}, "connection-specific"},
		{"upgrade", []string{":status", "200", "upgrade", "h2c"}, "connection-specific"},
		{"transfer-encoding", []string{":status", "200", "transfer-encoding", "chunked"}, "connection-specific"},
		{"te", []string{":status", "200", "te", "trailers"}, "TE"},
		{"content-length", []string{":status", "200", "content-length", "5"}, ""},
		{"content-length that differ", []string{":status", "200", "content-length", "5", "content-length", "6"}, "differ"},
		{"hosts say nothing", []string{":status", "200", "host", "a b", "host", "c"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			headerBad(t, headerDecode(t, &Config{}, modeResponse, packHeader(c.nv...)), c.bad)
		})
	}
}

func TestHeaderTrailers(t *testing.T) {
	for _, c := range []struct {
		name string
		nv   []string
		bad  string
	}{
		{"a field", []string{"grpc-status", "0"}, ""},
		{"nothing", nil, ""},
		{"a pseudo-header field", []string{":path", "/"}, "in trailers"},
		{"a status", []string{":status", "200"}, "in trailers"},
		{"upper case", []string{"Grpc-Status", "0"}, "field name"},
		{"connection", []string{"connection", "close"}, "connection-specific"},
		{"te", []string{"te", "trailers"}, "TE"},
		{"a length means nothing", []string{"content-length", "five"}, ""},
		{"hosts mean nothing", []string{"host", "a b", "host", "c"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := headerDecode(t, headerServer, modeTrailers, packHeader(c.nv...))
			headerBad(t, r, c.bad)
			if c.bad == "" && (r.head.ContentLength != -1 || len(r.head.Fields) != len(c.nv)/2) {
				t.Fatal(r)
			}
		})
	}
}

// What a head holds in the end.
func TestHeaderHead(t *testing.T) {
	nv := headerEdit(
		headerConnect, "", "host", "example.com", "cookie", "", "cookie", "a=b", "x-first", "1",
		"cookie", "c=d", "cookie", "", "content-length", "7",
		"content-length", "7", "cookie", "e=f", "x-last", "2",
	)
	want := &Head{
		Method: "CONNECT", Scheme: "https", Authority: "example.com", Path: "/chat", Protocol: "websocket", ContentLength: 7,
		Fields: []Field{
			{Name: "sec-websocket-version", Value: "13"},
			{Name: "host", Value: "example.com"},
			{Name: "cookie", Value: "a=b; c=d; e=f"}, // RFC 9113, section 8.2.3
			{Name: "x-first", Value: "1"},
			{Name: "content-length", Value: "7"},
			{Name: "x-last", Value: "2"},
		},
	}
	if r := headerDecode(t, headerServer, modeRequest, packHeader(nv...)); !reflect.DeepEqual(r.head, want) {
		t.Fatalf("got  %v\nwant %+v", r, want)
	}
	r := headerDecode(t, &Config{}, modeResponse, packHeader(":status", "204", "server", "x"))
	if want := (&Head{Status: 204, ContentLength: -1, Fields: []Field{{Name: "server", Value: "x"}}}); !reflect.DeepEqual(r.head, want) {
		t.Fatalf("got  %v\nwant %+v", r, want)
	}
	if r := headerDecode(t, headerServer, modeDiscard, packHeader("X", " ", ":path", "")); r != (headerResult{}) {
		t.Fatal(r)
	}
}
