package arch_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/arch"
)

// root is the module's folder, seen from this one.
var root = filepath.Join("..", "..")

// pkg is what the tests need of a package.
type pkg struct {
	ImportPath, Dir         string
	Standard                bool
	GoFiles, IgnoredGoFiles []string
}

// list runs go list; extra goes before the patterns.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Standard,GoFiles,IgnoredGoFiles"}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// short returns the path below the module's, "." for the root, and other paths
// as they are.
func short(path string) string {
	if path == arch.Module {
		return "."
	}
	return strings.TrimPrefix(path, arch.Module+"/")
}

// imports returns what a package's own files import, those for other systems
// as well, and the exported names they use of each import.
func (p *pkg) imports(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			local := path[strings.LastIndexByte(path, '/')+1:]
			if spec.Name != nil {
				local = spec.Name.Name
			}
			found[short(path)] = append(found[short(path)], selected(file, local)...)
		}
	}
	return found
}

// selected returns the names that file takes from the package called local.
func selected(file *ast.File, local string) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
				names = append(names, sel.Sel.Name)
			}
		}
		return true
	})
	return names
}

func TestImports(t *testing.T) {
	standard := make(map[string]bool)
	for _, p := range list(t, "std") {
		standard[p.ImportPath] = true
	}
	standard["C"] = true
	rules := make(map[string]arch.Rule)
	for _, r := range arch.Rules() {
		rules[r.Package] = r
		for path, reason := range r.Imports {
			if reason == "" {
				t.Errorf("%s may import %s for no reason; write one in arch.go", r.Package, path)
			}
		}
	}
	for _, p := range list(t, "./...") {
		name := short(p.ImportPath)
		if len(p.GoFiles) == 0 && !slices.ContainsFunc(p.IgnoredGoFiles, func(f string) bool { return !strings.HasSuffix(f, "_test.go") }) {
			continue // tests only
		}
		rule, ok := rules[name]
		if base, _, _ := strings.Cut(name, "/"); !ok && base == "examples" {
			rule, ok = exampleRule(name), true
		}
		if !ok {
			t.Errorf("%s has no row in arch.go: add one, with a reason for each import", name)
			continue
		}
		imports := p.imports(t)
		for path, names := range imports {
			check(t, rule, path, names, standard[path])
		}
		for path := range rule.Imports {
			if _, used := imports[path]; !used && path != arch.Std && rules[name].Package == name {
				t.Errorf("arch.go lets %s import %s, which it does not: take it out", name, path)
			}
		}
		delete(rules, name)
	}
	for name := range rules {
		t.Errorf("arch.go has a row for %s, which is gone or has no files of its own: take it out", name)
	}
}

// exampleRule is what a program under examples may import: what a user may.
func exampleRule(name string) arch.Rule {
	r := arch.Rule{Package: name, Imports: map[string]string{arch.Std: "an example is a program"}}
	for _, rule := range arch.Rules() {
		if !strings.HasPrefix(rule.Package, "internal/") && !strings.HasPrefix(rule.Package, "cmd/") {
			r.Imports[rule.Package] = "examples show the public packages"
		}
	}
	return r
}

func check(t *testing.T, rule arch.Rule, path string, names []string, standard bool) {
	t.Helper()
	_, listed := rule.Imports[path]
	_, anyStd := rule.Imports[arch.Std]
	why := arch.Forbidden()[path]
	if !listed && (!standard || !anyStd || why != "") {
		if why == "" {
			why = "it is not in the package's row of arch.go: do without it, or add it there with its reason"
		}
		t.Errorf("%s imports %s: %s", rule.Package, path, why)
	}
	if why := arch.CoreForbidden()[path]; why != "" && slices.Contains(arch.Core(), rule.Package) && rule.Only[path] == "" {
		t.Errorf("%s, a core package, imports %s: %s", rule.Package, path, why)
	}
	if only, ok := rule.Only[path]; ok {
		for _, name := range names {
			if name != only {
				t.Errorf("%s uses %s.%s; of %s only %s is allowed: %s", rule.Package, path, name, path, only, rule.Imports[path])
			}
		}
	}
}

// DESIGN's arrows in one line each: what must never be reached, by any way.
func TestArrows(t *testing.T) {
	rules := make(map[string]map[string]string)
	for _, r := range arch.Rules() {
		rules[r.Package] = r.Imports
	}
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		for path := range rules[from] {
			if path == to || reaches(path, to) {
				return true
			}
		}
		return false
	}
	tests := []struct{ from, to, reason string }{
		{"deflate", "protocol", "an extension does not know the state machine"},
		{"deflate", "handshake", "an extension is handed its offers"},
		{"protocol", "deflate", "the state machine knows extensions by their interface"},
		{"protocol", "handshake", "what was negotiated is handed in"},
		{"handshake", "deflate", "the handshake knows extensions by their interface"},
		{"handshake", "protocol", "the handshake ends before the first frame"},
		{".", "wstest", "the test kit stands on the library"},
		{".", "wsjson", "encodings stand on the library"},
		{".", "cmd/lariat", "the command stands on the library"},
		{".", "github.com/spf13/cobra", "only the command needs it"},
		{"wstest", "github.com/spf13/cobra", "only the command needs it"},
	}
	for _, tt := range tests {
		if _, ok := rules[tt.from]; !ok {
			t.Errorf("no row for %s", tt.from)
		}
		if reaches(tt.from, tt.to) {
			t.Errorf("the rows of arch.go let %s reach %s: %s", tt.from, tt.to, tt.reason)
		}
	}
	for _, name := range arch.Core() {
		if reaches(name, ".") {
			t.Errorf("%s reaches the root: low packages never call up", name)
		}
	}
}

// Nothing runs by being imported.
func TestNoInit(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s/%s has a function init: importing a package must do nothing", short(p.ImportPath), name)
				}
			}
		}
	}
}
