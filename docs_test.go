package websocket_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a reader copies must work: every block of Go in README.md and under docs
// stands, but for the indentation, in an example that is compiled and run, or in
// a program under examples.
func TestDocsShowExamples(t *testing.T) {
	var sources []string
	var pages []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base, path := filepath.Base(path), filepath.ToSlash(path)
		switch {
		case d.IsDir() && (base == ".git" || base == "node_modules" || path == "docs/decisions" || path == "bench"):
			return fs.SkipDir
		case path == "README.md", strings.HasPrefix(path, "docs/") && strings.HasSuffix(path, ".md"):
			pages = append(pages, path)
		case strings.HasPrefix(path, "examples/") && strings.HasSuffix(path, ".go"),
			strings.HasPrefix(base, "example") && strings.HasSuffix(base, "_test.go"):
			sources = append(sources, unindent(readString(t, path)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		blocks := goBlocks(readString(t, page))
		if page == "README.md" && len(blocks) != 2 {
			t.Errorf("README.md shows %d blocks of Go, want a server and a client", len(blocks))
		}
		for _, block := range blocks {
			found := false
			for _, source := range sources {
				found = found || strings.Contains(source, block)
			}
			if !found {
				t.Errorf("%s shows code that stands in no example:\n%s", page, block)
			}
		}
	}
}

func readString(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unindent takes the white space from around each line.
func unindent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// goBlocks returns the fenced blocks of Go in a page, without indentation.
func goBlocks(page string) (blocks []string) {
	_, rest, found := strings.Cut(page, "```go\n")
	for found {
		block, after, closed := strings.Cut(rest, "```")
		if !closed {
			return append(blocks, "a block that is not closed")
		}
		blocks = append(blocks, unindent(block))
		_, rest, found = strings.Cut(after, "```go\n")
	}
	return blocks
}
