package client_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/client"
)

// A socket that opens while the Conn shuts down, and floods, does not fill memory.
func TestAttackFloodInShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		ln := newVillain(t, func(v *villain) {
			<-ready
			flood(v, strings.Repeat("x", 20000))
		})
		o := client.NewOwner(4)
		c := open(t, ln, &client.Options{Owner: o, Retry: -1, ClosingTimeout: 2 * time.Second})
		upgraded := make(chan error, 1)
		go func() {
			_, err := c.Upgrade(context.Background(), "/", nil)
			upgraded <- err
		}()
		synctest.Wait()
		down := make(chan error, 1)
		go func() { down <- c.Shutdown(context.Background()) }()
		synctest.Wait()
		before := inUse()
		close(ready)
		time.Sleep(time.Second)
		if after := inUse(); after > before+512<<10 {
			t.Errorf("%d KiB more are in use", (after-before)>>10)
		}
		<-upgraded
		<-down
		o.Close()
		for range o.C {
		}
	})
}
