package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo terminal with a command on it, as a person sees it.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the terminal's output is over
	more   chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
	from int // what expect has not looked at yet
}

// startTerminal runs lariat with a terminal as its input and outputs.
func startTerminal(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatalf("a pseudo terminal is needed: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, master: master, ended: make(chan struct{}), more: make(chan struct{}, 1)}
	bin := filepath.Join(t.TempDir(), "lariat")
	if err := os.Symlink(self, bin); err != nil {
		t.Fatal(err)
	}
	x.cmd = exec.Command(bin, args...)
	x.cmd.Env = append(os.Environ(), env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = x.cmd.Start()
	_ = slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(commandTimeout, func() { _ = x.cmd.Process.Kill() })
	t.Cleanup(func() {
		kill.Stop()
		_ = x.cmd.Process.Kill()
	})
	go x.watch()
	return x
}

func (x *terminal) watch() {
	defer close(x.ended)
	buf := make([]byte, 4096)
	for {
		n, err := x.master.Read(buf)
		x.mu.Lock()
		x.text.Write(buf[:n])
		x.mu.Unlock()
		select {
		case x.more <- struct{}{}:
		default:
		}
		if err != nil { // EIO, when the command has ended
			return
		}
	}
}

func (x *terminal) typed(s string) {
	x.t.Helper()
	if _, err := x.master.WriteString(s); err != nil {
		x.t.Fatal(err)
	}
}

// expect waits until what came after the last match matches.
func (x *terminal) expect(pattern string) {
	x.t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		x.mu.Lock()
		rest := x.text.Bytes()[x.from:]
		at := re.FindIndex(rest)
		if at != nil {
			x.from += at[1]
		}
		x.mu.Unlock()
		if at != nil {
			return
		}
		select {
		case <-x.more:
		case <-x.ended:
			x.t.Fatalf("nothing matches %q in %q", pattern, x.all())
		}
	}
}

func (x *terminal) all() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// exit waits for the end and demands the exit code.
func (x *terminal) exit(code int) {
	x.t.Helper()
	<-x.ended
	_ = x.cmd.Wait()
	if got := x.cmd.ProcessState.ExitCode(); got != code {
		x.t.Errorf("exit code %d, want %d: %q", got, code, x.all())
	}
}

// testServer is "lariat serve" for the tests on a terminal; it returns its
// address.
func testServer(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "lariat")); err != nil {
		t.Fatal(err)
	}
	e := runExample(t, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")), "lariat serve --listen 127.0.0.1:0")
	at := e.address(t)
	t.Cleanup(func() { e.end(t) })
	return at
}

func TestTerminal(t *testing.T) {
	x := startTerminal(t, []string{"TERM=xterm", "NO_COLOR="}, "connect", "ws://"+testServer(t)+"/")
	x.expect(`connected to ws://127.* over HTTP/1.1; /help`)
	x.expect("\x1b\\[34m> ") // the prompt, coloured

	x.typed("hello\r")
	x.expect(`< \x1b\[0mhello`)
	// Editing: back two, insert; and history: up twice, down once.
	x.typed("abd\x1b[D\x1b[Dx\r")
	x.expect(`< \x1b\[0maxbd`)
	x.typed("\x1b[A\x1b[A\x1b[B\r")
	x.expect(`< \x1b\[0maxbd`)

	x.typed("/ping\r")
	x.expect(`pong 1 after [0-9.]+ ms`)
	x.typed("/binary four\r")
	x.expect(`\[4 bytes\] .*66 6f 75 72`)
	x.typed("/hex 00 ff\r")
	x.expect(`\[2 bytes\] .*00 ff`)
	x.typed("//slash\r")
	x.expect(`< \x1b\[0m/slash`)
	x.typed("/help\r")
	x.expect(`/close \[CODE \[REASON\]\]`)

	x.typed("/pnig\r")
	x.expect(`there is no /pnig; type /ping, or //pnig to send it`)
	x.typed("/hex 0g\r")
	x.expect(`not hex: 'g' is not a hex digit`)
	x.typed("/close 1005\r")
	x.expect(`1005 must not be sent; a close code is 1000 to 1003`)
	x.typed("/close soon\r")
	x.expect(`"soon" is not a close code`)
	x.typed("/close 1001 bye\r")
	x.expect(`closed with 1001 \(going away\)`)
	x.exit(0)
}

func TestTerminalEnds(t *testing.T) {
	at := testServer(t)
	for _, c := range []struct {
		name, typed, want string
		code              int
	}{
		{"quit", "/quit\r", "closed with 1000", 0},
		{"Ctrl-D", "\x04", "closed with 1000", 0},
		{"Ctrl-C", "\x03", "stopped by Ctrl-C", 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := startTerminal(t, []string{"TERM=xterm", "NO_COLOR=1"}, "connect", "ws://"+at+"/")
			x.expect("> ")
			x.typed(c.typed)
			x.expect(c.want)
			x.exit(c.code)
			// NO_COLOR: sequences that colour are never printed.
			if m := regexp.MustCompile(`\x1b\[[0-9;]*m`).FindString(x.all()); m != "" {
				t.Errorf("there is %q in %q", m, x.all())
			}
		})
	}
}

// What a peer sends cannot play with the terminal.
func TestTerminalEscapes(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	peer := filepath.Join(t.TempDir(), "peer")
	if err := os.Symlink(self, peer); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(peer, "escape")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it may have ended
	line := make([]byte, 256)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	x := startTerminal(t, []string{"TERM=xterm"}, "connect", "ws://"+addressIn(string(line[:n]))+"/")
	x.expect("]0;title")
	if all := x.all(); strings.Contains(all, "\x1b]0;title") || strings.Contains(all, "\x1b[2J") {
		t.Errorf("the peer's sequences reach the terminal: %q", all)
	}
	x.typed("\x03")
	x.exit(130)
}

// A person stays connected: lines that are typed while the server is away are
// kept, and Ctrl-C ends the wait for them.
func TestTerminalReconnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	x := startTerminal(t, []string{"TERM=xterm", "NO_COLOR=1"}, "connect", "--reconnect", "--outbox", "1", "--max-wait", "20s", "ws://"+at+"/")
	x.expect(`not connected: connect to 127.*: connection refused; next attempt .* \(attempt 2\)`)
	x.typed("/ping\r")
	x.expect(`! there is no connection to ping on`)
	x.typed("one\r")
	x.expect(`queued \(1 line waiting\)`)
	x.typed("two\r")
	x.expect(`! not sent: the outbox is full; --outbox N makes it larger`)

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "lariat")); err != nil {
		t.Fatal(err)
	}
	e := runExample(t, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")), "lariat serve --listen "+at)
	e.address(t)
	x.typed("/retry\r")
	x.expect(`connected to ws://127.* over HTTP/1.1; /help`)
	x.expect(`(?s)< one.*sent 1 waiting line|sent 1 waiting line.*< one`)
	x.typed("/ping\r")
	x.expect(`pong \d after [0-9.]+ ms`)
	e.end(t)
	x.expect(`lost: closed with 1001 .*, by the peer; next attempt`)
	x.typed("three\r")
	x.expect(`queued \(1 line waiting\)`)
	x.typed("\x04")
	x.expect(`end of input: 1 line has 30s to be sent; Ctrl-C gives up`)
	x.typed("\x03")
	x.expect(`not sent: 1 waiting line`)
	x.exit(130)
}
