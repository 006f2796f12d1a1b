package h2

import "strings"

// The pseudo-header fields that were seen.
const (
	sawMethod = 1 << iota
	sawScheme
	sawAuthority
	sawPath
	sawProtocol
	sawStatus
)

// check holds a header block to RFC 9113, sections 8.1 to 8.5, and RFC 8441.
type check struct {
	mode    blockMode
	saw     uint8  // pseudo-header fields
	regular bool   // a field that is none was seen
	bad     string // why the block is malformed: the first reason
	host    string // the Host field's value
	hosts   int
	head    *Head
}

// field checks f, and reports whether it belongs among the fields of the head.
func (c *check) field(f Field) (keep bool) {
	if len(f.Name) > 0 && f.Name[0] == ':' {
		c.bad = c.pseudo(f)
		return false
	}
	c.regular = true
	switch {
	case !consists(f.Name, nameByte):
		c.bad = "a field name that is empty, or has upper case or other characters not allowed"
	case !validValue(f.Value):
		c.bad = "a field value with control characters, or white space around it"
	case ConnectionSpecific(f.Name):
		c.bad = "a connection-specific field"
	case f.Name == "te" && (c.mode != modeRequest || !strings.EqualFold(f.Value, "trailers")):
		c.bad = "a TE field other than \"trailers\""
	case f.Name == "content-length" && c.mode != modeTrailers:
		return c.length(f.Value)
	case f.Name == "host" && c.mode == modeRequest:
		c.host = f.Value
		if c.hosts++; c.hosts > 1 {
			c.bad = "several Host fields"
		}
	}
	return c.bad == ""
}

// length takes the value of a content-length field. One that repeats another is
// not kept.
func (c *check) length(v string) (keep bool) {
	n, ok := parseLength(v)
	switch {
	case !ok:
		c.bad = "a content-length that is not a number"
	case c.head.ContentLength >= 0 && c.head.ContentLength != n:
		c.bad = "content-length fields that differ"
	case c.head.ContentLength < 0:
		c.head.ContentLength = n
		return true
	}
	return false
}

// pseudo takes a pseudo-header field.
func (c *check) pseudo(f Field) (bad string) {
	switch {
	case c.mode == modeTrailers:
		return "a pseudo-header field in trailers"
	case c.regular:
		return "a pseudo-header field after others"
	}
	h, bit, ok := c.head, 0, true
	switch f.Name {
	case ":method":
		bit, h.Method, ok = sawMethod, f.Value, consists(f.Value, tokenByte)
	case ":scheme":
		bit, h.Scheme, ok = sawScheme, f.Value, validScheme(f.Value)
	case ":authority":
		bit, h.Authority, ok = sawAuthority, f.Value, f.Value == "" || consists(f.Value, hostByte)
	case ":path":
		bit, h.Path, ok = sawPath, f.Value, consists(f.Value, pathByte)
	case ":protocol":
		bit, h.Protocol, ok = sawProtocol, f.Value, consists(f.Value, tokenByte)
	case ":status":
		bit, h.Status = sawStatus, parseStatus(f.Value)
		ok = h.Status != 0
	default:
		return "an unknown pseudo-header field"
	}
	switch {
	case (bit == sawStatus) != (c.mode == modeResponse):
		return "a pseudo-header field of a request in a response, or the other way round"
	case c.saw&uint8(bit) != 0:
		return "a pseudo-header field twice"
	case !ok:
		return "the value of a pseudo-header field is not allowed"
	}
	c.saw |= uint8(bit)
	return ""
}

func validScheme(s string) bool {
	if !consists(s, schemeByte) {
		return false
	}
	b := s[0] | 0x20
	return 'a' <= b && b <= 'z'
}

// parseStatus returns 0 for what is not a status. 101 isn't one in HTTP/2 (RFC
// 9113, section 8.6).
func parseStatus(v string) int {
	n, ok := parseLength(v)
	if !ok || len(v) != 3 || n < 100 || n == 101 {
		return 0
	}
	return int(n)
}

// finish checks what can be seen only at the end of the block.
func (c *check) finish(h *Head, extended bool) {
	switch c.mode {
	case modeRequest:
		c.bad = c.request(h, extended)
	case modeResponse:
		if c.saw != sawStatus {
			c.bad = "a response without :status"
		}
	}
}

