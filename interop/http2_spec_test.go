package interop_test

import (
	"context"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// h2specCases is how many cases there are; a report with fewer is not whole.
const h2specCases = 145

// h2specExceptions are the cases that are failed on purpose, with the reason.
func h2specExceptions() map[string]string { return map[string]string{} }

// report is h2spec's, in the form of JUnit.
type report struct {
	Suites []struct {
		Name  string `xml:"name,attr"`
		ID    string `xml:"id,attr"`
		Cases []struct {
			Package string    `xml:"package,attr"`
			Name    string    `xml:"classname,attr"`
			Failure *string   `xml:"failure"`
			Skipped *struct{} `xml:"skipped"`
			Error   *string   `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// All cases of h2spec, without TLS and with. The reports are kept in the folder
// that LARIAT_H2SPEC names.
func TestH2Spec(t *testing.T) {
	program := needH2Spec(t)
	folder := os.Getenv("LARIAT_H2SPEC")
	if folder == "" {
		folder = t.TempDir()
	}
	for _, secure := range []bool{false, true} {
		name, flags := "plain", []string{}
		if secure {
			name, flags = "tls", []string{"--tls", "--insecure"}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := 0
			if secure {
				port = newHTTP2Server(t, true, false, websocket.AcceptOptions{}, http.HandlerFunc(hello)).port()
			} else {
				port = servePlain(t, http.HandlerFunc(hello))
			}
			file := filepath.Join(folder, "h2spec-"+name+".xml")
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			args := append(flags, "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--timeout", "2", "--junit-report", file, "generic", "hpack", "http2")
			out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
			text, readErr := os.ReadFile(file)
			if readErr != nil {
				t.Fatalf("%v, %v\n%.2000s", err, readErr, out)
			}
			var r report
			if err := xml.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			r.judge(t)
		})
	}
}

// servePlain serves HTTP/2 and nothing else without TLS, and returns the port.
// Where net/http looks for the preface, it does not answer what is none.
func servePlain(t *testing.T, handler http.Handler) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { _ = h2.ServeConn(nc, &http.Server{Handler: handler}, nil) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// hello answers as a small site does, and reads what it is sent.
func hello(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, strings.Repeat("hello\n", 100))
}

func (r *report) judge(t *testing.T) {
	t.Helper()
	exceptions := h2specExceptions()
	n := 0
	for _, suite := range r.Suites {
		for _, c := range suite.Cases {
			n++
			name := c.Package + ": " + c.Name
			failed := c.Failure != nil || c.Error != nil || c.Skipped != nil
			reason, excepted := exceptions[name]
			switch {
			case failed && !excepted:
				detail := "skipped"
				for _, s := range []*string{c.Failure, c.Error} {
					if s != nil {
						detail = *s
					}
				}
				t.Errorf("%s: %s", name, detail)
			case !failed && excepted:
				t.Errorf("%s passes, though it is an exception: %s", name, reason)
			}
		}
	}
	if n != h2specCases {
		t.Errorf("the report has %d cases, want %d", n, h2specCases)
	}
}

// needH2Spec returns the path of h2spec, which .ci/install builds in bin.
func needH2Spec(t *testing.T) string {
	t.Helper()
	const built = "../bin/h2spec"
	if _, err := os.Stat(built); err == nil {
		peers(t)
		path, err := filepath.Abs(built)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	return needProgram(t, "h2spec")
}
