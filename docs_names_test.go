package websocket_test

import (
	"bytes"
	"fmt"
	"go/importer"
	"go/scanner"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

const module = "github.com/lariat-go/websocket"

// fromPage is a page that shows another system beside this one.
type fromPage struct {
	file     string
	system   []string // how the headers of the columns about it begin
	packages []string // where names without a package are looked up; "." is the root
}

func fromPages() []fromPage {
	return []fromPage{
		{"docs/topics/from-cowboy.md", []string{"Cowboy"}, []string{"server", ".", "h2", "deflate", "frame"}},
		{"docs/topics/from-gun.md", []string{"Gun"}, []string{"client", "."}},
		{"docs/topics/from-mint-websocket.md", []string{"Mint"}, []string{"httpconn", "protocol", "handshake", "extension", "deflate", "frame", "."}},
		{"docs/topics/from-gundam.md", []string{"Gundam"}, []string{"reconnect", "client", "."}},
	}
}

// Who comes from elsewhere looks for names: each that the pages for them give
// exists, as a package's, a type's field or a type's method.
func TestDocsFromPagesNameWhatExists(t *testing.T) {
	d := newDictionary(t)
	for _, page := range fromPages() {
		spans := ourSpans(readString(t, page.file), page.system)
		if len(spans) < 40 {
			t.Errorf("%s: %d names of ours were found; is a column called otherwise than \"here\"?", page.file, len(spans))
		}
		for _, span := range spans {
			for _, name := range d.unknown(span, page.packages) {
				t.Errorf("%s names %s in `%s`; there is no such thing in %s", page.file, name, span, strings.Join(page.packages, ", "))
			}
		}
	}
}

// The test above can fail.
func TestDocsNamesAreLookedUp(t *testing.T) {
	d := newDictionary(t)
	in := []string{"server", "."}
	for _, span := range []string{
		"server.New(upgrade)", "websocket.DialOptions.MaxMessageSize", "h2.Options.StreamWindow", "Options.HibernateAfter",
		"s.Post(v)", "c.Close(code, reason)", "MaxMessageSize", "DialOptions.KeepAlive.Interval", "http.Header", "cookiejar.New",
		"errors.AsType[*websocket.CloseError](err)", "return h, nil", `"Nothing"`, "Sec-WebSocket-Key", "ErrOver", "Retry-After: 5",
	} {
		if names := d.unknown(span, in); len(names) > 0 {
			t.Errorf("%s: %q are not found", span, names)
		}
	}
	for span, want := range map[string]string{
		"server.Nev(upgrade)":              "server.Nev",
		"websocket.DialOptions.MaxMessage": "websocket.DialOptions.MaxMessage",
		"Options.HibernateBefore":          "Options.HibernateBefore",
		"s.Poste(v)":                       "s.Poste",
		"http.Headers":                     "http.Headers",
		"Cowboys":                          "Cowboys",
		"ConnOptions.KeepAlive.Intervals":  "ConnOptions.KeepAlive.Intervals",
	} {
		if got := strings.Join(d.unknown(span, in), " "); got != want {
			t.Errorf("%s: %q are not found, want %q", span, got, want)
		}
	}
	page := "`Prose` and `{foreign, Tuple}`.\n\n| Cowboy | here | |\n| --- | --- | --- |\n| `Theirs` | `Ours` | `Ours.Too` |\n\n```go\n`Code`\n```\n"
	if got := ourSpans(page, []string{"Cowboy"}); !slices.Equal(got, []string{"Prose", "Ours", "Ours.Too"}) {
		t.Errorf("the names of ours in the page are %q", got)
	}
}

var codeSpans = regexp.MustCompile("`([^`\n]+)`")

// ourSpans returns the code spans of a page that speak of this module: those of
// its prose, and of its tables' columns but for the ones about the system, whose
// headers begin with its name, or with "default there".
func ourSpans(page string, system []string) (spans []string) {
	var theirs []bool // by column of the table that the line is in
	fenced := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		if !strings.HasPrefix(line, "|") {
			theirs = nil
			for _, m := range codeSpans.FindAllStringSubmatch(line, -1) {
				if !foreign(m[1], system) {
					spans = append(spans, m[1])
				}
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		header := theirs == nil
		for i, cell := range cells {
			cell = strings.TrimSpace(cell)
			if header {
				is := cell == "there" || cell == "default there"
				for _, name := range system {
					is = is || strings.HasPrefix(cell, name)
				}
				theirs = append(theirs, is)
			}
			if i < len(theirs) && theirs[i] {
				continue
			}
			for _, m := range codeSpans.FindAllStringSubmatch(cell, -1) {
				spans = append(spans, m[1])
			}
		}
	}
	return spans
}

// foreign reports whether a span of the prose is Erlang or Elixir.
func foreign(span string, system []string) bool {
	if strings.ContainsAny(span[:1], "{[#:%") {
		return true
	}
	for _, name := range system {
		if strings.HasPrefix(span, name+".") {
			return true
		}
	}
	return false
}

// dictionary knows every exported name of the module's public packages, and of
// the standard library's that its pages name.
type dictionary struct {
	packages map[string]*types.Package // by the name that stands before the point
}

// newDictionary reads the export data that the go command has of the packages.
func newDictionary(t *testing.T) *dictionary {
	t.Helper()
	cmd := exec.Command(
		"go", "list", "-e", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}\t{{.Standard}}",
		".", "./client", "./deflate", "./extension", "./frame", "./h2", "./handshake", "./httpconn",
		"./protocol", "./reconnect", "./server", "./wsjson", "./wstest",
		"net/http/cookiejar", "net/http/httptrace", "net/http/httptest",
	)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	exports := make(map[string]string)
	var wanted []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		path, export, std := fields[0], fields[1], fields[2] == "true"
		exports[path] = export
		ours := path == module || strings.HasPrefix(path, module+"/")
		if (ours || std) && !strings.Contains(path, "internal/") && export != "" {
			wanted = append(wanted, path)
		}
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})
	d := &dictionary{packages: make(map[string]*types.Package)}
	// Ours last: of two packages of one name, ours is meant.
	slices.SortStableFunc(wanted, func(a, b string) int {
		return boolToInt(strings.HasPrefix(a, module)) - boolToInt(strings.HasPrefix(b, module))
	})
	for _, path := range wanted {
		p, err := imp.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		d.packages[p.Name()] = p
	}
	return d
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

