package arch_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/arch"
)

// maxLines is the length of a file that can still be read at a stretch.
const maxLines = 600

// files returns the paths of the repository's files, relative to its root, and
// of their folders.
func files(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, p)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFilesAreShort(t *testing.T) {
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		b := read(t, name)
		if n := bytes.Count(b, []byte("\n")); n > maxLines && !bytes.HasPrefix(b, []byte("// Code generated ")) {
			t.Errorf("%s has %d lines; more than %d are two files", name, n, maxLines)
		}
	}
}

var (
	codeSpan  = regexp.MustCompile("`([^`\n]+)`")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	filePath  = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/?$`)
	fileName  = regexp.MustCompile(`^[\w.-]+\.(go|md|mod|sum|txt|py|mjs|json|html|sh|conf)$`)
	mediaType = regexp.MustCompile(`^(text|application|image|message)/[\w.+-]+$`)
	relative  = regexp.MustCompile(`(?:^|\s)\./([\w.-]+(?:/[\w.-]+)*)`)
)

// pages are the documents that speak of the present. CHANGELOG.md speaks of the
// past and may name what is gone.
func pages(t *testing.T) (names []string) {
	for _, name := range files(t) {
		top := name == "README.md" || name == "ARCHITECTURE.md" || name == "CONTRIBUTING.md" || name == "SECURITY.md"
		if top || strings.HasPrefix(name, "docs/") && strings.HasSuffix(name, ".md") {
			names = append(names, name)
		}
	}
	return names
}

// A page that names a file, a folder or a package that is gone is out of date.
func TestDocsNameWhatIsThere(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool) // paths from the root
	bare := make(map[string]bool)  // names without folder
	for _, name := range files(t) {
		there[name] = true
		bare[path.Base(name)] = true
	}
	exists := func(page, name string) bool {
		name = strings.TrimSuffix(name, "/")
		if name = strings.TrimPrefix(name, arch.Module+"/"); there[path.Clean(name)] || there[path.Join(path.Dir(page), name)] {
			return true
		}
		if strings.HasPrefix(name, "internal/") {
			return false // ours, not the standard library's
		}
		_, err := os.Stat(filepath.Join(strings.TrimSpace(string(goroot)), "src", filepath.FromSlash(name)))
		return err == nil
	}
	for _, page := range pages(t) {
		text := string(read(t, page))
		prose, code := split(text)
		for _, m := range codeSpan.FindAllStringSubmatch(prose, -1) {
			name := strings.TrimPrefix(m[1], "./")
			first, _, hasSlash := strings.Cut(name, "/")
			switch {
			case name == arch.Module, mediaType.MatchString(name), !filePath.MatchString(name):
			case fileName.MatchString(name) && !hasSlash:
				if !bare[name] {
					t.Errorf("%s names %s; there is no such file", page, m[1])
				}
			case hasSlash && (!strings.Contains(first, ".") || strings.HasPrefix(name, arch.Module) || there[first]):
				if !exists(page, name) {
					t.Errorf("%s names %s; there is no such file or package", page, m[1])
				}
			}
		}
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if !there[path.Join(path.Dir(page), target)] {
				t.Errorf("%s links to %s; there is no such file", page, m[1])
			}
		}
		for _, m := range relative.FindAllStringSubmatch(code+"\n"+prose, -1) {
			if name := strings.TrimRight(m[1], "."); !strings.HasSuffix(m[1], "...") && !exists(page, name) {
				t.Errorf("%s names ./%s; there is no such file or package", page, name)
			}
		}
	}
}

// split returns a page's text outside and inside of fenced blocks.
func split(text string) (prose, code string) {
	inside := false
	var p, c strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			inside = !inside
			continue
		}
		if inside {
			c.WriteString(line)
		} else {
			p.WriteString(line)
		}
	}
	return p.String(), c.String()
}

// ARCHITECTURE.md shows every package and the ways between them; a package that
// it does not name is not explained anywhere.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	if !slices.Contains(pages(t), "ARCHITECTURE.md") {
		return
	}
	text := string(read(t, "ARCHITECTURE.md"))
	for _, p := range list(t, "./...") {
		name := short(p.ImportPath)
		if name == "." || len(p.GoFiles) == 0 || strings.HasPrefix(name, "examples/") {
			continue
		}
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"/`") {
			t.Errorf("ARCHITECTURE.md does not name `%s`", name)
		}
	}
}
