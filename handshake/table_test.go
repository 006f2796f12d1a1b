package handshake_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
)

// sampleKey is the key of the example in RFC 6455, section 1.2.
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// kinds are the errors by the names the table has for them.
var kinds = map[string]error{
	"ErrNotUpgrade": handshake.ErrNotUpgrade, "ErrMethod": handshake.ErrMethod, "ErrHTTPVersion": handshake.ErrHTTPVersion,
	"ErrHost": handshake.ErrHost, "ErrTarget": handshake.ErrTarget, "ErrBody": handshake.ErrBody,
	"ErrVersion": handshake.ErrVersion, "ErrKey": handshake.ErrKey, "ErrOrigin": handshake.ErrOrigin,
	"ErrSubprotocol": handshake.ErrSubprotocol, "ErrExtensions": handshake.ErrExtensions,
	"ErrAccept": handshake.ErrAccept, "ErrStatus": handshake.ErrStatus,
}

// hsCase is one case of testdata/handshakes.txt.
type hsCase struct {
	name        string
	url         string
	client      handshake.ClientOptions
	major       int
	server      handshake.Server
	tls         bool
	scheme      string
	request     []string // lines
	answer      []string // lines
	agreed      string
	serverError string
	clientError string
	codecs      *codecs
}

func readCases(tb testing.TB) []*hsCase {
	tb.Helper()
	text, err := os.ReadFile("testdata/handshakes.txt")
	if err != nil {
		tb.Fatal(err)
	}
	var list []*hsCase
	var c *hsCase
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, `"`) {
			if line, err = strconv.Unquote(line + `"`); err != nil {
				tb.Fatalf("line %d: %v", i+1, err)
			}
		}
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "==":
			c = &hsCase{name: rest, major: 1, codecs: &codecs{}}
			c.client = handshake.ClientOptions{Key: sampleKey, Header: http.Header{}}
			list = append(list, c)
		case "url":
			c.url = rest
		case "offer":
			c.client.Subprotocols = strings.Split(rest, ", ")
		case "ask":
			c.client.Extensions = c.codecs.extensions(rest)
		case "header":
			k, v, _ := strings.Cut(rest, ": ")
			c.client.Header[k] = append(c.client.Header[k], v)
		case "major":
			c.major, _ = strconv.Atoi(rest)
		case "speak":
			c.server.Subprotocols = strings.Split(rest, ", ")
		case "extend":
			c.server.Extensions = c.codecs.extensions(rest)
		case "origins":
			c.server.Origins = strings.Split(rest, ", ")
		case "any-origin":
			c.server.AnyOrigin = true
		case "tls":
			c.tls = true
		case "scheme":
			c.scheme = rest
		case ">":
			c.request = append(c.request, rest)
		case "<":
			c.answer = append(c.answer, rest)
		case "agreed":
			c.agreed = rest
		case "server-error":
			c.serverError = rest
		case "client-error":
			c.clientError = rest
		default:
			tb.Fatalf("line %d: %q", i+1, line)
		}
	}
	return list
}

func fields(lines []string) http.Header {
	h := http.Header{}
	for _, l := range lines {
		i := 1 + strings.IndexByte(l[1:], ':') // a pseudo-header begins with one
		k := http.CanonicalHeaderKey(l[:i])
		h[k] = append(h[k], strings.TrimSpace(l[i+1:]))
	}
	return h
}

// httpRequest shapes the request as net/http does, but for what it would
// refuse.
func (c *hsCase) httpRequest(tb testing.TB) *http.Request {
	tb.Helper()
	part := strings.Split(c.request[0], " ")
	r := &http.Request{Method: part[0], RequestURI: part[1], Proto: part[2], Header: fields(c.request[1:])}
	if _, err := fmt.Sscanf(part[2]+".0", "HTTP/%d.%d", &r.ProtoMajor, &r.ProtoMinor); err != nil {
		tb.Fatal(err)
	}
	var err error
	if r.URL, err = url.ParseRequestURI(part[1]); err != nil {
		tb.Fatal(err)
	}
	r.URL.Scheme = c.scheme
	r.Host = r.Header.Get("Host")
	if len(r.Header["Host"]) == 1 {
		delete(r.Header, "Host")
	}
	if a := r.Header[":authority"]; a != nil {
		r.Host = a[0]
		delete(r.Header, ":authority")
	}
	if c.tls {
		r.TLS = &tls.ConnectionState{}
	}
	return r
}

func TestClientRequests(t *testing.T) {
	for _, c := range readCases(t) {
		if c.url == "" || c.request == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			r := c.newClient(t).Request(c.major)
			if c.major == 1 {
				want := strings.Join(c.request, "\r\n") + "\r\n\r\n"
				if got := string(r.AppendHTTP1([]byte("before "))); got != "before "+want {
					t.Errorf("request\n%q, want\n%q", got, want)
				}
			}
			want := c.httpRequest(t)
			if r.Major != want.ProtoMajor || r.Method != want.Method || r.Authority != want.Host || r.Path != want.RequestURI {
				t.Errorf("request %+v", r)
			}
			h := r.Header
			if c.major > 1 {
				h[":protocol"], h[":scheme"] = []string{r.Protocol}, []string{r.Scheme}
			}
			if !maps.EqualFunc(h, want.Header, slices.Equal[[]string]) {
				t.Errorf("header\n%q, want\n%q", h, want.Header)
			}
		})
	}
}

