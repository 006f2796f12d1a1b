// Package leakcheck fails a package's tests when they leave something behind:
// goroutines, file descriptors, or buffers of bufpool.
//
//	func TestMain(m *testing.M) { leakcheck.Main(m) }
package leakcheck

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// patience is how long what was closed may take to be gone: a connection of
// HTTP/2 that was closed lingers for a second of it, by design, and its timer may
// have begun a moment before the tests were over.
const patience = 1500 * time.Millisecond

// Main runs the tests and ends the process: with 1 when they failed or left
// something behind.
func Main(m *testing.M) { os.Exit(Run(m.Run, os.Stderr)) }

// Run is Main for any run; it returns the exit code.
func Run(run func() int, w io.Writer) int {
	warmUp()
	before := take()
	code := run()
	if code != 0 {
		return code // what failed in the middle may well leave something
	}
	if s := wait(before); s != "" {
		fmt.Fprint(w, s)
		return 1
	}
	return 0
}

// warmUp makes the process open what it keeps open: the network poller.
func warmUp() {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
}

// state is what a process holds.
type state struct {
	goroutines map[string]string // "goroutine 7" to its stack
	fds        map[string]string // number to target, empty where it can't be told
	buffers    int64
}

func take() state {
	return state{goroutines(), descriptors(), bufpool.Outstanding()}
}

// wait waits until nothing is left that was not there before, and says what
// still is.
func wait(before state) string {
	s := ""
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if s = before.left(take()); s == "" || time.Now().After(end) {
			return s
		}
	}
}

// left says what after holds more than before.
func (before state) left(after state) string {
	var b strings.Builder
	for id, stack := range after.goroutines {
		if _, ok := before.goroutines[id]; !ok {
			fmt.Fprintf(&b, "leakcheck: a goroutine is left behind:\n%s\n\n", stack)
		}
	}
	for fd, target := range after.fds {
		if before.fds[fd] != target {
			fmt.Fprintf(&b, "leakcheck: file descriptor %s is left open: %s\n", fd, target)
		}
	}
	if n := after.buffers - before.buffers; n != 0 {
		fmt.Fprintf(&b, "leakcheck: %d buffers were not given back (negative: given back twice)\n", n)
	}
	return b.String()
}

// goroutines returns the stacks of all but the caller and those of the
// standard library that stay on purpose.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := make(map[string]string)
	for i, stack := range bytes.Split(buf, []byte("\n\n")) {
		s := string(stack)
		id, _, ok := strings.Cut(s, " [")
		if i == 0 || !ok || strings.Contains(s, "os/signal.signal_recv") || strings.Contains(s, "runtime.ensureSigM") {
			continue
		}
		all[id] = s
	}
	return all
}

// descriptors returns what is open, nothing where the system does not tell.
func descriptors() map[string]string {
	const dir = "/proc/self/fd"
	all := make(map[string]string)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return all
	}
	for _, e := range entries {
		// The directory itself was open while it was read; it is gone now.
		if target, err := os.Readlink(dir + "/" + e.Name()); err == nil {
			all[e.Name()] = target
		}
	}
	return all
}
