//go:build linux

package main

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// S2.2, S2.4 to S2.7, S2.11: everything on one connection, over either version.
func TestProcessLess(t *testing.T) {
	for major, want := range map[int]string{
		1: "response: 200\nbody: \"Hello over HTTP/1.1\"\nupgraded: 101\nmessage: \"Hello\"\n",
		2: "response: 200\nbody: \"Hello over HTTP/2.0\"\nupgraded: 200\nmessage: \"Hello\"\n",
	} {
		var out strings.Builder
		if err := run(&out, "", "/ws", major); err != nil {
			t.Errorf("HTTP/%d: %v", major, err)
		}
		if got := out.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "1000") {
			t.Errorf("HTTP/%d: it says %q, want %q and how it ended", major, got, want)
		}
	}
}

// A path where there is nothing: the refusal is the error.
func TestRefused(t *testing.T) {
	for major := 1; major <= 2; major++ {
		var out strings.Builder
		err := run(&out, "", "/nowhere", major)
		if !errors.Is(err, handshake.ErrStatus) || strings.Contains(out.String(), "upgraded") {
			t.Errorf("HTTP/%d: %v, it says %q", major, err, out.String())
		}
	}
}

func TestErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	for _, addr := range []string{addr, "[::1]:1", "nowhere", "127.0.0.1"} {
		var out strings.Builder
		if err := run(&out, addr, "/ws", 1); err == nil || out.Len() > 0 {
			t.Errorf("%s: no error, but %q", addr, out.String())
		}
	}
}
