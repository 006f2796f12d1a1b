package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/roundtrip"
	"github.com/lariat-go/websocket/wstest"
)

// peer1 is a server of HTTP/1.1 that a test plays, and the session with it.
type peer1 struct {
	t      *testing.T
	c      *wstest.PipeConn
	r      *bufio.Reader
	own    *wstest.PipeConn // the session's end
	s      *session1
	rt     roundtrip.Client
	served chan error
}

// play1 runs a test in a bubble, with a session to a server that it plays.
func play1(t *testing.T, o *session1Options, f func(t *testing.T, p *peer1)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o == nil {
			o = &session1Options{writeTimeout: 30 * time.Second}
		}
		a, b := wstest.Pipe(nil)
		p := &peer1{t: t, c: b, own: a, r: bufio.NewReader(b), served: make(chan error, 1)}
		p.s = newSession1(&dial.Link{Conn: a, Socket: a, Addr: "192.0.2.1:80"}, o)
		p.rt.Open = p.s.open
		go func() { p.served <- p.s.serve() }()
		defer func() {
			p.s.close()
			b.Close()
		}()
		f(t, p)
	})
}

// request reads a request.
func (p *peer1) request() *http.Request {
	p.t.Helper()
	r, err := http.ReadRequest(p.r)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *peer1) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.c, text); err != nil {
		p.t.Fatal(err)
	}
}

// over checks how serve has returned.
func (p *peer1) over(want error) {
	p.t.Helper()
	if err := <-p.served; !errors.Is(err, want) {
		p.t.Errorf("serve returned %v, want %v", err, want)
	}
}

// usable checks that the session can be used, by a request.
func (p *peer1) usable() {
	p.t.Helper()
	a := p.ask("GET", "/usable", nil)
	if r := p.request(); r.URL.Path != "/usable" {
		p.t.Errorf("the server got %s", r.URL)
	}
	p.send("HTTP/1.1 204 No Content\r\n\r\n")
	if a := <-a; a.err != nil || a.res.StatusCode != 204 {
		p.t.Errorf("the connection cannot be used: %v", a.err)
	}
}

// answer is what came of a request.
type answer struct {
	res *http.Response
	err error
}

func newRequest1(ctx context.Context, method, path string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, "http://h"+path, body)
	if err != nil {
		panic(err)
	}
	return r
}

// ask makes a request in the background.
func (p *peer1) ask(method, path string, body io.Reader) <-chan answer {
	return p.do(newRequest1(context.Background(), method, path, body))
}

func (p *peer1) do(r *http.Request) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		res, err := p.rt.RoundTrip(r)
		c <- answer{res, err}
	}()
	return c
}

// text reads the body of a response to its end.
func (a answer) text(t *testing.T) string {
	t.Helper()
	if a.err != nil {
		t.Fatal(a.err)
	}
	defer a.res.Body.Close()
	body, err := io.ReadAll(a.res.Body)
	if err != nil {
		t.Errorf("body: %v", err)
	}
	return string(body)
}

// S0.6: requests go one after another, first come first served; the next one is
// sent when the response before it is there, read or not. Who gives up waiting
// leaves the queue.
func TestHTTP1Queue(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		first := p.ask("GET", "/1", nil)
		p.request()
		second := p.ask("GET", "/2", nil)
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := p.do(newRequest1(ctx, "GET", "/gone", nil))
		synctest.Wait()
		third := p.ask("GET", "/3", nil)
		synctest.Wait()
		if n := p.r.Buffered() + p.c.Unread(); n > 0 {
			t.Errorf("%d bytes were sent before the first response", n)
		}
		late := errors.New("late")
		cancel(late)
		if a := <-gone; !errors.Is(a.err, late) || !errors.Is(a.err, context.Canceled) {
			t.Errorf("a request that left the queue: %v", a.err)
		}
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")
		for i, want := range []string{"/2", "/3"} {
			if r := p.request(); r.URL.Path != want {
				t.Errorf("got %s, want %s", r.URL.Path, want)
			}
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + string("23"[i]))
		}
		for i, c := range []<-chan answer{first, second, third} {
			if text, want := (<-c).text(t), []string{"one", "2", "3"}[i]; text != want {
				t.Errorf("body %q, want %q", text, want)
			}
		}
	})
}

