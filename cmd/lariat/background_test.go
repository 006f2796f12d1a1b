package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// background is a program started by start or run.
type background struct {
	cmd     *exec.Cmd
	log     string
	in      io.WriteCloser
	address chan string
	waiting chan error
}

// runningKey finds what was started in a script.
type runningKey struct{}

func running(ts *testscript.TestScript) map[string]*background {
	return ts.Value(runningKey{}).(map[string]*background)
}

// launch starts a program. NAME.out and NAME.err hold what it prints.
func launch(ts *testscript.TestScript, name string, args []string) *background {
	b := &background{
		cmd: scriptCommand(ts, args), log: ts.MkAbs(name + ".err"),
		address: make(chan string, 1), waiting: make(chan error, 1),
	}
	errFile, err := os.Create(b.log)
	ts.Check(err)
	outFile, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	b.cmd.Stderr = errFile
	pipe, err := b.cmd.StdoutPipe()
	ts.Check(err)
	b.in, err = b.cmd.StdinPipe()
	ts.Check(err)
	ts.Check(b.cmd.Start())
	go func() {
		r := bufio.NewReader(pipe)
		for {
			line, err := r.ReadString('\n')
			_, _ = outFile.WriteString(line)
			if at := addressIn(line); at != "" {
				select {
				case b.address <- at:
				default:
				}
			}
			if err != nil {
				break
			}
		}
		b.waiting <- b.cmd.Wait()
		_, _ = outFile.Close(), errFile.Close()
		close(b.address)
	}()
	t := time.AfterFunc(commandTimeout, func() { _ = b.cmd.Process.Kill() })
	ts.Defer(func() {
		t.Stop()
		_ = b.cmd.Process.Kill()
	})
	running(ts)[name] = b
	return b
}

// start NAME PROGRAM ARGS... starts a server and waits for its address, the
// line that begins with "clients" or holds "listening". It sets $NAME to
// host:port.
func startCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start name program args...")
	}
	b := launch(ts, args[0], args[1:])
	at := <-b.address
	if at == "" {
		text, _ := os.ReadFile(b.log)
		ts.Fatalf("%v ended before it listened: %s", args[1:], text)
	}
	ts.Setenv(args[0], at)
}

// run NAME PROGRAM ARGS... starts a program that is typed to.
func runCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run name program args...")
	}
	launch(ts, args[0], args[1:])
}

// type NAME [LINE...] gives lines to what run has started; without any, the end
// of its input.
func typeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || running(ts)[args[0]] == nil {
		ts.Fatalf("usage: type name lines...")
	}
	in := running(ts)[args[0]].in
	if len(args) == 1 {
		ts.Check(in.Close())
		return
	}
	for _, line := range args[1:] {
		_, err := io.WriteString(in, line+"\n")
		ts.Check(err)
	}
}

// send NAME SIGNAL sends a signal to what was started.
func sendCommand(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt, "KILL": os.Kill}
	for _, s := range statsSignals() {
		signals["USR1"] = s
	}
	if neg || len(args) != 2 || signals[args[1]] == nil || running(ts)[args[0]] == nil {
		ts.Fatalf("usage: send name TERM|INT|KILL|USR1")
	}
	ts.Check(running(ts)[args[0]].cmd.Process.Signal(signals[args[1]]))
}

// end NAME SIGNAL CODE sends a signal to what was started and demands its exit
// code, -1 when the signal ended it.
func endCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: end name TERM|INT|KILL code")
	}
	sendCommand(ts, false, args[:2])
	awaitCommand(ts, false, []string{args[0], args[2]})
}

// await NAME CODE waits for the end of what was started and demands its exit
// code.
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || running(ts)[args[0]] == nil {
		ts.Fatalf("usage: await name code")
	}
	b := running(ts)[args[0]]
	err := <-b.waiting
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if got := fmt.Sprint(b.cmd.ProcessState.ExitCode()); got != args[1] {
		text, _ := os.ReadFile(b.log)
		ts.Fatalf("exit code %s, want %s: %s", got, args[1], strings.TrimSpace(string(text)))
	}
}
