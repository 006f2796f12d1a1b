//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// cellKey names a cell of the table.
type cellKey struct{ row, contender string }

// median returns the middle value, NaN of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return (v[m-1] + v[m]) / 2
}

// table holds the samples by cell.
type table struct {
	cells map[cellKey][]sample
}

func newTable(ss []sample) table {
	t := table{cells: make(map[cellKey][]sample)}
	for _, s := range ss {
		if s.Err == "" {
			k := cellKey{s.Row, s.Contender}
			t.cells[k] = append(t.cells[k], s)
		}
	}
	return t
}

// of returns the median of a field over the rounds.
func (t table) of(r row, c string, f func(sample) float64) float64 {
	var v []float64
	for _, s := range t.cells[cellKey{r.id, c}] {
		v = append(v, f(s))
	}
	return median(v)
}

// ratio returns the median, over the rounds, of a contender's figure divided by
// another's of the same round: what the machine does to all alike cancels out.
func (t table) ratio(r row, c, base string, f func(sample) float64) float64 {
	var v []float64
	for _, s := range t.cells[cellKey{r.id, c}] {
		for _, b := range t.cells[cellKey{r.id, base}] {
			if b.Round == s.Round && f(b) > 0 {
				v = append(v, f(s)/f(b))
			}
		}
	}
	return median(v)
}

func cpuOf(s sample) float64    { return s.NsPerMsg }
func wireOf(s sample) float64   { return s.Wire }
func allocsOf(s sample) float64 { return s.Allocs }
func bytesOf(s sample) float64  { return s.PerConn }
func p99Of(s sample) float64    { return s.P99 }

// liveOf is what is in use, of what is resident.
func liveOf(s sample) float64 { return s.HeapConn + s.StackConn }

func goroutinesOf(s sample) float64 { return s.Goroutines }

// writeTables prints a table of the rows about HTTP, one of those about clients
// and one of all others, each with the contenders that take part.
func writeTables(w io.Writer, rs []row, cs []contender, ss []sample) {
	for _, about := range []func(row) bool{
		func(r row) bool { return !r.aboutHTTP() && !r.aboutClients() }, row.aboutHTTP, row.aboutClients,
	} {
		rs := slices.DeleteFunc(slices.Clone(rs), func(r row) bool { return !about(r) })
		cs := slices.DeleteFunc(slices.Clone(cs), func(c contender) bool {
			return !slices.ContainsFunc(rs, func(r row) bool { return c.can(r.mode) })
		})
		if len(rs) > 0 {
			writeTable(w, rs, cs, ss)
			fmt.Fprintln(w)
		}
	}
}

func writeTable(w io.Writer, rs []row, cs []contender, ss []sample) {
	t := newTable(ss)
	head, rule := "| row | unit |", "| --- | --- |"
	for _, c := range cs {
		name := c.name
		if name == raw {
			name += " (absolute)"
		}
		head += " " + strings.ReplaceAll(name, "*", `\*`) + " |"
		rule += " ---: |"
	}
	fmt.Fprintln(w, head)
	fmt.Fprintln(w, rule)
	for _, r := range rs {
		line(w, r.title, string(r.unit), cs, func(c contender) string { return t.cell(r, c) })
	}
	for _, r := range rs {
		if r.allocs {
			line(w, strings.TrimSuffix(r.title, " (bytes on the wire)"), "allocs/message", cs, func(c contender) string {
				return number(t.of(r, c.name, allocsOf), 2)
			})
		}
	}
}

func line(w io.Writer, title, unit string, cs []contender, cell func(contender) string) {
	fmt.Fprintf(w, "| %s | %s |", title, unit)
	for _, c := range cs {
		fmt.Fprintf(w, " %s |", cell(c))
	}
	fmt.Fprintln(w)
}

func (t table) cell(r row, c contender) string {
	ns := t.of(r, c.name, cpuOf)
	switch r.unit {
	case unitRatio:
		if c.name == raw {
			if math.IsNaN(ns) {
				return "–"
			}
			return grouped(ns) + " ns"
		}
		return number(t.ratio(r, c.name, raw, cpuOf), 2)
	case unitBytes:
		b := t.of(r, c.name, bytesOf)
		if math.IsNaN(b) {
			return "–"
		}
		return grouped(b)
	case unitP99:
		return number(t.of(r, c.name, p99Of), 1)
	}
	s := number(ns/1000, 1)
	if r.wire && !math.IsNaN(ns) {
		s += " (" + grouped(t.of(r, c.name, wireOf)) + ")"
	}
	return s
}

// number formats v, a dash when there is none.
func number(v float64, digits int) string {
	if math.IsNaN(v) {
		return "–"
	}
	if math.Abs(v) < 0.005 {
		return "0"
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// grouped formats v as a whole number with commas between thousands.
func grouped(v float64) string {
	s := strconv.FormatInt(int64(math.Round(v)), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
