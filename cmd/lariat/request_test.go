package main

import (
	"bytes"
	"testing"
)

// A terminal gets what cannot play with it, characters whole however they come,
// and a line end last.
func TestTerminalWriter(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"text", "héllo\n", "héllo\n"},
		{"no line end", "€", "€\n"},
		{"lines of the web", "a\r\nb\r\n", "a\nb\n"},
		{"nothing", "", ""},
		{"escape", "a\x1b[2Jb\n", "a\uFFFD[2Jb\n"},
		{"cut character", "a\xe2\x82", "a\uFFFD\uFFFD\n"},
		{"no character", "\xff\xfe\n", "\uFFFD\uFFFD\n"},
		{"four bytes", "\U0001F600!", "\U0001F600!\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for size := 1; size <= max(len(c.in), 1); size++ {
				var out bytes.Buffer
				w := &terminalWriter{printer: &printer{out: &out}}
				for p := []byte(c.in); len(p) > 0; {
					n := min(size, len(p))
					if _, err := w.Write(p[:n]); err != nil {
						t.Fatal(err)
					}
					p = p[n:]
				}
				if err := w.end(); err != nil {
					t.Fatal(err)
				}
				if got := out.String(); got != c.want {
					t.Errorf("in pieces of %d: %q, want %q", size, got, c.want)
				}
			}
		})
	}
}
