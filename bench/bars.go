//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// bar is what this library has to reach in a row.
type bar struct {
	row       string
	contender string
	what      string
	limit     float64
	value     func(t table, r row, contender string) float64
}

func absolute(f func(sample) float64) func(table, row, string) float64 {
	return func(t table, r row, c string) float64 { return t.of(r, c, f) }
}

func against(base string, f func(sample) float64) func(table, row, string) float64 {
	return func(t table, r row, c string) float64 { return t.ratio(r, c, base, f) }
}

// above is how much more of something a contender takes than another.
func above(base string, f func(sample) float64) func(table, row, string) float64 {
	return func(t table, r row, c string) float64 { return t.of(r, c, f) - t.of(r, base, f) }
}

const (
	ours       = "lariat"
	oursBatch  = "lariat-batch"
	oursServer = "server"
	netHTTP    = "nethttp-h2"
)

// bars are what is promised. Allocations below one in twenty messages are those
// of the runtime itself and of pools that a collection emptied.
func bars() []bar {
	var bs []bar
	for _, id := range []string{"64x128Bx1", "1000x128Bx1", "64x16KiBx1", "64x1MiBx1"} {
		bs = append(bs, bar{id, ours, "× gws, CPU", 1, against("gws", cpuOf)})
	}
	bs = append(
		bs,
		bar{"64x128Bx1", ours, "× rawtcp, CPU", 1.15, against(raw, cpuOf)},
		bar{"64x128Bx32", oursBatch, "× rawtcp, CPU", 1.5, against(raw, cpuOf)},
		bar{"64x1MiBx1", ours, "× rawtcp, CPU", 1.3, against(raw, cpuOf)},
	)
	for _, id := range []string{"64x128Bx1", "64x128Bx32", "64x16KiBx1", "64x1MiBx1"} {
		for _, c := range []string{ours, oursBatch} {
			bs = append(bs, bar{id, c, "allocations per message", 0.05, absolute(allocsOf)})
		}
	}
	for _, id := range []string{"deflate1KiB", "deflate16KiB"} {
		bs = append(
			bs,
			bar{id, ours, "× gws, CPU", 1, against("gws", cpuOf)},
			bar{id, ours, "× gws, bytes on the wire", 1, against("gws", wireOf)},
		)
	}
	for _, id := range []string{"takeover1KiB", "takeover16KiB"} {
		bs = append(
			bs,
			bar{id, ours, "× coder, CPU", 1, against("coder", cpuOf)},
			bar{id, ours, "× coder, bytes on the wire", 1, against("coder", wireOf)},
		)
	}
	for _, c := range []string{ours, oursBatch} {
		bs = append(
			bs,
			bar{"idle-takeover", c, "bytes per connection", 64 << 10, absolute(bytesOf)},
			bar{"idle-tls", c, "bytes per connection", 16 << 10, absolute(bytesOf)},
		)
	}
	// The program under ours keeps a buffer of 1 KiB for each connection; under
	// oursBatch it keeps nothing, and the connection is all that is measured.
	bs = append(bs, bar{"idle", oursBatch, "bytes per connection", 4.5 * (1 << 10), absolute(bytesOf)})
	bs = append(bs, bar{"handshake", ours, "× gorilla, CPU", 1, against("gorilla", cpuOf)})
	return slices.Concat(bs, serverBars(), httpBars(), clientBars())
}

// serverBars are those of package server. Its broadcasts are counted per
// delivery.
func serverBars() []bar {
	var bs []bar
	for _, b := range []struct {
		row   string
		limit float64
	}{
		{"64x128Bx1", 1},
		{"64x128Bx32", 1.2},
		{"64x1KiBx32", 1.4},
		{"1000x128Bx1", 0.85},
		{"1000x128Bx32", 1},
		{"64x16KiBx1", 1},
		{"64x16KiBx32", 1.3},
		{"64x1MiBx1", 1.3},
		{"broadcast", 1},
	} {
		bs = append(bs, bar{b.row, oursServer, "× rawtcp, CPU", b.limit, against(raw, cpuOf)})
	}
	for _, id := range []string{"64x128Bx1", "64x128Bx32", "64x16KiBx1", "64x1MiBx1"} {
		bs = append(bs, bar{id, oursServer, "allocations per message", 0.05, absolute(allocsOf)})
	}
	return append(
		bs,
		bar{"idle19k", oursServer, "bytes per session", 600, absolute(bytesOf)},
		bar{"idle19k-tls", oursServer, "bytes per session", 10 << 10, absolute(bytesOf)},
		bar{"handshake", oursServer, "× gorilla, CPU", 1, against("gorilla", cpuOf)},
		bar{"wake", oursServer, "ms, p99", 100, absolute(p99Of)},
		bar{"sleep", oursServer, "ms, p99 of the others", 10, absolute(p99Of)},
	)
}

