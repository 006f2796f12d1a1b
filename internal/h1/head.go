package h1

import (
	"fmt"
	"net/http"
	"strings"
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

// head collects a start line and fields, as they come.
type head struct {
	limits Limits

	// start checks the byte of the start line that follows line, as it comes.
	// It lets CR pass where the line is complete. It is nil in a trailer, which
	// has no start line.
	start func(line []byte, c byte) error

	text    []byte  // the lines without their ends, one behind the other
	fields  []field // those that are complete
	line    int     // where the current line begins in text
	colon   int     // where in the line its first colon is, 0 if not yet
	size    int     // bytes so far
	inField bool    // the start line is complete
	cr      bool    // the last byte was CR
}

// field says where in the text a field is.
type field struct{ name, colon, end int }

const (
	keepText   = 1 << 10 // how much memory is kept for the next head
	keepFields = 32
)

func (h *head) reset() {
	text, fields := h.text[:0], h.fields[:0]
	if cap(text) > keepText {
		text = nil
	}
	if cap(fields) > keepFields {
		fields = nil
	}
	*h = head{limits: h.limits, start: h.start, text: text, fields: fields, inField: h.start == nil}
}

// feed takes bytes up to the end of the head; done says that it was reached.
func (h *head) feed(p []byte) (n int, done bool, err error) {
	for n < len(p) {
		if h.inField && !h.cr {
			n += h.run(p[n:])
			if n == len(p) {
				break
			}
		}
		c := p[n]
		if h.size++; h.size > h.limits.Head {
			return n, false, fmt.Errorf("%w: the head is longer than %d bytes", ErrLimit, h.limits.Head)
		}
		switch {
		case h.cr:
			if c != '\n' {
				return n, false, fmt.Errorf("%w: CR without LF after %s", ErrMalformed, quote(h.current()))
			}
			h.cr = false
			if done, err = h.endLine(); done || err != nil {
				return n + 1, done, err
			}
		default:
			if err := h.check(c); err != nil {
				return n, false, err
			}
			if h.cr = c == '\r'; h.cr {
				break
			}
			if len(h.text)-h.line == h.limits.Line {
				return n, false, fmt.Errorf("%w: a line is longer than %d bytes: %s", ErrLimit, h.limits.Line, quote(h.current()))
			}
			h.text = append(h.text, c)
		}
		n++
	}
	return n, false, nil
}

// run takes bytes of a name, or of a value, as far as there is nothing to be
// looked at in them, and within the limits.
func (h *head) run(p []byte) (n int) {
	p = p[:min(len(p), h.limits.Head-h.size, h.limits.Line-(len(h.text)-h.line))]
	if h.colon > 0 {
		for n < len(p) && isText(p[n]) {
			n++
		}
	} else {
		for n < len(p) && isToken(p[n]) {
			n++
		}
	}
	h.text = append(h.text, p[:n]...)
	h.size += n
	return n
}

// current returns the current line.
func (h *head) current() []byte { return h.text[h.line:] }

// check looks at the next byte of a line.
func (h *head) check(c byte) error {
	line := h.current()
	switch {
	case !h.inField:
		return h.start(line, c)
	case c == '\r':
		if len(line) > 0 && h.colon == 0 {
			return fmt.Errorf("%w: the line %s has no colon", ErrMalformed, quote(line))
		}
	case c == '\n':
		return fmt.Errorf("%w: LF without CR after %s", ErrMalformed, quote(line))
	case h.colon > 0:
		if !isText(c) {
			return fmt.Errorf("%w: control character %q in the field %s", ErrMalformed, c, quote(line))
		}
	case c == ':' && len(line) > 0:
		h.colon = len(line)
	case len(line) == 0 && isSpace(c):
		// RFC 9112, section 5.2: obs-fold, to be refused or replaced.
		return fmt.Errorf("%w: a line begins with white space", ErrMalformed)
	case !isToken(c):
		// RFC 9112, section 5.1: no white space between name and colon.
		return fmt.Errorf("%w: %q in the field name %s", ErrMalformed, c, quote(append(line, c)))
	}
	return nil
}

// endLine takes in a complete line, which check has let pass.
func (h *head) endLine() (done bool, err error) {
	from := h.line
	h.line = len(h.text)
	switch {
	case !h.inField:
		h.inField = true
		return false, nil
	case from == h.line:
		return true, nil
	case len(h.fields) == h.limits.Fields:
		return false, fmt.Errorf("%w: more than %d header fields", ErrLimit, h.limits.Fields)
	}
	h.fields = append(h.fields, field{from, from + h.colon, h.line})
	h.colon = 0
	return false, nil
}

// take returns the start line and the fields. All of them share one string.
func (h *head) take() (start string, header http.Header) {
	text := string(h.text)
	header = make(http.Header, len(h.fields))
	values := make([]string, len(h.fields))
	for i, f := range h.fields {
		key := http.CanonicalHeaderKey(text[f.name:f.colon])
		value := strings.Trim(text[f.colon+1:f.end], " \t")
		if old, ok := header[key]; ok {
			header[key] = append(old, value)
			continue
		}
		values[i] = value
		header[key] = values[i : i+1 : i+1]
	}
	if len(h.fields) > 0 {
		text = text[:h.fields[0].name]
	}
	return text, header
}
