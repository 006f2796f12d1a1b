package handshake

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/lariat-go/websocket/internal/option"
)

// target is where a URL leads.
type target struct {
	secure    bool
	authority // the host is in lower case; the port is always set
	zone      string
	path      string // with the query
	basic     string // Authorization, from the userinfo
}

// ParseURL parses the URL of a WebSocket (RFC 6455, section 3) and checks it as
// [NewClient] does. It refuses what net/url would repair in silence: spaces,
// control characters, an empty fragment. The error matches [ErrURL] and is an
// [*option.Error] as well; no password is in it.
func ParseURL(s string) (*url.URL, error) {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			return nil, badURL(fmt.Sprintf("byte %d is %q", i+1, c), "it percent-encoded")
		}
	}
	if strings.Contains(s, "#") {
		return nil, badURL("it has a fragment", "none, and %23 for a # in the path or query")
	}
	u, err := url.Parse(s)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL, which may hold a password
		}
		return nil, badURL(err.Error(), wantURL)
	}
	if _, err = parseTarget(u); err != nil {
		return nil, err
	}
	return u, nil
}

const wantURL = "ws://host/path or wss://host/path"

// urlError is an option error that is ErrURL too.
type urlError struct{ opt option.Error }

func badURL(value, want string) error {
	return &urlError{opt: option.Error{Field: "URL", Value: value, Want: want}}
}

func (e *urlError) Error() string {
	return fmt.Sprintf("%v: %v; want %s", ErrURL, e.opt.Value, e.opt.Want)
}

func (e *urlError) Unwrap() []error { return []error{ErrURL, &e.opt} }

// parseTarget checks a URL.
func parseTarget(u *url.URL) (t target, err error) {
	switch {
	case u == nil:
		return target{}, badURL("there is none", wantURL)
	case u.Opaque != "":
		return target{}, badURL("its scheme is not followed by //", wantURL)
	case u.Fragment != "" || u.RawFragment != "":
		// "Fragment identifiers are meaningless" (RFC 6455, section 3).
		return target{}, badURL("it has a fragment", "none, and %23 for a # in the path or query")
	}
	t.port = 80
	switch strings.ToLower(u.Scheme) {
	case "ws", "http":
	case "wss", "https":
		t.secure, t.port = true, 443
	default:
		return target{}, badURL(fmt.Sprintf("its scheme is %q", clip(u.Scheme)), wantURL)
	}
	if t.zone, err = t.parseHost(u.Host); err != nil {
		return target{}, err
	}
	if t.path, err = requestTarget(u); err != nil {
		return target{}, err
	}
	t.basic, err = basicAuth(u.User)
	return t, err
}

// parseHost sets the host and port, and returns the zone of an IPv6 address,
// which is for the dialer alone (RFC 6874, section 4).
func (t *target) parseHost(s string) (zone string, err error) {
	for _, c := range s {
		if c >= 0x80 {
			return "", badURL(fmt.Sprintf("its host %q is not ASCII", clip(s)), `the host's ASCII form, as in "xn--bcher-kva.example"`)
		}
	}
	if i := strings.IndexByte(s, '%'); i >= 0 {
		if j := strings.IndexByte(s, ']'); j > i && validName(s[i+1:j]) {
			zone, s = s[i+1:j], s[:i]+s[j:]
		}
	}
	a, ok := parseAuthority(s)
	if !ok {
		return "", badURL(fmt.Sprintf("its host is %q", clip(s)), "a name or address, and perhaps a port from 1 to 65535")
	}
	t.host = strings.ToLower(a.host)
	if a.port != 0 {
		t.port = a.port
	}
	return zone, nil
}

// requestTarget returns the path and query as a request line has them.
func requestTarget(u *url.URL) (string, error) {
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if u.RawQuery == "" && !u.ForceQuery {
		return path, nil
	}
	b := append([]byte(path), '?')
	for i := range len(u.RawQuery) {
		switch c := u.RawQuery[i]; {
		case c <= ' ' || c == 0x7f || c == '#':
			return "", badURL(fmt.Sprintf("its query has a %q", c), "it percent-encoded")
		case c >= 0x80:
			b = fmt.Appendf(b, "%%%02X", c)
		default:
			b = append(b, c)
		}
	}
	return string(b), nil
}

// basicAuth returns the value of Authorization that stands for the userinfo
// (RFC 7617).
func basicAuth(user *url.Userinfo) (string, error) {
	if user == nil {
		return "", nil
	}
	password, _ := user.Password()
	if !validValue(user.Username()) || !validValue(password) {
		return "", badURL("its user or password has a control character", "none")
	}
	if strings.Contains(user.Username(), ":") {
		return "", badURL("its user has a colon", "none, or an Authorization header instead")
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)), nil
}

// hostHeader returns the authority as Host has it: without the scheme's default
// port.
func (t *target) hostHeader() string {
	if t.port == 80 && !t.secure || t.port == 443 && t.secure {
		return t.host
	}
	return t.host + ":" + strconv.Itoa(int(t.port))
}

// dialHost returns the host as net.JoinHostPort wants it.
func (t *target) dialHost() string {
	ip, err := netip.ParseAddr(strings.Trim(t.host, "[]"))
	if err != nil {
		return t.host
	}
	return ip.WithZone(t.zone).String()
}
