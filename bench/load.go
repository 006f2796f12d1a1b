//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// loadSpec is one cell's work, as seen from the client.
type loadSpec struct {
	addr     string
	pid      int // the server's process, 0: no CPU figures
	kind     string
	mode     mode
	raw      bool // the server is a bare echo: no handshake but HTTP/2's, frames come back masked
	tls      bool
	h2       bool // HTTP/2, with prior knowledge where there is no TLS
	conns    int  // WebSockets; in GET loads, requests at a time
	streams  int  // over HTTP/2: how many of conns share a connection; 0: none does
	size     int
	inFlight int
	warmUp   time.Duration
	duration time.Duration
	step     bool // wait for a line on standard input between the phases
}

// The kinds of work.
const (
	kindEcho      = "echo"
	kindIdle      = "idle"
	kindHandshake = "handshake"
	kindWake      = "wake"
	kindGet       = "get"
)

// loadResult is printed as a line of JSON: once with Phase ready, when the
// warm-up is over, and once with Phase done.
type loadResult struct {
	Phase     string        `json:"phase"`
	Messages  int64         `json:"messages,omitempty"`
	WireBytes int64         `json:"wire_bytes,omitempty"`
	ServerCPU time.Duration `json:"server_cpu_ns,omitempty"`
	LoadCPU   time.Duration `json:"load_cpu_ns,omitempty"`
	Elapsed   time.Duration `json:"elapsed_ns,omitempty"`
	// Latencies are from send to answer, in the rows that are about them.
	Latencies []time.Duration `json:"latencies_ns,omitempty"`
}

// ring builds the frames of a spec.
func (s loadSpec) ring() (*frameRing, error) {
	switch s.mode {
	case modeDeflate, modeTakeover:
		ps, err := jsonPayloads(max(64, s.inFlight), s.size)
		if err != nil {
			return nil, err
		}
		takeover := s.mode == modeTakeover
		comp, err := compressor(takeover)
		if err != nil {
			return nil, err
		}
		r, err := newRing(opText, ps, s.inFlight, comp)
		if r != nil {
			// The sequence starts over with a message that refers to none
			// before it, so the stream stays valid.
			r.chain = takeover
		}
		return r, err
	case modeSleep:
		// Every connection begins somewhere else in the sequence, so each
		// hundredth message of a connection sleeps, and not all at once.
		ps := randomPayloads(100, s.size)
		for _, p := range ps {
			p[0] = 0
		}
		ps[len(ps)-1][0] = sleepMark
		r, err := newRing(opBinary, ps, s.inFlight, nil)
		if r != nil {
			r.sleeper = true
		}
		return r, err
	}
	return newRing(opBinary, randomPayloads(s.inFlight, s.size), s.inFlight, nil)
}

func loadCommand(args []string) error {
	var s loadSpec
	fs := flag.NewFlagSet("bench load", flag.ContinueOnError)
	fs.StringVar(&s.addr, "addr", "", "the server's address, HOST:PORT")
	fs.IntVar(&s.pid, "pid", 0, "the server's process, for its CPU clock")
	fs.StringVar(&s.kind, "kind", kindEcho, "echo, idle, handshake, wake, get (HTTP/2 only)")
	modeName := fs.String("mode", string(modePlain), "plain, tls (idle only), deflate, takeover, broadcast, sleep, http, h2c, get")
	fs.BoolVar(&s.raw, "raw", false, "the server is a bare echo")
	fs.BoolVar(&s.tls, "tls", false, "connect with TLS")
	fs.BoolVar(&s.h2, "h2", false, "speak HTTP/2, after ALPN with -tls, with prior knowledge without")
	fs.IntVar(&s.conns, "conns", 64, "WebSockets (handshake, get: at a time)")
	fs.IntVar(&s.streams, "streams", 1, "with -h2: how many of -conns share a connection")
	fs.IntVar(&s.size, "size", 128, "bytes of payload")
	fs.IntVar(&s.inFlight, "inflight", 1, "messages under way on each connection (idle: messages echoed before it falls idle)")
	fs.DurationVar(&s.warmUp, "warmup", 300*time.Millisecond, "time before the clock starts")
	fs.DurationVar(&s.duration, "duration", time.Second, "time measured")
	fs.BoolVar(&s.step, "step", false, "wait for a line on standard input between the phases")
	if err := fs.Parse(args); err != nil {
		return err
	}
	s.mode = mode(*modeName)
	if s.mode == modeSleep && (s.size < 1 || s.inFlight > 1) {
		return fmt.Errorf("-mode sleep -size %d -inflight %d: use a size above 0 and one in flight", s.size, s.inFlight)
	}
	if s.kind == kindGet && (!s.h2 || s.inFlight > 1) {
		return errors.New("-kind get: use -h2 and -inflight 1, and -conns and -streams for more at a time")
	}
	if s.conns < 1 || s.size < 0 || s.inFlight < 1 {
		return fmt.Errorf("-conns %d -size %d -inflight %d: use numbers above 0", s.conns, s.size, s.inFlight)
	}
	io := &phases{step: s.step, in: bufio.NewReader(os.Stdin), out: json.NewEncoder(os.Stdout)}
	switch s.kind {
	case kindEcho, kindGet:
		return loadEcho(s, io)
	case kindIdle:
		if s.h2 {
			return loadIdleStreams(s, io)
		}
		return loadIdle(s, io)
	case kindHandshake:
		return loadHandshake(s, io)
	case kindWake:
		return loadWake(s, io)
	}
	return fmt.Errorf("unknown -kind %q: use echo, idle, handshake, wake or get", s.kind)
}

