package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// commandTimeout is how long a command of a script may take: far more than it
// does, so that a hanging one is told from a slow machine.
const commandTimeout = time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"lariat": main,
		"peer":   peerMain,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[runningKey{}] = make(map[string]*background)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    codeCommand,
			"start":   startCommand,
			"run":     runCommand,
			"type":    typeCommand,
			"await":   awaitCommand,
			"end":     endCommand,
			"send":    sendCommand,
			"waitlog": waitLogCommand,
			"ndjson":  ndjsonCommand,
		},
	})
}

// code N PROGRAM ARGS... runs a program and demands its exit code. Its output
// is in stdout.txt and stderr.txt; its input is stdin.txt, if that exists.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args...")
	}
	cmd := scriptCommand(ts, args[1:])
	if in, err := os.Open(ts.MkAbs("stdin.txt")); err == nil {
		defer in.Close()
		cmd.Stdin = in
	}
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := runBounded(cmd)
	ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), []byte(out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("stderr.txt"), []byte(errOut.String()), 0o600))
	ts.Logf("[stdout]\n%s[stderr]\n%s", out.String(), errOut.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// runBounded runs cmd and kills it when it hangs.
func runBounded(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	t := time.AfterFunc(commandTimeout, func() { _ = cmd.Process.Kill() })
	defer t.Stop()
	return cmd.Wait()
}

func scriptCommand(ts *testscript.TestScript, args []string) *exec.Cmd {
	path, err := lookPath(ts, args[0])
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "NO_COLOR", "TERM", "GOCOVERDIR"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in PATH", name)
}

// waitlog FILE REGEXP waits until a file has a line that matches.
func waitLogCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitlog file regexp")
	}
	re := regexp.MustCompile(args[1])
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(commandTimeout); ; <-tick.C {
		data, _ := os.ReadFile(ts.MkAbs(args[0]))
		if re.Match(data) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing in %s matches %q:\n%s", args[0], args[1], data)
		}
	}
}

// ndjson FILE EVENT... checks that each line is an event of the documented
// schema, and that they are the given ones, in order, if any are given.
func ndjsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: ndjson file events...")
	}
	var got []string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		name, err := checkEvent([]byte(line))
		if err != nil {
			ts.Fatalf("%v in %s", err, line)
		}
		got = append(got, name)
	}
	if want := args[1:]; len(want) > 0 && !slices.Equal(got, want) {
		ts.Fatalf("events %v, want %v", got, want)
	}
}

// checkEvent checks one object against the schema and returns its name.
func checkEvent(line []byte) (string, error) {
	var e map[string]any
	if err := json.Unmarshal(line, &e); err != nil {
		return "", err
	}
	name, _ := e["event"].(string)
	when, _ := e["time"].(string)
	if _, err := time.Parse(time.RFC3339Nano, when); err != nil || !strings.HasSuffix(when, "Z") {
		return name, fmt.Errorf("time %q", when)
	}
	for _, s := range schema() {
		if s.name != name {
			continue
		}
		known := map[string]bool{"event": true, "time": true}
		for _, f := range fields(s.event) {
			known[f.name] = true
			v, ok := e[f.name]
			if !ok && !strings.Contains(f.doc, "left out when empty") {
				return name, fmt.Errorf("field %q is missing", f.name)
			}
			if ok && kindOfValue(v) != f.kind {
				return name, fmt.Errorf("field %q is %v, not %s", f.name, v, f.kind)
			}
		}
		for field := range e {
			if !known[field] {
				return name, fmt.Errorf("field %q is not documented", field)
			}
		}
		return name, nil
	}
	return name, fmt.Errorf("event %q is not documented", name)
}

func kindOfValue(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

// addressIn finds the address in a line of serve, also with --json.
func addressIn(line string) string {
	for _, scheme := range []string{"wss://", "ws://"} {
		if _, rest, ok := strings.Cut(line, scheme); ok {
			at, _, _ := strings.Cut(rest, "/")
			return strings.Trim(at, "\"\n")
		}
	}
	return ""
}
