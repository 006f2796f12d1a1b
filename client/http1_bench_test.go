package client

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/roundtrip"
)

// one KiB is answered to every request.
func oneKiB(tb testing.TB) *httptest.Server {
	tb.Helper()
	body := bytes.Repeat([]byte("x"), 1<<10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
	tb.Cleanup(s.Close)
	return s
}

// dial1 returns a session of HTTP/1.1 with the server at addr.
func dial1(tb testing.TB, addr string, o *session1Options) (s *session1, served <-chan error) {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	if o == nil {
		o = &session1Options{}
	}
	s = newSession1(&dial.Link{Conn: c, Socket: c, Addr: addr}, o)
	done := make(chan error, 1)
	go func() { done <- s.serve() }()
	tb.Cleanup(s.close)
	return s, done
}

// The bar of one connection is net/http's Transport.
func BenchmarkSession1(b *testing.B) {
	srv := oneKiB(b)
	s, _ := dial1(b, srv.Listener.Addr().String(), nil)
	for name, rt := range map[string]http.RoundTripper{
		"lariat":   &roundtripper{roundtrip.Client{Open: s.open}},
		"net-http": &http.Transport{DisableCompression: true},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r, err := http.NewRequest("GET", srv.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				res, err := rt.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if n != 1<<10 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
		if t, ok := rt.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
	}
}

type roundtripper struct{ roundtrip.Client }

func (r *roundtripper) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.Client.RoundTrip(req)
}
