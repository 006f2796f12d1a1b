package client

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lariat-go/websocket/h2"
)

// One GET of 1 KiB after another on one connection. The bar is net/http's
// Transport.
func BenchmarkGet(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1<<10)
	for _, p := range []Protocol{HTTP1, HTTP2} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
		config := func() *http.Transport { return &http.Transport{DisableCompression: true} }
		o := &Options{Protocols: []Protocol{p}}
		if p == HTTP2 {
			s.EnableHTTP2 = true
			if err := h2.ConfigureServer(s.Config, nil); err != nil {
				b.Fatal(err)
			}
			s.TLS = s.Config.TLSConfig
			s.StartTLS()
			o.TLSConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
			config = func() *http.Transport {
				return &http.Transport{DisableCompression: true, ForceAttemptHTTP2: true, TLSClientConfig: o.TLSConfig.Clone()}
			}
		} else {
			s.Start()
		}
		c, err := Open(s.URL, o)
		if err != nil {
			b.Fatal(err)
		}
		other := config()
		for _, kind := range []struct {
			name string
			rt   http.RoundTripper
		}{{"client", c}, {"net-http", other}} {
			b.Run(p.String()+"/"+kind.name, func(b *testing.B) { benchmarkGet(b, kind.rt, s.URL, len(body)) })
		}
		other.CloseIdleConnections()
		c.Close()
		s.Close()
	}
}

func benchmarkGet(b *testing.B, rt http.RoundTripper, url string, size int) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		res, err := rt.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if n != int64(size) || err != nil {
			b.Fatalf("%d bytes, %v", n, err)
		}
	}
}
