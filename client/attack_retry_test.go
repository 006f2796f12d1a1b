package client_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket/client"
)

// stubborn is the body of a request whose Read returns late, and does not mind
// Close.
type stubborn struct {
	wait <-chan struct{}
	once sync.Once
}

func (b *stubborn) Read(p []byte) (n int, err error) {
	err = io.EOF
	b.once.Do(func() {
		<-b.wait
		n, err = copy(p, "evil"), nil
	})
	return n, err
}

func (b *stubborn) Close() error { return nil }

// A request that was refused and is sent again has the body of its second
// attempt and nothing of the first one, however late that comes.
func TestAttackLateBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan struct{})
		var mu sync.Mutex
		var got strings.Builder
		ln := newVillain2(t, nil, func(v *villain2) {
			for {
				kind, flags, stream, payload, err := v.next()
				if err != nil {
					return
				}
				switch {
				case kind == settings2 && flags&ack2 == 0:
					v.send(settings2, ack2, 0, "")
				case kind == headers2 && stream == 1:
					v.send(rst2, 0, stream, string(u32(7))) // REFUSED_STREAM
				case kind == headers2:
					close(late)
				case kind == data2:
					mu.Lock()
					got.Write(payload)
					mu.Unlock()
					if flags&endStream2 != 0 {
						v.send(headers2, endHeaders2|endStream2, stream, ok2)
					}
				}
			}
		})
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}})
		r, _ := http.NewRequestWithContext(t.Context(), "POST", "/", &stubborn{wait: late})
		r.GetBody = func() (io.ReadCloser, error) {
			pr, pw := io.Pipe()
			go func() {
				<-late
				synctest.Wait()
				io.WriteString(pw, "good")
				pw.Close()
			}()
			return pr, nil
		}
		res, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		mu.Lock()
		defer mu.Unlock()
		if got.String() != "good" {
			t.Errorf("the server got %q, want %q", got.String(), "good")
		}
	})
}
