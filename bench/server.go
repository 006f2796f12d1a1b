//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
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
	Heap       uint64        `json:"heap"`  // bytes of live and not yet swept objects
	Stack      uint64        `json:"stack"` // bytes of goroutines' stacks
	Goroutines int           `json:"goroutines"`
	RSS        int64         `json:"rss,omitempty"` // mem only, after a collection
}

// serverCommand serves until its standard input ends.
func serverCommand(args []string) (err error) {
	fs := flag.NewFlagSet("bench server", flag.ContinueOnError)
	lib := fs.String("lib", "", "contender: "+strings.Join(contenderNames(), ", "))
	modeName := fs.String("mode", string(modePlain), "plain, tls, deflate (no takeover), takeover, broadcast, sleep, http, h2c, get")
	addr := fs.String("addr", "127.0.0.1:0", "where to listen")
	cpuProfile := fs.String("cpuprofile", "", "file for a CPU profile, written at the end")
	memProfile := fs.String("memprofile", "", "file for a profile of all allocations, written at the end; slows the server down")
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
	if *memProfile != "" {
		runtime.MemProfileRate = 1
		defer func() { err = errors.Join(err, writeProfile("allocs", *memProfile)) }()
	}
	stop, err := profileCPU(*cpuProfile)
	if err != nil {
		return err
	}
	defer stop()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	hi := hello{Addr: ln.Addr().String(), PID: os.Getpid()}
	if ln, err = c.listener(ln, mode(*modeName)); err != nil {
		return err
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

// profileCPU writes a profile to a file, "" for none, until stop is called.
func profileCPU(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func writeProfile(name, file string) error {
	runtime.GC() // what came after the last collection is not in the profile
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(name).WriteTo(f, 0), f.Close())
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
		st.Mallocs, st.TotalAlloc, st.Heap, st.Stack = ms.Mallocs, ms.TotalAlloc, ms.HeapAlloc, ms.StackInuse
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
