package h2_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// hijacker is what the root looks for in a ResponseWriter.
type hijacker interface {
	HijackStream() (websocket.Stream, error)
}

// S2.8: an extended CONNECT becomes a stream that outlives its handler.
func TestHijackStream(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		streams := make(chan websocket.Stream, 1)
		ended := make(chan error, 1)
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			go func() { <-ctx.Done(); ended <- ctx.Err() }()
			if got := fmt.Sprint(r.Method, " ", r.Header[":protocol"], " ", r.URL, " ", r.Host, " ", r.Proto, " ", r.ContentLength); got != "CONNECT [websocket] https:///chat?x=1 server.test HTTP/2.0 -1" {
				t.Errorf("request %s", got)
			}
			w.Header().Set("X-One", "1")
			w.WriteHeader(http.StatusOK)
			s, err := w.(hijacker).HijackStream()
			if err != nil {
				t.Error(err)
			}
			if _, err := w.(hijacker).HijackStream(); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("second HijackStream: %v", err)
			}
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("Write: %v", err)
			}
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("Flush: %v", err)
			}
			if _, err := r.Body.Read(make([]byte, 1)); err == nil {
				t.Error("the body can be read")
			}
			r.Body.Close()
			streams <- s
		})
		c := h.raw(t)
		if c.first[http2.SettingEnableConnectProtocol] != 1 {
			t.Errorf("SETTINGS %v", c.first)
		}
		c.connect(1, "/chat?x=1")
		c.want("HEADERS 1 [:status=200 x-one=1]")
		s := wait(t, streams)
		if err := wait(t, ended); err == nil {
			t.Error("the context lives on")
		}
		c.data(1, false, "ping")
		p := make([]byte, 10)
		if n, err := s.Read(p); string(p[:n]) != "ping" {
			t.Errorf("%q, %v", p[:n], err)
		}
		io.WriteString(s, "pong")
		c.want("DATA 1 pong")
		s.Close()
		c.want("RST_STREAM 1 CANCEL")
	})
}

// What can't be taken over.
func TestHijackStreamIsRefused(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if _, _, err := rc.Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack: %v", err)
		}
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, err := w.(hijacker).HijackStream()
		if err == nil || r.Method == "GET" && !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("HijackStream: %v", err)
		}
		io.WriteString(w, "no")
	})
	c := h.raw(t)
	c.connect(1, "/refused")
	c.want("HEADERS 1 [:status=403 content-length=2 content-type=text/plain; charset=utf-8]", "DATA 1 end no", "RST_STREAM 1 NO_ERROR")
	c.request(3, true, "GET", "/")
	c.want("HEADERS 3 [:status=200 content-length=2 content-type=text/plain; charset=utf-8]", "DATA 3 end no")
}

// A handler that knows nothing of HijackStream can use the body and the writer,
// as with net/http's own HTTP/2.
func TestTunnelByBodyAndWriter(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.EnableFullDuplex(), rc.Flush()); err != nil {
			t.Error(err)
		}
		p := make([]byte, 100)
		for {
			n, err := r.Body.Read(p)
			if err != nil {
				return
			}
			w.Write(p[:n])
			rc.Flush()
		}
	})
	c := h.raw(t)
	for stream := uint32(1); stream < 4; stream += 2 {
		if stream == 1 {
			c.connect(stream, "/")
		} else {
			c.headers(stream, false, ":method", "CONNECT", ":authority", "other.test:22")
		}
		c.want(fmt.Sprintf("HEADERS %d [:status=200]", stream))
		c.data(stream, false, "to and")
		c.want(fmt.Sprintf("DATA %d to and", stream))
		c.data(stream, true, "fro")
		c.want(fmt.Sprintf("DATA %d fro", stream), fmt.Sprintf("DATA %d end ", stream))
	}
}

// A CONNECT of RFC 9113, section 8.5, is given to the handler as by net/http.
func TestConnect(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "CONNECT" || r.RequestURI != "other.test:22" || r.URL.Host != "other.test:22" || r.Host != "other.test:22" {
			t.Errorf("%s %q %v %q", r.Method, r.RequestURI, r.URL, r.Host)
		}
		w.WriteHeader(http.StatusForbidden)
	})
	c := h.raw(t)
	c.headers(1, true, ":method", "CONNECT", ":authority", "other.test:22")
	c.want("HEADERS 1 end [:status=403 content-length=0]")
}

