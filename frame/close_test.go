package frame_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lariat-go/websocket/frame"
)

// C4: the codes that may stand in a close frame, over all there are.
func TestSendable(t *testing.T) {
	ranges := [][2]int{{1000, 1003}, {1007, 1014}, {3000, 4999}}
	for c := range 1 << 16 {
		want := false
		for _, r := range ranges {
			want = want || c >= r[0] && c <= r[1]
		}
		code := frame.StatusCode(c)
		if code.Sendable() != want {
			t.Errorf("C4 %d: Sendable is %v", c, !want)
		}
		got, reason, err := frame.ParseClose([]byte{byte(c >> 8), byte(c), 'x'})
		switch {
		case want && (got != code || reason != "x" || err != nil):
			t.Errorf("%d: %v, %q, %v", c, got, reason, err)
		case !want && (got != 0 || reason != "" || !errors.Is(err, frame.ErrCloseStatus)):
			t.Errorf("C4 %d: %v, %q, %v", c, got, reason, err)
		}
	}
}

func TestParseClose(t *testing.T) {
	tests := []struct {
		name    string
		payload string
		code    frame.StatusCode
		reason  string
		err     error
	}{
		{"empty", "", frame.StatusNoStatusRcvd, "", nil},
		{"code alone", "\x03\xe8", frame.StatusNormalClosure, "", nil},
		{"code and reason", "\x03\xe9bye", frame.StatusGoingAway, "bye", nil},
		{"longest reason", "\x03\xe8" + strings.Repeat("r", 123), frame.StatusNormalClosure, strings.Repeat("r", 123), nil},
		{"UTF-8", "\x0f\xa0κόσμε", 4000, "κόσμε", nil},
		{"C3 one byte", "\x03", 0, "", frame.ErrCloseTooShort},
		{"C4 0", "\x00\x00", 0, "", frame.ErrCloseStatus},
		{"C4 999", "\x03\xe7", 0, "", frame.ErrCloseStatus},
		{"C4 1005", "\x03\xed", 0, "", frame.ErrCloseStatus},
		{"C4 before UTF-8", "\x03\xed\xff", 0, "", frame.ErrCloseStatus},
		{"C5 bad UTF-8", "\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", 0, "", frame.ErrInvalidUTF8},
		{"C5 truncated rune", "\x03\xe8\xce", 0, "", frame.ErrInvalidUTF8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, reason, err := frame.ParseClose([]byte(tt.payload))
			if code != tt.code || reason != tt.reason || err != tt.err {
				t.Fatalf("got %v, %q, %v; want %v, %q, %v", code, reason, err, tt.code, tt.reason, tt.err)
			}
			if err != nil {
				return
			}
			p, err := frame.AppendClose([]byte("before"), code, reason)
			if err != nil || string(p) != "before"+tt.payload {
				t.Errorf("AppendClose: %q, %v", p, err)
			}
		})
	}
}

func TestAppendCloseRefuses(t *testing.T) {
	tests := []struct {
		name   string
		code   frame.StatusCode
		reason string
		err    error
	}{
		{"C11 999", 999, "", frame.ErrCloseStatus},
		{"C11 1005 with a reason", frame.StatusNoStatusRcvd, "x", frame.ErrCloseStatus},
		{"C11 1006", frame.StatusAbnormalClosure, "", frame.ErrCloseStatus},
		{"C11 1015", frame.StatusTLSHandshakeFailure, "", frame.ErrCloseStatus},
		{"C11 5000", 5000, "", frame.ErrCloseStatus},
		{"C11 reason of 124 bytes", 1000, strings.Repeat("r", 124), frame.ErrControlTooLong},
		{"C11 reason not UTF-8", 1000, "\xff", frame.ErrInvalidUTF8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := frame.AppendClose([]byte("before"), tt.code, tt.reason)
			if err != tt.err || string(p) != "before" {
				t.Errorf("got %q, %v; want %v and nothing appended", p, err, tt.err)
			}
		})
	}
}

func TestStatusCodeString(t *testing.T) {
	tests := map[frame.StatusCode]string{
		frame.StatusNormalClosure:       "1000 (normal closure)",
		frame.StatusGoingAway:           "1001 (going away)",
		frame.StatusProtocolError:       "1002 (protocol error)",
		frame.StatusUnsupportedData:     "1003 (unsupported data)",
		1004:                            "1004",
		frame.StatusNoStatusRcvd:        "1005 (no status received)",
		frame.StatusAbnormalClosure:     "1006 (abnormal closure)",
		frame.StatusInvalidPayloadData:  "1007 (invalid payload data)",
		frame.StatusPolicyViolation:     "1008 (policy violation)",
		frame.StatusMessageTooBig:       "1009 (message too big)",
		frame.StatusMandatoryExtension:  "1010 (mandatory extension)",
		frame.StatusInternalError:       "1011 (internal error)",
		frame.StatusServiceRestart:      "1012 (service restart)",
		frame.StatusTryAgainLater:       "1013 (try again later)",
		frame.StatusBadGateway:          "1014 (bad gateway)",
		frame.StatusTLSHandshakeFailure: "1015 (TLS handshake failure)",
		4000:                            "4000",
		0:                               "0",
	}
	for c, want := range tests {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzCloseCode(f *testing.F) {
	for _, s := range []string{"", "\x03", "\x03\xe8", "\x03\xe9bye", "\x03\xed", "\x03\xe8\xff", "\x0f\xa0κόσμε", "\x13\x88", "\x03\xe8" + strings.Repeat("r", 123)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		code, reason, err := frame.ParseClose(p)
		if err != nil {
			var v frame.Violation
			if !errors.As(err, &v) || v.Section() == "" || code != 0 || reason != "" {
				t.Fatalf("%x: %v, %q, %v", p, code, reason, err)
			}
			return
		}
		if !code.Sendable() && code != frame.StatusNoStatusRcvd || !utf8.ValidString(reason) {
			t.Fatalf("%x: accepted %v, %q", p, code, reason)
		}
		out, err := frame.AppendClose(nil, code, reason)
		if len(reason) > frame.MaxCloseReason {
			if !errors.Is(err, frame.ErrControlTooLong) || out != nil {
				t.Fatalf("reason of %d bytes: %x, %v", len(reason), out, err)
			}
			return
		}
		if err != nil || !bytes.Equal(out, p) {
			t.Fatalf("%x was read, %x written, %v", p, out, err)
		}
	})
}
