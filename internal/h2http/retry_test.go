package h2http_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2http"
)

// RFC 9113, section 8.7: only what was refused unseen may be sent again.
func TestRefusedError(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("open: %w", &h2.StreamError{Code: h2.ErrCodeRefusedStream}): true,
		&h2.StreamError{Code: h2.ErrCodeCancel}:                                false,
		errors.New("lost"):                                                     false,
	} {
		if got := h2http.Refused(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// No pause outlives the context.
func TestPause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for retries := range 2 {
		if err := h2http.Pause(ctx, retries); !errors.Is(err, context.Canceled) {
			t.Errorf("Pause: %v", err)
		}
	}
}
