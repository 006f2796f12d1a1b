package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// commands are all commands of the program, with their sub-commands.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	a := &app{in: strings.NewReader(""), printer: newPrinter(os.Stdout, os.Stderr, os.Getenv)}
	var all []*cobra.Command
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	root := a.rootCommand()
	root.InitDefaultHelpCmd()
	walk(root)
	return all
}

// The examples of the help are run as they stand, by a shell, against a server
// that stands where they expect one.
func TestExamples(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "lariat")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))

	server := runExample(t, env, "lariat serve --listen 127.0.0.1:0")
	at := server.address(t)
	defer server.end(t)

	ran := 0
	for _, c := range commands(t) {
		if c.Example == "" && c.Runnable() && c.Parent() != nil && c.Parent().Name() != "completion" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			ran++
			t.Run(line, func(t *testing.T) {
				line := strings.ReplaceAll(line, "//localhost:8080", "//"+at)
				if !strings.HasPrefix(line, "lariat serve") && !strings.Contains(line, "--open") {
					example(t, env, line)
					return
				}
				// A free port instead of the one that is in use already.
				line = strings.ReplaceAll(line, "localhost:8443", "localhost:0")
				if !strings.Contains(line, "--listen") && strings.HasPrefix(line, "lariat serve") {
					line += " --listen localhost:0"
				}
				e := runExample(t, env, line)
				e.address(t)
				e.end(t)
			})
		}
	}
	if ran < 20 {
		t.Errorf("only %d examples were found", ran)
	}
}

// example runs a line and demands that it ends well.
func example(t *testing.T, env []string, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Env, cmd.Dir = env, t.TempDir()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := runBounded(cmd); err != nil {
		t.Errorf("%v\n%s%s", err, &out, &errOut)
	}
	if out.Len() == 0 && errOut.Len() == 0 && !strings.Contains(line, ">") && !strings.HasPrefix(line, "lariat connect") {
		t.Error("it prints nothing")
	}
}

// exampleServer is an example that runs until it is stopped.
type exampleServer struct {
	cmd    *exec.Cmd
	out    *bufio.Reader
	errOut bytes.Buffer
	kill   *time.Timer
}

func runExample(t *testing.T, env []string, line string) *exampleServer {
	t.Helper()
	e := &exampleServer{cmd: exec.Command("sh", "-c", "exec "+line)}
	e.cmd.Env, e.cmd.Dir, e.cmd.Stderr = env, t.TempDir(), &e.errOut
	pipe, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	e.out = bufio.NewReader(pipe)
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.kill = time.AfterFunc(commandTimeout, func() { _ = e.cmd.Process.Kill() })
	return e
}

// address reads to the line that says that the server is ready.
func (e *exampleServer) address(t *testing.T) string {
	t.Helper()
	at := ""
	for {
		line, err := e.out.ReadString('\n')
		if a := addressIn(line); a != "" && strings.HasPrefix(line, "clients") {
			at = a
		}
		if strings.Contains(line, "Ctrl-C") {
			return at
		}
		if err != nil {
			t.Fatalf("it ended before it listened: %v\n%s", e.cmd.Wait(), &e.errOut)
		}
	}
}

func (e *exampleServer) end(t *testing.T) {
	t.Helper()
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, e.out)
	if err := e.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &e.errOut)
	}
	e.kill.Stop()
}

// Every flag has a text, and every event and its fields have one.
func TestHelpIsComplete(t *testing.T) {
	for _, c := range commands(t) {
		if c.Short == "" {
			t.Errorf("%s has no short text", c.CommandPath())
		}
		for _, name := range flagNames(c) {
			if c.Flags().Lookup(name).Usage == "" {
				t.Errorf("%s --%s has no text", c.CommandPath(), name)
			}
		}
		for line := range strings.Lines(c.UsageString() + c.Long) {
			if strings.HasPrefix(strings.TrimSpace(line), "-") || c.Parent() != nil && c.Parent().Name() == "completion" {
				continue
			}
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 120 {
				t.Errorf("%s has a line of %d characters: %s", c.CommandPath(), n, line)
			}
		}
	}
	for _, s := range schema() {
		if s.doc == "" || s.by == "" {
			t.Errorf("event %s has no text", s.name)
		}
		for _, f := range fields(s.event) {
			if f.doc == "" || f.name == "" {
				t.Errorf("event %s has a field %q without a text", s.name, f.name)
			}
		}
	}
}

// The page loads nothing from anywhere, and its policy lets its own style and
// script run.
func TestPage(t *testing.T) {
	text := string(page)
	if m := regexp.MustCompile(`(?i)(src|href|url\()\s*=?\s*["'(]?\s*(https?:)?//[^"' )]*`).FindString(text); m != "" {
		t.Errorf("the page loads %s", m)
	}
	for _, attr := range []string{` style="`, ` onclick="`, "<script ", "<style "} {
		if strings.Contains(text, attr) {
			t.Errorf("the policy forbids %s", attr)
		}
	}
	policy := pagePolicy(page)
	if strings.Count(policy, "sha256-") != 2 || strings.Contains(policy, "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") {
		t.Errorf("the policy %s does not hold the hashes of a style and a script", policy)
	}
	for _, id := range []string{"url", "connect", "text", "send", "file", "log", "latency", "closecode", "state", "pagehttp", "sockethttp"} {
		if !strings.Contains(text, `id="`+id+`"`) {
			t.Errorf("the page has no %s", id)
		}
	}
}
