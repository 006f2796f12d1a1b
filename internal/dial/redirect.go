package dial

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h1"
)

// ErrRedirect: a redirect leads where it is not followed: to another scheme,
// out of TLS, nowhere, or further than the limit.
var ErrRedirect = errors.New("websocket: redirect not followed")

// Redirects is the rule by which redirects are followed, and what it has come to.
type Redirects struct {
	Max  int    // 0: none are followed, they are refusals
	Unix string // the unix socket that is used, which other servers are not at

	// Header is what is sent with each request. Credentials are taken out of it
	// when a redirect leads to another origin, and so is Host.
	Header http.Header

	followed int
}

func (f *Redirects) next(req *Opening, r *h1.Response) (*url.URL, error) {
	if f == nil {
		return nil, nil
	}
	return f.Next(req.URL, req.User, r.Status, r.Header)
}

// Next returns where the answer to a request to the URL from, made with the
// user's name and password, leads, when that is to be followed. nil and nil mean
// that the answer is taken as it is; an error wraps [ErrRedirect].
func (f *Redirects) Next(from *url.URL, user *url.Userinfo, status int, header http.Header) (*url.URL, error) {
	if f.Max == 0 || !IsRedirect(status) {
		return nil, nil
	}
	if f.followed >= f.Max {
		return nil, fmt.Errorf("%w: more of them than MaxRedirects, %d; look for a loop or raise it, up to 5", ErrRedirect, f.Max)
	}
	lines := header["Location"]
	if len(lines) != 1 {
		return nil, fmt.Errorf("%w: status %d with %d Location fields, want 1", ErrRedirect, status, len(lines))
	}
	ref, err := url.Parse(lines[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRedirect, err)
	}
	// A redirect keeps no password but ours, and a fragment has no meaning.
	to := from.ResolveReference(ref)
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	to.Scheme = webScheme(to.Scheme)
	to, err = handshake.ParseURL(to.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRedirect, err)
	}
	switch same := Origin(to) == Origin(from); {
	case same:
		to.User = user
	case webScheme(from.Scheme) == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("%w: it leads from wss to ws, %.64q", ErrRedirect, lines[0])
	case f.Unix != "":
		return nil, fmt.Errorf("%w: it leads away from the unix socket, to %.64q", ErrRedirect, lines[0])
	default:
		f.forget()
	}
	f.followed++
	return to, nil
}

// forget drops what must not follow to another origin.
func (f *Redirects) forget() {
	for name := range f.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Cookie", "Proxy-Authorization", "Host":
			delete(f.Header, name)
		}
	}
}

// IsRedirect reports whether a status says that the answer is elsewhere.
func IsRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// webScheme returns http for ws, https for wss, and any other scheme as it is.
func webScheme(s string) string {
	switch s {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return s
}

// Origin returns scheme, host and port of an http, https, ws or wss URL, which is
// equal for equal origins (RFC 6454, section 4).
func Origin(u *url.URL) string {
	scheme, port := webScheme(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
