package extension

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxOffers is the largest number of elements [ParseOffers] takes.
	MaxOffers = 16

	// MaxParams is the largest number of parameters one element may have.
	MaxParams = 16

	// MaxTokens is the number of elements [ParseTokens] takes when it is given
	// no limit.
	MaxTokens = 32
)

// ErrTooMany says that a header holds more elements or parameters than the
// limit. The error that wraps it says which.
var ErrTooMany = errors.New("websocket: too many elements in a header")

// SyntaxError says where a header departs from its grammar.
type SyntaxError struct {
	Line   int    // which of the header's lines, from 0
	Offset int    // byte of that line
	Found  string // what stands there, at most 64 bytes; empty at the line's end
	Want   string // what should stand there, "the name of an extension"
}

// Error names the place, what was found there and what belongs there.
func (e *SyntaxError) Error() string {
	found := "the end"
	if e.Found != "" {
		found = fmt.Sprintf("%q", e.Found)
	}
	return fmt.Sprintf("websocket: malformed header line %d, byte %d: found %s, want %s", e.Line+1, e.Offset+1, found, e.Want)
}

// ParseOffers reads the lines of a Sec-WebSocket-Extensions header, which count
// as one list (RFC 6455, section 9.1). Names and values keep their case, and
// parameters keep their order, also those that come twice: what they mean is
// the extension's business. A quoted value is returned without its quotes. No
// lines give no offers.
//
// The errors are a [*SyntaxError], and [ErrTooMany] for more than [MaxOffers]
// elements or [MaxParams] parameters. The time taken grows with the length of
// the header and no faster.
func ParseOffers(values []string) ([]Offer, error) {
	offers, _, err := parseOffers(values)
	return offers, err
}

// parseOffers also returns how often it looked at a byte.
func parseOffers(values []string) (offers []Offer, looks int, err error) {
	for line, v := range values {
		s := scanner{text: v, line: line}
		offers, err = s.offers(offers)
		looks += s.looks
		if err != nil {
			return nil, looks, err
		}
	}
	if len(offers) == 0 && len(values) > 0 {
		// "extension-list = 1#extension": one at least.
		s := scanner{text: values[0]}
		return nil, looks, s.fail("the name of an extension")
	}
	return offers, looks, nil
}

// ParseTokens reads the lines of a header that is a list of tokens, such as
// Sec-WebSocket-Protocol, which count as one list. An empty element is an
// error; no lines give no tokens. limit is the most elements taken: 0 means
// [MaxTokens], a negative one any number.
//
// The errors are a [*SyntaxError], and [ErrTooMany]. The time taken grows with
// the length of the header and no faster.
//
// For Connection and Upgrade, where empty elements are allowed and one element
// is looked for, there is [HasToken].
func ParseTokens(values []string, limit int) ([]string, error) {
	tokens, _, err := parseTokens(values, limit)
	return tokens, err
}

// parseTokens also returns how often it looked at a byte.
func parseTokens(values []string, limit int) (tokens []string, looks int, err error) {
	if limit == 0 {
		limit = MaxTokens
	}
	for line, v := range values {
		s := scanner{text: v, line: line}
		tokens, err = s.tokens(tokens, limit)
		looks += s.looks
		if err != nil {
			return nil, looks, err
		}
	}
	return tokens, looks, nil
}

// HasToken reports whether one element of a header's lines is token, in
// whatever case of its ASCII letters (RFC 9110, section 5.6.1). Elements that
// are no tokens are passed over.
func HasToken(values []string, token string) bool {
	for _, v := range values {
		for e := range strings.SplitSeq(v, ",") {
			// The length keeps EqualFold to ASCII: what else it folds, as the
			// Kelvin sign, is longer.
			if e = strings.Trim(e, " \t"); len(e) == len(token) && strings.EqualFold(e, token) {
				return true
			}
		}
	}
	return false
}

// IsToken reports whether s is a token: one or more of the letters, digits and
// marks that RFC 9110, section 5.6.2, lists.
func IsToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// FormatOffers returns the value of a Sec-WebSocket-Extensions header. It is
// the inverse of [ParseOffers] for offers that are [Offer.Valid].
func FormatOffers(offers []Offer) string {
	var b strings.Builder
	for i, o := range offers {
		if i > 0 {
			b.WriteString(", ")
		}
		o.format(&b)
	}
	return b.String()
}

// String returns the offer as it stands in a header,
// "permessage-deflate; client_max_window_bits".
func (o Offer) String() string {
	var b strings.Builder
	o.format(&b)
	return b.String()
}

// Valid reports whether the offer can stand in a header: its name, the names of
// its parameters and their values, where they have one, are tokens, and there
// are at most [MaxParams] of them.
func (o Offer) Valid() bool {
	if !IsToken(o.Name) || len(o.Params) > MaxParams {
		return false
	}
	for _, p := range o.Params {
		if !IsToken(p.Name) || p.Value != "" && !IsToken(p.Value) {
			return false
		}
	}
	return true
}

func (o Offer) format(b *strings.Builder) {
	b.WriteString(o.Name)
	for _, p := range o.Params {
		b.WriteString("; ")
		b.WriteString(p.Name)
		if p.Value != "" {
			b.WriteByte('=')
			b.WriteString(p.Value)
		}
	}
}
