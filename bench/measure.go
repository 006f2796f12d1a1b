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
	Goroutines float64 `json:"goroutines_per_conn,omitempty"`
	P99        float64 `json:"p99_ms,omitempty"`
	ServerBusy float64 `json:"server_busy,omitempty"` // share of the time that the server's core worked for it
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

func (g rig) start(core int, env []string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(g.self, args...), errors: new(bytes.Buffer)}
	c.cmd.Stderr = c.errors
	c.cmd.Env = append(c.cmd.Environ(), env...)
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

// tell writes a line.
func (c *child) tell(line string) error {
	_, err := io.WriteString(c.in, line+"\n")
	return err
}

func (c *child) ask(line string, v any) error {
	return errors.Join(c.tell(line), c.next(v))
}

// stop ends the process: both commands end with their standard input; one that
// does not within a second is killed.
func (c *child) stop() {
	_ = c.in.Close()
	t := time.AfterFunc(time.Second, func() { _ = c.cmd.Process.Kill() })
	defer t.Stop()
	_ = c.cmd.Wait()
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
