//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// sample is what one cell gave in one round.
type sample struct {
	Row        string  `json:"row"`
	Contender  string  `json:"contender"`
	Round      int     `json:"round"`
	Messages   int64   `json:"messages"`
	NsPerMsg   float64 `json:"ns_per_message,omitempty"`  // server CPU
	Allocs     float64 `json:"allocs_per_message"`        // objects
	AllocBytes float64 `json:"bytes_alloced_per_message"` // heap
	Wire       float64 `json:"wire_bytes_per_message,omitempty"`
	PerConn    float64 `json:"resident_bytes_per_conn,omitempty"`
	HeapConn   float64 `json:"heap_bytes_per_conn,omitempty"`  // of PerConn, the heap's objects
	StackConn  float64 `json:"stack_bytes_per_conn,omitempty"` // and the goroutines' stacks
	ServerBusy float64 `json:"server_busy,omitempty"`          // share of the time that the server's core worked for it
	LoadBusy   float64 `json:"load_busy,omitempty"`
	Err        string  `json:"error,omitempty"`
}

// rig is where and how long a cell is measured.
type rig struct {
	self                 string // this program
	serverCore, loadCore int    // negative: any
	warmUp, duration     time.Duration
	profiles             string // folder for the servers' profiles, "": none
	allocProfiles        bool
}

// child is a process that prints lines of JSON and reads lines.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *bytes.Buffer
}

func (g rig) start(core int, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(g.self, args...), errors: new(bytes.Buffer)}
	c.cmd.Stderr = c.errors
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, startPinned(c.cmd, core)
}

// next reads a line into v.
func (c *child) next(v any) error {
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		_ = c.cmd.Wait()
		msg := strings.TrimSpace(c.errors.String())
		if i := strings.IndexByte(msg, '\n'); i > 0 {
			msg = msg[:i]
		}
		return fmt.Errorf("%s ended: %s", c.cmd.Args[1], msg)
	}
	return json.Unmarshal(line, v)
}

func (c *child) ask(line string, v any) error {
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		return err
	}
	return c.next(v)
}

// stop ends the process: both commands end with their standard input; one that
// does not within a second is killed.
func (c *child) stop() {
	_ = c.in.Close()
	t := time.AfterFunc(time.Second, func() { _ = c.cmd.Process.Kill() })
	defer t.Stop()
	_ = c.cmd.Wait()
}

// cell measures one contender in one row. Each cell has a server process of its
// own, so that none inherits another's heap.
func (g rig) cell(c contender, r row) (sample, error) {
	s := sample{Row: r.id, Contender: c.name}
	args := []string{"server", "-lib", c.name, "-mode", string(r.mode)}
	if g.profiles != "" {
		name := filepath.Join(g.profiles, r.id+"-"+strings.TrimSuffix(c.name, "*"))
		if c.name == "gobwas*" {
			name += "-gather"
		}
		args = append(args, "-cpuprofile", name+".cpu")
		if g.allocProfiles {
			args = append(args, "-memprofile", name+".allocs")
		}
	}
	server, err := g.start(g.serverCore, args...)
	if err != nil {
		return s, err
	}
	defer server.stop()
	var hi hello
	if err := server.next(&hi); err != nil {
		return s, err
	}
	if r.kind == kindIdle {
		// The first connections bring code, pools and runtime structures into
		// memory that the later ones share.
		few := r
		few.conns = 64
		if _, err := g.load(c, few, hi, nil); err != nil {
			return s, err
		}
		var base, full serverStat
		if err := server.ask("mem", &base); err != nil {
			return s, err
		}
		if _, err := g.load(c, r, hi, func() error { return server.ask("mem", &full) }); err != nil {
			return s, err
		}
		s.Messages = int64(r.conns)
		s.PerConn = float64(full.RSS-base.RSS) / float64(r.conns)
		s.HeapConn = (float64(full.Heap) - float64(base.Heap)) / float64(r.conns)
		s.StackConn = (float64(full.Stack) - float64(base.Stack)) / float64(r.conns)
		return s, nil
	}
	// The first question shows what a question allocates.
	var idle, before, after serverStat
	done, err := g.load(c, r, hi, func() error {
		return errors.Join(server.ask("stat", &idle), server.ask("stat", &before))
	})
	if err != nil {
		return s, err
	}
	if err := server.ask("stat", &after); err != nil {
		return s, err
	}
	if done.Messages == 0 {
		return s, errors.New("no message came back")
	}
	n := float64(done.Messages)
	s.Messages = done.Messages
	s.NsPerMsg = float64(done.ServerCPU) / n
	s.Wire = float64(done.WireBytes) / n
	s.Allocs = max(0, float64(after.Mallocs-before.Mallocs)-float64(before.Mallocs-idle.Mallocs)) / n
	s.AllocBytes = max(0, float64(after.TotalAlloc-before.TotalAlloc)-float64(before.TotalAlloc-idle.TotalAlloc)) / n
	s.ServerBusy = float64(done.ServerCPU) / float64(done.Elapsed)
	s.LoadBusy = float64(done.LoadCPU) / float64(done.Elapsed)
	return s, nil
}

// load runs a load process through its phases. atReady is called between
// warm-up and measurement.
func (g rig) load(c contender, r row, hi hello, atReady func() error) (loadResult, error) {
	var res loadResult
	l, err := g.start(g.loadCore, "load", "-step",
		"-addr", hi.Addr, "-pid", strconv.Itoa(hi.PID), "-kind", r.kind, "-mode", string(r.mode),
		"-raw="+strconv.FormatBool(c.name == raw),
		"-conns", strconv.Itoa(r.conns), "-size", strconv.Itoa(r.size), "-inflight", strconv.Itoa(r.inFlight),
		"-warmup", g.warmUp.String(), "-duration", g.duration.String())
	if err != nil {
		return res, err
	}
	defer l.stop()
	if err := l.next(&res); err != nil {
		return res, err
	}
	if atReady != nil {
		if err := atReady(); err != nil {
			return res, err
		}
	}
	return res, l.ask("", &res)
}

// newRig finds this program and two cores.
func newRig(serverCore, loadCore int) (rig, error) {
	g := rig{serverCore: serverCore, loadCore: loadCore}
	var err error
	if g.self, err = os.Executable(); err != nil {
		return g, err
	}
	list, err := cores()
	if err != nil {
		return g, err
	}
	if g.serverCore == auto {
		g.serverCore = -1
		if len(list) > 1 {
			g.serverCore = list[0]
		}
	}
	if g.loadCore == auto {
		g.loadCore = -1
		if len(list) > 1 {
			g.loadCore = list[1]
		}
	}
	return g, nil
}

// auto asks newRig to choose a core.
const auto = -2
