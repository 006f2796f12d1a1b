package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md anew")

// The reference is the help as one page; this test writes it, with -update, and
// fails when it is behind.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference", "cli.md")
	want := reference(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is behind the help; write it anew with: go test ./cmd/lariat -run TestReference -update", path)
	}
}

func reference(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# The command\n\nThis page is `lariat help`, printed by `go test ./cmd/lariat -run TestReference -update`.\n")
	for _, c := range commands(t) {
		if !c.Runnable() || c.Name() == "help" || c.Parent() != nil && c.Parent().Name() == "completion" {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n", c.CommandPath(), c.UseLine())
		if c.Name() != "completion" {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", strings.TrimSpace(c.Long))
		}
		fmt.Fprintf(&b, "\n```sh\n%s\n```\n", unindent(c.Example))
		rows := ""
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			name, text := pflag.UnquoteUsage(f)
			short := ""
			if f.Shorthand != "" {
				short = "`-" + f.Shorthand + "`, "
			}
			if def := f.DefValue; def != "" && def != "false" && def != "0" && def != "0s" && def != "[]" {
				text += " (default " + strings.ReplaceAll(def, "|", "\\|") + ")"
			}
			rows += fmt.Sprintf("| %s`%s` | %s |\n", short, strings.TrimSpace("--"+f.Name+" "+name), strings.ReplaceAll(text, "|", "\\|"))
		})
		if rows != "" {
			fmt.Fprintf(&b, "\n| flag | |\n| --- | --- |\n%s", rows)
		}
	}
	fmt.Fprintf(&b, "\n## What can be typed\n\n```text\n%s\n```\n", typingText)
	b.WriteString("\n## Exit codes\n\n| code | kind | meaning |\n| --- | --- | --- |\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", c.code, c.kind, c.meaning)
	}
	b.WriteString("\n## Events of `--json`\n\nOne JSON object per line. Every event has `event`, its name, and `time`, RFC 3339 in UTC. Fields may be added over time; none is renamed or removed.\n")
	for _, s := range schema() {
		fmt.Fprintf(&b, "\n### %s\n\n%s; printed by %s.\n\n| field | type | |\n| --- | --- | --- |\n", s.name, strings.ToUpper(s.doc[:1])+s.doc[1:], s.by)
		for _, f := range fields(s.event) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, f.kind, f.doc)
		}
	}
	return b.String()
}

func unindent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return strings.TrimSpace(b.String())
}
