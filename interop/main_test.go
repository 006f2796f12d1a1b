// Package interop_test holds the library against WebSockets that others wrote:
// npm ws, undici, python-websockets, Chromium, Cowboy, by itself and in RabbitMQ,
// and nginx, nghttpx, haproxy and Apache as proxies of servers, tinyproxy, squid
// and microsocks as proxies of clients; and its HTTP/2 against that of Node, curl
// and h2spec, and against peers that break its rules.
//
// It also holds clients against what happens to them in a network: a server that
// is killed, packets that are lost, names of which some addresses are dead.
//
// A test whose peer is not installed is skipped and says what is missing. The
// environment variable LARIAT_INTEROP changes that: with "required" it fails,
// with "off" nothing is run. bash .ci/interop installs all peers on Debian.
package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds everything that is waited for but a whole list of checks.
const patience = 20 * time.Second

// absent ends the test because of a peer that is not there.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("LARIAT_INTEROP") == "required" {
		t.Fatalf("%s is missing; bash .ci/install interop installs it", what)
	}
	t.Skipf("%s is missing; bash .ci/install interop installs it", what)
}

func peers(t *testing.T) {
	t.Helper()
	if os.Getenv("LARIAT_INTEROP") == "off" {
		t.Skip("LARIAT_INTEROP is off")
	}
}

// needNode returns the path of node when the npm package is installed as well.
func needNode(t *testing.T, module string) string {
	t.Helper()
	peers(t)
	node, err := exec.LookPath("node")
	if err != nil {
		absent(t, "node")
	}
	if _, err := os.Stat("node_modules/" + module); err != nil {
		absent(t, "npm package "+module)
	}
	return node
}

// needPython returns the path of a Python that has websockets: the system's,
// to which Debian's package belongs.
func needPython(t *testing.T) string {
	t.Helper()
	peers(t)
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import websockets").Run(); err != nil {
		absent(t, "python3-websockets")
	}
	return python
}

// needWire returns the path of a Python that has h2, hpack and wsproto: the
// system's, to which Debian's packages belong.
func needWire(t *testing.T) string {
	t.Helper()
	peers(t)
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import h2, hpack, wsproto").Run(); err != nil {
		absent(t, "python3-h2 or python3-wsproto")
	}
	return python
}

// needProgram returns the path of a program.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	peers(t)
	path, err := exec.LookPath(name)
	if err != nil {
		absent(t, name)
	}
	return path
}

// process is a peer that runs for as long as the test does.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of standard output
	ended chan struct{}
	log   output // standard error
}

// output keeps what a process writes, for the message of a test that fails.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a peer. It is ended, with the end of its input first, when the
// test is over.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), lines: make(chan string, 4096), ended: make(chan struct{})}
	p.cmd.Stderr = &p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.scan(stdout)
	t.Cleanup(func() {
		_ = stdin.Close()
		kill := time.AfterFunc(2*time.Second, func() { _ = p.cmd.Process.Kill() })
		for range p.lines {
			// Wait closes the pipe, so all of it is read first.
		}
		_ = p.cmd.Wait()
		kill.Stop()
		if log := p.log.String(); t.Failed() && log != "" {
			t.Logf("%s says: %.4000s", name, log)
		}
	})
	return p
}

func (p *process) scan(r io.Reader) {
	defer close(p.lines)
	defer close(p.ended)
	for in := bufio.NewScanner(r); in.Scan(); {
		p.lines <- in.Text()
	}
}

// next reads the next line of JSON into v.
func (p *process) next(v any) {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatalf("%s ended: %.4000s", p.cmd.Path, p.log.String())
		}
		if err := json.Unmarshal([]byte(line), v); err != nil {
			p.t.Fatalf("%s printed %.1000q: %v", p.cmd.Path, line, err)
		}
	case <-time.After(patience):
		p.t.Fatalf("%s printed nothing in %v", p.cmd.Path, patience)
	}
}

// runChecks runs a peer that prints the results of its checks, each of which
// becomes a sub-test.
func runChecks(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var log output
	cmd.Stderr = &log
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%.1000s\n%.4000s", strings.Join(args, " "), err, out, log.String())
	}
	var result struct {
		Checks []struct {
			Name   string
			OK     bool
			Detail string
		}
	}
	if err := json.Unmarshal(out, &result); err != nil || len(result.Checks) == 0 {
		t.Fatalf("%s printed %.1000q: %v", args[0], out, err)
	}
	for _, c := range result.Checks {
		t.Run(strings.ReplaceAll(c.Name, " ", "_"), func(t *testing.T) {
			if !c.OK {
				t.Error(c.Detail)
			}
		})
	}
}

// asJSON is an argument of a peer.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
