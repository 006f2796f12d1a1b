package h2

import "golang.org/x/net/http2/hpack"

// layout finds where the fields of a header block begin and end (RFC 7541,
// section 6), and counts them before any is decoded.
type layout struct {
	table     *hpack.Decoder // told of size updates
	maxString uint64         // the longest string taken, as it is encoded

	fields  int
	part    part
	partial bool   // within the integer of part
	n       uint64 // the integer
	shift   uint8
	skip    uint64 // bytes of a string still to come
}

// part is a part of a field's representation.
type part uint8

const (
	partStart  part = iota // the first byte
	partIndex              // an indexed field
	partUpdate             // a table size update
	partRef                // a literal's index of a name, or 0
	partName
	partValue
)

// atField reports whether what was seen ended with a whole field.
func (l *layout) atField() bool { return l.part == partStart }

// walk goes over p, which continues what it saw before. Whole fields end at
// done, and begin, unless one began before p, at from: size updates are before
// that, and in force.
func (l *layout) walk(p []byte) (from, done int, err error) {
	for i := 0; i < len(p); {
		if l.skip > 0 {
			n := min(l.skip, uint64(len(p)-i))
			l.skip -= n
			i += int(n)
			if l.skip == 0 && l.stringEnd() {
				done = i
			}
			continue
		}
		whole, err := l.integer(p[i])
		i++
		if err != nil {
			return 0, 0, err
		}
		if !whole {
			continue
		}
		switch l.part {
		case partUpdate:
			if l.n > tableSize {
				return 0, 0, compressionError("a table size update over the limit")
			}
			l.table.SetMaxDynamicTableSize(uint32(l.n))
			l.part, from, done = partStart, i, i
		case partIndex:
			l.part, done = partStart, i
		case partRef:
			l.part = partValue
			if l.n == 0 {
				l.part = partName
			}
		default:
			if l.n > l.maxString {
				return 0, 0, &ConnError{Code: ErrCodeEnhanceYourCalm, Reason: "a header field over the limit before it is decoded"}
			}
			if l.skip = l.n; l.skip == 0 && l.stringEnd() {
				done = i
			}
		}
	}
	return from, done, nil
}

// stringEnd goes on after a string, and reports whether the field is over.
func (l *layout) stringEnd() bool {
	if l.part == partName {
		l.part = partValue
		return false
	}
	l.part = partStart
	return true
}

// integer takes the next byte of an integer (RFC 7541, section 5.1), and reports
// whether it is whole. Before the first one stands what kind of field it is.
func (l *layout) integer(b byte) (whole bool, err error) {
	if l.partial {
		l.n += uint64(b&0x7f) << l.shift
		if l.shift += 7; b&0x80 == 0 {
			l.partial = false
			return true, nil
		}
		if l.shift > 28 {
			return false, compressionError("an integer that is too long")
		}
		return false, nil
	}
	bits := 7
	if l.part == partStart {
		if l.part, bits = kindOf(b); l.part != partUpdate {
			l.fields++
		} else if l.fields > 0 {
			return false, compressionError("a table size update after a field")
		}
	}
	limit := byte(1)<<bits - 1
	if b &= limit; b == limit {
		l.n, l.shift, l.partial = uint64(b), 0, true
		return false, nil
	}
	l.n = uint64(b)
	return true, nil
}

// kindOf says what a first byte begins, and of how many bits of it an integer
// is a part.
func kindOf(b byte) (kind part, bits int) {
	switch {
	case b&0x80 != 0:
		return partIndex, 7
	case b&0x40 != 0:
		return partRef, 6 // with incremental indexing
	case b&0x20 != 0:
		return partUpdate, 5
	}
	return partRef, 4 // without indexing, or never indexed
}

func compressionError(reason string) error {
	return &ConnError{Code: ErrCodeCompression, Reason: reason}
}
