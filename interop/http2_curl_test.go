package interop_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
)

// site has what curl asks for.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", hello)
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("GET /mebibyte", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(octets(1 << 20)) })
	mux.HandleFunc("GET /early", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "late\n")
	})
	mux.HandleFunc("GET /trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body\n")
		_ = http.NewResponseController(w).Flush() // where there is a length, curl does not wait for trailers
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-More", "43")
	})
	return mux
}

// curl for ordinary requests over HTTP/2: with TLS, where it chooses, and with
// prior knowledge. S2.11 S2.29
func TestCurl(t *testing.T) {
	program := needProgram(t, "curl")
	for _, secure := range []bool{false, true} {
		t.Run(strings.TrimSpace(scheme(secure)), func(t *testing.T) {
			t.Parallel()
			s := newHTTP2Server(t, secure, false, websocket.AcceptOptions{}, site())
			c := &curl{program: program, url: s.URL, flags: []string{"--http2-prior-knowledge"}}
			if secure {
				c.flags = []string{"--http2", "--insecure"}
			}
			t.Run("GET", c.testGet)
			t.Run("HEAD", c.testHead)
			t.Run("POST", c.testPost)
			t.Run("Expect", c.testExpect)
			t.Run("early hints", c.testEarlyHints)
			t.Run("trailers", c.testTrailers)
			if secure { // with prior knowledge, curl fails here whoever the server is
				t.Run("parallel", c.testParallel)
			}
			t.Run("both", func(t *testing.T) { c.testBoth(t, secure) })
		})
	}
}

type curl struct {
	program, url string
	flags        []string
}

// run returns the body, what -v tells, and what comes after the body by the
// format of curl's -w.
func (c *curl) run(t *testing.T, stdin []byte, args ...string) (body []byte, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, append(append([]string{"--silent", "--show-error", "--verbose"}, c.flags...), args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	body, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %v: %v\n%.3000s", args, err, stderr.String())
	}
	return body, stderr.String()
}

func wantLines(t *testing.T, log string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(log, line) {
			t.Errorf("curl does not tell %q:\n%.3000s", line, log)
		}
	}
}

func (c *curl) testGet(t *testing.T) {
	body, log := c.run(t, nil, c.url+"/hello")
	if string(body) != strings.Repeat("hello\n", 100) {
		t.Errorf("the body is %.100q", body)
	}
	wantLines(t, log, "< HTTP/2 200", "< content-type: text/plain", "< content-length: 600", "< date: ")

	body, _ = c.run(t, nil, c.url+"/mebibyte")
	if !bytes.Equal(body, octets(1<<20)) {
		t.Errorf("the body has %d bytes", len(body))
	}
	_, log = c.run(t, nil, c.url+"/nothing")
	wantLines(t, log, "< HTTP/2 404")
}

func (c *curl) testHead(t *testing.T) {
	body, log := c.run(t, nil, "--head", c.url+"/mebibyte")
	if bytes.Contains(body, octets(100)) {
		t.Error("there is a body")
	}
	wantLines(t, log, "> HEAD /mebibyte HTTP/2", "< HTTP/2 200")
}

func (c *curl) testPost(t *testing.T) {
	for _, n := range []int{0, 1, 70_000, 1 << 20} {
		body, log := c.run(t, octets(n), "--header", "Expect:", "--data-binary", "@-", c.url+"/echo")
		if !bytes.Equal(body, octets(n)) {
			t.Errorf("%d bytes came back of %d", len(body), n)
		}
		wantLines(t, log, "< HTTP/2 200")
	}
	// Without a length.
	body, _ := c.run(t, octets(100_000), "--header", "Expect:", "--upload-file", "-", "--request", "POST", c.url+"/echo")
	if !bytes.Equal(body, octets(100_000)) {
		t.Errorf("%d bytes came back", len(body))
	}
}

func (c *curl) testExpect(t *testing.T) {
	body, log := c.run(t, octets(1<<20), "--expect100-timeout", "15", "--header", "Expect: 100-continue", "--data-binary", "@-", c.url+"/echo")
	if !bytes.Equal(body, octets(1<<20)) {
		t.Errorf("%d bytes came back", len(body))
	}
	wantLines(t, log, "< HTTP/2 100", "< HTTP/2 200")
}

func (c *curl) testEarlyHints(t *testing.T) {
	_, log := c.run(t, nil, c.url+"/early")
	wantLines(t, log, "< HTTP/2 103", "< link: </style.css>", "< HTTP/2 200")
}

func (c *curl) testTrailers(t *testing.T) {
	body, log := c.run(t, nil, c.url+"/trailers")
	if string(body) != "body\n" {
		t.Errorf("the body is %q", body)
	}
	wantLines(t, log, "< trailer: X-Sum", "< x-sum: 42", "< x-more: 43")
}

// testParallel downloads 20 times at once on one connection.
func (c *curl) testParallel(t *testing.T) {
	args := []string{"--parallel", "--parallel-max", "20", "--write-out", "%{stderr}=%{http_code} %{http_version} %{size_download} %{num_connects}=\n"}
	for range 20 {
		args = append(args, "--output", "/dev/null", c.url+"/mebibyte")
	}
	_, log := c.run(t, nil, args...)
	reused, first := strings.Count(log, "=200 2 1048576 0="), strings.Count(log, "=200 2 1048576 1=")
	if reused+first != 20 || first < 1 {
		t.Errorf("%d downloads on connections there were, %d on new ones", reused, first)
	}
	if first > 1 {
		t.Errorf("%d connections were made", first)
	}
}

// testBoth asks for HTTP/1.1 on the same port, and offers to upgrade to HTTP/2,
// which nobody does.
func (c *curl) testBoth(t *testing.T, secure bool) {
	plain := &curl{program: c.program, url: c.url, flags: []string{"--http1.1", "--insecure"}}
	_, log := plain.run(t, nil, c.url+"/hello")
	wantLines(t, log, "< HTTP/1.1 200 OK")
	if !secure {
		plain.flags = []string{"--http2"}
		_, log = plain.run(t, nil, c.url+"/hello")
		wantLines(t, log, "> Upgrade: h2c", "< HTTP/1.1 200 OK")
	}
}
