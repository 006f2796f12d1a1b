package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/client"
)

// A 101 that is none ends its connection. What waited behind it is not told that
// there is a socket: it is made on the next connection.
func TestAttackQueueBehindBad101(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		ln := newVillain(t, func(v *villain) {
			if v.n > 1 {
				honest(v)
				return
			}
			if _, err := v.request(); err != nil {
				return
			}
			<-ready
			v.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n")
			v.idle()
		})
		c := open(t, ln, &client.Options{RetryTimeout: time.Millisecond})
		upgraded := make(chan error, 1)
		go func() {
			_, err := c.Upgrade(t.Context(), "/", nil)
			upgraded <- err
		}()
		synctest.Wait()
		type answer struct {
			body string
			err  error
		}
		answers := make(chan answer, 3)
		for range 3 {
			go func() {
				body, err := get(t, c, "/waits")
				answers <- answer{body, err}
			}()
		}
		synctest.Wait()
		close(ready)
		if err := <-upgraded; err == nil {
			t.Error("upgraded")
		}
		for range 3 {
			if a := <-answers; a.err != nil || a.body != "/waits" {
				t.Errorf("a request that waited: %q, %v", a.body, a.err)
			}
		}
	})
}
