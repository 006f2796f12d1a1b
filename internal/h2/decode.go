package h2

import "golang.org/x/net/http2/hpack"

// blockMode says what a header block is.
type blockMode uint8

const (
	modeRequest blockMode = iota
	modeResponse
	modeTrailers
	modeDiscard // decoded only because later blocks depend on it
)

const (
	tableSize   = 4096 // SETTINGS_HEADER_TABLE_SIZE, of which we announce nothing else
	hardFields  = 1000 // more fields end the connection, whatever they are
	hardTimes   = 4    // and so does a block that is so many times over MaxHeaderBytes
	inlineField = 15   // fields for which a head has room within itself: 768 bytes in all
	keepCookie  = 1024 // of the space for joining cookies, what is kept between blocks
)

// decoder decodes the header blocks of one connection, one at a time: begin,
// write for each fragment, finish.
type decoder struct {
	hpack *hpack.Decoder // from the first block on

	maxBytes uint64 // soft limit of a block; hardTimes of it end the connection
	maxField int    // soft limit of fields; negative: none
	hardMax  int    // hard limit of fields; negative: none
	extended bool   // extended CONNECT is allowed

	layout layout
	tail   []byte // the beginning of a field that is split between fragments

	// The block at hand.
	check    check
	coded    uint64 // as it came
	size     uint64 // decoded: names, values, and 32 for each field
	fields   int    // with all crumbs of a cookie as one
	crumbs   int
	cookieAt int    // where the cookie is among Fields
	cookie   []byte // the crumbs, when there are several

	recent int // fields of the head before, when there were many
}

// head is a Head with room for its fields, so that an ordinary one is a single
// allocation.
type head struct {
	Head
	room [inlineField]Field
}

func (d *decoder) init(_ Role, cfg *Config) {
	*d = decoder{maxBytes: uint64(cfg.MaxHeaderBytes), maxField: cfg.MaxFields, extended: cfg.ExtendedConnect}
	if d.maxBytes == 0 {
		d.maxBytes = DefaultMaxHeaderBytes
	}
	if d.maxField == 0 {
		d.maxField = DefaultMaxFields
	}
	d.hardMax = max(hardFields, 2*d.maxField)
	if d.maxField < 0 {
		d.hardMax = -1
	}
}

// begin starts a header block.
func (d *decoder) begin(mode blockMode) {
	if d.hpack == nil {
		d.hpack = hpack.NewDecoder(tableSize, d.emit)
	}
	d.layout = layout{table: d.hpack, maxString: d.maxBytes}
	d.tail = nil
	d.coded, d.size, d.fields, d.crumbs = 0, 0, 0, 0
	d.check = check{mode: mode}
	if mode != modeDiscard {
		d.check.head = d.newHead()
	}
}

func (d *decoder) newHead() *Head {
	var h *Head
	if d.recent > inlineField {
		h = &Head{Fields: make([]Field, 0, d.recent)}
	} else {
		r := new(head)
		h = &r.Head
		h.Fields = r.room[:0]
	}
	h.ContentLength = -1
	return h
}

// write takes a fragment: the payload of HEADERS or CONTINUATION. Every field
// that is complete is decoded; hpack never gets a part of one, which it would
// keep, and look at anew with every further fragment.
func (d *decoder) write(p []byte) error {
	if d.coded += uint64(len(p)); d.coded > d.maxBytes {
		return &ConnError{Code: ErrCodeEnhanceYourCalm, Reason: "a header block over the limit before it is decoded"}
	}
	l := &d.layout
	from, done, err := l.walk(p)
	if err != nil {
		return err
	}
	if d.hardMax >= 0 && l.fields > d.hardMax {
		return &ConnError{Code: ErrCodeEnhanceYourCalm, Reason: "too many fields in a header block"}
	}
	if from > 0 {
		d.tail = nil
	}
	whole := p[from:done]
	if len(whole) > 0 && len(d.tail) > 0 {
		whole = append(d.tail, whole...)
		d.tail = nil
	}
	if len(whole) > 0 {
		if _, err := d.hpack.Write(whole); err != nil {
			return compressionError(err.Error())
		}
	}
	if d.size > hardTimes*d.maxBytes {
		return &ConnError{Code: ErrCodeEnhanceYourCalm, Reason: "a header block far over the limit"}
	}
	if done < len(p) {
		d.tail = append(d.tail, p[done:]...)
	}
	return nil
}

// emit is given every field.
func (d *decoder) emit(f hpack.HeaderField) {
	c := &d.check
	d.size += uint64(f.Size())
	if c.mode == modeDiscard || c.bad != "" {
		return
	}
	if !c.field(f) {
		return
	}
	again := false
	if f.Name == "cookie" {
		again = d.crumbs > 0
		d.crumbs++
	}
	if !again {
		d.fields++
	}
	h := c.head
	switch {
	case h.TooLarge || d.size > d.maxBytes || d.maxField >= 0 && d.fields > d.maxField:
		h.TooLarge, h.Fields = true, nil
	case again:
		d.crumb(f)
	default:
		if f.Name == "cookie" {
			d.cookieAt = len(h.Fields)
		}
		h.Fields = append(h.Fields, f)
	}
}

// crumb joins another piece of the cookie to the first (RFC 9113, section 8.2.3).
// An empty one adds nothing.
func (d *decoder) crumb(f Field) {
	first := &d.check.head.Fields[d.cookieAt]
	if d.crumbs == 2 {
		d.cookie = append(d.cookie[:0], first.Value...)
	}
	if len(d.cookie) > 0 && f.Value != "" {
		d.cookie = append(d.cookie, "; "...)
	}
	d.cookie = append(d.cookie, f.Value...)
	first.Sensitive = first.Sensitive || f.Sensitive
}

// finish ends the block. bad says why it is malformed, which is an error of its
// stream; err ends the connection. In modeDiscard there is no head.
func (d *decoder) finish() (h *Head, bad string, err error) {
	c := &d.check
	h = c.head
	c.head = nil
	if !d.layout.atField() {
		return nil, "", compressionError("a header block that ends within a field")
	}
	if h == nil {
		return nil, "", nil
	}
	if d.size > d.maxBytes {
		h.TooLarge, h.Fields = true, nil
	}
	if d.crumbs > 1 && !h.TooLarge {
		h.Fields[d.cookieAt].Value = string(d.cookie)
	}
	if cap(d.cookie) > keepCookie {
		d.cookie = nil
	}
	if n := len(h.Fields); n > inlineField || d.recent > inlineField {
		d.recent = min(n, DefaultMaxFields)
	}
	if c.bad == "" {
		c.finish(h, d.extended)
	}
	if c.bad != "" {
		return nil, c.bad, nil
	}
	return h, "", nil
}
