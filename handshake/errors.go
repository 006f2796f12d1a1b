package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The reasons for which an opening handshake fails. An [Error] wraps one of
// them, with what was found; match them with [errors.Is].
var (
	ErrNotUpgrade  = errors.New("websocket: not an opening handshake")
	ErrMethod      = errors.New("websocket: wrong request method")
	ErrHTTPVersion = errors.New("websocket: HTTP version cannot carry an opening handshake")
	ErrHost        = errors.New("websocket: bad Host")
	ErrTarget      = errors.New("websocket: bad request target")
	ErrBody        = errors.New("websocket: opening handshake with a body")
	ErrVersion     = errors.New("websocket: wrong Sec-WebSocket-Version")
	ErrKey         = errors.New("websocket: bad Sec-WebSocket-Key")
	ErrOrigin      = errors.New("websocket: Origin not allowed")
	ErrSubprotocol = errors.New("websocket: subprotocol negotiation failed")
	ErrExtensions  = errors.New("websocket: extension negotiation failed")
	ErrAccept      = errors.New("websocket: bad Sec-WebSocket-Accept")
	ErrStatus      = errors.New("websocket: opening handshake refused")
	ErrURL         = errors.New("websocket: URL cannot be used")

	// The remaining ones are for those who move the bytes.

	// ErrExtendedConnectDisabled: an HTTP/2 or HTTP/3 server has not sent the
	// setting that allows extended CONNECT (RFC 8441, section 3).
	ErrExtendedConnectDisabled = errors.New("websocket: server does not allow extended CONNECT; use HTTP/1.1")
	// ErrNotHijackable: the http.ResponseWriter does not give its connection.
	ErrNotHijackable = errors.New("websocket: http.ResponseWriter cannot be hijacked")
	// ErrBusy: too many opening handshakes at once.
	ErrBusy = errors.New("websocket: too many opening handshakes at once")
	// ErrEarlyData: bytes came before the answer and the server wants none.
	ErrEarlyData = errors.New("websocket: data before the opening handshake was answered")
)

// Error is an opening handshake that failed. The client's holds what the server
// answered, the server's what it refused with.
type Error struct {
	Status int         // status code of the answer; 0 when there was none
	Header http.Header // of the answer; nil when there was none
	Body   []byte      // of the answer, its first bytes; empty, never nil, when there was none
	Err    error       // the reason
}

// Error names the reason, and what the server's refusal says when there is one.
func (e *Error) Error() string {
	text := fmt.Sprintf("websocket: opening handshake failed with status %d", e.Status)
	if e.Err != nil {
		text = e.Err.Error()
	}
	if len(e.Body) > 0 && errors.Is(e.Err, ErrStatus) {
		text += fmt.Sprintf("; it says %q", clip(strings.TrimSpace(string(e.Body[:min(len(e.Body), 2*clipped)]))))
	}
	return text
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// reason is one of the errors above with what was found in this handshake.
type reason struct {
	kind  error
	cause error
	also  error // a second kind, nil when there is none
}

func (r *reason) Error() string {
	return r.kind.Error() + ": " + strings.TrimPrefix(r.cause.Error(), prefix)
}

func (r *reason) Unwrap() []error {
	if r.also != nil {
		return []error{r.kind, r.cause, r.also}
	}
	return []error{r.kind, r.cause}
}

func because(kind error, format string, args ...any) error {
	return &reason{kind: kind, cause: fmt.Errorf(format, args...)}
}

const (
	prefix  = "websocket: "
	clipped = 64
)

// clip shortens what a peer sent to what an error quotes of it.
func clip(s string) string { return s[:min(len(s), clipped)] }
