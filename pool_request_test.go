package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// eachH2Server runs a test with a pool for a TLS server of net/http's own HTTP/2
// and for one of package h2.
func eachH2Server(t *testing.T, handler http.HandlerFunc, f func(t *testing.T, url string, pool *websocket.Pool)) {
	for _, kind := range []string{"net/http", "package h2"} {
		t.Run(kind, func(t *testing.T) {
			s := httptest.NewUnstartedServer(handler)
			s.EnableHTTP2 = true
			if kind == "package h2" {
				if err := h2.ConfigureServer(s.Config, nil); err != nil {
					t.Fatal(err)
				}
				s.TLS = s.Config.TLSConfig
			}
			s.StartTLS()
			t.Cleanup(s.Close)
			config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			pool := &websocket.Pool{Options: &websocket.DialOptions{TLSConfig: config}}
			t.Cleanup(func() { pool.Close() })
			f(t, s.URL, pool)
		})
	}
}

// newRequest is http.NewRequest for a test.
func newRequest(t testing.TB, ctx context.Context, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// describe is a handler that answers with what it got.
func describe(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Host", r.Host)
	w.Header().Set("X-Proto", r.Proto)
	w.Header().Set("X-Uri", r.RequestURI)
	w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
	for _, name := range []string{"Accept-Encoding", "User-Agent", "Cookie", "X-Own", "Connection", "Te", "Keep-Alive"} {
		if v := r.Header[name]; v != nil {
			w.Header()["Got-"+name] = []string{strings.Join(v, "|")}
		}
	}
	fmt.Fprintf(w, "%q %v", body, err)
}

// What a request says gets there.
func TestPoolRequests(t *testing.T) {
	eachH2Server(t, describe, func(t *testing.T, url string, pool *websocket.Pool) {
		host := strings.TrimPrefix(url, "https://")
		for _, tt := range []struct {
			name         string
			method, path string
			body         io.Reader
			edit         func(*http.Request)
			header       map[string]string // of the answer, "" for none
			answer       string
		}{
			{"GET", "GET", "/a?b=c", nil, nil, map[string]string{
				"X-Method": "GET", "X-Uri": "/a?b=c", "X-Host": host, "X-Proto": "HTTP/2.0", "X-Length": "0",
				"Got-Accept-Encoding": "", "Got-User-Agent": "",
			}, `"" <nil>`},
			{"no method", "GET", "", nil, func(r *http.Request) { r.Method = "" }, map[string]string{"X-Method": "GET", "X-Uri": "/"}, `"" <nil>`},
			{"POST of a known length", "POST", "/", strings.NewReader("abc"), nil, map[string]string{"X-Length": "3"}, `"abc" <nil>`},
			{"POST of an unknown length", "POST", "/", struct{ io.Reader }{strings.NewReader("abc")}, nil, map[string]string{"X-Length": "-1"}, `"abc" <nil>`},
			{"POST of nothing", "POST", "/", http.NoBody, nil, map[string]string{"X-Length": "0"}, `"" <nil>`},
			{"POST of nothing, unknown", "POST", "/", struct{ io.Reader }{strings.NewReader("")}, nil, map[string]string{"X-Length": "-1"}, `"" <nil>`},
			{"DELETE with a body", "DELETE", "/", strings.NewReader("x"), nil, map[string]string{"X-Method": "DELETE"}, `"x" <nil>`},
			{"OPTIONS *", "OPTIONS", "/", nil, func(r *http.Request) { r.URL.Path = "*" }, nil, ""},
			{"Host", "GET", "/", nil, func(r *http.Request) { r.Host = "example.com" }, map[string]string{"X-Host": "example.com"}, `"" <nil>`},
			{"fields", "GET", "/", nil, func(r *http.Request) {
				r.Header = http.Header{
					"x-own": {" 1 ", "2"}, "Cookie": {"a=1; b=2"}, "Connection": {"close"}, "Keep-Alive": {"1"}, "Te": {"gzip"},
					"Content-Length": {"7"}, "Host": {"other"}, "Transfer-Encoding": {"chunked"}, "User-Agent": {"me"},
				}
			}, map[string]string{
				"Got-X-Own": "1|2", "Got-Cookie": "a=1; b=2", "Got-Connection": "", "Got-Keep-Alive": "", "Got-Te": "", "X-Length": "0",
				"X-Host": host, "Got-User-Agent": "me",
			}, `"" <nil>`},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r := newRequest(t, within(t), tt.method, url+tt.path, tt.body)
				if tt.edit != nil {
					tt.edit(r)
				}
				res, err := pool.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				if err != nil || res.ProtoMajor != 2 || res.Request != r || res.TLS == nil {
					t.Errorf("response %+v, %v", res, err)
				}
				if tt.answer != "" && (res.Status != "200 OK" || string(body) != tt.answer || res.ContentLength != int64(len(body))) {
					t.Errorf("%s, body %q of %d, want %q", res.Status, body, res.ContentLength, tt.answer)
				}
				for name, want := range tt.header {
					if got := res.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			})
		}
	})
}

