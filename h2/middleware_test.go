package h2_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// wrapped hides all of a ResponseWriter but its way in.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Writers that others have wrapped work by ResponseController.
func TestWrappedWriter(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(wrapped{w})
		io.WriteString(wrapped{w}, "one ")
		if err := errors.Join(rc.Flush(), rc.EnableFullDuplex(), rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{})); err != nil {
			t.Error(err)
		}
		io.WriteString(wrapped{w}, "two")
	})
	if a := h.get(t, "/"); a.body != "one two" || a.length != -1 {
		t.Errorf("%+v", a)
	}
}

// A proxy reads the body in a goroutine that may outlive the handler.
func TestReverseProxy(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			http.Error(w, "enough", http.StatusForbidden)
			return
		}
		w.Header().Set("Trailer", "X-Sum")
		io.Copy(w, r.Body)
		w.Header().Set("X-Sum", "1")
	}))
	t.Cleanup(backend.Close)
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = tr
	each(t, func(t *testing.T, transport string) {
		h := start(t, setup{transport: transport}, proxy.ServeHTTP)
		body := string(pattern(1 << 20))
		for range 10 {
			a := h.do(t, h.request(t, "POST", "/echo", strings.NewReader(body)))
			if a.body != body || a.trailer.Get("X-Sum") != "1" {
				t.Fatalf("%d %d bytes %v %s", a.status, len(a.body), a.trailer, a.err)
			}
			if a, err := h.try(t, h.request(t, "POST", "/early", strings.NewReader(body))); err == nil && a.status != http.StatusForbidden && a.status != http.StatusBadGateway {
				t.Fatalf("%+v", a)
			}
		}
	})
}

// http.TimeoutHandler answers while the handler still runs.
func TestTimeoutHandler(t *testing.T) {
	release := make(chan struct{})
	slow := http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		if _, err := io.WriteString(w, "late"); !errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("Write: %v", err)
		}
		release <- struct{}{}
	}), time.Millisecond, "too slow")
	h := start(t, setup{transport: "h2c"}, slow.ServeHTTP)
	if a := h.get(t, "/"); a.status != http.StatusServiceUnavailable || a.body != "too slow" {
		t.Errorf("%+v", a)
	}
	release <- struct{}{}
	<-release
}

// Files are sent as by any server.
func TestFileServer(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		files := http.FileServer(http.Dir("."))
		h := start(t, setup{transport: transport}, files.ServeHTTP)
		a := h.get(t, "/response.go")
		if a.status != 200 || !strings.HasPrefix(a.body, "package h2\n") || a.length != int64(len(a.body)) {
			t.Errorf("%d, %d of %d bytes", a.status, len(a.body), a.length)
		}
	})
}
