package h2_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// exchange is a handler and a request; what the client gets must be what it gets
// from net/http's own HTTP/2.
type exchange struct {
	name    string
	handler http.HandlerFunc
	request func(r *http.Request)
	method  string
	body    func() io.Reader
	hides   []string // fields of the answer that may differ
}

var exchanges = []exchange{
	{name: "nothing", handler: func(http.ResponseWriter, *http.Request) {}},
	{name: "small", handler: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }},
	{name: "html", handler: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html><body>x") }},
	{name: "binary", handler: func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0, 1, 2, 255}) }},
	{name: "no sniffing with an encoding", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		io.WriteString(w, "<html>")
	}},
	{name: "no sniffing when forbidden", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<html>")
	}},
	{name: "64 KiB", handler: func(w http.ResponseWriter, _ *http.Request) { w.Write(pattern(64 << 10)) }},
	{name: "64 KiB declared", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(64<<10))
		w.Write(pattern(64 << 10))
	}},
	{name: "1 MiB by Copy", handler: func(w http.ResponseWriter, _ *http.Request) {
		io.Copy(w, strings.NewReader(string(pattern(1<<20))))
	}},
	{name: "many small writes", handler: func(w http.ResponseWriter, _ *http.Request) {
		for i := range 20000 {
			fmt.Fprintf(w, "%d,", i)
		}
	}},
	{name: "small, then large", handler: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "beginning")
		w.Write(pattern(100000))
		io.WriteString(w, "end")
	}},
	{name: "long string", handler: func(w http.ResponseWriter, _ *http.Request) { w.(io.StringWriter).WriteString(string(pattern(100000))) }},
	{name: "flushes", handler: func(w http.ResponseWriter, _ *http.Request) {
		for range 5 {
			io.WriteString(w, "part ")
			w.(http.Flusher).Flush()
		}
	}},
	{name: "flush of nothing", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.Header().Set("X-Late", "lost")
	}},
	{name: "HEAD", method: "HEAD", handler: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "content") }},
	{name: "HEAD without content", method: "HEAD", handler: func(http.ResponseWriter, *http.Request) {}},
	{name: "HEAD with a length", method: "HEAD", handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000") }},
	{name: "HEAD flushed", method: "HEAD", handler: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "content")
		w.(http.Flusher).Flush()
		io.WriteString(w, "more")
	}},
	{name: "204", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	}},
	{name: "304", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.WriteHeader(http.StatusNotModified)
	}},
	{name: "404", handler: http.NotFound},
	{name: "redirect", handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }},
	{name: "first WriteHeader counts", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-Late", "lost")
		io.WriteString(w, "tea")
	}},
	{name: "early hints", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Link", "</b.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.Header().Del("Link")
		io.WriteString(w, "page")
	}},
	{name: "declared trailers", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-One, X-Two, X-Unset")
		w.Header().Add("Trailer", "X-Three")
		io.WriteString(w, "body")
		w.Header().Set("X-One", "1")
		w.Header().Set("X-Two", "2")
		w.Header().Set("X-Three", "3")
		w.Header().Set("X-Four", "not declared")
	}},
	{name: "trailers after a flush", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-One")
		io.WriteString(w, "body")
		w.(http.Flusher).Flush()
		w.Header().Set("X-One", "1")
		w.Header().Set(http.TrailerPrefix+"X-More", "more")
	}},
	{name: "trailers with the prefix", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Write(pattern(50000))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}},
	{name: "trailers without a body", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}},
	{name: "trailers that can't be", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Content-Length, If-Match, X-One")
		io.WriteString(w, "body")
		w.Header().Set("X-One", "1")
		w.Header().Set("If-Match", "x")
	}},
	{name: "declared trailers that are not set", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-One")
		io.WriteString(w, "body")
	}},
	{name: "fields of HTTP/1.1", hides: []string{"Keep-Alive", "Upgrade", "Proxy-Connection"}, handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "keep-alive")
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("X-Kept", "yes")
		io.WriteString(w, "body")
	}},
	{name: "fields that can't be sent", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X Y"] = []string{"space"}
		w.Header().Set("X-Break", "a\nb")
		w.Header().Set("X-Kept", "yes")
	}},
	{name: "many values", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header()["lower-case"] = []string{"x"}
		w.Header().Set("X-Empty", "")
	}},
	{name: "date of one's own", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
	}},
	{name: "length that is none", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "many")
		io.WriteString(w, "body")
	}},
	{name: "echo", method: "POST", body: func() io.Reader { return strings.NewReader("ping") }, handler: echo},
	{name: "echo of 1 MiB", method: "POST", body: func() io.Reader { return strings.NewReader(string(pattern(1 << 20))) }, handler: echo},
	{name: "echo without a length", method: "POST", body: func() io.Reader { return io.MultiReader(strings.NewReader(string(pattern(300000)))) }, handler: echo},
	{name: "body without end, not read", method: "POST", body: func() io.Reader { return io.MultiReader(strings.NewReader(string(pattern(300000)))) }, handler: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "no thanks")
	}},
	{name: "limited body", method: "POST", body: func() io.Reader { return strings.NewReader(string(pattern(100000))) }, handler: func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1000)
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	}},
	{name: "request", method: "PUT", body: func() io.Reader { return strings.NewReader("12345") }, handler: dump},
	{name: "request without a length", method: "PUT", body: func() io.Reader { return io.MultiReader(strings.NewReader("12345")) }, handler: dump},
	{name: "request without a body", handler: dump},
	{name: "cookies", handler: dump, request: func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "a", Value: "1"})
		r.AddCookie(&http.Cookie{Name: "b", Value: "2"})
	}},
	{name: "fields", handler: dump, request: func(r *http.Request) {
		r.Header.Add("X-Many", "1")
		r.Header.Add("X-Many", "2")
		r.Header.Set("X-Something-Unusual", "x")
		r.Header.Set("Te", "trailers")
		r.Host = "Example.test:81"
		r.URL.Path, r.URL.RawQuery = "/a b/%2f", "q=1&q=2;3"
	}},
	{name: "asterisk", method: "OPTIONS", handler: dump, request: func(r *http.Request) { r.URL.Opaque, r.URL.Path = "*", "" }},
	{name: "100-continue", method: "POST", body: func() io.Reader { return strings.NewReader("waited") }, handler: echo, request: func(r *http.Request) { r.Header.Set("Expect", "100-continue") }},
	{name: "100-continue, refused", method: "POST", body: func() io.Reader { return strings.NewReader("waited") }, handler: http.NotFound, request: func(r *http.Request) { r.Header.Set("Expect", "100-continue") }},
	{name: "trailers of the request", method: "POST", body: func() io.Reader { return io.MultiReader(strings.NewReader("body")) }, handler: func(w http.ResponseWriter, r *http.Request) {
		before := fmt.Sprint(r.Trailer)
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, before, " ", r.Trailer)
	}, request: func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"abc"}, "X-Other": {"1", "2"}} }},
	{name: "abort", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{name: "abort in the middle", handler: func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "part")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}},
	{name: "content by ServeContent", handler: func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.txt", time.Unix(1e9, 0), strings.NewReader(string(pattern(200000))))
	}},
	{name: "a range", request: func(r *http.Request) { r.Header.Set("Range", "bytes=100-70000") }, handler: func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.txt", time.Unix(1e9, 0), strings.NewReader(string(pattern(200000))))
	}},
}

