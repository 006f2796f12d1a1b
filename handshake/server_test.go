package handshake_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/option"
)

// upgrade returns a request that every server takes, with more fields.
func upgrade(fields ...string) *http.Request {
	r := &http.Request{
		Method: http.MethodGet, Host: "example.com", RequestURI: "/", URL: &url.URL{Path: "/"},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
			"Sec-Websocket-Key": {sampleKey}, "Sec-Websocket-Version": {"13"},
		},
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func TestServerOptions(t *testing.T) {
	bad := errors.New("bad extension")
	cases := []struct {
		name, field string
		server      handshake.Server
	}{
		{"H-S15 a subprotocol with a line break", "Subprotocols", handshake.Server{Subprotocols: []string{"chat\r\nX: 1"}}},
		{"H-S15 an empty subprotocol", "Subprotocols", handshake.Server{Subprotocols: []string{""}}},
		{"H-S15 a subprotocol twice", "Subprotocols", handshake.Server{Subprotocols: []string{"a", "b", "a"}}},
		{"H-S15 33 subprotocols", "Subprotocols", handshake.Server{Subprotocols: numbers(33)}},
		{"a nil extension", "Extensions", handshake.Server{Extensions: []extension.Extension{nil}}},
		{"an extension twice", "Extensions", handshake.Server{Extensions: (&codecs{}).extensions("x-pair, x-pair")}},
		{"an extension with bad options", "", handshake.Server{Extensions: []extension.Extension{&testExtension{name: "x", err: bad}}}},
		{"H-S13 null is no origin", "Origins", handshake.Server{Origins: []string{"https://a.example", "null"}}},
		{"H-S13 a host is no origin", "Origins", handshake.Server{Origins: []string{"a.example"}}},
		{"H-S13 a URL is no origin", "Origins", handshake.Server{Origins: []string{"https://a.example/"}}},
		{"H-S13 no wildcards", "Origins", handshake.Server{Origins: []string{"https://*.example"}}},
		{"H-S13 a bad scheme", "Origins", handshake.Server{Origins: []string{"1https://a.example"}}},
		{"H-S13 no scheme", "Origins", handshake.Server{Origins: []string{"://a.example"}}},
		{"H-S27 a CR in a value", "Header", handshake.Server{Header: http.Header{"X": {"a", "b\rc"}}}},
		{"H-S27 a LF in a value", "Header", handshake.Server{Header: http.Header{"X": {"b\nc"}}}},
		{"H-S27 a NUL in a value", "Header", handshake.Server{Header: http.Header{"X": {"b\x00c"}}}},
		{"H-S27 a DEL in a value", "Header", handshake.Server{Header: http.Header{"X": {"b\x7fc"}}}},
		{"H-S27 a line break in a name", "Header", handshake.Server{Header: http.Header{"X\r\nY": {"b"}}}},
		{"H-S27 a space in a name", "Header", handshake.Server{Header: http.Header{"X Y": {"b"}}}},
		{"H-S27 a reserved name", "Header", handshake.Server{Header: http.Header{"Sec-WebSocket-Accept": {"b"}}}},
		{"H-S27 another one", "Header", handshake.Server{Header: http.Header{"sec-websocket-foo": {"b"}}}},
		{"H-S27 Connection", "Header", handshake.Server{Header: http.Header{"connection": {"close"}}}},
		{"H-S27 Content-Length", "Header", handshake.Server{Header: http.Header{"Content-Length": {"1"}}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.server.Validate()
			var oe *option.Error
			if c.field == "" {
				if !errors.Is(err, bad) {
					t.Fatalf("error %v", err)
				}
			} else if !errors.As(err, &oe) || oe.Field != c.field {
				t.Fatalf("error %v, want one of %s", err, c.field)
			}
			resp, res, err2 := c.server.Answer(upgrade())
			if resp.Status != 500 || res != nil || err2 == nil || err2.Error() != err.Error() || resp.Header.Get("Connection") != "close" {
				t.Errorf("answer %+v, %v", resp, err2)
			}
		})
	}
}

func numbers(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func TestServerHeader(t *testing.T) {
	s := handshake.Server{
		Subprotocols: numbers(32),
		Header:       http.Header{"x-b": {"2", "3"}, "X-A": {"1\twith tab \u00e9"}, "Set-Cookie": {"a=b"}},
	}
	resp, _, err := s.Answer(upgrade("Sec-WebSocket-Protocol", "7"))
	if err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: 7\r\n" +
		"Set-Cookie: a=b\r\nX-A: 1\twith tab \u00e9\r\nX-B: 2\r\nX-B: 3\r\n\r\n"
	if got := string(resp.AppendHTTP1(nil)); got != want {
		t.Errorf("answer\n%q, want\n%q", got, want)
	}
	if len(s.Header) != 3 || s.Header["Set-Cookie"][0] != "a=b" {
		t.Errorf("the option has changed: %q", s.Header)
	}
}

// What a sans-I/O caller or a middleware can hand over, beyond what the table
// says.
func TestOddRequests(t *testing.T) {
	chunked := upgrade()
	chunked.TransferEncoding = []string{"chunked"}
	unknown := upgrade()
	unknown.ContentLength = -1
	other := upgrade("Host", "other.example")
	same := upgrade("Host", "example.com")
	stripped := upgrade() // http.StripPrefix
	stripped.URL, stripped.RequestURI = &url.URL{}, "/ws"
	bare := upgrade()
	bare.URL, bare.RequestURI = nil, ""
	bareOrigin := upgrade("Origin", "https://example.com")
	bareOrigin.URL = nil
	long := upgrade()
	long.ContentLength, long.Method, long.ProtoMajor = 3, http.MethodConnect, 2
	long.Header = http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}}
	dot := upgrade()
	dot.URL.Path = "/a/./b"
	cases := []struct {
		name string
		r    *http.Request
		kind error
	}{
		{"H-S6 chunked, as net/http says it", chunked, handshake.ErrBody},
		{"H-S6 a body of unknown length", unknown, handshake.ErrBody},
		{"H-S3 Host among the fields differs", other, handshake.ErrHost},
		{"Host among the fields is the same", same, nil},
		{"a path that was stripped", stripped, nil},
		{"no URL", bare, nil},
		{"no URL, and an Origin", bareOrigin, nil},
		{"H2-S2 content-length, as net/http says it", long, handshake.ErrBody},
		{"H-S26 a dot", dot, handshake.ErrTarget},
		{"H-S13 a bad Host is nobody's origin", upgrade("Origin", "http://example.com:x"), handshake.ErrOrigin},
		{"H-S18 4,000 characters", upgrade("Sec-WebSocket-Extensions", strings.Repeat("a", 4000)), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := new(handshake.Server).Answer(c.r); !errors.Is(err, c.kind) {
				t.Errorf("error %v, want %v", err, c.kind)
			}
		})
	}
}

