package websocket_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// W7: of a thousand receivers of a broadcast one takes nothing. The others have
// each message at once; the one is dropped when the write time-out is over, and
// its transport is released. What may wait for it meanwhile, W1 says.
func TestBroadcastWithOneStalled(t *testing.T) {
	const messages, size = 50, 8 << 10
	receivers := 1000
	if raceEnabled {
		receivers = 50
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		prepared, err := websocket.NewPrepared(websocket.MessageBinary, make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		stalled, s, peer := scripted(t, protocol.RoleServer, nil, &wstest.PipeOptions{Buffer: 512})
		conns := []*websocket.Conn{stalled}
		var reading sync.WaitGroup
		for range receivers {
			a, b := wstest.Pipe(nil)
			c := websocket.NewConn(a, protocol.RoleServer, nil, nil)
			conns = append(conns, c)
			reading.Go(func() {
				client := websocket.NewConn(b, protocol.RoleClient, nil, nil)
				defer client.CloseNow()
				start, buf := time.Now(), []byte(nil)
				for i := range messages {
					var err error
					if _, buf, err = client.Append(ctx, buf[:0]); err != nil || len(buf) != size {
						t.Errorf("message %d: %d bytes, %v", i, len(buf), err)
						return
					}
				}
				if d := time.Since(start); d > 50*time.Millisecond {
					t.Errorf("the last message came after %v", d)
				}
			})
		}
		start := time.Now()
		writers := make([]<-chan error, len(conns))
		for i, c := range conns {
			writers[i] = async(func() error {
				for range messages {
					if err := c.WritePrepared(ctx, prepared); err != nil {
						return err
					}
				}
				return nil
			})
		}
		reading.Wait()
		for _, w := range writers[1:] {
			if err := <-w; err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the broadcast took %v", d)
		}
		err = <-writers[0]
		if d := time.Since(start); d != websocket.DefaultWriteTimeout || !errors.Is(err, websocket.ErrWriteTimeout) {
			t.Errorf("the stalled one: %v after %v", err, d)
		}
		if n := s.closes.Load(); n != 1 {
			t.Errorf("its transport was closed %d times", n)
		}
		for _, c := range conns {
			c.CloseNow()
		}
		peer.Close()
	})
}
