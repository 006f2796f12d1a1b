package frame_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/lariat-go/websocket/frame"
)

// Every violation has a text of its own, a code that may be sent and a section.
func TestViolations(t *testing.T) {
	status := map[frame.Violation]frame.StatusCode{
		frame.ErrReservedBits:           1002,
		frame.ErrReservedOpcode:         1002,
		frame.ErrLengthNotMinimal:       1002,
		frame.ErrLengthOverflow:         1002,
		frame.ErrMaskRequired:           1002,
		frame.ErrMaskForbidden:          1002,
		frame.ErrControlFragmented:      1002,
		frame.ErrControlTooLong:         1002,
		frame.ErrUnexpectedContinuation: 1002,
		frame.ErrExpectedContinuation:   1002,
		frame.ErrInvalidUTF8:            1007,
		frame.ErrCloseTooShort:          1002,
		frame.ErrCloseStatus:            1002,
		frame.ErrFrameTooBig:            1009,
		frame.ErrMessageTooBig:          1009,
		frame.ErrTooManyFragments:       1008,
		frame.ErrTooManyControls:        1008,
		frame.ErrExtensionData:          1007,
	}
	text := regexp.MustCompile(`^websocket: [a-zA-Z0-9 ,-]+ \(RFC [0-9]{4}, section [0-9.]+\)$`)
	section := regexp.MustCompile(`^RFC [0-9]{4}, section [0-9.]+$`)
	seen := make(map[string]bool)
	all := frame.Violations()
	for _, v := range all {
		if want, ok := status[v]; !ok || v.Status() != want {
			t.Errorf("%v: status %v, want %v", v, v.Status(), want)
		}
		if !v.Status().Sendable() {
			t.Errorf("%v: status %v can't be sent", v, v.Status())
		}
		if !text.MatchString(v.Error()) || seen[v.Error()] {
			t.Errorf("text %q is malformed or another's", v.Error())
		}
		if !section.MatchString(v.Section()) {
			t.Errorf("%v: section %q", v, v.Section())
		}
		seen[v.Error()] = true
		for _, other := range all {
			// A frame that is too big is a message that is.
			want := v == other || v == frame.ErrFrameTooBig && other == frame.ErrMessageTooBig
			if err := fmt.Errorf("wrapped: %w", v); errors.Is(err, other) != want {
				t.Errorf("%v, wrapped, is %v: %v", v, other, !want)
			}
		}
	}
	if len(all) != len(status) {
		t.Errorf("%d violations, %d in this table", len(all), len(status))
	}
}

func TestUnknownViolation(t *testing.T) {
	for _, v := range []frame.Violation{0, frame.Violation(len(frame.Violations()) + 1), 255} {
		if v.Error() != "websocket: unknown violation" || v.Status() != frame.StatusProtocolError || v.Section() != "" {
			t.Errorf("%d: %q, %v, %q", uint8(v), v.Error(), v.Status(), v.Section())
		}
	}
}
