//go:build linux

package main

import (
	"fmt"
	"strings"
)

// unit is what a row's cells hold.
type unit string

const (
	unitRatio unit = "× rawtcp" // server CPU per message, divided by rawtcp's of the same round
	unitCPU   unit = "µs"       // server CPU per message or connection
	unitBytes unit = "B/conn"   // resident bytes per connection
	unitP99   unit = "ms (p99)" // from send to answer, 99 of 100 in less
)

// row is one line of the table: a kind of work.
type row struct {
	id       string
	title    string
	kind     string
	mode     mode
	conns    int
	streams  int // over HTTP/2: WebSockets or requests of conns on a connection; 0: one
	size     int
	inFlight int // idle: messages echoed on each connection before it falls idle
	unit     unit
	wire     bool // the cell shows the bytes received per message as well
	allocs   bool // a second line shows allocations per message
	loaders  int  // load processes that share the connections; 0: one
	once     bool // only in the first round: it takes long, and hardly varies
}

func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// rows returns all rows in the table's order.
func rows(quick bool) []row {
	var rs []row
	for _, c := range []struct {
		id                string
		conns, size, many int
		allocs            bool
	}{
		{"64x128Bx1", 64, 128, 1, true},
		{"64x128Bx32", 64, 128, 32, true},
		{"64x1KiBx32", 64, 1 << 10, 32, false},
		{"64x16KiBx1", 64, 16 << 10, 1, true},
		{"64x16KiBx32", 64, 16 << 10, 32, false},
		{"64x1MiBx1", 64, 1 << 20, 1, true},
		{"1000x128Bx1", 1000, 128, 1, false},
		{"1000x128Bx32", 1000, 128, 32, false},
	} {
		rs = append(rs, row{
			id: c.id, title: fmt.Sprintf("%d conns, %s, %d in flight", c.conns, sizeName(c.size), c.many),
			kind: kindEcho, mode: modePlain, conns: c.conns, size: c.size, inFlight: c.many, unit: unitRatio, allocs: c.allocs,
		})
	}
	for _, c := range []struct {
		id   string
		mode mode
		size int
		name string
	}{
		{"deflate1KiB", modeDeflate, 1 << 10, "no takeover"},
		{"deflate16KiB", modeDeflate, 16 << 10, "no takeover"},
		{"takeover1KiB", modeTakeover, 1 << 10, "takeover"},
		{"takeover16KiB", modeTakeover, 16 << 10, "takeover"},
	} {
		rs = append(rs, row{
			id: c.id, title: fmt.Sprintf("64 conns, JSON %s, %s (bytes on the wire)", sizeName(c.size), c.name),
			kind: kindEcho, mode: c.mode, conns: 64, size: c.size, inFlight: 1, unit: unitCPU, wire: true, allocs: true,
		})
	}
	tlsConns := 9000
	if quick {
		tlsConns = 4000
	}
	rs = append(
		rs,
		row{id: "idle", title: "idle after one message of 1 KiB, 9000 conns", kind: kindIdle, mode: modePlain, conns: 9000, size: 1 << 10, inFlight: 1, unit: unitBytes},
		row{id: "idle-tls", title: fmt.Sprintf("the same over TLS, %d conns", tlsConns), kind: kindIdle, mode: modeTLS, conns: tlsConns, size: 1 << 10, inFlight: 1, unit: unitBytes},
		row{id: "idle-deflate", title: "idle, no takeover, 1000 conns after 64 messages of JSON 1 KiB", kind: kindIdle, mode: modeDeflate, conns: 1000, size: 1 << 10, inFlight: 64, unit: unitBytes},
		row{id: "idle-takeover", title: "idle, takeover, 1000 conns after 64 messages of JSON 1 KiB", kind: kindIdle, mode: modeTakeover, conns: 1000, size: 1 << 10, inFlight: 64, unit: unitBytes},
		row{id: "idle19k", title: "idle after one message of 1 KiB, 19000 conns", kind: kindIdle, mode: modePlain, conns: 19000, size: 1 << 10, inFlight: 1, unit: unitBytes, loaders: 2, once: true},
		row{id: "idle19k-tls", title: "the same over TLS, 19000 conns", kind: kindIdle, mode: modeTLS, conns: 19000, size: 1 << 10, inFlight: 1, unit: unitBytes, loaders: 2, once: true},
		row{id: "handshake", title: "upgrade and close, per connection", kind: kindHandshake, mode: modePlain, conns: 16, inFlight: 1, size: 1, unit: unitCPU},
		row{id: "broadcast", title: "broadcast of 128 B to 1000, per delivery", kind: kindEcho, mode: modeBroadcast, conns: 1000, size: 128, inFlight: 1, unit: unitRatio},
		row{id: "wake", title: "10000 idle conns woken at once by 128 B each", kind: kindWake, mode: modePlain, conns: 10000, size: 128, inFlight: 1, unit: unitP99, loaders: 2},
		row{id: "sleep", title: "64 conns, 128 B, every hundredth callback sleeps 1 s: the others", kind: kindEcho, mode: modeSleep, conns: 64, size: 128, inFlight: 1, unit: unitP99},
	)
	return append(append(rs, httpRows()...), clientRows()...)
}

