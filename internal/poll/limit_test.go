//go:build linux

package poll_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/lariat-go/websocket/internal/poll"
)

// HB7: without descriptors there is an error, and nothing is left behind.
func TestHB7NoDescriptors(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// child allows the process more and more descriptors, until a poller with two
// workers starts, which needs four.
func child() int {
	failed := func(format string, a ...any) int {
		fmt.Printf(format+"\n", a...)
		return 1
	}
	if p, err := poll.New(nil); err != nil { // opens what Go keeps open
		return failed("%v", err)
	} else {
		p.Close()
	}
	// Closes the gaps below the next number.
	next, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return failed("%v", err)
	}
	for range 64 {
		if next, err = syscall.Dup(next); err != nil {
			return failed("%v", err)
		}
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return failed("%v", err)
	}
	for free := range 5 {
		limit.Cur = uint64(next + 1 + free)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return failed("%v", err)
		}
		p, err := poll.New(&poll.Options{Workers: 2})
		switch {
		case free < 4 && !errors.Is(err, syscall.EMFILE):
			return failed("%d descriptors: %v, want EMFILE", free, err)
		case free == 4 && err != nil:
			return failed("%d descriptors: %v: something was left open", free, err)
		case err == nil:
			p.Close()
		}
		fd, err := syscall.Dup(0)
		if free > 0 && fd != next+1 {
			return failed("%d descriptors: the next one is %d, %v; want %d: something was left open", free, fd, err, next+1)
		}
		syscall.Close(fd)
	}
	return 0
}

func TestAddFails(t *testing.T) {
	p := newPoller(t, 1)
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &source{ready: func(*poll.Worker, poll.Events) {}}
	for range 1000 { // a regular file has no events
		if err := p.Add(&s.d, int(f.Fd()), s); !errors.Is(err, syscall.EPERM) {
			t.Fatalf("%v, want EPERM", err)
		}
	}
	if _, err := f.Read(make([]byte, 1)); err != nil {
		t.Errorf("the descriptor is not the caller's any more: %v", err)
	}
	fd, _ := pair(t)
	s.add(t, p, fd) // the Desc is as it was
	other, _ := pair(t)
	if err := p.Add(&s.d, other, s); err == nil {
		t.Error("a Desc was added twice")
	}
	late := &source{ready: s.ready}
	p.Close()
	if err := p.Add(&late.d, other, late); !errors.Is(err, os.ErrClosed) && err == nil {
		t.Error("a poller that is closed took a descriptor")
	}
	syscall.Close(other)
}
