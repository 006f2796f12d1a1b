package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress shows counts on one line that changes, and events on lines that stay.
// Where the output is no terminal, every line stays, and counts come seldom.
type progress struct {
	w        io.Writer
	terminal bool
	every    time.Duration

	mu    sync.Mutex
	shown bool   // the line of counts is there
	last  counts // the ones before, for the rate
	at    time.Time
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, every: 10 * time.Second, at: time.Now()}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.terminal, p.every = true, 500*time.Millisecond
		}
	}
	return p
}

const clearLine = "\r\x1b[K"

func (p *progress) show(n counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	rate := float64(n.ticks-p.last.ticks) / max(now.Sub(p.at).Seconds(), 0.001)
	p.last, p.at = n, now
	line := fmt.Sprintf("%d ticks, %.0f/s, price %.2f, missing %d, repeated %d, connected %d times, %s",
		n.ticks, rate, float64(n.price)/100, n.missing, n.repeated, n.connects, n.state)
	if !p.terminal {
		fmt.Fprintln(p.w, line)
		return
	}
	fmt.Fprint(p.w, clearLine, line)
	p.shown = true
}

func (p *progress) event(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, clearLine)
		p.shown = false
	}
	fmt.Fprintf(p.w, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
