//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

// The rows about clients turn the rig around: the client is the process that is
// measured, on the core of the servers, and what it talks to runs on the other
// one.

// clientSpec is what a client is to do.
type clientSpec struct {
	addr  string
	mode  mode
	conns int
	size  int
	run   *clientRun
}

// clientRun is the work of a client that goes on until it is told to stop: each
// of conns has one message or request under way.
type clientRun struct {
	messages atomic.Int64
	stopping atomic.Bool
}

// more counts a message that came back and reports whether another one is to be
// sent.
func (r *clientRun) more() bool {
	r.messages.Add(1)
	return !r.stopping.Load()
}

// clientResult is what a client prints.
type clientResult struct {
	Phase      string        `json:"phase"`
	Messages   int64         `json:"messages,omitempty"`
	CPU        time.Duration `json:"cpu_ns,omitempty"`
	Mallocs    uint64        `json:"mallocs,omitempty"`
	Bytes      uint64        `json:"bytes,omitempty"`
	Elapsed    time.Duration `json:"elapsed_ns,omitempty"`
	Base, Full serverStat    // of rows about idle clients
}

func clientCommand(args []string) error {
	s := clientSpec{run: new(clientRun)}
	fs := flag.NewFlagSet("bench client", flag.ContinueOnError)
	lib := fs.String("lib", "", "contender that has a client")
	modeName := fs.String("mode", string(modeClient), "client, client-get, client-idle")
	fs.StringVar(&s.addr, "addr", "", "the server's address, HOST:PORT")
	fs.IntVar(&s.conns, "conns", 64, "connections, or requests at a time")
	fs.IntVar(&s.size, "size", 128, "bytes of payload")
	warmUp := fs.Duration("warmup", 300*time.Millisecond, "time before the clock starts")
	duration := fs.Duration("duration", time.Second, "time measured")
	cpuProfile := fs.String("cpuprofile", "", "file for a CPU profile of the time measured")
	memProfile := fs.String("memprofile", "", "client-idle: file for a profile of what the clients hold")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, err := findContender(*lib)
	if err != nil {
		return err
	}
	if s.mode = mode(*modeName); c.client == nil || !c.can(s.mode) {
		return fmt.Errorf("%s has no client for mode %q", c.name, s.mode)
	}
	out := json.NewEncoder(os.Stdout)
	if s.mode == modeClientIdle {
		if *memProfile == "" {
			return idleClients(c, s, out)
		}
		runtime.MemProfileRate = 1
		return errors.Join(idleClients(c, s, out), writeProfile("heap", *memProfile))
	}
	wait, err := c.client(s)
	if err != nil {
		return err
	}
	time.Sleep(*warmUp)
	stop, err := profileCPU(*cpuProfile)
	if err != nil {
		return err
	}
	defer stop()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, start := s.run.messages.Load(), time.Now()
	cpu, err := processCPU(0)
	if err != nil {
		return err
	}
	time.Sleep(*duration)
	r := clientResult{Phase: "done", Messages: s.run.messages.Load() - n, Elapsed: time.Since(start)}
	if r.CPU, err = processCPU(0); err != nil {
		return err
	}
	r.CPU -= cpu
	runtime.ReadMemStats(&after)
	r.Mallocs, r.Bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	s.run.stopping.Store(true)
	if err := wait(); err != nil {
		return err
	}
	return out.Encode(r)
}

// idleClients holds clients that have had one message echoed.
func idleClients(c contender, s clientSpec, out *json.Encoder) error {
	stat := func() (st serverStat, err error) {
		pr, pw, err := os.Pipe()
		if err != nil {
			return st, err
		}
		defer pr.Close()
		if _, err := pw.WriteString("mem\n"); err != nil {
			return st, err
		}
		pw.Close()
		or, ow, err := os.Pipe()
		if err != nil {
			return st, err
		}
		defer or.Close()
		err = control(pr, json.NewEncoder(ow))
		ow.Close()
		if err != nil {
			return st, err
		}
		line, err := bufio.NewReader(or).ReadBytes('\n')
		if err != nil {
			return st, err
		}
		return st, json.Unmarshal(line, &st)
	}
	s.run.stopping.Store(true) // one message each
	few := s
	few.conns = 64
	if _, err := c.client(few); err != nil {
		return err
	}
	await := func(n int) error {
		for range 100 {
			if s.run.messages.Load() >= int64(n) {
				return nil
			}
			time.Sleep(100 * time.Millisecond)
		}
		return errors.New("not all messages came back")
	}
	if err := await(few.conns); err != nil {
		return err
	}
	r := clientResult{Phase: "done", Messages: int64(s.conns)}
	var err error
	if r.Base, err = stat(); err != nil {
		return err
	}
	if _, err := c.client(s); err != nil {
		return err
	}
	if err := await(few.conns + s.conns); err != nil {
		return err
	}
	if r.Full, err = stat(); err != nil {
		return err
	}
	return out.Encode(r)
}

// clientCell measures a client.
func (g rig) clientCell(c contender, r row) (sample, error) {
	s := sample{Row: r.id, Contender: c.name}
	partner := "server"
	m := modePlain
	if r.mode == modeClientGet {
		partner, m = "site", modeClientGet
	}
	server, err := g.start(g.loadCore, nil, "server", "-lib", partner, "-mode", string(m))
	if err != nil {
		return s, err
	}
	defer server.stop()
	var hi hello
	if err := server.next(&hi); err != nil {
		return s, err
	}
	args := []string{
		"client", "-lib", c.name, "-mode", string(r.mode), "-addr", hi.Addr, "-conns", strconv.Itoa(r.conns), "-size", strconv.Itoa(r.size),
		"-warmup", g.warmUp.String(), "-duration", g.duration.String(),
	}
	if g.profiles != "" {
		args = append(args, "-cpuprofile", g.profiles+"/"+r.id+"-"+c.name+".cpu")
	}
	client, err := g.start(g.serverCore, c.env, args...)
	if err != nil {
		return s, err
	}
	defer client.stop()
	var done clientResult
	if err := client.next(&done); err != nil {
		return s, err
	}
	n := float64(done.Messages)
	if n == 0 {
		return s, errors.New("no message came back")
	}
	s.Messages = done.Messages
	if r.mode == modeClientIdle {
		s.PerConn = float64(done.Full.RSS-done.Base.RSS) / n
		s.HeapConn = (float64(done.Full.Heap) - float64(done.Base.Heap)) / n
		s.StackConn = (float64(done.Full.Stack) - float64(done.Base.Stack)) / n
		s.Goroutines = float64(done.Full.Goroutines-done.Base.Goroutines) / n
		return s, nil
	}
	s.NsPerMsg = float64(done.CPU) / n
	s.Allocs, s.AllocBytes = float64(done.Mallocs)/n, float64(done.Bytes)/n
	s.ServerBusy = float64(done.CPU) / float64(done.Elapsed)
	return s, nil
}
