package extension

import (
	"fmt"
	"strings"
)

// scanner walks over one header line, from its front to its end, once.
type scanner struct {
	text  string
	pos   int
	line  int
	looks int // calls of peek, which are bounded by the length of text
}

// end is what peek returns behind the last byte. It may not stand in a header
// value (RFC 9110, section 5.5), so it can't be mistaken for a part of one.
const end = 0

// peek returns the byte at the scanner's place. A NUL in the text is the same
// as its end to all callers, and none of them goes past it.
func (s *scanner) peek() byte {
	s.looks++
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return end
}

// done reports whether the whole text was read.
func (s *scanner) done() bool { return s.pos == len(s.text) }

// skipSpace passes spaces and tabs.
func (s *scanner) skipSpace() {
	for c := s.peek(); c == ' ' || c == '\t'; c = s.peek() {
		s.pos++
	}
}

// skip passes spaces, c when it is there, and the spaces behind it.
func (s *scanner) skip(c byte) bool {
	s.skipSpace()
	if s.peek() != c {
		return false
	}
	s.pos++
	s.skipSpace()
	return true
}

// token passes a token and returns it; what says what it would have been.
func (s *scanner) token(what string) (string, error) {
	start := s.pos
	for isTokenByte(s.peek()) {
		s.pos++
	}
	if s.pos == start {
		return "", s.fail(what)
	}
	return s.text[start:s.pos], nil
}

// value passes a parameter's value. "When using the quoted-string syntax
// variant, the value after quoted-string unescaping MUST conform to the
// 'token' ABNF" (RFC 6455, section 9.1).
func (s *scanner) value() (string, error) {
	if s.peek() != '"' {
		return s.token("a value, a token")
	}
	s.pos++
	var b strings.Builder
	for {
		c := s.peek()
		switch {
		case c == '"' && b.Len() > 0:
			s.pos++
			return b.String(), nil
		case c == '\\':
			s.pos++
			c = s.peek()
		}
		if !isTokenByte(c) {
			return "", s.fail("a quoted value that is a token")
		}
		b.WriteByte(c)
		s.pos++
	}
}

// offers appends the elements of the line to list. Empty ones are passed over:
// "null elements are allowed" in the lists of RFC 2616, section 2.1, on which
// RFC 6455 stands.
func (s *scanner) offers(list []Offer) ([]Offer, error) {
	for {
		for s.skip(',') {
		}
		if s.done() {
			return list, nil
		}
		if len(list) == MaxOffers {
			return nil, fmt.Errorf("%w: more than %d extensions", ErrTooMany, MaxOffers)
		}
		o, err := s.offer()
		if err != nil {
			return nil, err
		}
		list = append(list, o)
		if !s.skip(',') && !s.done() {
			return nil, s.fail("\";\", \",\" or the end")
		}
	}
}

func (s *scanner) offer() (o Offer, err error) {
	if o.Name, err = s.token("the name of an extension"); err != nil {
		return Offer{}, err
	}
	for s.skip(';') {
		if len(o.Params) == MaxParams {
			return Offer{}, fmt.Errorf("%w: more than %d parameters of %.64q", ErrTooMany, MaxParams, o.Name)
		}
		var p Param
		if p.Name, err = s.token("the name of a parameter"); err != nil {
			return Offer{}, err
		}
		if s.skip('=') {
			if p.Value, err = s.value(); err != nil {
				return Offer{}, err
			}
		}
		o.Params = append(o.Params, p)
	}
	return o, nil
}

// tokens appends the elements of the line to list.
func (s *scanner) tokens(list []string, limit int) ([]string, error) {
	for {
		s.skipSpace()
		if limit >= 0 && len(list) == limit {
			return nil, fmt.Errorf("%w: more than %d", ErrTooMany, limit)
		}
		t, err := s.token("a token")
		if err != nil {
			return nil, err
		}
		list = append(list, t)
		if s.skip(',') {
			continue
		}
		if !s.done() {
			return nil, s.fail("\",\" or the end")
		}
		return list, nil
	}
}

func (s *scanner) fail(want string) error {
	found := s.text[s.pos:]
	return &SyntaxError{Line: s.line, Offset: s.pos, Found: found[:min(len(found), 64)], Want: want}
}

// isTokenByte reports whether c may stand in a token (RFC 9110, section 5.6.2).
func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c != end && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
