package handshake

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/option"
)

// ClientOptions is what a client asks for besides its URL.
type ClientOptions struct {
	// Header is sent with the request. A Host in it replaces that of the URL;
	// a Sec-WebSocket-Protocol counts as Subprotocols; the other fields of the
	// handshake itself may not be in it.
	Header http.Header

	// Subprotocols are offered in this order. The handshake fails when the
	// server chooses none of them.
	Subprotocols []string

	// Extensions are offered in this order.
	Extensions []extension.Extension

	// Key is the Sec-WebSocket-Key, the base64 of 16 bytes. Empty means 16
	// random bytes for each request, which is right but in tests.
	Key string
}

// Client is the client's half of opening handshakes with one URL. It is for one
// goroutine, and for one handshake at a time: [Client.Request], then
// [Client.Finish] with what the server answered.
type Client struct {
	target       target
	host         string
	header       http.Header
	subprotocols []string
	extensions   []extension.Extension
	offers       string
	fixedKey     string

	major int    // of the last request
	key   string // of the last request
}

// NewClient checks the URL and the options and copies them; nil options mean
// the zero value. The URL has the scheme ws or wss; http and https are taken
// for them. Its userinfo becomes an Authorization header unless there is one.
// The error is an [*option.Error], and matches [ErrURL] when the URL is bad.
func NewClient(u *url.URL, o *ClientOptions) (*Client, error) {
	if o == nil {
		o = &ClientOptions{}
	}
	t, err := parseTarget(u)
	if err != nil {
		return nil, err
	}
	c := &Client{target: t, host: t.hostHeader(), fixedKey: o.Key, major: 1, extensions: slices.Clone(o.Extensions)}
	if o.Key != "" && !validKey(o.Key) {
		return nil, &option.Error{Field: "Key", Value: o.Key, Want: "16 bytes in base64"}
	}
	if err := c.setHeader(o.Header); err != nil {
		return nil, err
	}
	if err := c.setSubprotocols(o.Subprotocols); err != nil {
		return nil, err
	}
	if err := c.setOffers(); err != nil {
		return nil, err
	}
	return c, nil
}

// setHeader copies the user's header under canonical names.
func (c *Client) setHeader(h http.Header) error {
	c.header = make(http.Header, len(h)+1)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		k := http.CanonicalHeaderKey(name)
		c.header[k] = append(c.header[k], h[name]...)
	}
	if lines, ok := c.header["Host"]; ok {
		if len(lines) != 1 || !validHost(lines[0]) {
			return &option.Error{Field: "Header", Value: "Host: " + strings.Join(lines, ", "), Want: "one Host, a name or address and perhaps a port"}
		}
		c.host = lines[0]
		delete(c.header, "Host")
	}
	if lines, ok := c.header[hProtocol]; ok {
		var err error
		if c.subprotocols, err = extension.ParseTokens(lines, maxSubprotocols); err != nil {
			return &option.Error{Field: "Header", Value: "Sec-WebSocket-Protocol: " + strings.Join(lines, ", "), Want: "a list of at most 32 tokens"}
		}
		delete(c.header, hProtocol)
	}
	if _, ok := c.header["Authorization"]; !ok && c.target.basic != "" {
		c.header["Authorization"] = []string{c.target.basic}
	}
	return checkHeader(c.header)
}

func validHost(s string) bool {
	_, ok := parseAuthority(s)
	return ok
}

// setSubprotocols takes the option, the header's list, or both when they agree.
func (c *Client) setSubprotocols(names []string) error {
	if c.subprotocols != nil && len(names) > 0 && !slices.Equal(c.subprotocols, names) {
		return &option.Error{
			Field: "Subprotocols", Value: strings.Join(names, ", "),
			Want: "what the header Sec-WebSocket-Protocol says, or no such header",
		}
	}
	if c.subprotocols == nil {
		c.subprotocols = slices.Clone(names)
	}
	return checkSubprotocols(c.subprotocols)
}

func (c *Client) setOffers() error {
	if err := checkExtensions(c.extensions); err != nil {
		return err
	}
	var all []extension.Offer
	for _, x := range c.extensions {
		for _, o := range x.Offer() {
			if o.Name != x.Name() || !o.Valid() {
				return &option.Error{Field: "Extensions", Value: o.String(), Want: "offers that bear the extension's name and are tokens"}
			}
			all = append(all, o)
		}
	}
	if len(all) > extension.MaxOffers {
		return &option.Error{Field: "Extensions", Value: len(all), Want: "at most 16 offers"}
	}
	c.offers = extension.FormatOffers(all)
	return nil
}

// Secure reports whether the URL wants TLS.
func (c *Client) Secure() bool { return c.target.secure }

// HostPort returns where to connect, as net.JoinHostPort wants it: the host
// without brackets, with the zone of an IPv6 address, and the port.
func (c *Client) HostPort() (host, port string) {
	return c.target.dialHost(), strconv.Itoa(int(c.target.port))
}

// Request is a request to send. Over HTTP/1.1 it is a GET with Upgrade; over
// HTTP/2 and HTTP/3 an extended CONNECT, whose pseudo-headers are the fields
// other than Header.
type Request struct {
	Major     int    // 1, 2 or 3
	Method    string // GET or CONNECT
	Scheme    string // http or https
	Authority string // what Host says
	Path      string // with the query
	Protocol  string // websocket, in an extended CONNECT; else empty
	Header    http.Header
}

// Request returns a new request for a major version of HTTP. Each call over
// HTTP/1.1 takes a new random key, so call it once for each connection. The
// caller may add to its Header, cookies for instance.
func (c *Client) Request(major int) *Request {
	r := &Request{Major: major, Method: http.MethodConnect, Scheme: "http", Authority: c.host, Path: c.target.path, Protocol: "websocket"}
	if c.target.secure {
		r.Scheme = "https"
	}
	r.Header = c.header.Clone()
	r.Header[hVersion] = []string{version}
	if major < 2 {
		r.Major, r.Method, r.Protocol = 1, http.MethodGet, ""
		if c.key = c.fixedKey; c.key == "" {
			c.key = newKey()
		}
		r.Header[hUpgrade] = []string{"websocket"}
		r.Header[hConnection] = []string{"Upgrade"}
		r.Header[hKey] = []string{c.key}
	}
	if len(c.subprotocols) > 0 {
		r.Header[hProtocol] = []string{strings.Join(c.subprotocols, ", ")}
	}
	if c.offers != "" {
		r.Header[hExtensions] = []string{c.offers}
	}
	c.major = r.Major
	return r
}

// newKey is "a randomly selected 16-byte value that has been base64-encoded"
// (RFC 6455, section 4.1).
func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails: crypto/rand ends the program instead
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// AppendHTTP1 appends the request as HTTP/1.1 sends it: Host first, then the
// handshake, then the user's fields by name.
func (r *Request) AppendHTTP1(dst []byte) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Path...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Authority...)
	dst = append(dst, "\r\n"...)
	dst = appendFields(dst, r.Header)
	return append(dst, "\r\n"...)
}