// phases tells the orchestrator where the work stands.
type phases struct {
	step bool
	in   *bufio.Reader
	out  *json.Encoder
}

// ready says that the warm-up is over and waits to be told to go on.
func (p *phases) ready() error {
	if !p.step {
		return nil
	}
	if err := p.out.Encode(loadResult{Phase: "ready"}); err != nil {
		return err
	}
	_, err := p.in.ReadString('\n')
	if err == io.EOF {
		return fmt.Errorf("standard input ended before the measurement")
	}
	return err
}

// again waits to be told to measure once more; false: that was all.
func (p *phases) again() (bool, error) {
	if !p.step {
		return false, nil
	}
	_, err := p.in.ReadString('\n')
	if err == io.EOF {
		return false, nil
	}
	return err == nil, err
}

// measure runs f and fills in what it took.
func (p *phases) measure(s loadSpec, f func(*loadResult) error) error {
	clock := func(pid int) (time.Duration, error) {
		if pid == 0 {
			return 0, nil
		}
		return processCPU(pid)
	}
	start := time.Now()
	server, err := clock(s.pid)
	if err != nil {
		return err
	}
	own, err := processCPU(0)
	if err != nil {
		return err
	}
	r := loadResult{Phase: "done"}
	if err := f(&r); err != nil {
		return err
	}
	r.Elapsed = time.Since(start)
	if r.ServerCPU, err = clock(s.pid); err != nil {
		return err
	}
	r.ServerCPU -= server
	if r.LoadCPU, err = processCPU(0); err != nil {
		return err
	}
	r.LoadCPU -= own
	return p.out.Encode(r)
}

// loadEcho is the work of the echo, broadcast and GET rows.
func loadEcho(s loadSpec, p *phases) error {
	runtime.LockOSThread()
	e, err := newEngine(s)
	if err != nil {
		return err
	}
	defer e.close()
	e.checking = true
	for range 4 {
		if err := e.run(0); err != nil {
			return err
		}
	}
	e.checking = false
	if err := e.run(s.warmUp); err != nil {
		return err
	}
	if !s.tls {
		debug.SetGCPercent(-1) // the engine makes no garbage while it runs
	}
	if err := p.ready(); err != nil {
		return err
	}
	e.timed = s.mode == modeSleep
	return p.measure(s, func(r *loadResult) error {
		err := e.run(s.duration)
		if err == nil && s.mode != modeBroadcast && e.sent != e.received {
			err = fmt.Errorf("%d messages sent, %d came back", e.sent, e.received)
		}
		r.Messages, r.WireBytes, r.Latencies = e.received, e.wireBytes, e.latencies
		return err
	})
}

// loadIdleStreams is loadIdle over HTTP/2.
func loadIdleStreams(s loadSpec, p *phases) error {
	runtime.LockOSThread()
	messages := s.inFlight
	s.inFlight = 1
	e, err := newEngine(s)
	if err != nil {
		return err
	}
	defer e.close()
	e.checking = true
	for range messages {
		if err := e.run(0); err != nil {
			return err
		}
	}
	if err := p.ready(); err != nil {
		return err
	}
	if err := e.run(0); err != nil {
		return fmt.Errorf("after they were idle: %w", err)
	}
	return p.out.Encode(loadResult{Phase: "done", Messages: e.received})
}

// loadWake holds connections that have had one message echoed, and wakes all of
// them as often as it is told to.
func loadWake(s loadSpec, p *phases) error {
	runtime.LockOSThread()
	e, err := newEngine(s)
	if err != nil {
		return err
	}
	defer e.close()
	e.checking = true
	if err := e.run(0); err != nil {
		return err
	}
	e.checking = false
	e.latencies = make([]time.Duration, 0, s.conns)
	debug.SetGCPercent(-1)
	if err := p.ready(); err != nil {
		return err
	}
	for {
		err := p.measure(s, func(r *loadResult) error {
			err := e.wake()
			r.Messages, r.WireBytes, r.Latencies = e.received, e.wireBytes, e.latencies
			return err
		})
		if err != nil {
			return err
		}
		if more, err := p.again(); !more {
			return err
		}
	}
}
