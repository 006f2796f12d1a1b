package reconnect

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/lariat-go/websocket"
)

// retryAfter returns how long the server, or a proxy, asked to wait when it
// refused, at most limit; 0 when it did not.
func retryAfter(err error, now time.Time, limit time.Duration) time.Duration {
	var h http.Header
	if e, ok := errors.AsType[*websocket.HandshakeError](err); ok {
		h = e.Header
	} else if e, ok := errors.AsType[*websocket.DialError](err); ok {
		h = e.Header
	}
	d, ok := parseRetryAfter(h, now)
	if !ok {
		return 0
	}
	return min(max(d, 0), limit)
}

// parseRetryAfter reads a Retry-After field (RFC 9110, section 10.2.3): a number
// of seconds, or a date, which is compared with the answer's own Date where it
// has one, because the two clocks may differ. It returns false for no field, for
// several that differ, and for what is neither.
func parseRetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	lines := h["Retry-After"]
	if len(lines) == 0 {
		return 0, false
	}
	value := strings.Trim(lines[0], " \t")
	for _, l := range lines[1:] {
		if strings.Trim(l, " \t") != value {
			return 0, false
		}
	}
	if d, ok := parseSeconds(value); ok {
		return d, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return at.Sub(now), true
}

// parseSeconds reads delay-seconds, which are digits alone. What is too large
// for a Duration becomes the largest.
func parseSeconds(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	const most = time.Duration(1<<63-1) / time.Second
	var n time.Duration
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n <= most/10 {
			n = n*10 + time.Duration(c-'0')
		} else {
			n = most
		}
	}
	return min(n, most) * time.Second, true
}