var (
	headerName = regexp.MustCompile(`\b[A-Z][A-Za-z0-9]*(-[A-Za-z0-9]+)+\b`)
	settings   = regexp.MustCompile(`\b[A-Z]+(_[A-Z]+)*\b`) // GOAWAY, PING, MAX_FRAME_SIZE
)

// unknown returns the names in a span of code that there are not in the
// packages.
func (d *dictionary) unknown(span string, packages []string) (names []string) {
	span = settings.ReplaceAllString(headerName.ReplaceAllString(span, " "), " ")
	for _, chain := range chains(span) {
		if !d.has(chain, packages) {
			names = append(names, strings.Join(chain, "."))
		}
	}
	return names
}

// chains returns the identifiers of a span that are joined by points, where at
// least one of them is exported.
func chains(span string) (all [][]string) {
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile("", fset.Base(), len(span)), []byte(span), func(token.Position, string) {}, 0)
	var chain []string
	joined := false // the last token was a point behind the chain
	flush := func() {
		if slices.ContainsFunc(chain, exported) {
			all = append(all, chain)
		}
		chain, joined = nil, false
	}
	for {
		_, tok, lit := s.Scan()
		switch {
		case tok == token.EOF:
			flush()
			return all
		case tok == token.IDENT && joined:
			chain, joined = append(chain, lit), false
		case tok == token.IDENT:
			flush()
			chain = []string{lit}
		case tok == token.PERIOD && len(chain) > 0 && !joined:
			joined = true
		default:
			flush()
		}
	}
}

func exported(name string) bool {
	r, _ := utf8.DecodeRuneInString(name)
	return unicode.IsUpper(r)
}

// has reports whether there is what the chain names. Its head is a package, a
// name or a member in one of the packages of the page, or a variable: then the
// rest is a member of some type in one of those.
func (d *dictionary) has(chain, packages []string) bool {
	if p := d.packages[chain[0]]; p != nil && len(chain) > 1 {
		o := p.Scope().Lookup(chain[1])
		return o != nil && (o.Exported() || !exported(chain[1])) && hasMembers(o.Type(), chain[2:])
	}
	if !exported(chain[0]) {
		return len(chain) == 1 || d.isMember(chain[1:], packages)
	}
	for _, name := range packages {
		if o := d.lookup(name).Scope().Lookup(chain[0]); o != nil && hasMembers(o.Type(), chain[1:]) {
			return true
		}
	}
	return d.isMember(chain, packages)
}

func (d *dictionary) lookup(name string) *types.Package {
	if name == "." {
		name = "websocket"
	}
	return d.packages[name]
}

// isMember reports whether some type of the packages has the members, one within
// the other.
func (d *dictionary) isMember(chain, packages []string) bool {
	for _, name := range packages {
		scope := d.lookup(name).Scope()
		for _, n := range scope.Names() {
			if o, ok := scope.Lookup(n).(*types.TypeName); ok && o.Exported() && hasMembers(o.Type(), chain) {
				return true
			}
		}
	}
	return false
}

// hasMembers reports whether t has a field or method with the first of the
// names, that one's type one with the second, and so on. What a function returns
// is its type here.
func hasMembers(t types.Type, names []string) bool {
	for _, name := range names {
		if sig, ok := t.Underlying().(*types.Signature); ok && sig.Results().Len() > 0 {
			t = sig.Results().At(0).Type()
		}
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		o, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
		if o == nil || !exported(name) {
			return false
		}
		t = o.Type()
	}
	return true
}
