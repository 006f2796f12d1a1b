package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lariat-go/websocket/handshake"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// checkURL reads the URL of a WebSocket and answers a wrong one with the URL
// that was probably meant.
func checkURL(s string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case s == "":
		return nil, usage("a URL such as ws://localhost:8080/", "the URL is empty")
	case !ok:
		meant := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s, "wss:"), "ws:"), "/")
		meant = guessScheme(s, meant) + "://" + withPath(meant)
		return nil, usage(meant, "%q is not a URL with a scheme", trim(s, 64))
	}
	switch strings.ToLower(scheme) {
	case "ws", "wss", "http", "https":
	default:
		meant := guessScheme(scheme, rest) + "://" + withPath(rest)
		return nil, usage(meant, "a WebSocket has the scheme ws or wss, not %q", trim(scheme, 64))
	}
	if before, fragment, ok := strings.Cut(s, "#"); ok {
		return nil, usage(before, "the URL of a WebSocket has no fragment, and this one has %q (RFC 6455, section 3)", trim("#"+fragment, 64))
	}
	if u, err := url.Parse(s); err == nil && u.Hostname() == "" {
		return nil, usage(scheme+"://localhost:8080"+withPath(u.RequestURI()), "%q names no host", trim(s, 64))
	}
	u, err := handshake.ParseURL(s)
	if err != nil {
		return nil, usage("a URL such as ws://localhost:8080/", "%s", strings.TrimPrefix(err.Error(), "websocket: "))
	}
	return u, nil
}

// guessScheme guesses from what stands before and after the place where "://"
// belongs.
func guessScheme(before, rest string) string {
	host, _, _ := strings.Cut(rest, "/")
	_, port, _ := net.SplitHostPort(host)
	b := strings.ToLower(before)
	if port == "443" || port == "8443" || strings.HasPrefix(b, "wss") || strings.HasPrefix(b, "https") {
		return "wss"
	}
	return "ws"
}

// withPath gives an address without a path the path "/".
func withPath(s string) string {
	if strings.Contains(s, "/") {
		return s
	}
	return s + "/"
}

// withScheme exchanges the scheme of a URL.
func withScheme(target, scheme string) string {
	if _, rest, ok := strings.Cut(target, "://"); ok {
		return scheme + "://" + rest
	}
	return scheme + "://" + target
}

// flagError answers a flag that does not exist or has a bad value.
func flagError(c *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	var empty *pflag.ValueRequiredError
	help := "lariat help " + strings.TrimPrefix(c.CommandPath(), "lariat ")
	switch {
	case errors.As(err, &missing):
		name := missing.GetSpecifiedName()
		dashed := "--" + name
		if short := missing.GetSpecifiedShortnames(); short != "" {
			dashed = "-" + name
		}
		if near := nearest(name, flagNames(c)); near != "" {
			return usage("--"+near, "%s has no flag %s", c.CommandPath(), dashed)
		}
		return usage(help, "%s has no flag %s", c.CommandPath(), dashed)
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		return usage(exampleOf(f, invalid.GetValue()), "%q is not a value for --%s: %s", trim(invalid.GetValue(), 64), f.Name, reason(f, invalid.Unwrap()))
	case errors.As(err, &empty):
		name := empty.GetSpecifiedName()
		f := c.Flags().Lookup(name)
		if f == nil && len(name) == 1 {
			f = c.Flags().ShorthandLookup(name)
		}
		if f == nil {
			break
		}
		return usage(exampleOf(f, ""), "--%s needs a value", f.Name)
	}
	return usage(help, "%w", err)
}

// reason words why a value is not one of its type.
func reason(f *pflag.Flag, err error) string {
	switch f.Value.Type() {
	case "duration":
		return "a duration has a unit"
	case "int":
		return "it is not a whole number"
	case "bool":
		return "it is on or off"
	}
	return err.Error()
}

// exampleOf shows how to give a flag.
func exampleOf(f *pflag.Flag, value string) string {
	switch f.Value.Type() {
	case "duration":
		if _, err := strconv.ParseFloat(value, 64); err == nil {
			return fmt.Sprintf("--%s %ss, or %sms", f.Name, value, value)
		}
		return fmt.Sprintf("--%s 500ms, 2s or 1m30s", f.Name)
	case "int":
		return fmt.Sprintf("--%s 5", f.Name)
	case "bool":
		return fmt.Sprintf("--%s alone", f.Name)
	case "version":
		return fmt.Sprintf("--%s 1, 2 or auto", f.Name)
	case "size":
		return fmt.Sprintf("--%s 65536, 64KiB or 16MiB", f.Name)
	}
	name, _ := pflag.UnquoteUsage(f)
	return fmt.Sprintf("--%s %s", f.Name, strings.ToUpper(name))
}

// commandError answers a command that does not exist.
func commandError(root *cobra.Command, word string) error {
	if strings.Contains(word, "://") || strings.Contains(word, ":") && !strings.ContainsAny(word, " \t") {
		if u, err := checkURL(word); err == nil {
			return usage("lariat connect "+u.String(), "%q is not a command", trim(word, 64))
		}
		return usage("lariat connect "+meantURL(word), "%q is not a command", trim(word, 64))
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	if near := nearest(word, names); near != "" {
		return usage("lariat "+near, "%q is not a command", trim(word, 64))
	}
	return usage("lariat help", "%q is not a command", trim(word, 64))
}

// meantURL is the URL that checkURL proposes for a wrong one.
func meantURL(s string) string {
	var f *failure
	if _, err := checkURL(s); errors.As(err, &f) {
		return f.hint
	}
	return s
}

// argsBetween checks the number of arguments and names what is missing or too
// much.
func argsBetween(least, most int, what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(example, "%s needs %s", c.CommandPath(), what)
		case len(args) > most && most == 0:
			return usage(example, "%s takes no arguments, and %q is one", c.CommandPath(), trim(args[0], 64))
		case len(args) > most:
			return usage(example, "%s takes %s only, and %q is one too many", c.CommandPath(), what, trim(args[most], 64))
		}
		return nil
	}
}

func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// nearest returns the name that word was probably meant to be, or "".
func nearest(word string, names []string) string {
	best, bestDistance := "", len(word)/3+2
	for _, n := range names {
		d := distance(word, n)
		if len(word) > 2 && strings.HasPrefix(n, word) {
			d = 1
		}
		if d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}

// distance is the number of letters to change, add or drop.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// size is a flag value in bytes: 65536, 64KiB, 16MiB.
type size int64

func (s *size) Type() string { return "size" }

func (s *size) String() string {
	switch n := int64(*s); {
	case n > 0 && n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n > 0 && n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	default:
		return strconv.FormatInt(n, 10)
	}
}

func (s *size) Set(v string) error {
	number, shift := v, 0
	for suffix, bits := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30, "k": 10, "K": 10, "M": 20, "G": 30} {
		if n, ok := strings.CutSuffix(v, suffix); ok {
			number, shift = n, bits
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n <= 0 || n > (1<<62)>>shift {
		return errors.New("a size is a positive number of bytes")
	}
	*s = size(n << shift)
	return nil
}

// positive refuses durations below zero, and zero.
func positive(name string, d time.Duration) error {
	if d <= 0 {
		return usage("--"+name+" 1s", "--%s is %v, and a duration here is more than zero", name, d)
	}
	return nil
}
