//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report is what -json writes.
type report struct {
	Go       string        `json:"go"`
	CPU      string        `json:"cpu"`
	Rounds   int           `json:"rounds"`
	Duration time.Duration `json:"duration_ns"`
	Samples  []sample      `json:"samples"`
}

func runCommand(args []string) error {
	fs := flag.NewFlagSet("bench run", flag.ContinueOnError)
	quick := fs.Bool("quick", false, "1 round of 1.5 s per cell instead of 3 rounds of 2 s")
	rounds := fs.Int("rounds", 0, "rounds; 0: 3, or 1 with -quick")
	duration := fs.Duration("duration", 0, "time measured per cell; 0: 2s, or 1.5s with -quick")
	only := fs.String("rows", "", "rows, separated by commas; a name ending in * means all that begin so; list: print their names")
	libs := fs.String("libs", "", "contenders, separated by commas; rawtcp always runs where ratios need it")
	out := fs.String("json", "", "file for all samples")
	profiles := fs.String("profiles", "", "folder for a CPU profile of each server (the last round's)")
	allocs := fs.Bool("alloc-profiles", false, "with -profiles: every allocation as well; CPU figures are wrong then")
	serverCore := fs.Int("server-core", auto, "core of the servers; -1: any; default: the first")
	loadCore := fs.Int("load-core", auto, "core of the load generator; -1: any; default: the second")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *only == "list" {
		for _, r := range rows(*quick) {
			fmt.Printf("%-14s %s\n", r.id, r.title)
		}
		return nil
	}
	if *rounds == 0 {
		*rounds = 3
		if *quick {
			*rounds = 1
		}
	}
	if *duration == 0 {
		*duration = 2 * time.Second
		if *quick {
			*duration = 1500 * time.Millisecond
		}
	}
	rs, err := chooseRows(rows(*quick), *only)
	if err != nil {
		return err
	}
	cs, err := chooseContenders(*libs, rs)
	if err != nil {
		return err
	}
	g, err := newRig(*serverCore, *loadCore)
	if err != nil {
		return err
	}
	g.warmUp, g.duration = min(*duration/4, 500*time.Millisecond), *duration
	if *profiles != "" {
		if err := os.MkdirAll(*profiles, 0o755); err != nil {
			return err
		}
	}
	g.profiles, g.allocProfiles = *profiles, *allocs
	if g.serverCore < 0 || g.loadCore < 0 {
		fmt.Fprintln(os.Stderr, "bench: server and load share their cores; figures will be noisy")
	}
	rep := report{Go: runtime.Version(), CPU: cpuName(), Rounds: *rounds, Duration: *duration}
	rep.Samples = g.rounds(rs, cs, *rounds)
	if *out != "" {
		b, err := json.MarshalIndent(rep, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*out, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%s, %s, %d rounds of %v, medians; server CPU per message\n\n", rep.Go, rep.CPU, rep.Rounds, rep.Duration)
	writeTables(os.Stdout, rs, cs, rep.Samples)
	writeBars(os.Stdout, rs, rep.Samples)
	return failures(rep.Samples)
}

// rounds measures every cell once per round, the contenders in turn. Each round
// begins with another one, so that none always runs on a warm or cool machine.
func (g rig) rounds(rs []row, cs []contender, n int) []sample {
	var all []sample
	for round := range n {
		for i, r := range rs {
			if r.once && round > 0 {
				continue
			}
			for k := range cs {
				c := cs[(k+round)%len(cs)]
				if !c.can(r.mode) {
					continue
				}
				progress("round %d/%d  row %d/%d %s  %s", round+1, n, i+1, len(rs), r.id, c.name)
				s, err := g.cell(c, r)
				progress("")
				if err != nil {
					s.Err = err.Error()
					fmt.Fprintf(os.Stderr, "%s %s: %v\n", r.id, c.name, err)
				}
				s.Round = round
				all = append(all, s)
			}
		}
	}
	return all
}

// progress rewrites the terminal's last line; without a terminal it is silent.
func progress(format string, args ...any) {
	if _, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS); err != nil {
		return
	}
	fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
}

func failures(ss []sample) error {
	n := 0
	for _, s := range ss {
		if s.Err != "" {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d measurements failed", n, len(ss))
	}
	return nil
}

func chooseRows(all []row, names string) ([]row, error) {
	if names == "" {
		return all, nil
	}
	var chosen []row
	for name := range strings.SplitSeq(names, ",") {
		prefix, star := strings.CutSuffix(name, "*")
		n := len(chosen)
		for _, r := range all {
			if r.id == name || star && strings.HasPrefix(r.id, prefix) {
				chosen = append(chosen, r)
			}
		}
		if len(chosen) == n {
			return nil, fmt.Errorf("no row %q: bench run -rows list names them", name)
		}
	}
	return chosen, nil
}

func chooseContenders(names string, rs []row) ([]contender, error) {
	if names == "" {
		return slices.DeleteFunc(contenders(), func(c contender) bool { return c.limit }), nil
	}
	list := strings.Split(names, ",")
	needsRaw := slices.ContainsFunc(rs, func(r row) bool { return r.unit == unitRatio })
	if needsRaw && !slices.Contains(list, raw) {
		list = append([]string{raw}, list...)
	}
	var chosen []contender
	for _, name := range list {
		c, err := findContender(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

func cpuName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}
