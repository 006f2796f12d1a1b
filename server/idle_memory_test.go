package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// A session over HTTP/2 that waits holds no buffer, however much came
// last.
func TestIdleStreamHoldsNoBuffer(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4<<10)
	for _, engine := range []string{"h2", "h2c"} {
		t.Run(engine, func(t *testing.T) {
			h := serveOne(t, engine, nil, funcs{message: echo})
			_, _, c := h.session()
			before := bufpool.Outstanding()
			p := textFrame(long)
			if _, err := c.Write(p); err != nil {
				t.Fatal(err)
			}
			echoed := make([]byte, len(long)+10)
			for n := 0; n < len(echoed); {
				m, err := c.Read(echoed[n:])
				if err != nil {
					t.Fatal(err)
				}
				n += m
			}
			deadline := time.After(patience)
			for bufpool.Outstanding() > before {
				select {
				case <-deadline:
					t.Fatalf("%d buffers are still held", bufpool.Outstanding()-before)
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
}
