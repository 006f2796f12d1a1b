package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// W1: a large message is not left to the goroutine that is flushing: it waits
// for an empty queue, and can be canceled there without harm.
func TestLargeMessageWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := scripted(t, protocol.RoleServer, nil, &wstest.PipeOptions{Buffer: 64})
		first := bytes.Repeat([]byte("1"), 1000)
		flusher := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, first) })
		synctest.Wait() // the pipe is full
		ctx, cancel := context.WithCancel(context.Background())
		large := async(func() error { return c.Write(ctx, websocket.MessageBinary, make([]byte, 1<<20)) })
		synctest.Wait()
		small := async(func() error { return c.Write(context.Background(), websocket.MessageText, []byte("small")) })
		synctest.Wait()
		select {
		case err := <-large:
			t.Fatalf("a large Write returned %v while another was writing", err)
		case err := <-small:
			t.Fatalf("a small Write returned %v before a large one that waited longer", err)
		default:
		}
		cancel()
		if err := <-large; !errors.Is(err, context.Canceled) {
			t.Errorf("canceled Write = %v", err)
		}
		if err := <-small; err != nil {
			t.Errorf("small Write = %v", err)
		}
		peer.Expect(wstest.Binary(first), wstest.Text("small"))
		if err := <-flusher; err != nil {
			t.Errorf("Write = %v", err)
		}
	})
}

// A writer of large messages gets its turn among many writers of small ones.
func TestLargeMessageIsNotStarved(t *testing.T) { eachCarrier(t, testLargeMessageIsNotStarved) }

func testLargeMessageIsNotStarved(t *testing.T, pair pairFunc) {
	c, s := pair(nil, &websocket.ConnOptions{MaxMessageSize: -1})
	ctx := t.Context()
	var stop atomic.Bool
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for !stop.Load() {
				if err := c.Write(ctx, websocket.MessageText, []byte("small")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const larges = 20
	writers.Go(func() {
		defer stop.Store(true)
		p := make([]byte, 200_000)
		for range larges {
			if err := c.Write(ctx, websocket.MessageBinary, p); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var buf []byte
	for seen := 0; seen < larges; {
		typ, p, err := s.Append(ctx, buf[:0])
		if err != nil {
			t.Fatal(err)
		}
		if buf = p; typ == websocket.MessageBinary {
			seen++
		}
	}
	go func() { // what is still on its way
		for {
			if _, _, err := s.Read(ctx); err != nil {
				return
			}
		}
	}()
	writers.Wait()
}
