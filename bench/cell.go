//go:build linux

package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cell measures one contender in one row. Each cell has a server process of its
// own, so that none inherits another's heap.
func (g rig) cell(c contender, r row) (sample, error) {
	if r.aboutClients() {
		return g.clientCell(c, r)
	}
	s := sample{Row: r.id, Contender: c.name}
	server, err := g.startServer(c, r)
	if err != nil {
		return s, err
	}
	defer server.stop()
	var hi hello
	if err := server.next(&hi); err != nil {
		return s, err
	}
	switch r.kind {
	case kindIdle:
		err = g.idleCell(&s, c, r, server, hi)
	case kindWake:
		err = g.wakeCell(&s, c, r, hi)
	default:
		err = g.busyCell(&s, c, r, server, hi)
	}
	return s, err
}

func (g rig) startServer(c contender, r row) (*child, error) {
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
	return g.start(g.serverCore, c.env, args...)
}

// idleCell measures the memory of connections at rest.
func (g rig) idleCell(s *sample, c contender, r row, server *child, hi hello) error {
	// The first connections bring code, pools and runtime structures into memory
	// that the later ones share.
	few := r
	few.conns, few.loaders = 64, 1 // over HTTP/2, on one connection
	if _, err := g.load(c, few, hi, nil); err != nil {
		return err
	}
	var base, full serverStat
	if err := server.ask("mem", &base); err != nil {
		return err
	}
	if _, err := g.load(c, r, hi, func() error { return server.ask("mem", &full) }); err != nil {
		return err
	}
	n := float64(r.conns)
	s.Messages = int64(r.conns)
	s.PerConn = float64(full.RSS-base.RSS) / n
	s.HeapConn = (float64(full.Heap) - float64(base.Heap)) / n
	s.StackConn = (float64(full.Stack) - float64(base.Stack)) / n
	return nil
}

// busyCell measures what messages cost.
func (g rig) busyCell(s *sample, c contender, r row, server *child, hi hello) error {
	if r.mode == modeSleep {
		g.duration = max(g.duration, 3*napTime) // each connection sleeps three times
	}
	// The first question shows what a question allocates.
	var idle, before, after serverStat
	done, err := g.load(c, r, hi, func() error {
		return errors.Join(server.ask("stat", &idle), server.ask("stat", &before))
	})
	if err != nil {
		return err
	}
	if err := server.ask("stat", &after); err != nil {
		return err
	}
	if done.Messages == 0 {
		return errors.New("no message came back")
	}
	n := float64(done.Messages)
	s.Messages = done.Messages
	s.NsPerMsg = float64(done.ServerCPU) / n
	s.Wire = float64(done.WireBytes) / n
	s.Allocs = max(0, float64(after.Mallocs-before.Mallocs)-float64(before.Mallocs-idle.Mallocs)) / n
	s.AllocBytes = max(0, float64(after.TotalAlloc-before.TotalAlloc)-float64(before.TotalAlloc-idle.TotalAlloc)) / n
	s.P99 = p99(done.Latencies)
	s.ServerBusy = float64(done.ServerCPU) / float64(done.Elapsed)
	s.LoadBusy = float64(done.LoadCPU) / float64(done.Elapsed)
	return nil
}

// wakes is how often wakeCell wakes all connections and counts it.
const wakes = 5

// wakeCell measures how long the answers take when all connections wake at once.
func (g rig) wakeCell(s *sample, c contender, r row, hi hello) error {
	f, err := g.startLoad(c, r, hi)
	if err != nil {
		return err
	}
	defer f.stop()
	var all []time.Duration
	for i := range 1 + wakes {
		time.Sleep(200 * time.Millisecond) // let them fall asleep
		before, err := processCPU(hi.PID)
		if err != nil {
			return err
		}
		done, err := f.step()
		if err != nil {
			return err
		}
		if i == 0 {
			continue // the first brings memory and code in
		}
		after, err := processCPU(hi.PID)
		if err != nil {
			return err
		}
		all = append(all, done.Latencies...)
		s.Messages += done.Messages
		s.NsPerMsg += float64(after - before)
	}
	s.NsPerMsg /= float64(s.Messages)
	s.P99 = p99(all)
	return nil
}

// p99 returns what 99 of 100 are not above, in milliseconds, 0 of none.
func p99(d []time.Duration) float64 {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[(len(d)*99-1)/100].Seconds() * 1000
}

// fleet is the load processes of a cell.
type fleet []*child

func (f fleet) stop() {
	for _, l := range f {
		l.stop()
	}
}

// startLoad starts a row's load processes and waits until all are ready to
// measure.
func (g rig) startLoad(c contender, r row, hi hello) (f fleet, err error) {
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	n := max(1, r.loaders)
	for range n {
		l, err := g.start(g.loadCore, nil, "load", "-step",
			"-addr", hi.Addr, "-pid", strconv.Itoa(hi.PID), "-kind", r.kind, "-mode", string(r.mode),
			"-raw="+strconv.FormatBool(c.raw), "-tls="+strconv.FormatBool(c.secure(r.mode)),
			"-h2="+strconv.FormatBool(c.over == overH2), "-streams", strconv.Itoa(max(1, r.streams)),
			"-conns", strconv.Itoa(r.conns/n), "-size", strconv.Itoa(r.size), "-inflight", strconv.Itoa(r.inFlight),
			"-warmup", g.warmUp.String(), "-duration", g.duration.String())
		if err != nil {
			return f, err
		}
		f = append(f, l)
	}
	for _, l := range f {
		var ready loadResult
		if err := l.next(&ready); err != nil {
			return f, err
		}
	}
	return f, nil
}

// step has all processes do what they are for, at the same time, and adds up
// what they say of it.
func (f fleet) step() (loadResult, error) {
	for _, l := range f {
		if err := l.tell(""); err != nil {
			return loadResult{}, err
		}
	}
	var sum loadResult
	for _, l := range f {
		var one loadResult
		if err := l.next(&one); err != nil {
			return sum, err
		}
		sum.Messages += one.Messages
		sum.WireBytes += one.WireBytes
		sum.LoadCPU += one.LoadCPU
		sum.ServerCPU = max(sum.ServerCPU, one.ServerCPU)
		sum.Elapsed = max(sum.Elapsed, one.Elapsed)
		sum.Latencies = append(sum.Latencies, one.Latencies...)
	}
	return sum, nil
}

// load runs a row's load processes through their phases. atReady is called
// between warm-up and measurement.
func (g rig) load(c contender, r row, hi hello, atReady func() error) (loadResult, error) {
	f, err := g.startLoad(c, r, hi)
	if err != nil {
		return loadResult{}, err
	}
	defer f.stop()
	if atReady != nil {
		if err := atReady(); err != nil {
			return loadResult{}, err
		}
	}
	return f.step()
}