// pattern returns text that shows where a piece is missing.
func pattern(n int) []byte {
	p := make([]byte, 0, n+16)
	for i := 0; len(p) < n; i++ {
		p = fmt.Appendf(p, "%08d ", i)
	}
	return p[:n]
}

func echo(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }

// dump answers with what the handler sees of the request.
func dump(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %q %q host %q\n%s %d %d\n", r.Method, r.URL, r.RequestURI, r.Host, r.Proto, r.ProtoMajor, r.ProtoMinor)
	fmt.Fprintf(w, "length %d coding %v body %q %v\n", r.ContentLength, r.TransferEncoding, body, err)
	fmt.Fprintf(w, "tls %v remote %v close %v\n", r.TLS != nil, r.RemoteAddr != "", r.Close)
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, "%s: %q\n", k, r.Header[k])
	}
	if err := r.ParseForm(); err != nil {
		fmt.Fprintf(w, "form: %v\n", err)
	}
	_, hasServer := r.Context().Value(http.ServerContextKey).(*http.Server)
	fmt.Fprintf(w, "server %v address %v\n", hasServer, r.Context().Value(http.LocalAddrContextKey) != nil)
}

func TestAnswersAsNetHTTP(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		serve := func(w http.ResponseWriter, r *http.Request) {
			var i int
			fmt.Sscan(r.Header.Get("X-Case"), &i)
			exchanges[i].handler(w, r)
		}
		plain := func(s *http.Server) { s.DisableGeneralOptionsHandler = true }
		ours := start(t, setup{transport: transport, server: plain}, serve)
		theirs := start(t, setup{transport: transport, theirs: true, server: plain}, serve)
		for i, e := range exchanges {
			t.Run(e.name, func(t *testing.T) {
				want, got := e.run(t, i, theirs), e.run(t, i, ours)
				if got != want {
					t.Errorf("answered\n%s\nnet/http answers\n%s", clip(got), clip(want))
				}
			})
		}
	})
}

func clip(s string) string { return s[:min(len(s), 2000)] }

// run returns what a client sees of an exchange.
func (e *exchange) run(t *testing.T, i int, h *host) string {
	var body io.Reader
	if e.body != nil {
		body = e.body()
	}
	r := h.request(t, e.method, "/path", body)
	r.Host = "server.test"
	r.Header.Set("X-Case", fmt.Sprint(i))
	if e.request != nil {
		e.request(r)
	}
	a, err := h.try(t, r)
	if err != nil {
		return "error " + generic(errors.Unwrap(err).Error())
	}
	if len(a.header["Date"]) != 1 {
		t.Errorf("Date: %q", a.header["Date"])
	}
	if a.header.Get("Date") != "Thu, 01 Jan 1970 00:00:00 GMT" {
		a.header.Del("Date")
	}
	for _, name := range e.hides {
		a.header.Del(name)
	}
	if a.length <= 16<<10 && a.err == "" { // what is short has a length here
		a.header.Del("Content-Length")
		a.length = 0
	}
	return fmt.Sprintf("%d %q\nlength %d trailer %q\ninterim %q\nerror %q\n%s", a.status, a.header, a.length, a.trailer, a.interim, generic(a.err), a.body)
}

// generic takes the numbers of streams out of an error.
func generic(err string) string {
	before, after, ok := strings.Cut(err, "stream ID ")
	if !ok {
		return err
	}
	return before + strings.TrimLeft(after, "0123456789")
}
