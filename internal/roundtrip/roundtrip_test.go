package roundtrip_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/internal/roundtrip"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// client returns a client of a server that has handle called with each stream,
// in a goroutine of its own.
func client(t *testing.T, handle func(s *h2conn.Stream, h *h2.Head, end bool)) *roundtrip.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	sn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server := h2conn.New(sn, &h2conn.Options{
		Config: h2.Config{Role: h2.RoleServer},
		Request: func(s *h2conn.Stream, h *h2.Head, end bool) {
			go func() {
				defer s.Release()
				handle(s, h, end)
			}()
		},
	})
	c := h2conn.New(cn, &h2conn.Options{Config: h2.Config{Role: h2.RoleClient}})
	served := make(chan error, 2)
	go func() { served <- server.Serve() }()
	go func() { served <- c.Serve() }()
	t.Cleanup(func() {
		c.Close()
		server.Close()
		<-served
		<-served
	})
	return &roundtrip.Client{Open: func(ctx context.Context, r *http.Request, end bool) (roundtrip.Stream, error) {
		return roundtrip.OpenHTTP2(ctx, c, r, end, nil)
	}}
}

func newRequest(t *testing.T, ctx context.Context, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://h/", body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// echo answers with the request's body and its trailers.
func echo(s *h2conn.Stream, h *h2.Head, _ bool) {
	for _, f := range h.Fields {
		if f.Name == "expect" {
			s.Respond(&h2.Head{Status: 100, ContentLength: -1}, nil, false)
		}
	}
	body, _ := io.ReadAll(streamReader{s})
	s.Respond(&h2.Head{Status: 200, ContentLength: -1, Fields: []h2.Field{{Name: "trailer", Value: "X-Sum, Content-Length"}}}, body, false)
	s.WriteTrailers(append(s.Trailers(), h2.Field{Name: "x-more", Value: "1"}))
}

type streamReader struct{ s *h2conn.Stream }

func (r streamReader) Read(p []byte) (int, error) { return r.s.Read(p) }

func TestRoundTrip(t *testing.T) {
	c := client(t, echo)
	for name, expect := range map[string]bool{"at once": false, "after 100": true} {
		var seen []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got100Continue: func() { seen = append(seen, "100") },
			WroteRequest:   func(httptrace.WroteRequestInfo) {},
			Got1xxResponse: func(int, textproto.MIMEHeader) error {
				seen = append(seen, "1xx")
				return nil
			},
		})
		r := newRequest(t, ctx, strings.NewReader("hello"))
		r.Trailer = http.Header{"X-Sum": {"5"}}
		if expect {
			r.Header.Set("Expect", "100-continue")
		}
		res, err := c.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, ok := res.Trailer["X-Sum"]; !ok || len(res.Trailer) != 1 || res.TLS != nil || res.ContentLength != -1 {
			t.Errorf("%s: %+v", name, res)
		}
		body, err := io.ReadAll(res.Body)
		if string(body) != "hello" || err != nil || res.Trailer.Get("X-Sum") != "5" || res.Trailer.Get("X-More") != "1" {
			t.Errorf("%s: %q, %v, %v", name, body, err, res.Trailer)
		}
		if want := []string{"100", "1xx"}; expect && !slices.Equal(seen, want) {
			t.Errorf("%s: seen %q", name, seen)
		}
	}
}