// The ends of bodies: HEAD, statuses without one, empty ones.
func TestPoolBodies(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.WriteHeader(304)
		case "/empty":
			w.Header().Set("Content-Length", "0")
		case "/big":
			w.Write(big)
		case "/known":
			w.Header().Set("Content-Length", fmt.Sprint(len(big)))
			w.Write(big)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "some")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/echo":
			io.Copy(w, r.Body)
		default:
			io.WriteString(w, "hello")
		}
	}
	eachH2Server(t, handler, func(t *testing.T, url string, pool *websocket.Pool) {
		for _, tt := range []struct {
			method, path string
			length       int64
			body         []byte
		}{
			{"HEAD", "/", 5, nil},
			{"HEAD", "/known", int64(len(big)), nil},
			{"GET", "/204", 0, nil},
			{"GET", "/304", 0, nil},
			{"GET", "/empty", 0, nil},
			{"GET", "/big", -1, big},
			{"GET", "/known", int64(len(big)), big},
			{"POST", "/echo", -1, big},
		} {
			t.Run(tt.method+tt.path, func(t *testing.T) {
				var body io.Reader
				if tt.method == "POST" {
					body = bytes.NewReader(tt.body)
				}
				res, err := pool.RoundTrip(newRequest(t, within(t), tt.method, url+tt.path, body))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(res.Body)
				if err != nil || !bytes.Equal(got, tt.body) || res.ContentLength != tt.length {
					t.Errorf("%d bytes of %d, want %d of %d; %v", len(got), res.ContentLength, len(tt.body), tt.length, err)
				}
				if err := res.Body.Close(); err != nil {
					t.Error(err)
				}
				if n, err := res.Body.Read(make([]byte, 1)); n != 0 || err == nil {
					t.Errorf("read %d, %v after the end", n, err)
				}
			})
		}
		t.Run("cut off", func(t *testing.T) {
			res, err := pool.RoundTrip(newRequest(t, within(t), "GET", url+"/cut", nil))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			if se, ok := errors.AsType[*websocket.HTTP2StreamError](err); !ok || !se.Remote || string(got) != "some" {
				t.Errorf("%q, %v", got, err)
			}
		})
		t.Run("closed early", func(t *testing.T) {
			res, err := pool.RoundTrip(newRequest(t, within(t), "GET", url+"/big", nil))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if _, err := res.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Errorf("read after Close: %v", err)
			}
		})
	})
}

// Both bodies are streamed at the same time.
func TestPoolFullDuplex(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		c.EnableFullDuplex()
		w.WriteHeader(200)
		c.Flush()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			w.Write(bytes.ToUpper(buf[:n]))
			c.Flush()
			if err != nil {
				return
			}
		}
	}
	eachH2Server(t, handler, func(t *testing.T, url string, pool *websocket.Pool) {
		pr, pw := io.Pipe()
		res, err := pool.RoundTrip(newRequest(t, within(t), "POST", url, pr))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		for _, word := range []string{"one", "two", "three"} {
			io.WriteString(pw, word)
			if n, err := io.ReadFull(res.Body, buf[:len(word)]); string(buf[:n]) != strings.ToUpper(word) {
				t.Fatalf("read %q, %v", buf[:n], err)
			}
		}
		pw.Close()
		if n, err := res.Body.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("read %d, %v, want EOF", n, err)
		}
	})
}

// Trailers go both ways.
func TestPoolTrailers(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-After, X-Unset")
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "body")
		w.Header().Set("X-After", "got "+r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-Surprise", "1")
	}
	eachH2Server(t, handler, func(t *testing.T, url string, pool *websocket.Pool) {
		for name, body := range map[string]io.Reader{"with a body": strings.NewReader("data"), "without": nil} {
			t.Run(name, func(t *testing.T) {
				r := newRequest(t, within(t), "POST", url, body)
				r.Trailer = http.Header{"X-Sum": nil}
				if body == nil {
					r.Trailer.Set("X-Sum", "0")
				} else {
					r.Body = &atEOF{r.Body, func() { r.Trailer.Set("X-Sum", "42") }}
				}
				res, err := pool.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				if _, announced := res.Trailer["X-After"]; !announced || res.Header["Trailer"] != nil {
					t.Errorf("trailer %v, header %v before the end", res.Trailer, res.Header)
				}
				io.Copy(io.Discard, res.Body)
				if got := res.Trailer.Get("X-After"); got != "got "+r.Trailer.Get("X-Sum") || res.Trailer.Get("X-Surprise") != "1" {
					t.Errorf("trailer %v", res.Trailer)
				}
			})
		}
	})
}

// atEOF calls a function when its reader is at its end.
type atEOF struct {
	io.ReadCloser
	f func()
}

