package h2

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
)

// head is the head of an answer between WriteHeader and its way to the client.
// It is borrowed, and keeps the room for its fields.
type head struct {
	h2.Head
	sniff bool // the content says the Content-Type
	date  bool // a Date is to be added
}

var heads = bufpool.Pool[*head]{New: func() *head { return new(head) }}

// newHead borrows a head for the fields that the handler has set. It is a
// snapshot: what the handler does with them afterwards does not count.
func (c *conn) newHead(status int, header http.Header) *head {
	h := heads.Get()
	h.Status, h.ContentLength = status, -1
	h.sniff, h.date = true, true
	for name, values := range header {
		switch name {
		case "Content-Length":
			if len(values) > 0 && h.ContentLength < 0 {
				h.ContentLength = parseLength(values[0])
			}
			continue
		case "Content-Type":
			h.sniff = false
		case "Content-Encoding":
			if len(values) > 0 && values[0] != "" {
				h.sniff = false
			}
		case "Date":
			h.date = false
		}
		h.Fields = c.appendField(h.Fields, name, values)
	}
	return h
}

// release gives h back.
func (h *head) release() {
	clear(h.Fields)
	h.Fields = h.Fields[:0]
	heads.Put(h)
}

func parseLength(v string) int64 {
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil {
		return -1
	}
	return int64(n)
}

// appendField appends a field as HTTP/2 has it. Those that speak of an HTTP/1.1
// connection, or can't be sent, are left out (RFC 9113, section 8.2).
func (c *conn) appendField(fields []h2.Field, name string, values []string) []h2.Field {
	if len(values) == 0 || !h1.ValidName(name) {
		return fields
	}
	lower := c.names.lowered(name)
	if h2.ConnectionSpecific(lower) {
		return fields
	}
	for _, v := range values {
		if v = strings.Trim(v, " \t"); h1.ValidValue(v) {
			fields = append(fields, h2.Field{Name: lower, Value: v})
		}
	}
	return fields
}

// bodyAllowed reports whether an answer with this status may have content (RFC
// 9110, section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
