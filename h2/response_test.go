package h2_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket/h2"
)

// The frames of answers: what can go together does.
func TestFramesOfAnswers(t *testing.T) {
	big := string(pattern(64 << 10))
	text := " content-type=text/plain; charset=utf-8"
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		method  string
		want    []string
	}{
		{
			name:    "nothing",
			handler: func(http.ResponseWriter, *http.Request) {},
			want:    []string{"HEADERS 1 end [:status=200 content-length=0]"},
		},
		{
			name:    "small",
			handler: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") },
			want:    []string{"HEADERS 1 [:status=200 content-length=5" + text + "]", "DATA 1 end hello"},
		},
		{
			name: "declared: the last byte ends it",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "40000")
				w.Write([]byte(big[:100]))
				w.Write([]byte(big[100:40000]))
			},
			want: []string{
				"HEADERS 1 [:status=200 content-length=40000" + text + "]",
				"DATA 1 " + big[:4<<10], "DATA 1 " + big[4<<10:20<<10], "DATA 1 " + big[20<<10:36<<10], "DATA 1 end " + big[36<<10:40000],
			},
		},
		{
			name: "not declared: whole frames, and the rest with the end",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, big[:40000])
			},
			want: []string{
				"HEADERS 1 [:status=200" + text + "]",
				"DATA 1 " + big[:16<<10], "DATA 1 " + big[16<<10:32<<10], "DATA 1 end " + big[32<<10:40000],
			},
		},
		{
			name: "flushed",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.(http.Flusher).Flush()
				io.WriteString(w, "a")
				w.(http.Flusher).Flush()
				io.WriteString(w, "b")
			},
			want: []string{"HEADERS 1 [:status=200]", "DATA 1 a", "DATA 1 end b"},
		},
		{
			name: "flushed when complete",
			handler: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "1")
				io.WriteString(w, "a")
				w.(http.Flusher).Flush()
				if err := http.NewResponseController(w).Flush(); err != nil {
					panic(err)
				}
			},
			want: []string{"HEADERS 1 [:status=200 content-length=1" + text + "]", "DATA 1 end a"},
		},
		{
			name: "copied",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				n, err := io.Copy(w, io.MultiReader(strings.NewReader(big[:20<<10]), io.LimitReader(failing{}, 1)))
				if n != 20<<10 || !errors.Is(err, errFailing) {
					panic(err)
				}
			},
			want: []string{"HEADERS 1 [:status=200" + text + "]", "DATA 1 " + big[:16<<10], "DATA 1 end " + big[16<<10:20<<10]},
		},
		{
			name:    "204 ends with its head",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); w.(http.Flusher).Flush() },
			want:    []string{"HEADERS 1 end [:status=204]"},
		},
		{
			name: "204 has no length",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "5")
				w.WriteHeader(204)
			},
			want: []string{"HEADERS 1 end [:status=204]"},
		},
		{
			name: "304 may have one",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "5")
				w.WriteHeader(304)
			},
			want: []string{"HEADERS 1 end [:status=304 content-length=5]"},
		},
		{
			name:   "HEAD",
			method: "HEAD",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "hello")
			},
			want: []string{"HEADERS 1 end [:status=200 content-length=5" + text + "]"},
		},
		{
			name: "trailers end it",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "body")
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
			},
			want: []string{"HEADERS 1 [:status=200 content-length=4" + text + "]", "DATA 1 body", "HEADERS 1 end [grpc-status=0]"},
		},
		{
			name: "interim",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "0")
				w.Header().Set("Link", "x")
				w.WriteHeader(103)
				w.WriteHeader(101)
				w.WriteHeader(103)
			},
			want: []string{"HEADERS 1 [:status=103 link=x]", "HEADERS 1 [:status=103 link=x]", "HEADERS 1 end [:status=200 content-length=0 link=x]"},
		},
		{
			name: "less than declared",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "10")
				io.WriteString(w, "part")
			},
			want: []string{"RST_STREAM 1 INTERNAL_ERROR"},
		},
		{
			name: "more than declared",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "4")
				io.WriteString(w, "body")
				if _, err := io.WriteString(w, "more"); !errors.Is(err, http.ErrContentLength) {
					panic(err)
				}
			},
			want: []string{"HEADERS 1 [:status=200 content-length=4" + text + "]", "DATA 1 end body"},
		},
		{
			name:    "aborted",
			handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			want:    []string{"RST_STREAM 1 INTERNAL_ERROR"},
		},
		{
			name:    "aborted by Goexit",
			handler: func(http.ResponseWriter, *http.Request) { runtime.Goexit() },
			want:    []string{"RST_STREAM 1 INTERNAL_ERROR"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, setup{transport: "h2c"}, c.handler)
			raw := h.raw(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
			method := c.method
			if method == "" {
				method = "GET"
			}
			raw.must(raw.fr.WriteWindowUpdate(0, 1<<20))
			raw.request(1, true, method, "/")
			raw.want(c.want...)
		})
	}
}