// What a request says is sent as HTTP/1.1 has it.
func TestHTTP1Requests(t *testing.T) {
	own := http.Header{"X-Own": {"1", "2"}, "Host": {"other"}, "content-length": {"7"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"X"}}
	for _, tt := range []struct {
		name, method string
		body         io.Reader
		edit         func(r *http.Request)
		want         string
	}{
		{"GET", "GET", nil, nil, "GET /p?q HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"no method, other host", "", nil, func(r *http.Request) { r.Host = "example.com:81" }, "GET /p?q HTTP/1.1\r\nHost: example.com:81\r\n\r\n"},
		{"fields", "GET", nil, func(r *http.Request) { r.Header = own }, "GET /p?q HTTP/1.1\r\nHost: h\r\nX-Own: 1\r\nX-Own: 2\r\n\r\n"},
		{"Close", "GET", nil, func(r *http.Request) { r.Close = true }, "GET /p?q HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"},
		{"OPTIONS", "OPTIONS", nil, func(r *http.Request) { r.URL.Path, r.URL.RawQuery = "*", "" }, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"POST of nothing", "POST", nil, nil, "POST /p?q HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"},
		{"POST", "POST", strings.NewReader("abc"), nil, "POST /p?q HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"},
		{"unknown length", "PUT", io.MultiReader(strings.NewReader("abc")), nil, "PUT /p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		{"chunked all the same", "PUT", strings.NewReader("abc"), func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, "PUT /p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		{"trailers", "POST", strings.NewReader("abc"), func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"6"}, "X-A": nil} }, "POST /p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-A, X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"},
		{"trailers alone", "POST", nil, func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"6"}} }, "POST /p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n0\r\nX-Sum: 6\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				r := newRequest1(t.Context(), tt.method, "/p?q", tt.body)
				if r.Method = tt.method; tt.edit != nil {
					tt.edit(r)
				}
				before := r.Header.Clone()
				a := p.do(r)
				got := make([]byte, len(tt.want))
				io.ReadFull(p.r, got)
				synctest.Wait()
				if string(got) != tt.want || p.c.Unread() > 0 {
					t.Errorf("got %q and %d bytes, want %q", got, p.c.Unread(), tt.want)
				}
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if text := (<-a).text(t); text != "ok" {
					t.Errorf("answer %q", text)
				}
				if len(before) != len(r.Header) {
					t.Errorf("the request's header was changed: %v", r.Header)
				}
			})
		})
	}
}

// A request that cannot be sent is refused, and harms nothing.
func TestHTTP1BadRequests(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		for name, edit := range map[string]func(r *http.Request){
			"CONNECT":         func(r *http.Request) { r.Method = "CONNECT" },
			"method":          func(r *http.Request) { r.Method = "a b" },
			"host":            func(r *http.Request) { r.Host = "a b" },
			"Upgrade":         func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
			"field name":      func(r *http.Request) { r.Header["a b"] = []string{"x"} },
			"field value":     func(r *http.Request) { r.Header.Set("X", "a\r\nY: b") },
			"name of trailer": func(r *http.Request) { r.Trailer = http.Header{"Content-Length": nil} },
		} {
			r := newRequest1(t.Context(), "GET", "/", nil)
			edit(r)
			if _, err := p.rt.RoundTrip(r); err == nil || !strings.HasPrefix(err.Error(), "websocket: request cannot be sent") {
				t.Errorf("%s: %v", name, err)
			}
		}
		p.usable()
	})
}

