package roundtrip

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

// hooks are those of net/http/httptrace that a context may have.
type hooks struct {
	t    *httptrace.ClientTrace
	told bool // that the first byte came
}

func newHooks(ctx context.Context) hooks { return hooks{t: httptrace.ContextClientTrace(ctx)} }

// opened tells of the connection, and that the head was sent.
func (h *hooks) opened(s Stream) {
	if h.t == nil {
		return
	}
	if h.t.GotConn != nil {
		c := s.Carrier()
		h.t.GotConn(httptrace.GotConnInfo{Conn: c.Conn, Reused: c.Reused})
	}
	if h.t.WroteHeaders != nil {
		h.t.WroteHeaders()
	}
}

// wrote tells that the body was sent.
func (h *hooks) wrote(err error) {
	if h.t != nil && h.t.WroteRequest != nil {
		h.t.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

func (h *hooks) firstByte() {
	if h.t != nil && h.t.GotFirstResponseByte != nil && !h.told {
		h.t.GotFirstResponseByte()
	}
	h.told = true
}

// interim tells of an answer before the final one.
func (h *hooks) interim(head *Head) error {
	if h.t == nil {
		return nil
	}
	if head.Status == http.StatusContinue && h.t.Got100Continue != nil {
		h.t.Got100Continue()
	}
	if h.t.Got1xxResponse != nil {
		return h.t.Got1xxResponse(head.Status, textproto.MIMEHeader(head.Header))
	}
	return nil
}
