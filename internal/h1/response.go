package h1

import (
	"fmt"
	"net/http"
)

// Response is the head of a response. The names in Header are in canonical
// form, values have no space around them.
type Response struct {
	Minor  int // of the version: 0 for HTTP/1.0, 1 for HTTP/1.1
	Status int // 100 to 999
	Reason string
	Header http.Header
}

// Interim reports whether another response follows for the same request: 1xx,
// but for 101, after which HTTP is over (RFC 9110, section 15.2).
func (r *Response) Interim() bool {
	return r.Status < 200 && r.Status != http.StatusSwitchingProtocols
}

// ResponseParser reads heads of responses. It is made by [NewResponseParser],
// for one connection and one goroutine.
type ResponseParser struct {
	head    head
	interim int
	err     error
}

// NewResponseParser returns a parser with the given limits.
func NewResponseParser(l Limits) *ResponseParser {
	p := new(ResponseParser)
	p.Init(l)
	return p
}

// Init is [NewResponseParser] for a parser that is part of something else.
func (p *ResponseParser) Init(l Limits) {
	*p = ResponseParser{head: head{limits: l.withDefaults(), start: checkStatusLine}}
}

// Next takes bytes of p up to the end of a head: n of them. r is nil while more
// bytes are needed. Interim responses are returned as well; more of them in a
// row than the limit are an error. After a final response the parser is ready
// for the next one; what stands between, the body, is not for it.
//
// After an error each call returns the same one. It wraps [ErrMalformed],
// [ErrVersion] or [ErrLimit].
func (p *ResponseParser) Next(b []byte) (n int, r *Response, err error) {
	if p.err != nil {
		return 0, nil, p.err
	}
	n, done, err := p.head.feed(b)
	if err == nil && done {
		r, err = p.response()
	}
	if err != nil {
		p.err = err
		return n, nil, err
	}
	return n, r, nil
}

// InHead reports whether a head has begun and not ended.
func (p *ResponseParser) InHead() bool {
	return p.head.size > 0
}

func (p *ResponseParser) response() (*Response, error) {
	line, header := p.head.take()
	r := &Response{
		Minor:  int(line[7] - '0'),
		Status: int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0'),
		Reason: line[len(statusLine):],
		Header: header,
	}
	p.head.reset()
	if !r.Interim() {
		p.interim = 0
		return r, nil
	}
	if p.interim++; p.interim > p.head.limits.Interim {
		return nil, fmt.Errorf("%w: more than %d interim responses, the last one %d", ErrLimit, p.head.limits.Interim, r.Status)
	}
	return r, nil
}

// statusLine is the fixed part of a status line: RFC 9112, section 4, demands
// the space after the status also where there is no reason. 'v' stands for the
// minor version, 'd' for a digit of the status, 's' for its first.
const statusLine = "HTTP/1.v sdd "

// checkStatusLine checks the byte c that comes after line.
func checkStatusLine(line []byte, c byte) error {
	i := len(line)
	if i >= len(statusLine) {
		switch {
		case c == '\n':
			return fmt.Errorf("%w: LF without CR after %s", ErrMalformed, quote(line))
		case !isText(c) && c != '\r':
			return fmt.Errorf("%w: control character %q in the status line %s", ErrMalformed, c, quote(line))
		}
		return nil
	}
	ok := false
	switch want := statusLine[i]; want {
	case 'v':
		ok = c == '0' || c == '1'
	case 's':
		ok = isDigit(c) && c != '0'
	case 'd':
		ok = isDigit(c)
	default:
		ok = c == want
	}
	switch {
	case ok:
		return nil
	case 5 <= i && i <= 8:
		return fmt.Errorf("%w: the response begins with %s", ErrVersion, quote(append(line, c)))
	}
	return fmt.Errorf("%w: the response begins with %s, want %q", ErrMalformed, quote(append(line, c)), "HTTP/1.1 ")
}
