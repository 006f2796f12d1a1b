package reconnect

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// R8: Retry-After 0, 30, -1, 1e9 and a date, clamped to [0, 5 min].
func TestRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []string
		date   string
		want   time.Duration
	}{
		{name: "R8 none"},
		{name: "R8 0", values: []string{"0"}},
		{name: "R8 30", values: []string{"30"}, want: 30 * time.Second},
		{name: "R8 30 with spaces", values: []string{" 30\t"}, want: 30 * time.Second},
		{name: "R8 -1", values: []string{"-1"}},
		{name: "R8 1e9 in digits", values: []string{"1000000000"}, want: 5 * time.Minute},
		{name: "R8 1e9 as a float", values: []string{"1e9"}},
		{name: "R8 more than 64 bits", values: []string{strings.Repeat("9", 40)}, want: 5 * time.Minute},
		{name: "R8 at the limit", values: []string{"300"}, want: 5 * time.Minute},
		{name: "R8 one above the limit", values: []string{"301"}, want: 5 * time.Minute},
		{name: "R8 date", values: []string{"Sun, 01 Mar 2026 12:01:00 GMT"}, want: time.Minute},
		{name: "R8 date of RFC 850", values: []string{"Sunday, 01-Mar-26 12:01:00 GMT"}, want: time.Minute},
		{name: "R8 date of asctime", values: []string{"Sun Mar  1 12:01:00 2026"}, want: time.Minute},
		{name: "R8 date in the past", values: []string{"Sun, 01 Mar 2026 11:00:00 GMT"}},
		{name: "R8 date far away", values: []string{"Fri, 01 Mar 2126 12:00:00 GMT"}, want: 5 * time.Minute},
		{name: "R10 date on a clock that differs", values: []string{"Sun, 01 Mar 2026 20:00:30 GMT"}, date: "Sun, 01 Mar 2026 20:00:00 GMT", want: 30 * time.Second},
		{name: "R8 empty", values: []string{""}},
		{name: "R8 garbage", values: []string{"soon"}},
		{name: "R8 two that agree", values: []string{"7", "7"}, want: 7 * time.Second},
		{name: "R8 two that differ", values: []string{"7", "8"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{}
			if tc.values != nil {
				h["Retry-After"] = tc.values
			}
			if tc.date != "" {
				h.Set("Date", tc.date)
			}
			for _, err := range []error{
				fmt.Errorf("wrapped: %w", &websocket.HandshakeError{Status: 503, Header: h}),
				&websocket.DialError{Step: websocket.StepProxy, Status: 429, Header: h, Err: errors.New("refused")},
			} {
				if got := retryAfter(err, noon, 5*time.Minute); got != tc.want {
					t.Errorf("%T: %v, want %v", err, got, tc.want)
				}
			}
		})
	}
	if got := retryAfter(errors.New("no answer"), noon, time.Minute); got != 0 {
		t.Errorf("without an answer: %v", got)
	}
	if got := retryAfter(&websocket.HandshakeError{}, noon, time.Minute); got != 0 {
		t.Errorf("without a header: %v", got)
	}
}

// Whatever a server sends, the wait stays between 0 and the limit, and what is
// digits alone is a number of seconds.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "30", "-1", "1e9", "1000000000", "99999999999999999999", "Sun, 01 Mar 2026 12:01:00 GMT", "Sunday, 01-Mar-26 12:01:00 GMT", " 5 ", "\x00", "5,5"} {
		f.Add(s, "Sun, 01 Mar 2026 12:00:00 GMT")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		const limit = 5 * time.Minute
		d := retryAfter(&websocket.HandshakeError{Status: 503, Header: h}, noon, limit)
		if d < 0 || d > limit {
			t.Fatalf("%q at %q: %v", value, date, d)
		}
		if s := strings.Trim(value, " \t"); s != "" && strings.Trim(s, "0123456789") == "" {
			want := limit
			if s = strings.TrimLeft(s, "0"); len(s) <= 3 {
				n, _ := strconv.Atoi("0" + s)
				want = min(time.Duration(n)*time.Second, limit)
			}
			if d != want {
				t.Fatalf("%q: %v, want %v", value, d, want)
			}
		}
	})
}
