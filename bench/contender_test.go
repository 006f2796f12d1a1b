//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listen starts a contender and returns what a load needs to know of it.
func listen(t *testing.T, c contender, m mode) loadSpec {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	s := loadSpec{
		addr: ln.Addr().String(), mode: m, raw: c.raw, conns: 3, size: 1000, inFlight: 5,
		tls: c.secure(m), h2: c.over == overH2, streams: 2,
	}
	if ln, err = c.listener(ln, m); err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.serve(ln, m) }()
	return s
}

// TestMain sees to it that net/http has extended CONNECT, which it asks the
// environment for before there is a main.
func TestMain(m *testing.M) {
	const want = "http2xconnect=1"
	if old := os.Getenv("GODEBUG"); !strings.Contains(old, want) {
		if err := errors.Join(
			os.Setenv("GODEBUG", strings.Trim(old+","+want, ",")),
			unix.Exec("/proc/self/exe", os.Args, os.Environ()),
		); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func quiet() *phases {
	return &phases{in: bufio.NewReader(nil), out: json.NewEncoder(io.Discard)}
}

// Every contender echoes every payload unchanged, in every mode it has.
func TestContendersEcho(t *testing.T) {
	for _, c := range contenders() {
		for _, m := range c.modes {
			if m == modeSleep || m == modeGet || m.ofClients() {
				continue // these have tests of their own
			}
			t.Run(c.name+"/"+string(m), func(t *testing.T) {
				for _, size := range []int{128, 1000, 20_000, 300_000} {
					compressed := m == modeDeflate || m == modeTakeover
					if m == modeBroadcast && size > 1000 || compressed && size > 20_000 {
						break
					}
					s := listen(t, c, m)
					s.size = size
					if m == modeBroadcast {
						s.inFlight = 1
					}
					if compressed {
						s.size = max(1000, size)
					}
					e, err := newEngine(s)
					if err != nil {
						t.Fatal(err)
					}
					e.checking = true
					for range 15 {
						if err := e.run(0); err != nil {
							t.Fatalf("%d bytes: %v", size, err)
						}
					}
					if err := e.run(time.Millisecond); err != nil {
						t.Fatalf("%d bytes: %v", size, err)
					}
					e.close()
				}
			})
		}
	}
}

// Every contender answers a close frame and ends the connection.
func TestContendersClose(t *testing.T) {
	for _, c := range contenders() {
		if !c.can(modePlain) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := listen(t, c, modePlain)
			s.duration, s.warmUp = time.Millisecond, time.Millisecond
			if err := loadHandshake(s, quiet()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestContendersIdle(t *testing.T) {
	for _, c := range contenders() {
		for _, m := range c.modes {
			if m == modeBroadcast || m == modeSleep || m == modeGet || m.ofClients() {
				continue
			}
			t.Run(c.name+"/"+string(m), func(t *testing.T) {
				load := loadIdle
				if c.over == overH2 {
					load = loadIdleStreams
				}
				if err := load(listen(t, c, m), quiet()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// Every contender of the mode answers GETs with the bytes asked for, many at a
// time.
func TestContendersGet(t *testing.T) {
	for _, c := range contenders() {
		if !c.can(modeGet) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1 << 10, 64 << 10} {
				s := listen(t, c, modeGet)
				s.kind, s.conns, s.streams, s.size, s.inFlight = kindGet, 20, 10, size, 1
				e, err := newEngine(s)
				if err != nil {
					t.Fatal(err)
				}
				defer e.close()
				e.checking = true
				for range 2 {
					if err := e.run(10 * time.Millisecond); err != nil {
						t.Fatalf("%d bytes: %v", size, err)
					}
					if e.received < int64(s.conns) || e.received != e.sent {
						t.Fatalf("%d bytes: %d of %d answered", size, e.received, e.sent)
					}
				}
			}
		})
	}
}

// Every contender answers connections that wake together, again and again.
func TestContendersWake(t *testing.T) {
	for _, c := range contenders() {
		if !c.can(modePlain) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := listen(t, c, modePlain)
			s.conns, s.size, s.inFlight = 200, 128, 1
			e, err := newEngine(s)
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			e.checking = true
			for range 3 {
				if err := e.wake(); err != nil {
					t.Fatal(err)
				}
				if len(e.latencies) != s.conns || e.received != int64(s.conns) {
					t.Fatalf("%d connections woke: %d answers, %d latencies", s.conns, e.received, len(e.latencies))
				}
			}
		})
	}
}

// Every contender that has the mode sleeps before the answer it is told to, and
// only then.
func TestContendersSleep(t *testing.T) {
	for _, c := range contenders() {
		if !c.can(modeSleep) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, c, modeSleep)
			s.conns, s.size, s.inFlight = 1, 128, 1
			e, err := newEngine(s)
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			e.checking, e.timed = true, true
			start := time.Now()
			for range 100 {
				if err := e.run(0); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(start); len(e.latencies) != 99 || took >= 2*napTime {
				t.Errorf("100 messages: %d did not sleep, %v in all", len(e.latencies), took)
			}
		})
	}
}

func TestP99(t *testing.T) {
	var d []time.Duration
	if v := p99(d); v != 0 {
		t.Errorf("p99 of nothing is %v", v)
	}
	for i := range 200 {
		d = append(d, time.Duration(200-i)*time.Millisecond)
	}
	if v := p99(d); v != 198 {
		t.Errorf("p99 of 1 to 200 ms is %v", v)
	}
}

// The rows name modes and contenders that exist, and bars name rows.
func TestRowsAndBars(t *testing.T) {
	ids := make(map[string]bool)
	for _, r := range rows(false) {
		if ids[r.id] {
			t.Errorf("two rows %s", r.id)
		}
		ids[r.id] = true
	}
	for _, b := range bars() {
		if _, err := findContender(b.contender); err != nil || !ids[b.row] {
			t.Errorf("bar of %s in row %s: no such row or contender", b.contender, b.row)
		}
	}
}

// Every client gets back what it sends, and ends when it is told to.
func TestClients(t *testing.T) {
	for _, c := range contenders() {
		for _, m := range c.modes {
			if c.client == nil || !m.ofClients() {
				continue
			}
			t.Run(c.name+"/"+string(m), func(t *testing.T) {
				partner, serves := "server", modePlain
				if m == modeClientGet {
					partner, serves = "site", modeClientGet
				}
				server, err := findContender(partner)
				if err != nil {
					t.Fatal(err)
				}
				s := clientSpec{addr: listen(t, server, serves).addr, mode: m, conns: 3, size: 1 << 10, run: new(clientRun)}
				s.run.stopping.Store(m == modeClientIdle)
				wait, err := c.client(s)
				if err != nil {
					t.Fatal(err)
				}
				for deadline := time.Now().Add(10 * time.Second); s.run.messages.Load() < 3; runtime.Gosched() {
					if time.Now().After(deadline) {
						t.Fatal("no messages came back")
					}
				}
				if m == modeClientIdle {
					return // it would be for good
				}
				s.run.stopping.Store(true)
				if err := wait(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
