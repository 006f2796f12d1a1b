package handshake_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/handshake"
)

// FuzzURL: what is accepted, net/url reads as the same host and port, and
// nothing of it can break a request.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"ws://example.com", "wss://user:pass@example.com:8443/a?b=c", "ws://[fe80::1%25eth0]:1/", "ws://[::ffff:1.2.3.4]/",
		"ws://example.com/\u00e9?\u00e9", "http://EXAMPLE.com:80", "ws://a:/%0d%0a", "ws://a@b@c/", "ws://[::1]:x", "ws:opaque", "ws://h?#",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := handshake.ParseURL(s)
		if err != nil {
			if !errors.Is(err, handshake.ErrURL) || u != nil {
				t.Fatalf("URL %v and error %v", u, err)
			}
			return
		}
		std, err := url.Parse(s)
		if err != nil {
			t.Fatalf("net/url refuses it: %v", err)
		}
		c, err := handshake.NewClient(u, nil)
		if err != nil {
			t.Fatal(err)
		}
		host, port := c.HostPort()
		if want := std.Hostname(); !strings.EqualFold(host, want) && !sameIP(host, want) {
			t.Errorf("host %q, want %q", host, want)
		}
		if want := strings.TrimLeft(std.Port(), "0"); want != "" && port != want {
			t.Errorf("port %q, want %q", port, want)
		}
		head := string(c.Request(1).AppendHTTP1(nil))
		if n := strings.Count(head, "\n"); n != strings.Count(head, "\r\n") || n != len(c.Request(1).Header)+3 || strings.Count(head, "\r") != n {
			t.Errorf("request %q", head)
		}
		// A server reads it as it was meant.
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			t.Fatalf("%v in %q", err, head)
		}
		if r.URL.Path != std.Path && r.URL.Path != "/"+std.Path {
			t.Errorf("path %q, want %q", r.URL.Path, std.Path)
		}
		if _, _, err := new(handshake.Server).Answer(r); err != nil && !errors.Is(err, handshake.ErrTarget) {
			t.Errorf("%v for %q", err, head)
		}
	})
}

func sameIP(a, b string) bool {
	i, j := net.ParseIP(beforeZone(a)), net.ParseIP(beforeZone(b))
	return i != nil && i.Equal(j)
}

func beforeZone(s string) string {
	s, _, _ = strings.Cut(s, "%")
	return s
}

// FuzzAnswer: whatever a request says, the answer is one that can be sent, and
// a success is one the client would take.
func FuzzAnswer(f *testing.F) {
	for _, c := range readCases(f) {
		if c.request == nil {
			continue
		}
		r := c.httpRequest(f)
		f.Add(r.Method, r.ProtoMajor, r.ProtoMinor, r.Host, r.RequestURI, strings.Join(c.request[1:], "\n"))
	}
	f.Fuzz(func(t *testing.T, method string, major, minor int, host, target, lines string) {
		r := &http.Request{Method: method, ProtoMajor: major, ProtoMinor: minor, Proto: "HTTP/1.1", Host: host, RequestURI: target, Header: http.Header{}}
		if r.URL, _ = url.ParseRequestURI(target); r.URL == nil && target != "" {
			r.URL = &url.URL{Path: target}
		}
		for l := range strings.SplitSeq(lines, "\n") {
			if k, v, ok := strings.Cut(l, ": "); ok {
				r.Header.Add(k, v)
			}
		}
		codecs := &codecs{}
		s := handshake.Server{Subprotocols: []string{"chat", "superchat"}, Extensions: codecs.extensions("x-pair, x-plain"), Origins: []string{"https://app.example"}}
		resp, res, err := s.Answer(r)
		head := string(resp.AppendHTTP1(nil))
		back, rerr := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), &http.Request{Method: http.MethodGet})
		if rerr != nil || back.StatusCode != resp.Status {
			t.Fatalf("%v in %q", rerr, head)
		}
		if err == nil {
			if (resp.Status != 101 || major != 1) && (resp.Status != 200 || major < 2) || res == nil {
				t.Fatalf("HTTP/%d: %q", major, head)
			}
			if res.Codec != nil {
				res.Codec.Close()
			}
			return
		}
		var he *handshake.Error
		if !errors.As(err, &he) || res != nil || he.Status < 400 || len(resp.Body) > 128 || len(err.Error()) > 1000 || codecs.open != 0 {
			t.Errorf("%q for error %v", head, err)
		}
	})
}

// FuzzFinish: whatever a server answers, a success is one that was asked for,
// and no codec is left behind by a failure.
func FuzzFinish(f *testing.F) {
	for _, c := range readCases(f) {
		if c.url != "" {
			f.Add(c.major, c.answer[0], strings.Join(c.answer[1:], "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, major int, status, lines string) {
		codecs := &codecs{}
		c, err := handshake.NewClient(&url.URL{Scheme: "ws", Host: "example.com"}, &handshake.ClientOptions{
			Key: sampleKey, Subprotocols: []string{"chat", "superchat"}, Extensions: codecs.extensions("x-pair, x-plain"),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Request(major)
		h := http.Header{}
		for l := range strings.SplitSeq(lines, "\n") {
			if k, v, ok := strings.Cut(l, ": "); ok {
				h.Add(k, v)
			}
		}
		n := 0
		for _, d := range status {
			n = n*10%1000 + int(d-'0')%10
		}
		res, err := c.Finish(n, h)
		if err != nil {
			var he *handshake.Error
			if !errors.As(err, &he) || he.Body == nil || codecs.open != 0 {
				t.Errorf("error %v with %d codecs open", err, codecs.open)
			}
			return
		}
		if res.Subprotocol != "chat" && res.Subprotocol != "superchat" {
			t.Errorf("subprotocol %q", res.Subprotocol)
		}
		if (codecs.open == 1) != (res.Codec != nil) {
			t.Errorf("%d codecs open", codecs.open)
		}
	})
}
