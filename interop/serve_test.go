package interop_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Chromium on the page of "lariat serve", used by the keyboard, over ws and,
// which is HTTP/2, wss; the server's log must tell the same endings as the page.
// curl gets the page by the same versions.
func TestServePage(t *testing.T) {
	node := needNode(t, "playwright-core")
	browser := needProgram(t, "chromium")
	curl := needProgram(t, "curl")
	lariat := filepath.Join(t.TempDir(), "lariat")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", lariat, "../cmd/lariat")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, secure := range []bool{false, true} {
		t.Run(strings.TrimSpace(scheme(secure)), func(t *testing.T) {
			t.Parallel()
			args := []string{"serve", "--json", "--deflate", "--listen", "127.0.0.1:0"}
			if secure {
				args = append(args, "--tls")
			}
			p := start(t, lariat, args...)
			var at struct{ Event, URL, Page string }
			p.next(&at)
			if at.Event != "listening" || secure != strings.HasPrefix(at.URL, "wss://") {
				t.Fatalf("the server says %+v", at)
			}
			status, version := 101, "1.1"
			if secure {
				status, version = 200, "2"
			}
			out, err := exec.Command(curl, "--silent", "--http2", "--insecure", "--write-out", "%{stderr}%{http_version} %{http_code}", "--output", "/dev/null", at.Page).CombinedOutput()
			if err != nil || string(out) != version+" 200" {
				t.Errorf("curl: %s, %v; want version %s", out, err, version)
			}
			runChecks(t, node, "peers/page.mjs", asJSON(t, map[string]any{
				"browser":   browser,
				"profile":   t.TempDir(),
				"page":      at.Page,
				"elsewhere": strings.Replace(at.Page, "127.0.0.1", "localhost", 1),
				"socket":    at.URL,
				"pid":       p.cmd.Process.Pid,
				"status":    status,
			}))
			if t.Failed() {
				return // the server may still run
			}
			codes := connections(t, p)
			if want := []int{4001, 1000, 1001}; !slices.Equal(codes, want) {
				t.Errorf("the server saw the codes %v, want %v", codes, want)
			}
		})
	}
}

// connections returns the close codes in the log of a server that is ending.
func connections(t *testing.T, p *process) (codes []int) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("the server still runs %v after SIGTERM", patience)
	}
	for line := range p.lines {
		var e struct {
			Event string
			Code  int
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Event == "connection" {
			codes = append(codes, e.Code)
		}
	}
	return codes
}
