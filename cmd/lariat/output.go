package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// printer writes what the command has to say: lines for people, coloured where
// people look, or one JSON object per event. It is safe for concurrent use.
type printer struct {
	json bool // --json

	outTerminal, errTerminal bool
	outColour, errColour     bool

	mu       sync.Mutex
	out, err io.Writer
	over     bool // the last event was written
}

// newPrinter finds out which of the two files are terminals and whether
// colours are wanted: never with NO_COLOR set to anything (no-color.org), nor on
// a terminal that says it is dumb.
func newPrinter(out, errOut *os.File, getenv func(string) string) *printer {
	p := &printer{
		out: out, err: errOut,
		outTerminal: term.IsTerminal(int(out.Fd())),
		errTerminal: term.IsTerminal(int(errOut.Fd())),
	}
	colours := getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	p.outColour = colours && p.outTerminal
	p.errColour = colours && p.errTerminal
	return p
}

// redirect sends what goes to the terminal through w, a line editor that keeps
// its prompt below what is written. It returns a function that undoes it.
func (p *printer) redirect(w io.Writer) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, errOut := p.out, p.err
	p.out = w
	if p.errTerminal {
		p.err = w
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.out, p.err = out, errOut
	}
}

// write writes to standard output as it is.
func (p *printer) write(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.out.Write(b)
	return err
}

// line writes one line to standard output, unless events are wanted.
func (p *printer) line(format string, args ...any) {
	if p.json {
		return
	}
	_ = p.write(fmt.Appendf(nil, format+"\n", args...))
}

// note writes one line to standard error, for people who watch. Where the text
// comes from a peer, the caller has made it printable.
func (p *printer) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.err, format+"\n", args...)
}

// event writes e as one line of JSON, if events are wanted.
func (p *printer) event(name string, e stamped) error {
	if !p.json {
		return nil
	}
	return p.emit(name, e, false)
}

// emit writes e, but nothing after the last event: frames may still be told of
// while the run ends.
func (p *printer) emit(name string, e stamped, last bool) error {
	e.stamp(name, time.Now())
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	p.over = last
	_, err := io.WriteString(p.out, b.String())
	return err
}

// report tells how the run ended and returns its exit code.
func (p *printer) report(err error) int {
	f := asFailure(err)
	if f == nil {
		return exitOK
	}
	if p.json && f.code != exitUsage {
		_ = p.emit("error", &errorEvent{Kind: kindOf(f.code), Exit: f.code, Message: f.msg, Hint: f.hint}, true)
		return f.code
	}
	if f.msg != "" {
		p.note("%s %s", p.errPaint(red, "lariat:"), printable(f.msg))
	}
	if f.hint != "" {
		p.note("%s %s", p.errPaint(yellow, "   try:"), printable(f.hint))
	}
	return f.code
}

// colour is a sequence of SGR parameters.
type colour string

const (
	bold   colour = "1"
	dim    colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	blue   colour = "34"
	cyan   colour = "36"
)

// paint colours s for standard output, errPaint for standard error.
func (p *printer) paint(c colour, s string) string    { return paintIf(p.outColour, c, s) }
func (p *printer) errPaint(c colour, s string) string { return paintIf(p.errColour, c, s) }

func paintIf(on bool, c colour, s string) string {
	if !on || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// printable replaces what could move the cursor or change the terminal:
// control characters and bytes that are not UTF-8. Tabs and line feeds stay.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r == unicode.ReplacementChar, unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// trim cuts s to n bytes, at a rune, and marks the cut.
func trim(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// count writes a number with its noun: "1 frame", "1,200 bytes".
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// millis writes a duration as ping(8) does: in milliseconds, three decimals.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.3f ms", float64(d)/float64(time.Millisecond))
}

// ms is a duration in milliseconds for events.
func ms(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// isText reports whether p can be shown as text: UTF-8 without control
// characters but tabs and line ends.
func isText(p []byte) bool {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
		p = p[n:]
	}
	return true
}

func sortedNames(h map[string][]string) []string { return slices.Sorted(maps.Keys(h)) }
