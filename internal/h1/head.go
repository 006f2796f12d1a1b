package h1

import (
	"bytes"
	"fmt"
	"net/http"
)

// Limits bound what a peer may send. Zero means the default, a negative number
// no limit.
type Limits struct {
	Head    int // bytes of a head, from the status line to the empty line; 32 KiB
	Line    int // bytes of a line, without its end; 8 KiB
	Fields  int // fields of a head, and of a trailer; 100
	Interim int // 1xx responses, but 101, before the final one; 8
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, to int) {
		switch {
		case *v == 0:
			*v = to
		case *v < 0:
			*v = int(^uint(0) >> 1)
		}
	}
	set(&l.Head, 32<<10)
	set(&l.Line, 8<<10)
	set(&l.Fields, 100)
	set(&l.Interim, 8)
	return l
}

// head collects a start line and fields, byte by byte.
type head struct {
	limits Limits

	// start checks the byte of the start line that follows line, as it comes.
	// It lets CR pass where the line is complete. It is nil in a trailer, which
	// has no start line.
	start func(line []byte, c byte) error

	line    []byte // the current line, without its end
	first   string // the start line, once it is complete
	header  http.Header
	size    int // bytes so far
	fields  int
	colon   int  // where the current line has its first colon, 0 if not yet
	inField bool // the start line is complete
	cr      bool // the last byte was CR
}

func (h *head) reset() {
	*h = head{limits: h.limits, start: h.start, line: h.line[:0], inField: h.start == nil}
}

// feed takes bytes up to the end of the head; done says that it was reached.
func (h *head) feed(p []byte) (n int, done bool, err error) {
	for i, c := range p {
		if h.size++; h.size > h.limits.Head {
			return i, false, fmt.Errorf("%w: the head is longer than %d bytes", ErrLimit, h.limits.Head)
		}
		switch {
		case h.cr:
			if c != '\n' {
				return i, false, fmt.Errorf("%w: CR without LF after %s", ErrMalformed, quote(h.line))
			}
			h.cr = false
			if done, err = h.endLine(); done || err != nil {
				return i + 1, done, err
			}
		default:
			if err := h.check(c); err != nil {
				return i, false, err
			}
			if h.cr = c == '\r'; h.cr {
				break
			}
			if len(h.line) == h.limits.Line {
				return i, false, fmt.Errorf("%w: a line is longer than %d bytes: %s", ErrLimit, h.limits.Line, quote(h.line))
			}
			h.line = append(h.line, c)
		}
	}
	return len(p), false, nil
}

// check looks at the next byte of a line.
func (h *head) check(c byte) error {
	switch {
	case !h.inField:
		return h.start(h.line, c)
	case c == '\r':
		if len(h.line) > 0 && h.colon == 0 {
			return fmt.Errorf("%w: the line %s has no colon", ErrMalformed, quote(h.line))
		}
	case c == '\n':
		return fmt.Errorf("%w: LF without CR after %s", ErrMalformed, quote(h.line))
	case h.colon > 0:
		if !isText(c) {
			return fmt.Errorf("%w: control character %q in the field %s", ErrMalformed, c, quote(h.line))
		}
	case c == ':' && len(h.line) > 0:
		h.colon = len(h.line)
	case len(h.line) == 0 && isSpace(c):
		// RFC 9112, section 5.2: obs-fold, to be refused or replaced.
		return fmt.Errorf("%w: a line begins with white space", ErrMalformed)
	case !isToken(c):
		// RFC 9112, section 5.1: no white space between name and colon.
		return fmt.Errorf("%w: %q in the field name %s", ErrMalformed, c, quote(append(h.line, c)))
	}
	return nil
}

// endLine takes in a complete line, which check has let pass.
func (h *head) endLine() (done bool, err error) {
	line := h.line
	h.line = h.line[:0]
	switch {
	case !h.inField:
		h.first = string(line)
		h.inField = true
		return false, nil
	case len(line) == 0:
		if h.header == nil {
			h.header = http.Header{}
		}
		return true, nil
	}
	if h.fields++; h.fields > h.limits.Fields {
		return false, fmt.Errorf("%w: more than %d header fields", ErrLimit, h.limits.Fields)
	}
	if h.header == nil {
		h.header = make(http.Header, 8)
	}
	value := bytes.Trim(line[h.colon+1:], " \t")
	h.header.Add(string(line[:h.colon]), string(value))
	h.colon = 0
	return false, nil
}