func (r *atEOF) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == io.EOF {
		r.f()
	}
	return n, err
}

// Interim answers are told, and Expect: 100-continue asks before it sends.
func TestPoolInterim(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/103":
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
		case "/refuse":
			w.WriteHeader(413)
			return
		}
		io.Copy(w, r.Body)
	}
	eachH2Server(t, handler, func(t *testing.T, url string, pool *websocket.Pool) {
		var seen []string
		ctx := httptrace.WithClientTrace(within(t), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				seen = append(seen, fmt.Sprint(code, h["Link"]))
				return nil
			},
			Got100Continue:       func() { seen = append(seen, "continue") },
			GotFirstResponseByte: func() { seen = append(seen, "first") },
			WroteHeaders:         func() { seen = append(seen, "headers") },
			GotConn:              func(i httptrace.GotConnInfo) { seen = append(seen, fmt.Sprint("conn ", i.Reused)) },
		})
		t.Run("103", func(t *testing.T) {
			seen = nil
			res, err := pool.RoundTrip(newRequest(t, ctx, "GET", url+"/103", nil))
			if err != nil || res.StatusCode != 200 {
				t.Fatal(err)
			}
			res.Body.Close()
			if want := []string{"conn false", "headers", "first", "103 [</a>]"}; !slices.Equal(seen, want) {
				t.Errorf("seen %q, want %q", seen, want)
			}
		})
		t.Run("100-continue", func(t *testing.T) {
			seen = nil
			r := newRequest(t, ctx, "POST", url+"/", strings.NewReader("abc"))
			r.Header.Set("Expect", "100-continue")
			res, err := pool.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); string(body) != "abc" {
				t.Errorf("%q, %v", body, err)
			}
			if want := []string{"conn true", "headers", "first", "continue", "100 []"}; !slices.Equal(seen, want) {
				t.Errorf("seen %q, want %q", seen, want)
			}
		})
		t.Run("100-continue refused", func(t *testing.T) {
			body := &countingBody{Reader: strings.NewReader("abc"), closed: make(chan struct{})}
			r := newRequest(t, ctx, "POST", url+"/refuse", body)
			r.Header.Set("Expect", "100-continue")
			res, err := pool.RoundTrip(r)
			if err != nil || res.StatusCode != 413 {
				t.Fatalf("%v, %v", res, err)
			}
			res.Body.Close()
			<-body.closed
			if body.reads != 0 {
				t.Error("the body was read")
			}
		})
		t.Run("hook refuses", func(t *testing.T) {
			enough := errors.New("enough")
			ctx := httptrace.WithClientTrace(within(t), &httptrace.ClientTrace{
				Got1xxResponse: func(int, textproto.MIMEHeader) error { return enough },
			})
			if _, err := pool.RoundTrip(newRequest(t, ctx, "GET", url+"/103", nil)); !errors.Is(err, enough) {
				t.Errorf("error %v", err)
			}
		})
	})
}

// countingBody says when it is closed, and how often it was read.
type countingBody struct {
	io.Reader
	reads  int
	once   sync.Once
	closed chan struct{}
}

func (b *countingBody) Read(p []byte) (int, error) {
	b.reads++
	return b.Reader.Read(p)
}

func (b *countingBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// The end of the context resets the stream, and the handler is told.
func TestPoolCancel(t *testing.T) {
	came, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		if r.URL.Path == "/head" {
			w.WriteHeader(200)
			http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
		gone <- struct{}{}
	}
	eachH2Server(t, handler, func(t *testing.T, url string, pool *websocket.Pool) {
		enough := errors.New("enough")
		for name, body := range map[string]func() io.ReadCloser{
			"without a body": func() io.ReadCloser { return nil },
			"sending a body": func() io.ReadCloser {
				pr, _ := io.Pipe()
				return pr
			},
		} {
			t.Run(name+", before the head", func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(within(t))
				r := newRequest(t, ctx, "POST", url+"/", nil)
				r.Body = body()
				go func() {
					<-came
					cancel(enough)
				}()
				if _, err := pool.RoundTrip(r); !errors.Is(err, context.Canceled) || !errors.Is(err, enough) {
					t.Errorf("error %v", err)
				}
				<-gone
			})
			t.Run(name+", in the body", func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(within(t))
				r := newRequest(t, ctx, "POST", url+"/head", nil)
				r.Body = body()
				res, err := pool.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				<-came
				go cancel(enough)
				if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) || !errors.Is(err, enough) {
					t.Errorf("error %v", err)
				}
				res.Body.Close()
				<-gone
			})
		}
		// The connection is as good as before.
		ctx, cancel := context.WithCancel(within(t))
		res, err := pool.RoundTrip(newRequest(t, ctx, "GET", url+"/head", nil))
		if err != nil {
			t.Fatal(err)
		}
		<-came
		cancel()
		<-gone
		res.Body.Close()
	})
}
