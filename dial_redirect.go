package websocket

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/h1"
)

// ErrRedirect: a redirect leads where [Dial] does not follow: to another
// scheme, out of TLS, nowhere, or further than MaxRedirects. The
// [*HandshakeError] around it has the answer.
var ErrRedirect = errors.New("websocket: redirect not followed")

// redirect returns where the answer leads, when that is to be followed. nil and
// nil mean that the answer is taken as it is.
func (d *dialer) redirect(req *opening, r *h1.Response) (*url.URL, error) {
	if d.o.MaxRedirects == 0 || !isRedirect(r.Status) {
		return nil, nil
	}
	if d.redirects == 0 {
		return nil, fmt.Errorf("%w: more of them than MaxRedirects, %d; look for a loop or raise it, up to 5", ErrRedirect, d.o.MaxRedirects)
	}
	lines := r.Header["Location"]
	if len(lines) != 1 {
		return nil, fmt.Errorf("%w: status %d with %d Location fields, want 1", ErrRedirect, r.Status, len(lines))
	}
	ref, err := url.Parse(lines[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRedirect, err)
	}
	// A redirect keeps no password but ours, and a fragment has no meaning.
	to := req.url.ResolveReference(ref)
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	switch to.Scheme {
	case "ws":
		to.Scheme = "http"
	case "wss":
		to.Scheme = "https"
	}
	to, err = handshake.ParseURL(to.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRedirect, err)
	}
	switch same := origin(to) == origin(req.url); {
	case same:
		to.User = req.user
	case req.url.Scheme == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("%w: it leads from wss to ws, %.64q", ErrRedirect, lines[0])
	case d.o.Unix != "":
		return nil, fmt.Errorf("%w: it leads away from the unix socket, to %.64q", ErrRedirect, lines[0])
	default:
		d.forget()
	}
	d.redirects--
	return to, nil
}

// forget drops what must not follow to another origin.
func (d *dialer) forget() {
	for name := range d.o.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Cookie", "Proxy-Authorization", "Host":
			delete(d.o.Header, name)
		}
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// origin returns scheme, host and port of an http or https URL, which is equal
// for equal origins (RFC 6454, section 4).
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
