package h2_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// transports are the ways in which HTTP/2 is spoken.
var transports = []string{"tls", "h2c"}

// each runs a test over all of them.
func each(t *testing.T, test func(t *testing.T, transport string)) {
	for _, tr := range transports {
		t.Run(tr, func(t *testing.T) {
			t.Parallel()
			test(t, tr)
		})
	}
}

// setup is how a server is made.
type setup struct {
	transport string
	theirs    bool // net/http's own HTTP/2
	options   *h2.Options
	server    func(*http.Server)
}

// host is a server under test, with net/http's client.
type host struct {
	*http.Client
	url   string
	http  *httptest.Server
	lines *logLines
}

// logLines is an ErrorLog.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start starts a server. It ends with the test.
func start(t *testing.T, s setup, handler http.HandlerFunc) *host {
	t.Helper()
	h := &host{http: httptest.NewUnstartedServer(handler), lines: new(logLines)}
	ts := h.http
	ts.Config.ErrorLog = log.New(h.lines, "", 0)
	var only http.Protocols
	if s.transport == "h2c" {
		only.SetUnencryptedHTTP2(true)
		ts.Config.Protocols = &only
	}
	if s.server != nil {
		s.server(ts.Config)
	}
	if !s.theirs {
		if err := h2.ConfigureServer(ts.Config, s.options); err != nil {
			t.Fatal(err)
		}
		ts.TLS = ts.Config.TLSConfig
	}
	ts.EnableHTTP2 = true
	tr := &http.Transport{DisableCompression: true}
	if s.transport == "h2c" {
		ts.Start()
		tr.Protocols = &only
	} else {
		ts.StartTLS()
		tr.TLSClientConfig = ts.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		tr.ForceAttemptHTTP2 = true
	}
	h.url = ts.URL
	h.Client = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		ts.Close()
	})
	return h
}

// answer is all of an answer.
type answer struct {
	status  int
	header  http.Header
	body    string
	trailer http.Header
	interim []string
	length  int64
	err     string // of reading the body
}

// do sends a request and reads the answer, within patience.
func (h *host) do(t *testing.T, r *http.Request) *answer {
	t.Helper()
	a, err := h.try(t, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (h *host) try(t *testing.T, r *http.Request) (*answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	var a answer
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			a.interim = append(a.interim, http.StatusText(code)+" "+h.Get("Link"))
			return nil
		},
	}))
	resp, err := h.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("answered by %s", resp.Proto)
	}
	var b strings.Builder
	_, err = io.Copy(&b, resp.Body)
	a.status, a.header, a.body, a.trailer, a.length = resp.StatusCode, resp.Header, b.String(), resp.Trailer, resp.ContentLength
	if err != nil {
		a.err = err.Error()
	}
	return &a, nil
}

// get sends a GET.
func (h *host) get(t *testing.T, path string) *answer {
	t.Helper()
	return h.do(t, h.request(t, http.MethodGet, path, nil))
}

func (h *host) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, h.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wait receives from ch, within patience.
func wait[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("nothing came in time")
	}
	return v
}