func TestIsUpgrade(t *testing.T) {
	connect := func(major int, proto string, protocol ...string) *http.Request {
		r := &http.Request{Method: http.MethodConnect, ProtoMajor: major, Proto: proto, Header: http.Header{}}
		if protocol != nil {
			r.Header[":protocol"] = protocol
		}
		return r
	}
	other := upgrade()
	other.Header.Set("Upgrade", "h2c")
	plain := upgrade()
	plain.Header.Del("Connection")
	post := upgrade()
	post.Method = http.MethodPost
	two := upgrade()
	two.ProtoMajor = 2
	cases := []struct {
		name string
		r    *http.Request
		want bool
	}{
		{"HTTP/1.1", upgrade(), true},
		{"POST, which Answer refuses better", post, true},
		{"another Upgrade", other, false},
		{"no Connection", plain, false},
		{"Upgrade over HTTP/2", two, false},
		{"net/http", connect(2, "HTTP/2.0", "websocket"), true},
		{"net/http, upper case", connect(2, "HTTP/2.0", "WEBSOCKET"), true},
		{"net/http, another protocol", connect(2, "HTTP/2.0", "connect-udp"), false},
		{"net/http, two protocols", connect(2, "HTTP/2.0", "websocket", "websocket"), false},
		{"quic-go", connect(3, "websocket"), true},
		{"quic-go, another protocol", connect(3, "webtransport"), false},
		{"plain CONNECT over HTTP/2", connect(2, "HTTP/2.0"), false},
		{"plain CONNECT over HTTP/3", connect(3, "HTTP/3.0"), false},
		{"CONNECT, no version", connect(2, ""), false},
		{"CONNECT over HTTP/1.1", connect(1, "HTTP/1.1", "websocket"), false},
	}
	for _, c := range cases {
		if got := handshake.IsUpgrade(c.r); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// H-S8: a key is taken exactly when the standard library's strict decoder makes
// 16 bytes of it and nothing is left over.
func TestKeyFollowsBase64(t *testing.T) {
	try := func(key string) {
		t.Helper()
		r := upgrade()
		r.Header["Sec-Websocket-Key"] = []string{key}
		_, _, err := new(handshake.Server).Answer(r)
		b, berr := base64.StdEncoding.Strict().DecodeString(key)
		if want := berr == nil && len(b) == 16 && len(key) == 24; (err == nil) != want {
			t.Errorf("key %q: %v, want it taken: %v", key, err, want)
		}
	}
	for i := range len(sampleKey) {
		for c := range 256 {
			try(sampleKey[:i] + string([]byte{byte(c)}) + sampleKey[i+1:])
		}
		try(sampleKey[:i])
		try(sampleKey[i:])
		try(sampleKey[:i] + "\n" + sampleKey[i:])
	}
	try(sampleKey + "=")
}

// H-S25: no credential is compared here. Were one, it would have to be in
// constant time, so the sources are searched for what a check would read.
func TestNoCredentialIsCompared(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{".BasicAuth(", `Get("Authorization")`, `Get("Cookie")`, ".Cookie("} {
			if strings.Contains(string(src), s) {
				t.Errorf("%s has %s: compare digests with subtle.ConstantTimeCompare", f.Name(), s)
			}
		}
	}
}

// H-S17: the time grows with the input and no faster. The extension package
// counts the steps of the grammar; this is for everything around it.
func TestLongHeaders(t *testing.T) {
	s := handshake.Server{Subprotocols: []string{"chat"}, Extensions: (&codecs{}).extensions("x-pair")}
	for _, field := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection", "Upgrade", "Origin", "Sec-WebSocket-Key"} {
		for _, fill := range []string{" ", ",", `\`, `"`, "a", ";", "a,", "[", ".", "\u00e9"} {
			t.Run(fmt.Sprintf("%s %q", field, fill), func(t *testing.T) {
				cost := func(n int) time.Duration {
					r := upgrade()
					r.Header.Set(field, strings.Repeat(fill, n/len(fill)))
					return bestTime(&s, r)
				}
				// Four times the input may take sixteen times as long if the
				// work is quadratic; a generous 12 tells the two apart on a
				// busy machine, above a floor that hides the clock's grain.
				small, large := cost(16<<10), cost(64<<10)
				if large > 12*max(small, 50*time.Microsecond) {
					t.Errorf("16 KiB take %v, 64 KiB %v", small, large)
				}
			})
		}
	}
}

// bestTime is the shortest of some tries.
func bestTime(s *handshake.Server, r *http.Request) time.Duration {
	best := time.Hour
	for range 5 {
		start := time.Now()
		s.Answer(r)
		best = min(best, time.Since(start))
	}
	return best
}

func BenchmarkAnswer(b *testing.B) {
	s := handshake.Server{}
	r := upgrade("User-Agent", "x", "Origin", "http://example.com")
	b.ReportAllocs()
	for b.Loop() {
		resp, _, err := s.Answer(r)
		if err != nil {
			b.Fatal(err)
		}
		resp.AppendHTTP1(make([]byte, 0, 512))
	}
}

func BenchmarkAnswerLong(b *testing.B) {
	s := handshake.Server{Subprotocols: []string{"chat"}}
	r := upgrade("Sec-WebSocket-Protocol", strings.Repeat(" ", 32<<10))
	for b.Loop() {
		s.Answer(r)
	}
}

// H-S9: a connection of HTTP/2 can't be taken over, whatever the handler tries.
func TestHTTP2IsNotHijackable(t *testing.T) {
	r := &http.Request{Method: http.MethodGet, Host: "example.com", ProtoMajor: 2, Proto: "HTTP/2.0", Header: http.Header{}}
	_, _, err := new(handshake.Server).Answer(r)
	if !errors.Is(err, handshake.ErrNotHijackable) || !errors.Is(err, handshake.ErrNotUpgrade) {
		t.Errorf("error %v", err)
	}
}

// H2-S2: the :scheme of an extended CONNECT is looked at over TLS too.
func TestConnectScheme(t *testing.T) {
	for _, scheme := range []string{"http", "https", "wss", "ftp", "file"} {
		r := httptest.NewRequest(http.MethodConnect, "https://example.com/chat", nil)
		r.ProtoMajor, r.ProtoMinor, r.Proto = 2, 0, "HTTP/2.0"
		r.URL.Scheme, r.ContentLength = scheme, -1
		r.Header = http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}}
		want := http.StatusOK
		if scheme == "ftp" || scheme == "file" {
			want = http.StatusBadRequest
		}
		var srv handshake.Server
		if resp, _, _ := srv.Answer(r); resp.Status != want {
			t.Errorf("%s: %d, want %d", scheme, resp.Status, want)
		}
	}
}
