//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"testing"
	"time"
)

// listen starts a contender and returns what a load needs to know of it.
func listen(t *testing.T, c contender, m mode) loadSpec {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	s := loadSpec{addr: ln.Addr().String(), mode: m, raw: c.name == raw, conns: 3, size: 1000, inFlight: 5}
	if m == modeTLS {
		if ln, err = listenTLS(ln); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _ = c.serve(ln, m) }()
	return s
}

func quiet() *phases {
	return &phases{in: bufio.NewReader(nil), out: json.NewEncoder(io.Discard)}
}

// Every contender echoes every payload unchanged, in every mode it has.
func TestContendersEcho(t *testing.T) {
	for _, c := range contenders() {
		for _, m := range c.modes {
			if m == modeTLS {
				continue // idle only
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
			if m == modeBroadcast {
				continue
			}
			t.Run(c.name+"/"+string(m), func(t *testing.T) {
				if err := loadIdle(listen(t, c, m), quiet()); err != nil {
					t.Fatal(err)
				}
			})
		}
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
