package h2

import (
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// encoder encodes the header blocks of one connection.
type encoder struct {
	hpack   *hpack.Encoder
	out     blockWriter
	table   uint32 // the table's size, as the peer allows it
	pending bool   // the next field must come from hpack, which tells the new size before it

	status     int // the latest one, and its text
	statusText string
}

// blockWriter is where hpack writes.
type blockWriter struct{ b []byte }

func (w *blockWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func (e *encoder) init() {
	*e = encoder{table: tableSize}
	e.hpack = hpack.NewEncoder(&e.out)
}

// setTableSize takes the peer's SETTINGS_HEADER_TABLE_SIZE. The next block says
// that it is in force.
func (e *encoder) setTableSize(n uint32) {
	if n = min(n, tableSize); n != e.table {
		e.table, e.pending = n, true
		e.hpack.SetMaxDynamicTableSize(n)
	}
}

// request appends the header block of a request.
func (e *encoder) request(dst []byte, h *Head) []byte {
	e.out.b = dst
	e.put(Field{Name: ":method", Value: h.Method})
	connect := h.Method == "CONNECT"
	if !connect || h.Protocol != "" {
		e.pseudo(":scheme", h.Scheme)
		e.pseudo(":authority", h.Authority)
		e.pseudo(":path", h.Path)
		e.pseudo(":protocol", h.Protocol)
	} else {
		e.pseudo(":authority", h.Authority)
	}
	return e.fields(h, !connect)
}

// response appends the header block of a response.
func (e *encoder) response(dst []byte, h *Head) []byte {
	e.out.b = dst
	if h.Status != e.status {
		e.status, e.statusText = h.Status, strconv.Itoa(h.Status)
	}
	e.put(Field{Name: ":status", Value: e.statusText})
	return e.fields(h, h.Status >= 200 && h.Status != 204)
}

// trailers appends the header block of trailers.
func (e *encoder) trailers(dst []byte, f []Field) []byte {
	e.out.b = dst
	return e.fields(&Head{Fields: f}, false)
}

// pseudo encodes a pseudo-header field, if it has a value.
func (e *encoder) pseudo(name, value string) {
	if value != "" {
		e.put(Field{Name: name, Value: value})
	}
}

// fields encodes the fields of h, and its ContentLength unless they say it, or
// it may have none, and returns the block.
func (e *encoder) fields(h *Head, length bool) []byte {
	length = length && h.ContentLength >= 0
	for i := range h.Fields {
		f := &h.Fields[i]
		length = length && f.Name != "content-length"
		e.put(*f)
	}
	if length {
		var digits [20]byte
		s := strconv.AppendInt(digits[:0], h.ContentLength, 10)
		e.out.b = append(appendName(e.out.b, 0, indexContentLength, ""), byte(len(s)))
		e.out.b = append(e.out.b, s...)
	}
	b := e.out.b
	e.out.b = nil
	return b
}

// put encodes a field. What will hardly come again, or is too large, does not go
// into the table, nor through hpack.
func (e *encoder) put(f Field) {
	i := unique(f.Name)
	if e.pending || i == 0 && f.Size() <= tableSize {
		e.pending = false
		e.hpack.WriteField(f) // never fails: e.out takes everything
		return
	}
	kind := byte(0)
	if f.Sensitive {
		kind = 0x10
	}
	e.out.b = appendString(appendName(e.out.b, kind, i, f.Name), f.Value)
}

// indexContentLength is its place in the static table (RFC 7541, appendix A).
const indexContentLength = 28

// unique returns the index in the static table of a name whose values are
// seldom the same twice, and 0 for others.
func unique(name string) byte {
	switch name {
	case "age":
		return 21
	case "content-length":
		return indexContentLength
	case "content-range":
		return 30
	case "etag":
		return 34
	case "if-modified-since":
		return 40
	case "if-none-match":
		return 41
	case "last-modified":
		return 44
	case "location":
		return 46
	case "set-cookie":
		return 55
	}
	return 0
}

// appendName appends the beginning of a literal that does not go into the table:
// the index of its name, or, where that is 0, the name itself (RFC 7541, section
// 6.2.2; with kind 0x10, 6.2.3).
func appendName(dst []byte, kind, i byte, name string) []byte {
	if i == 0 {
		return appendString(append(dst, kind), name)
	}
	return append(dst, kind|0x0f, i-0x0f) // all of unique are above 15
}

// appendString appends a string (RFC 7541, section 5.2), in Huffman's code where
// that is shorter.
func appendString(dst []byte, s string) []byte {
	if n := hpack.HuffmanEncodeLength(s); n < uint64(len(s)) {
		return hpack.AppendHuffmanString(appendLength(dst, 0x80, n), s)
	}
	return append(appendLength(dst, 0, uint64(len(s))), s...)
}

func appendLength(dst []byte, kind byte, n uint64) []byte {
	if n < 0x7f {
		return append(dst, kind|byte(n))
	}
	dst = append(dst, kind|0x7f)
	for n -= 0x7f; n >= 0x80; n >>= 7 {
		dst = append(dst, 0x80|byte(n))
	}
	return append(dst, byte(n))
}
