package h2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lariat-go/websocket"
)

// What handlers may ask of an http.ResponseWriter, here and by
// [http.ResponseController].
var (
	_ http.Flusher    = (*response)(nil)
	_ io.StringWriter = (*response)(nil)
	_ io.ReaderFrom   = (*response)(nil)
)

// SetReadDeadline sets when reading the request's body gives up.
func (w *response) SetReadDeadline(t time.Time) error { return w.x.s.SetReadDeadline(t) }

// SetWriteDeadline sets when writing the answer gives up. The stream is reset
// then when the handler returns.
func (w *response) SetWriteDeadline(t time.Time) error { return w.x.s.SetWriteDeadline(t) }

// EnableFullDuplex does nothing: reading the request and writing the answer at
// the same time is what HTTP/2 always does.
func (w *response) EnableFullDuplex() error { return nil }

// HijackStream takes over the stream of an extended CONNECT (RFC 8441), which is
// answered 200 if it was not yet. The stream lives on when the handler has
// returned, until it is closed. Accept of package websocket calls it.
func (w *response) HijackStream() (websocket.Stream, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
		return nil, errReturned
	case w.taken:
		return nil, http.ErrHijacked
	case !w.tunnel:
		return nil, fmt.Errorf("websocket: only an extended CONNECT can be taken over: %w", http.ErrNotSupported)
	case w.status == 0:
		w.begin(http.StatusOK)
	case w.status >= 300:
		return nil, errors.New("websocket: the extended CONNECT was refused; answer it 200 to take it over")
	}
	if !w.sent || len(w.buf) > 0 {
		if err := w.push(nil, false); err != nil {
			return nil, err
		}
	}
	w.taken = true
	w.x.body.leave(&w.x.body.taken)
	w.x.s.SetDeadline(time.Time{})
	return w.x.s, nil
}
