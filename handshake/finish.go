package handshake

import (
	"net/http"
	"slices"
	"strings"

	"github.com/lariat-go/websocket/extension"
)

// Finish checks the server's answer to the last request: its status code, and
// its header with canonical names. Informational answers, other than 101, come
// before it and are not for Finish. That a 101 came over HTTP/1.1, not HTTP/1.0,
// is for the caller to see to ([ErrHTTPVersion]).
//
// The error is an [*Error] with the status and the header, to which the caller
// adds the first bytes of the body. The connection is of no more use then.
func (c *Client) Finish(status int, h http.Header) (*Result, error) {
	res := &Result{HTTPVersion: c.major, Header: h}
	err := c.checkAnswer(status, h)
	if err == nil {
		err = c.checkSubprotocol(h, res)
	}
	if err == nil {
		err = c.checkExtensions(h, res)
	}
	if err != nil {
		return nil, &Error{Status: status, Header: h, Body: []byte{}, Err: err}
	}
	return res, nil
}

// checkAnswer checks what differs from one version of HTTP to another (RFC
// 6455, section 4.1; RFC 8441, section 5).
func (c *Client) checkAnswer(status int, h http.Header) error {
	if c.major > 1 {
		if status < 200 || status > 299 {
			return refused(status, h, "2xx")
		}
		return nil
	}
	if status != http.StatusSwitchingProtocols {
		return refused(status, h, "101 Switching Protocols")
	}
	if lines := h[hUpgrade]; len(lines) != 1 || !equalFold(lines[0], "websocket") {
		return because(ErrNotUpgrade, `the answer's Upgrade is %q, want "websocket"`, clip(strings.Join(lines, ", ")))
	}
	if lines := h[hConnection]; !extension.HasToken(lines, "upgrade") {
		return because(ErrNotUpgrade, `the answer's Connection is %q, want "Upgrade"`, clip(strings.Join(lines, ", ")))
	}
	if lines := h[hAccept]; len(lines) != 1 || lines[0] != acceptKey(c.key) {
		return because(ErrAccept, "%q, want %q", clip(strings.Join(lines, ", ")), acceptKey(c.key))
	}
	return nil
}

// refused says what came instead of a connection.
func refused(status int, h http.Header, want string) error {
	text := http.StatusText(status)
	switch {
	case status >= 300 && status <= 399 && h.Get("Location") != "":
		return because(ErrStatus, "status %d %s to %q, want %s", status, text, clip(h.Get("Location")), want)
	case status == http.StatusUpgradeRequired && h.Get(hVersion) != "":
		return because(ErrStatus, "status %d %s, versions %q, want %s", status, text, clip(h.Get(hVersion)), want)
	}
	return because(ErrStatus, "status %d %s, want %s", status, text, want)
}

// checkSubprotocol wants one of those that were offered, and none when none
// were.
func (c *Client) checkSubprotocol(h http.Header, res *Result) error {
	lines, ok := h[hProtocol]
	offered := strings.Join(c.subprotocols, ", ")
	switch {
	case !ok && len(c.subprotocols) == 0:
		return nil
	case !ok:
		return because(ErrSubprotocol, "the server chose none of %q", clip(offered))
	case len(lines) != 1 || !slices.Contains(c.subprotocols, lines[0]):
		return because(ErrSubprotocol, "the server chose %q of %q", clip(strings.Join(lines, ", ")), clip(offered))
	}
	res.Subprotocol = lines[0]
	return nil
}

// checkExtensions lets each extension check what the server made of its offer.
func (c *Client) checkExtensions(h http.Header, res *Result) error {
	lines, ok := h[hExtensions]
	if !ok {
		return nil
	}
	answers, err := extension.ParseOffers(lines)
	if err != nil {
		return because(ErrExtensions, "%w", err)
	}
	for i, a := range answers {
		if slices.ContainsFunc(answers[:i], func(b extension.Offer) bool { return a.Name == b.Name }) {
			err = because(ErrExtensions, "the server accepted %q twice", clip(a.Name))
		} else {
			err = c.confirm(a, res)
		}
		if err != nil {
			closeCodec(res.Codec)
			return err
		}
	}
	res.Extensions = answers
	return nil
}

func (c *Client) confirm(a extension.Offer, res *Result) error {
	i := slices.IndexFunc(c.extensions, func(x extension.Extension) bool { return x.Name() == a.Name })
	if i < 0 {
		return because(ErrExtensions, "the server accepted %q, which was not offered", clip(a.Name))
	}
	codec, err := c.extensions[i].Confirm(a)
	switch {
	case err != nil:
		return because(ErrExtensions, "%w", err)
	case codec == nil:
	case res.Codec != nil:
		codec.Close()
		return because(ErrExtensions, "the server accepted %q besides another that codes messages", clip(a.Name))
	default:
		res.Codec = codec
	}
	return nil
}