// Whoever closes the response's body early, or whose context ends, resets the
// stream, and closes the request's body.
func TestGiveUp(t *testing.T) {
	gone := make(chan error, 1)
	c := client(t, func(s *h2conn.Stream, _ *h2.Head, _ bool) {
		s.Respond(&h2.Head{Status: 200, ContentLength: -1}, []byte("x"), false)
		_, err := io.ReadAll(streamReader{s})
		gone <- err
	})
	canceled := func(err error) bool {
		se, ok := errors.AsType[*h2.StreamError](err)
		return ok && se.Code == h2.ErrCodeCancel && se.Remote
	}
	t.Run("Close", func(t *testing.T) {
		pr, pw := io.Pipe()
		res, err := c.RoundTrip(newRequest(t, t.Context(), pr))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if err := <-gone; !canceled(err) {
			t.Errorf("the server sees %v", err)
		}
		if _, err := pw.Write([]byte("y")); err != io.ErrClosedPipe {
			t.Errorf("the request's body: %v", err)
		}
		if _, err := res.Body.Read(make([]byte, 1)); !errors.Is(err, roundtrip.ErrBodyClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
	t.Run("context", func(t *testing.T) {
		pr, pw := io.Pipe()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("late"))
		res, err := c.RoundTrip(newRequest(t, ctx, pr))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-gone; !canceled(err) {
			t.Errorf("the server sees %v", err)
		}
		if _, err := pw.Write([]byte("y")); err != io.ErrClosedPipe {
			t.Errorf("the request's body: %v", err)
		}
		if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
			t.Errorf("read: %v", err)
		}
		res.Body.Close()
	})
}

// What Open returns is returned; the body is closed, unless somebody else is to
// send it.
func TestNoStream(t *testing.T) {
	for _, want := range []error{errors.New("no way"), h2http.ErrNoHTTP2} {
		c := &roundtrip.Client{Open: func(context.Context, *http.Request, bool) (roundtrip.Stream, error) { return nil, want }}
		pr, pw := io.Pipe()
		if _, err := c.RoundTrip(newRequest(t, t.Context(), pr)); !errors.Is(err, want) {
			t.Errorf("error %v", err)
		}
		closed := make(chan error, 1)
		go func() {
			_, err := pw.Write([]byte("x"))
			closed <- err
		}()
		if want == h2http.ErrNoHTTP2 {
			if p, err := io.ReadAll(io.LimitReader(pr, 1)); string(p) != "x" || err != nil {
				t.Errorf("the body: %q, %v", p, err)
			}
			<-closed
		} else if err := <-closed; err != io.ErrClosedPipe {
			t.Errorf("the body: %v", err)
		}
	}
}

// Bodies that end without a last piece, or before the trailers that were
// announced are set.
func TestBodyEnds(t *testing.T) {
	c := client(t, echo)
	for name, tt := range map[string]struct {
		body    io.Reader
		length  int64
		trailer http.Header
		fails   bool
	}{
		"length known, EOF later":    {iotest.OneByteReader(strings.NewReader("abc")), 3, nil, false},
		"length known, data and EOF": {iotest.DataErrReader(strings.NewReader("abc")), 3, nil, false},
		"more than announced":        {strings.NewReader("abcd"), 3, nil, true},
		"more, in another piece":     {io.MultiReader(strings.NewReader("abc"), strings.NewReader("d")), 3, nil, true},
		"an error at the end":        {io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errors.New("broken"))), 3, nil, true},
		"trailers never set":         {strings.NewReader("abc"), -1, http.Header{"X-Sum": nil}, false},
		"trailers not to be sent":    {strings.NewReader("abc"), -1, http.Header{"X-Sum": {"a\nb"}}, true},
	} {
		r := newRequest(t, t.Context(), struct{ io.Reader }{tt.body})
		r.ContentLength, r.Trailer = tt.length, tt.trailer
		res, err := c.RoundTrip(r)
		if tt.fails {
			if err == nil || !strings.HasPrefix(err.Error(), "websocket: ") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if body, err := io.ReadAll(res.Body); string(body) != "abc" || err != nil {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
}

// A request that was refused is sent again only if that is possible.
func TestRefused(t *testing.T) {
	c := client(t, func(s *h2conn.Stream, _ *h2.Head, _ bool) {
		io.ReadAll(streamReader{s})
		s.Abort(uint32(h2.ErrCodeRefusedStream))
	})
	broken := errors.New("broken")
	for name, get := range map[string]func() (io.ReadCloser, error){
		"no GetBody":       nil,
		"GetBody fails":    func() (io.ReadCloser, error) { return nil, broken },
		"refused for ever": func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil },
	} {
		r := newRequest(t, t.Context(), strings.NewReader("x"))
		r.GetBody = get
		_, err := c.RoundTrip(r)
		if name == "GetBody fails" != errors.Is(err, broken) || name != "GetBody fails" && !h2http.Refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