func (c *hsCase) newClient(tb testing.TB) *handshake.Client {
	tb.Helper()
	u, err := handshake.ParseURL(c.url)
	if err != nil {
		tb.Fatal(err)
	}
	cl, err := handshake.NewClient(u, &c.client)
	if err != nil {
		tb.Fatal(err)
	}
	return cl
}

func TestServerAnswers(t *testing.T) {
	for _, c := range readCases(t) {
		if c.request == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			resp, res, err := c.server.Answer(c.httpRequest(t))
			checkOutcome(t, c, c.serverError, res, err)
			if got := strconv.Itoa(resp.Status); got != c.answer[0] {
				t.Errorf("status %s, want %s", got, c.answer[0])
			}
			got := resp.Header.Clone()
			if err != nil {
				checkRefusal(t, resp, err)
				delete(got, "Content-Type")
				delete(got, "X-Content-Type-Options")
			}
			if want := fields(c.answer[1:]); !maps.EqualFunc(got, want, slices.Equal[[]string]) {
				t.Errorf("header\n%q, want\n%q", got, want)
			}
			if err == nil && resp.Status == 101 {
				want := "HTTP/1.1 101 Switching Protocols\r\n" + strings.Join(c.answer[1:], "\r\n") + "\r\n\r\n"
				if got := string(resp.AppendHTTP1(nil)); got != want {
					t.Errorf("answer\n%q, want\n%q", got, want)
				}
			}
		})
	}
}

// checkRefusal checks what holds for every refusal.
func checkRefusal(t *testing.T, resp *handshake.Response, err error) {
	t.Helper()
	if len(resp.Body) == 0 || len(resp.Body) > 128 {
		t.Errorf("body of %d bytes: %q", len(resp.Body), resp.Body)
	}
	var he *handshake.Error
	if !errors.As(err, &he) || he.Status != resp.Status || string(he.Body) != resp.Body || he.Header.Get("Content-Type") == "" {
		t.Errorf("error %+v for %+v", he, resp)
	}
	if !strings.HasPrefix(err.Error(), "websocket: ") || strings.Count(err.Error(), "websocket: ") > 1 || len(err.Error()) > 400 {
		t.Errorf("error text %q", err)
	}
	back := string(resp.AppendHTTP1(nil))
	if !strings.HasPrefix(back, fmt.Sprintf("HTTP/1.1 %d ", resp.Status)) ||
		!strings.HasSuffix(back, fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(resp.Body), resp.Body)) {
		t.Errorf("answer %q", back)
	}
}

func TestClientFinishes(t *testing.T) {
	for _, c := range readCases(t) {
		if c.url == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			cl := c.newClient(t)
			cl.Request(c.major)
			status, _ := strconv.Atoi(c.answer[0])
			h := fields(c.answer[1:])
			res, err := cl.Finish(status, h)
			checkOutcome(t, c, c.clientError, res, err)
			if err == nil {
				if !maps.EqualFunc(res.Header, h, slices.Equal[[]string]) { // S0.12, S1.7
					t.Errorf("header %q", res.Header)
				}
				return
			}
			// S0.13, S1.8, ruling C7: one error with status, header, body and reason.
			var he *handshake.Error
			if !errors.As(err, &he) || he.Status != status || he.Body == nil || !maps.EqualFunc(he.Header, h, slices.Equal[[]string]) {
				t.Errorf("error %+v", he)
			}
			if !strings.HasPrefix(err.Error(), "websocket: ") || strings.Count(err.Error(), "websocket: ") > 1 {
				t.Errorf("error text %q", err)
			}
		})
	}
}

