//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// hello is the first line a server prints.
type hello struct {
	Addr string `json:"addr"`
	PID  int    `json:"pid"`
}

// serverStat answers the lines stat and mem on a server's standard input.
type serverStat struct {
	CPU        time.Duration `json:"cpu_ns"`
	Mallocs    uint64        `json:"mallocs"`
	TotalAlloc uint64        `json:"total_alloc"`
	Heap       uint64        `json:"heap"`
	Goroutines int           `json:"goroutines"`
	RSS        int64         `json:"rss,omitempty"` // mem only, after a collection
}

// serverCommand serves until its standard input ends.
func serverCommand(args []string) error {
	fs := flag.NewFlagSet("bench server", flag.ContinueOnError)
	lib := fs.String("lib", "", "contender: "+strings.Join(contenderNames(), ", "))
	modeName := fs.String("mode", string(modePlain), "plain, tls, deflate (no takeover), takeover, broadcast")
	addr := fs.String("addr", "127.0.0.1:0", "where to listen")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, err := findContender(*lib)
	if err != nil {
		return err
	}
	if !c.can(mode(*modeName)) {
		return fmt.Errorf("%s has no mode %q", c.name, *modeName)
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	hi := hello{Addr: ln.Addr().String(), PID: os.Getpid()}
	if mode(*modeName) == modeTLS {
		if ln, err = listenTLS(ln); err != nil {
			return err
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- c.serve(ln, mode(*modeName)) }()
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(hi); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- control(os.Stdin, out) }()
	select {
	case err := <-failed:
		return err
	case err := <-done:
		return err
	}
}

// control answers one line after the other until in ends.
func control(in io.Reader, out *json.Encoder) error {
	sc := bufio.NewScanner(in)
	for sc.Scan() {
		var st serverStat
		if sc.Text() == "mem" {
			// Twice: the first run empties the pools into their victims and
			// shrinks stacks, the second frees the victims.
			for range 3 {
				runtime.GC()
			}
			debug.FreeOSMemory()
		}
		var ms runtime.MemStats
		runtime.ReadMemStats(&ms)
		st.Mallocs, st.TotalAlloc, st.Heap = ms.Mallocs, ms.TotalAlloc, ms.HeapAlloc
		st.Goroutines = runtime.NumGoroutine()
		var err error
		if sc.Text() == "mem" {
			if st.RSS, err = residentBytes(); err != nil {
				return err
			}
		}
		if st.CPU, err = processCPU(0); err != nil {
			return err
		}
		if err := out.Encode(st); err != nil {
			return err
		}
	}
	return sc.Err()
}