// httpBars are those about HTTP/2. crypto/tls allocates for each record it
// reads, so that with it only what comes on top is looked at.
func httpBars() []bar {
	var bs []bar
	for _, c := range []struct{ h2, tls, plain string }{
		{oursServer + "-h2", oursServer + "-tls", oursServer + "-plain"},
		{ours + "-h2", ours + "-tls", ours + "-plain"},
	} {
		bs = append(
			bs,
			bar{"h2-64x128Bx1", c.h2, "× " + c.tls + ", CPU", 1.1, against(c.tls, cpuOf)},
			bar{"h2-64x128Bx1", c.h2, "× " + netHTTP + ", CPU", 0.6, against(netHTTP, cpuOf)},
			bar{"h2-1000x128Bx1", c.h2, "× " + c.tls + ", CPU", 1, against(c.tls, cpuOf)},
			bar{"h2-1000x128Bx1", c.h2, "× " + c.plain + ", CPU", 1, against(c.plain, cpuOf)},
			bar{"h2-64x16KiBx1", c.h2, "× " + c.tls + ", CPU", 1.3, against(c.tls, cpuOf)},
			bar{"h2-64x1MiBx1", c.h2, "× " + c.tls + ", CPU", 1.3, against(c.tls, cpuOf)},
			bar{"h2-64x128Bx1", c.h2, "allocations per message above " + c.tls, 0.05, above(c.tls, allocsOf)},
			bar{"h2c-64x128Bx1", c.h2, "allocations per message", 0.05, absolute(allocsOf)},
			bar{"h2c-64x16KiBx1", c.h2, "allocations per message", 0.05, absolute(allocsOf)},
			bar{"h2-idle", c.h2, "bytes per socket", 8000, absolute(bytesOf)},
		)
	}
	for _, id := range []string{"get1KiB", "get64KiB"} {
		bs = append(bs, bar{id, ours + "-h2", "× " + netHTTP + ", CPU", 1, against(netHTTP, cpuOf)})
	}
	return bs
}

// clientBars are those about clients.
func clientBars() []bar {
	id := "client-64x128Bx1"
	return []bar{
		{id, "dial", "× rawtcp, CPU", 1.1, against(raw, cpuOf)},
		{id, "owner", "× rawtcp, CPU", 1.3, against(raw, cpuOf)},
		{id, "reconnect", "× rawtcp, CPU", 1.2, against(raw, cpuOf)},
		{id, "dial", "allocations per message", 0.05, absolute(allocsOf)},
		{id, "reconnect", "allocations per message", 0.05, absolute(allocsOf)},
		{"client-get1", "client-h1", "× nethttp-get-h1, CPU", 1, against("nethttp-get-h1", cpuOf)},
		{"client-get16", "client-h2", "× nethttp-get-h2, CPU", 1, against("nethttp-get-h2", cpuOf)},
		{"client-idle", "reconnect", "bytes of heap and stacks per client", 8 << 10, absolute(liveOf)},
		{"client-idle", "reconnect", "goroutines per client", 1, absolute(goroutinesOf)},
	}
}

// writeBars says which bars of the measured rows hold.
func writeBars(w io.Writer, rs []row, ss []sample) {
	t := newTable(ss)
	byID := make(map[string]row)
	for _, r := range rs {
		byID[r.id] = r
	}
	first := true
	for _, b := range bars() {
		r, measured := byID[b.row]
		if !measured {
			continue
		}
		v := b.value(t, r, b.contender)
		if math.IsNaN(v) {
			continue
		}
		if first {
			fmt.Fprintln(w, "| bar | row | measured | limit | holds |\n| --- | --- | ---: | ---: | --- |")
			first = false
		}
		holds := "yes"
		if v > b.limit {
			holds = "**no**"
		}
		fmt.Fprintf(w, "| %s: %s | %s | %s | %s | %s |\n", b.contender, b.what, b.row, figure(v), figure(b.limit), holds)
	}
}

// figure formats bytes without and ratios with digits.
func figure(v float64) string {
	if v >= 1000 {
		return grouped(v)
	}
	return number(v, 2)
}