func checkOutcome(t *testing.T, c *hsCase, wantErr string, res *handshake.Result, err error) {
	t.Helper()
	if wantErr != "" {
		if !errors.Is(err, kinds[wantErr]) || res != nil {
			t.Fatalf("result %+v and error %v, want %s", res, err, wantErr)
		}
		if n := c.codecs.open; n != 0 {
			t.Errorf("%d codecs left open", n)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := agreed(res); got != c.agreed {
		t.Errorf("agreed on %q, want %q", got, c.agreed)
	}
	if res.Codec != nil {
		res.Codec.Close()
	}
	if n := c.codecs.open; n != 0 {
		t.Errorf("%d codecs left open", n)
	}
}

func agreed(res *handshake.Result) string {
	sub, ext := res.Subprotocol, extension.FormatOffers(res.Extensions)
	if sub == "" {
		sub = "-"
	}
	if ext == "" {
		ext = "-"
	}
	return sub + " " + ext
}

// TestEveryClientMeetsEveryServer pairs the clients of the table with its
// servers, over each version of HTTP: what a server answers with success, a
// client accepts, unless it wanted a subprotocol and got none.
func TestEveryClientMeetsEveryServer(t *testing.T) {
	cases := readCases(t)
	pairs := 0
	for _, a := range cases {
		if a.url == "" {
			continue
		}
		for _, b := range cases {
			for _, major := range []int{1, 2, 3} {
				client, server := a.newClient(t), b.server
				server.AnyOrigin = true
				req := client.Request(major)
				resp, got, err := server.Answer(asHTTP(req))
				if err != nil {
					t.Fatalf("%s meets %s over HTTP/%d: %v", a.name, b.name, major, err)
				}
				res, err := client.Finish(resp.Status, resp.Header)
				wanted := len(req.Header["Sec-Websocket-Protocol"]) > 0
				switch {
				case wanted && got.Subprotocol == "":
					if !errors.Is(err, handshake.ErrSubprotocol) {
						t.Fatalf("%s meets %s: error %v", a.name, b.name, err)
					}
				case err != nil:
					t.Fatalf("%s meets %s over HTTP/%d: %v", a.name, b.name, major, err)
				case agreed(res) != agreed(got) || res.HTTPVersion != major || got.HTTPVersion != major:
					t.Fatalf("%s meets %s: client agreed on %+v, server on %+v", a.name, b.name, res, got)
				case (res.Codec == nil) != (got.Codec == nil):
					t.Fatalf("%s meets %s: codec on one side", a.name, b.name)
				}
				pairs++
			}
		}
	}
	if pairs < 1000 {
		t.Errorf("%d pairs", pairs)
	}
}

// asHTTP makes of a client's request what a server gets.
func asHTTP(r *handshake.Request) *http.Request {
	u, _ := url.ParseRequestURI(r.Path)
	out := &http.Request{Method: r.Method, Host: r.Authority, URL: u, RequestURI: r.Path, Header: r.Header.Clone(), ProtoMajor: r.Major, Proto: "HTTP/1.1"}
	switch r.Major {
	case 1:
		out.ProtoMinor = 1
	case 2: // as net/http has it
		out.Proto = "HTTP/2.0"
		out.Header[":protocol"] = []string{r.Protocol}
	case 3: // as quic-go has it
		out.Proto = r.Protocol
		out.RequestURI = r.Authority
	}
	return out
}

// codecs counts those of one case that are open.
type codecs struct{ open int }

func (cs *codecs) extensions(names string) []extension.Extension {
	var list []extension.Extension
	for name := range strings.SplitSeq(names, ", ") {
		list = append(list, &testExtension{name: name, codecs: cs})
	}
	return list
}

// testExtension takes one parameter, bits, of 8 to 15. The one named x-plain
// takes none and codes nothing; the one named x-broken answers what can't stand
// in a header.
type testExtension struct {
	name   string
	codecs *codecs
	err    error
	offers []extension.Offer
}

func (x *testExtension) Name() string    { return x.name }
func (x *testExtension) Validate() error { return x.err }

func (x *testExtension) Offer() []extension.Offer {
	if x.offers != nil || x.name == "x-plain" {
		return append([]extension.Offer{{Name: x.name}}, x.offers...)
	}
	return []extension.Offer{
		{Name: x.name, Params: []extension.Param{{Name: "bits", Value: "7"}}},
		{Name: x.name, Params: []extension.Param{{Name: "bits", Value: "9"}}},
	}
}

func (x *testExtension) good(o extension.Offer) bool {
	if x.name == "x-plain" {
		return len(o.Params) == 0
	}
	if len(o.Params) != 1 || o.Params[0].Name != "bits" {
		return false
	}
	n, err := strconv.Atoi(o.Params[0].Value)
	return err == nil && n >= 8 && n <= 15 && o.Params[0].Value[0] != '0'
}

func (x *testExtension) Accept(o extension.Offer) (extension.Offer, extension.Codec, bool) {
	if x.name == "x-broken" {
		return extension.Offer{Name: x.name, Params: []extension.Param{{Name: "a\r\nb"}}}, x.codec(), true
	}
	if !x.good(o) {
		return extension.Offer{}, nil, false
	}
	return o, x.codec(), true
}

func (x *testExtension) Confirm(o extension.Offer) (extension.Codec, error) {
	if !x.good(o) {
		return nil, fmt.Errorf("websocket: %s is not what was offered", o)
	}
	return x.codec(), nil
}

func (x *testExtension) codec() extension.Codec {
	if x.name == "x-plain" {
		return nil
	}
	x.codecs.open++
	return &testCodec{x.codecs}
}

type testCodec struct{ codecs *codecs }

func (*testCodec) RSV() frame.RSV { return frame.RSV1 }
func (*testCodec) Encode(dst, p []byte, _ *extension.Message) ([]byte, error) {
	return append(dst, bytes.ToUpper(p)...), nil
}

func (*testCodec) Decode(dst, p []byte, _ *extension.Message) ([]byte, error) {
	return append(dst, bytes.ToLower(p)...), nil
}
func (c *testCodec) Close() { c.codecs.open-- }
