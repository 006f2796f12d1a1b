package httpconn_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/httpconn"
)

// H-C6: a trailer over HTTP/2 that is too large fails its stream, and no other.
func TestAttackLargeTrailer(t *testing.T) {
	frame := func(kind, flags byte, stream uint32, payload string) string {
		b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
		return string(binary.BigEndian.AppendUint32(b, stream)) + payload
	}
	var many strings.Builder
	for i := range 200 {
		fmt.Fprintf(&many, "\x00\x05x-%03d\x01y", i)
	}
	c := open(t, &httpconn.Options{Major: 2, Authority: "example.com"})
	for range 2 {
		if _, err := c.Request(&httpconn.Request{Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	c.Output()
	evs, err := c.Receive([]byte(frame(4, 0, 0, "") + frame(1, 4, 1, "\x88") + frame(0, 0, 1, "body") + frame(1, 5, 1, many.String()) + frame(1, 5, 3, "\x88")))
	if err != nil {
		t.Fatal(err)
	}
	var failed, done []httpconn.StreamID
	for _, ev := range evs {
		switch ev.Kind {
		case httpconn.Failed:
			failed = append(failed, ev.ID)
			if !errors.Is(ev.Err, httpconn.ErrLimit) {
				t.Errorf("stream %d: %v", ev.ID, ev.Err)
			}
		case httpconn.Done:
			done = append(done, ev.ID)
		}
	}
	if fmt.Sprint(failed, done) != "[1] [3]" {
		t.Errorf("failed %v, done %v", failed, done)
	}
}
