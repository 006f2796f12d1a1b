package handshake

import (
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/option"
)

// Names in the canonical form of net/http.
const (
	hUpgrade       = "Upgrade"
	hConnection    = "Connection"
	hContentLength = "Content-Length"
	hKey           = "Sec-Websocket-Key"
	hVersion       = "Sec-Websocket-Version"
	hAccept        = "Sec-Websocket-Accept"
	hProtocol      = "Sec-Websocket-Protocol"
	hExtensions    = "Sec-Websocket-Extensions"
)

const (
	version         = "13"
	maxSubprotocols = 32
)

// leading are the fields that are written first, as RFC 6455 spells them: old
// peers compare with regard to case.
var leading = [...]struct{ name, wire string }{
	{"Host", "Host"},
	{hUpgrade, hUpgrade},
	{hConnection, hConnection},
	{hKey, "Sec-WebSocket-Key"},
	{hVersion, "Sec-WebSocket-Version"},
	{hAccept, "Sec-WebSocket-Accept"},
	{hProtocol, "Sec-WebSocket-Protocol"},
	{hExtensions, "Sec-WebSocket-Extensions"},
}

// appendFields appends a header: the leading fields, then the others by name.
func appendFields(dst []byte, h http.Header) []byte {
	n := 0
	for i := range leading {
		if v, ok := h[leading[i].name]; ok {
			dst = appendField(dst, leading[i].wire, v)
			n++
		}
	}
	if n == len(h) {
		return dst
	}
	for _, k := range slices.Sorted(maps.Keys(h)) {
		if !isLeading(k) {
			dst = appendField(dst, k, h[k])
		}
	}
	return dst
}

func appendField(dst []byte, name string, lines []string) []byte {
	for _, v := range lines {
		dst = append(dst, name...)
		dst = append(dst, ": "...)
		dst = append(dst, v...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func isLeading(name string) bool {
	for i := range leading {
		if leading[i].name == name {
			return true
		}
	}
	return false
}

// keyGUID is the string of RFC 6455, section 1.3.
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// acceptKey is the answer to a Sec-WebSocket-Key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum(append(append(make([]byte, 0, 64), key...), keyGUID...))
	var text [28]byte
	base64.StdEncoding.Encode(text[:], sum[:])
	return string(text[:])
}

// validKey reports whether key is the base64 of 16 bytes (RFC 6455, section
// 4.1), in its only right form: 22 letters of which the last holds two bits, so
// that the four behind them are zero, and the padding.
func validKey(key string) bool {
	if len(key) != 24 || key[22:] != "==" || strings.IndexByte("AQgw", key[21]) < 0 {
		return false
	}
	for i := range 21 {
		if c := key[i]; !isLetter(c) && !isDigit(c) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

// reserved reports whether a field belongs to the handshake or to the
// connection, so that users may not set it.
func reserved(name string) bool {
	switch name {
	case hUpgrade, hConnection, hContentLength, "Transfer-Encoding", "Trailer", "Te", "Keep-Alive", "Proxy-Connection":
		return true
	}
	return strings.HasPrefix(name, "Sec-Websocket-")
}

// checkHeader checks what a user wants to send.
func checkHeader(h http.Header) error {
	for name, lines := range h {
		if !extension.IsToken(name) {
			return &option.Error{Field: "Header", Value: name, Want: "names that are tokens"}
		}
		if reserved(http.CanonicalHeaderKey(name)) {
			return &option.Error{Field: "Header", Value: name, Want: "no field that the handshake sets itself"}
		}
		for _, v := range lines {
			if !validValue(v) {
				return &option.Error{Field: "Header", Value: name + ": " + v, Want: "values without control characters"}
			}
		}
	}
	return nil
}

// validValue follows RFC 9110, section 5.5.
func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func checkSubprotocols(names []string) error {
	if len(names) > maxSubprotocols {
		return &option.Error{Field: "Subprotocols", Value: len(names), Want: "at most 32 names"}
	}
	for i, p := range names {
		if !extension.IsToken(p) {
			return &option.Error{Field: "Subprotocols", Value: p, Want: "tokens: letters, digits and !#$%&'*+-.^_`|~"}
		}
		if indexOf(names[:i], p) >= 0 {
			return &option.Error{Field: "Subprotocols", Value: p, Want: "each name once"}
		}
	}
	return nil
}

func checkExtensions(list []extension.Extension) error {
	for i, x := range list {
		if x == nil {
			return &option.Error{Field: "Extensions", Value: nil, Want: "no nil extension"}
		}
		for _, other := range list[:i] {
			if other.Name() == x.Name() {
				return &option.Error{Field: "Extensions", Value: x.Name(), Want: "each extension once"}
			}
		}
		if v, ok := x.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return err
			}
		}
	}
	return nil
}

func indexOf(list []string, s string) int { return slices.Index(list, s) }