var errFailing = errors.New("failing")

// failing is a reader of nothing.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }

// A handler that has returned has lost its writer and its body.
func TestUseAfterReturn(t *testing.T) {
	type leftover struct {
		w http.ResponseWriter
		r *http.Request
	}
	left := make(chan leftover, 1)
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		left <- leftover{w, r}
		io.WriteString(w, "ok")
	})
	r := h.request(t, "POST", "/", strings.NewReader("body"))
	if a := h.do(t, r); a.body != "ok" {
		t.Errorf("%+v", a)
	}
	l := wait(t, left)
	<-l.r.Context().Done()
	for end := false; !end; { // the context ends a moment before
		_, err := l.w.Write([]byte("x"))
		end = err != nil
	}
	if n, err := io.WriteString(l.w, "x"); err == nil || n != 0 {
		t.Error("WriteString does")
	}
	if http.NewResponseController(l.w).Flush() == nil {
		t.Error("Flush does")
	}
	if _, err := l.w.(hijacker).HijackStream(); err == nil {
		t.Error("HijackStream does")
	}
	if _, err := l.r.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("Read: %v", err)
	}
	l.w.WriteHeader(200)
	if !strings.Contains(h.lines.String(), "WriteHeader after the end") {
		t.Errorf("log %q", h.lines)
	}
}

// What is wrong in a handler is told to the ErrorLog.
func TestErrorLog(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    []string
	}{
		{
			name:    "panic",
			handler: func(http.ResponseWriter, *http.Request) { panic("ouch") },
			want:    []string{"panic serving 127.0.0.1:", "ouch", "response_test.go"},
		},
		{
			name:    "superfluous",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.WriteHeader(200) },
			want:    []string{"superfluous WriteHeader", "response_test.go"},
		},
		{
			name:    "superfluous by net/http",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); http.Error(w, "", 500) },
			want:    []string{"superfluous WriteHeader", "response_test.go"},
		},
		{
			name:    "status that is none",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(99) },
			want:    []string{"invalid status 99"},
		},
		{
			name:    "101",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) },
			want:    []string{"101"},
		},
		{
			name:    "trailer that can't be",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Trailer", "Content-Length") },
			want:    []string{`"Content-Length" can't be a trailer`},
		},
		{
			name:    "aborted",
			handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		},
		{
			name:    "Goexit",
			handler: func(http.ResponseWriter, *http.Request) { runtime.Goexit() },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, setup{transport: "h2c"}, c.handler)
			h.try(t, h.request(t, "GET", "/", nil))
			h.http.Close() // when all was said
			got := h.lines.String()
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("log %q, want %q", got, want)
				}
			}
			if len(c.want) == 0 && got != "" {
				t.Errorf("log %q", got)
			}
		})
	}
}

// "Connection: close" of an answer ends the connection in its own time.
func TestConnectionClose(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "bye")
	})
	c := h.raw(t)
	c.request(1, true, "GET", "/")
	seen := map[string]bool{}
	for f := c.next(); f != "closed"; f = c.next() {
		seen[f] = true
	}
	for _, want := range []string{"DATA 1 end bye", "GOAWAY 2147483647 NO_ERROR", "GOAWAY 1 NO_ERROR"} {
		if !seen[want] {
			t.Errorf("no %s: %v", want, seen)
		}
	}
}

// Writing to a client that has gone gives the reason.
func TestWriteAfterReset(t *testing.T) {
	errs := make(chan error, 1)
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.Flush()
		<-r.Context().Done()
		w.Write(pattern(100000))
		errs <- rc.Flush()
	})
	c := h.raw(t)
	c.request(1, true, "GET", "/")
	c.want("HEADERS 1 [:status=200]")
	c.must(c.fr.WriteRSTStream(1, 8))
	var se *h2.StreamError
	if err := wait(t, errs); !errors.As(err, &se) || se.Code != h2.ErrCodeCancel || !se.Remote || se.Stream != 1 {
		t.Errorf("%v", err)
	}
}

// S2.9: a stream whose client takes nothing does not hold up the others.
func TestStalledStream(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/big" {
				w.Write(pattern(1 << 20))
				return
			}
			io.WriteString(w, "small")
		})
		c := h.raw(t)
		c.must(c.fr.WriteWindowUpdate(0, 1<<20)) // on the connection, not on the stream
		c.request(1, true, "GET", "/big")
		got := 0
		for got < 65535 {
			f := c.next()
			if data, ok := strings.CutPrefix(f, "DATA 1 "); ok {
				got += len(data)
			}
		}
		for i := range uint32(5) {
			c.request(3+2*i, true, "GET", "/")
			if f := c.next(); !strings.HasPrefix(f, fmt.Sprintf("HEADERS %d ", 3+2*i)) {
				t.Fatal(f)
			}
			c.want(fmt.Sprintf("DATA %d end small", 3+2*i))
		}
	})
}
