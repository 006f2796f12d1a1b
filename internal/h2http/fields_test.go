package h2http_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
)

// RFC 9113, section 8.2: names in lower case, nothing of a connection.
func TestAppendFields(t *testing.T) {
	got, err := h2http.AppendFields([]h2.Field{{Name: "first", Value: "1"}}, http.Header{
		"X-B": {" 2 ", "3"}, "x-a": {"1"}, "Connection": {"x"}, "Keep-Alive": {"x"}, "Proxy-Connection": {"x"},
		"Transfer-Encoding": {"chunked"}, "Upgrade": {"x"}, "Te": {"gzip", "Trailers"}, "Skip-Me": {"x"},
		"Authorization": {"secret"}, "Cookie": {"short"}, "Set-Cookie": {strings.Repeat("long", 10)},
	}, func(name string) bool { return name == "skip-me" })
	want := []h2.Field{
		{Name: "first", Value: "1"},
		{Name: "authorization", Value: "secret", Sensitive: true},
		{Name: "cookie", Value: "short", Sensitive: true},
		{Name: "set-cookie", Value: strings.Repeat("long", 10)},
		{Name: "te", Value: "Trailers"},
		{Name: "x-b", Value: "2"},
		{Name: "x-b", Value: "3"},
		{Name: "x-a", Value: "1"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for name, value := range map[string]string{"a b": "x", "": "x", "A": "b\nc", "B": "\x00"} {
		if _, err := h2http.AppendFields(nil, http.Header{name: {value}}, nil); !errors.Is(err, h2http.ErrField) {
			t.Errorf("%q: %q: %v", name, value, err)
		}
	}
}

func TestHeader(t *testing.T) {
	got := h2http.Header([]h2.Field{
		{Name: "x-a", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "x-b", Value: "3"},
	})
	want := http.Header{"X-A": {"1", "2"}, "X-B": {"3"}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v", got)
	}
	got["X-B"] = append(got["X-B"], "4")
	if len(got["X-A"]) != 2 || got["X-A"][0] != "1" {
		t.Errorf("values share memory: %v", got)
	}
}

// RFC 9113, section 8.3.1.
func TestRequestHead(t *testing.T) {
	request := func(method, u string, body io.Reader) *http.Request {
		r, err := http.NewRequest(method, u, body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	opaque := request("GET", "https://h/", nil)
	opaque.URL = &url.URL{Scheme: "https", Host: "h", Opaque: "//h/a%2fb"}
	star := request("OPTIONS", "https://h", nil)
	star.URL.Path = "*"
	trailers := request("POST", "https://h/", strings.NewReader("x"))
	trailers.Trailer = http.Header{"B": nil, "A": nil}
	trailers.Header = http.Header{"Content-Length": {"9"}, "Host": {"x"}, "Trailer": {"C"}}
	connect := request("CONNECT", "https://h:1", nil)
	for name, tt := range map[string]struct {
		r    *http.Request
		want string // method scheme authority path, and the fields
	}{
		"GET":      {request("GET", "https://h:1/a?b", nil), "GET https h:1 /a?b"},
		"no path":  {request("GET", "http://h", nil), "GET http h /"},
		"opaque":   {opaque, "GET https h /a%2fb"},
		"OPTIONS":  {star, "OPTIONS https h *"},
		"CONNECT":  {connect, "CONNECT  h:1 "},
		"POST":     {request("POST", "https://h/", nil), "POST https h / content-length:0"},
		"trailers": {trailers, "POST https h / content-length:1 trailer:a, b"},
	} {
		h, err := h2http.RequestHead(tt.r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := strings.Join([]string{h.Method, h.Scheme, h.Authority, h.Path}, " ")
		for _, f := range h.Fields {
			got += " " + f.Name + ":" + f.Value
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// RFC 9110, section 6.5.1.
func TestValidTrailer(t *testing.T) {
	for name, want := range map[string]bool{
		"x-sum": true, "Grpc-Status": true, "Etag": true,
		"": false, "a b": false, "content-length": false, "Transfer-Encoding": false, "if-match": false, "Host": false, "te": false, "Trailer": false,
	} {
		if got := h2http.ValidTrailer(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
