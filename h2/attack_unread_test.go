package h2_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A client that asks and does not read the answers: they wait with their handlers,
// and no more of them is kept. H2-S5, H2-S8
func TestAttackAnswersUnread(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr, func(t *testing.T) {
			v := attacked(t, tr, nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X", strings.Repeat("x", 4000))
			})
			c := newRaw(t, v.dial(t))
			before := heap()
			sent := 0
		flood:
			for ; sent < 20000; sent += 50 {
				var b []byte
				for i := range 50 {
					id := uint32(2*(sent+i) + 1)
					b = append(b, bytesOf(func(fr *http2.Framer) {
						fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true, EndHeaders: true, BlockFragment: root})
					})...)
				}
				if _, err := c.nc.Write(b); err != nil {
					t.Fatal(err)
				}
				for range 50 {
					select {
					case <-v.done:
					case <-time.After(200 * time.Millisecond):
						break flood
					}
				}
			}
			more := heap() - before
			t.Logf("%d requests, %d KiB more, %d handlers", sent, more>>10, v.most.Load())
			if sent == 20000 {
				t.Error("no handler ever waited for its client to read")
			}
			if limit := int64(2 << 20); more > limit {
				t.Errorf("%d KiB more", more>>10)
			}
			if n := v.most.Load(); n > 100 {
				t.Errorf("%d handlers at once", n)
			}
			v.serves(t)
			// Who reads after all gets every answer.
			heads := 0
			for heads < sent {
				f, err := c.fr.ReadFrame()
				if err != nil {
					t.Fatalf("after %d answers: %v", heads, err)
				}
				if f.Header().Type == http2.FrameHeaders {
					heads++
				}
			}
			c.nc.Close()
		})
	}
}