// clientRows are those about clients, in a table of their own.
func clientRows() []row {
	return []row{
		{id: "client-64x128Bx1", title: "64 connections, 128 B, 1 in flight: the client's CPU", mode: modeClient, conns: 64, size: 128, unit: unitRatio, allocs: true},
		{id: "client-64x16KiBx1", title: "64 connections, 16 KiB, 1 in flight: the client's CPU", mode: modeClient, conns: 64, size: 16 << 10, unit: unitRatio, allocs: true},
		{id: "client-get1", title: "GET of 1 KiB on one connection, one at a time", mode: modeClientGet, conns: 1, size: 1 << 10, unit: unitCPU, allocs: true},
		{id: "client-get16", title: "GET of 1 KiB on one connection, 16 at a time (HTTP/1.1: in turn)", mode: modeClientGet, conns: 16, size: 1 << 10, unit: unitCPU, allocs: true},
		{id: "client-idle", title: "1000 clients, idle after one message of 128 B", mode: modeClientIdle, conns: 1000, size: 128, unit: unitBytes},
	}
}

// aboutClients says whether a row is one of clientRows.
func (r row) aboutClients() bool { return r.mode.ofClients() }

// httpRows are those about HTTP/2, in a table of their own.
func httpRows() []row {
	var rs []row
	for _, c := range []struct {
		id                   string
		mode                 mode
		conns, streams, size int
		note                 string
	}{
		{"h2-64x128Bx1", modeHTTP, 64, 1, 128, ""},
		{"h2-64x16KiBx1", modeHTTP, 64, 1, 16 << 10, ""},
		{"h2-64x1MiBx1", modeHTTP, 64, 1, 1 << 20, ""},
		{"h2-1000x128Bx1", modeHTTP, 1000, 100, 128, " (HTTP/2: 10 connections)"},
		{"h2c-64x128Bx1", modeH2C, 64, 1, 128, ", without TLS"},
		{"h2c-64x16KiBx1", modeH2C, 64, 1, 16 << 10, ", without TLS"},
	} {
		rs = append(rs, row{
			id: c.id, title: fmt.Sprintf("%d sockets, %s, 1 in flight%s", c.conns, sizeName(c.size), c.note),
			kind: kindEcho, mode: c.mode, conns: c.conns, streams: c.streams, size: c.size, inFlight: 1, unit: unitCPU, allocs: true,
		})
	}
	for _, size := range []int{1 << 10, 64 << 10} {
		id := "get" + strings.ReplaceAll(sizeName(size), " ", "")
		rs = append(rs, row{
			id: id, title: fmt.Sprintf("GET of %s, 64 connections × 10 at a time", sizeName(size)),
			kind: kindGet, mode: modeGet, conns: 640, streams: 10, size: size, inFlight: 1, unit: unitCPU, allocs: true,
		})
	}
	return append(rs, row{
		id: "h2-idle", title: "idle after one message of 1 KiB, 5000 sockets (HTTP/2: 50 connections)",
		kind: kindIdle, mode: modeHTTP, conns: 5000, streams: 100, size: 1 << 10, inFlight: 1, unit: unitBytes,
	})
}

// aboutHTTP says whether a row is one of httpRows.
func (r row) aboutHTTP() bool { return r.mode == modeHTTP || r.mode == modeH2C || r.mode == modeGet }