func (c *check) request(h *Head, extended bool) (bad string) {
	const plain, all = sawMethod | sawAuthority, sawMethod | sawScheme | sawPath
	switch {
	case h.Method == "CONNECT" && c.saw&sawProtocol == 0:
		// RFC 9113, section 8.5.
		if c.saw != plain {
			return "a CONNECT must have :authority, and neither :scheme nor :path"
		}
	case c.saw&all != all:
		return "a request without :method, :scheme or :path"
	case c.saw&sawProtocol != 0:
		// RFC 8441, section 4.
		switch {
		case !extended:
			return "a :protocol, though extended CONNECT was not announced"
		case h.Method != "CONNECT":
			return "a :protocol without CONNECT"
		case c.saw&sawAuthority == 0:
			return "an extended CONNECT without :authority"
		}
	}
	if c.saw&sawPath != 0 && h.Path[0] != '/' && (h.Path != "*" || h.Method != "OPTIONS") {
		return "a :path that does not begin with a slash"
	}
	return c.authority(h)
}

// authority holds :authority and Host to RFC 9113, section 8.3.1.
func (c *check) authority(h *Head) (bad string) {
	if c.hosts > 0 && c.host != "" && !consists(c.host, hostByte) {
		return "a Host with characters not allowed"
	}
	web := h.Scheme == "" || strings.EqualFold(h.Scheme, "http") || strings.EqualFold(h.Scheme, "https")
	switch {
	case web && c.saw&sawAuthority != 0 && h.Authority == "", web && c.hosts > 0 && c.host == "":
		return "an empty :authority or Host"
	case web && c.saw&sawAuthority == 0 && c.hosts == 0:
		return "a request without :authority and Host"
	case c.saw&sawAuthority != 0 && c.hosts > 0 && !sameHost(h.Authority, c.host, h.Scheme):
		return ":authority and Host differ"
	}
	return ""
}

// sameHost compares two authorities of a scheme: without regard to case, and to
// the port that is the scheme's default.
func sameHost(a, b, scheme string) bool {
	return a == b || strings.EqualFold(withoutPort(a, scheme), withoutPort(b, scheme))
}

func withoutPort(host, scheme string) string {
	port := ":443"
	switch {
	case strings.EqualFold(scheme, "http"):
		port = ":80"
	case !strings.EqualFold(scheme, "https"):
		return host
	}
	return strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
}

// What the bytes of names and values may be (RFC 9110, section 5; RFC 9113,
// section 8.2.1).
const (
	tokenByte  = 1 << iota // tchar
	nameByte               // tchar, but no upper case
	pathByte               // of :path: no control characters, space or '#'
	hostByte               // of an authority without userinfo: RFC 3986, section 3.2
	schemeByte             // RFC 3986, section 3.1, but for the first
)

// class holds what each byte may be a part of.
var class = classes()

func classes() (t [256]uint8) {
	for c := range t {
		b := byte(c)
		lower := 'a' <= b && b <= 'z'
		alpha := lower || 'A' <= b && b <= 'Z'
		digit := '0' <= b && b <= '9'
		token := alpha || digit || among(b, "!#$%&'*+-.^_`|~")
		if token {
			t[c] |= tokenByte
		}
		if token && (lower || !alpha) {
			t[c] |= nameByte
		}
		if b > ' ' && b != 0x7f && b != '#' {
			t[c] |= pathByte
		}
		if alpha || digit || among(b, "-._~%!$&'()*+,;=:[]") {
			t[c] |= hostByte
		}
		if alpha || digit || among(b, "+-.") {
			t[c] |= schemeByte
		}
	}
	return t
}

func among(b byte, set string) bool {
	for i := range len(set) {
		if set[i] == b {
			return true
		}
	}
	return false
}

// consists reports whether s is not empty and all its bytes are of kind.
func consists(s string, kind uint8) bool {
	for i := range len(s) {
		if class[s[i]]&kind == 0 {
			return false
		}
	}
	return s != ""
}

// validValue reports whether v may be a field's value: no control characters
// but HTAB, and no white space around it.
func validValue(v string) bool {
	if v == "" {
		return true
	}
	if first, last := v[0], v[len(v)-1]; first == ' ' || first == '\t' || last == ' ' || last == '\t' {
		return false
	}
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(v); i += 8 {
		w := v[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		del := x ^ 0x7f*ones
		// Below 0x20, or equal to 0x7f. A HTAB, and what follows one, is looked at
		// more closely.
		if ((x-0x20*ones)&^x|(del-ones)&^del)&highs != 0 && !plain(w) {
			return false
		}
	}
	return plain(v[i:])
}

// plain reports whether v has no control characters but HTAB.
func plain(v string) bool {
	for i := range len(v) {
		if b := v[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

// parseLength parses the value of content-length.
func parseLength(v string) (n int64, ok bool) {
	if v == "" || len(v) > 19 {
		return 0, false
	}
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(v[i]-'0')
	}
	return n, n >= 0 // 19 digits are less than 2^64
}