// Bodies both ways at once, in chunks, with trailers both ways.
func TestHTTP1Echo(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		pr, pw := io.Pipe()
		req := newRequest1(t.Context(), "POST", "/", pr)
		req.Trailer = http.Header{"X-Sum": nil}
		a := p.do(req)
		r := p.request()
		p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\n\r\n")
		res := (<-a).res
		if res.ProtoMajor != 1 || res.Proto != "HTTP/1.1" || res.ContentLength != -1 || len(res.TransferEncoding) != 1 || res.Header["Transfer-Encoding"] != nil {
			t.Errorf("response %+v", res)
		}
		if _, ok := res.Trailer["X-Sum"]; !ok || len(res.Trailer) != 1 {
			t.Errorf("announced %v", res.Trailer)
		}
		buf := make([]byte, 10)
		for _, text := range []string{"one", "two"} {
			pw.Write([]byte(text))
			n, err := io.ReadFull(r.Body, buf[:3])
			if string(buf[:n]) != text || err != nil {
				t.Fatalf("the server got %q, %v", buf[:n], err)
			}
			p.send("3\r\n" + text + "\r\n")
			if n, err := res.Body.Read(buf); string(buf[:n]) != text || err != nil {
				t.Fatalf("answer %q, %v", buf[:n], err)
			}
		}
		req.Trailer.Set("X-Sum", "6")
		pw.Close()
		if n, err := r.Body.Read(buf); n > 0 || err != io.EOF || r.Trailer.Get("X-Sum") != "6" {
			t.Errorf("the server got %d bytes, %v, %v", n, err, r.Trailer)
		}
		p.send("0\r\nX-Sum: 12\r\nX-More: 1\r\n\r\n")
		if n, err := res.Body.Read(buf); n > 0 || err != io.EOF || res.Trailer.Get("X-Sum") != "12" || res.Trailer.Get("X-More") != "1" {
			t.Errorf("answer %d bytes, %v, %v", n, err, res.Trailer)
		}
		p.usable()
	})
}

// Expect: 100-continue, with each of the answers and none.
func TestHTTP1Continue(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		sent, lives  bool
	}{
		{"yes", "HTTP/1.1 100 Continue\r\n\r\n", true, true},
		{"silence", "", true, true},
		{"no", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				req := newRequest1(t.Context(), "POST", "/", strings.NewReader("abc"))
				req.Header.Set("Expect", "100-continue")
				a := p.do(req)
				r := p.request()
				synctest.Wait()
				if n := p.c.Unread() + p.r.Buffered(); n > 0 {
					t.Errorf("%d bytes of the body came at once", n)
				}
				p.send(tt.answer)
				if !tt.sent {
					if a := <-a; a.err != nil || a.res.StatusCode != 417 {
						t.Errorf("%v", a)
					}
					p.over(errEarly)
					return
				}
				if body, err := io.ReadAll(r.Body); string(body) != "abc" || err != nil {
					t.Errorf("body %q, %v", body, err)
				}
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if a := <-a; a.err != nil {
					t.Error(a.err)
				}
				p.usable()
			})
		})
	}
}

// Interim responses go to httptrace, eight of them at most; so do the other
// hooks.
func TestHTTP1Interim(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		var seen []string
		note := func(what string) { seen = append(seen, what) }
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) {
				if note("conn"); i.Conn == nil || i.Reused {
					t.Errorf("GotConn %+v", i)
				}
			},
			WroteHeaders:         func() { note("headers") },
			WroteRequest:         func(httptrace.WroteRequestInfo) { note("request") },
			GotFirstResponseByte: func() { note("first") },
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				note(http.StatusText(code) + h.Get("Link"))
				return nil
			},
		})
		a := p.do(newRequest1(ctx, "GET", "/", nil))
		p.request()
		p.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if a := <-a; a.err != nil || a.res.StatusCode != 200 || a.res.ContentLength != 0 {
			t.Errorf("%+v", a)
		}
		if got, want := strings.Join(seen, " "), "conn headers request first Early Hintsx Processing"; got != want {
			t.Errorf("hooks %q, want %q", got, want)
		}
		a = p.ask("GET", "/", nil)
		p.request()
		p.send(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 9))
		if a := <-a; !errors.Is(a.err, httpconn.ErrLimit) && !errors.Is(a.err, roundtrip.ErrResponse) {
			t.Errorf("nine interim responses: %v", a.err)
		}
		<-p.served
	})
}