// H2-S1: with the option, extended CONNECT is neither announced nor taken.
func TestNoExtendedConnect(t *testing.T) {
	h := start(t, setup{transport: "h2c", options: &h2.Options{NoExtendedConnect: true}}, echo)
	c := h.raw(t)
	if v, ok := c.first[http2.SettingEnableConnectProtocol]; ok && v != 0 {
		t.Errorf("SETTINGS %v", c.first)
	}
	c.connect(1, "/")
	c.want("RST_STREAM 1 PROTOCOL_ERROR")
}

// H2-S4: a header over the limits is answered 431, and the connection lives.
func TestHeaderTooLarge(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      *h2.Options
		server func(*http.Server)
		fields []string
		status int
	}{
		{name: "H2-S4 many fields", fields: repeat(101, "x", "y"), status: 431},
		{name: "H2-S4 as many as may be", fields: repeat(100, "x", "y"), status: 200},
		{name: "H2-S4 many bytes", fields: []string{"x", strings.Repeat("y", 33<<10)}, status: 431},
		{name: "option", o: &h2.Options{MaxHeaderBytes: 1 << 10}, fields: []string{"x", strings.Repeat("y", 1<<10)}, status: 431},
		{name: "server", server: func(s *http.Server) { s.MaxHeaderBytes = 1 << 10 }, fields: []string{"x", strings.Repeat("y", 1<<10)}, status: 431},
		{name: "server without a limit", server: func(s *http.Server) { s.MaxHeaderBytes = -1 }, fields: repeat(101, "x", "y"), status: 431},
		{name: "no limit of fields", o: &h2.Options{MaxFields: -1}, fields: repeat(300, "x", "y"), status: 200},
		{name: "more by the server", server: func(s *http.Server) { s.MaxHeaderBytes = 1 << 20 }, fields: []string{"x", strings.Repeat("y", 15<<10), "x", strings.Repeat("y", 15<<10)}, status: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, setup{transport: "h2c", options: c.o, server: c.server}, func(http.ResponseWriter, *http.Request) {})
			raw := h.raw(t)
			raw.fr.AllowIllegalWrites = true
			raw.request(1, true, "GET", "/", c.fields...)
			if got := raw.next(); !strings.Contains(got, fmt.Sprintf(":status=%d", c.status)) {
				t.Errorf("%.200s", got)
			}
		})
	}
}

func repeat(n int, s ...string) (all []string) {
	for range n {
		all = append(all, s...)
	}
	return all
}

// A path that is no URL is refused.
func TestBadPath(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, echo)
	c := h.raw(t)
	c.request(1, true, "GET", "/%zz")
	c.want("HEADERS 1 [:status=400 content-length=12 content-type=text/plain; charset=utf-8 x-content-type-options=nosniff]", "DATA 1 end Bad Request\n")
}

// What was written before HijackStream goes in front, and the head without being
// asked for.
func TestHijackStreamAfterWrite(t *testing.T) {
	streams := make(chan websocket.Stream, 1)
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/written" {
			io.WriteString(w, "first ")
		}
		if r.URL.Path == "/reading" {
			go func() {
				s, err := w.(hijacker).HijackStream()
				if err != nil {
					t.Error(err)
				}
				streams <- s
			}()
			if _, err := r.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || isTimeout(err) {
				t.Errorf("Read: %v", err)
			}
			return
		}
		s, err := w.(hijacker).HijackStream()
		if err != nil {
			t.Error(err)
		}
		streams <- s
	})
	c := h.raw(t)
	c.connect(1, "/")
	c.want("HEADERS 1 [:status=200]")
	c.must(wait(t, streams).Close())
	c.want("RST_STREAM 1 CANCEL")
	c.connect(3, "/written")
	c.want("HEADERS 3 [:status=200 content-type=text/plain; charset=utf-8]", "DATA 3 first ")
	c.must(wait(t, streams).Close())
	c.want("RST_STREAM 3 CANCEL")
	c.connect(5, "/reading")
	c.want("HEADERS 5 [:status=200]")
	c.must(wait(t, streams).Close())
	c.want("RST_STREAM 5 CANCEL")
}

// The name of the server, and what is expected of it.
func TestFieldsOfRequests(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Host, " ", r.Header["Expect"], " ", r.Header["Host"], " ", r.Header["Cookie"])
	})
	c := h.raw(t)
	c.headers(1, true, ":method", "GET", ":scheme", "https", ":path", "/", "host", "by-field.test", "expect", "miracles", "cookie", "a=1", "cookie", "b=2")
	c.next()
	c.want("DATA 1 end by-field.test [miracles] [] [a=1; b=2]")
	c.request(3, true, "GET", "/", "host", "server.test")
	c.next()
	c.want("DATA 3 end server.test [] [] []")
}
