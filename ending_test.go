package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// Close needs no reader: what still comes is dropped until the answer is there.
// A reader that is there gets what comes.
func TestCloseAndMessagesUnderWay(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "no reader", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			peer.ExpectClose(1000)
			for range 10 {
				peer.SendFrames(wstest.Binary(make([]byte, 40<<10)), wstest.Text("half").NotFinal(), wstest.Ping(nil), wstest.Continuation(nil))
			}
			peer.SendFrames(wstest.Close(1000, ""))
			peer.CloseWrite()
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}
			peer.ExpectEOF() // no pong after a close frame
		})
		bubble(t, "reader", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			var got []string
			read := async(func() error {
				for { // in one call: between two, Close may take what is left
					batch, err := c.ReadBatch(context.Background(), nil)
					for _, m := range batch {
						got = append(got, string(m.Data))
					}
					if err != nil {
						return err
					}
				}
			})
			synctest.Wait()
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Text("one"), wstest.Text("two"), wstest.Close(1000, ""))
			peer.CloseWrite()
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}
			closeErrorOf(t, <-read)
			if fmt.Sprint(got) != "[one two]" {
				t.Errorf("read %q", got)
			}
		})
		// Between two calls of Read, Close takes over. The next Read is told of
		// the end, not of a mistake.
		bubble(t, "reader that comes back", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			peer.ExpectClose(1000)
			read := async(readError(c))
			synctest.Wait()
			peer.SendFrames(wstest.Close(1000, ""))
			peer.CloseWrite()
			if ce := closeErrorOf(t, <-read); ce.Code != 1000 || ce.RemoteFirst {
				t.Errorf("Read: %+v", ce)
			}
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}
		})
		// The reader stops in the middle: Close takes over.
		bubble(t, "reader that stops", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			read := async(readError(c))
			synctest.Wait()
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Text("one"))
			if err := <-read; err != nil {
				t.Errorf("Read = %v", err)
			}
			peer.SendFrames(wstest.Text("two"), wstest.Close(1000, ""))
			peer.CloseWrite()
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}
		})
	})
}

// CloseNow drops the connection at once, whoever waits for it.
func TestCloseNow(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, s, peer := scripted(t, role, nil, nil)
		start := time.Now()
		read := async(readError(c))
		synctest.Wait()
		write := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20)) })
		ping := async(func() error { _, err := c.Ping(context.Background()); return err })
		closing := async(func() error { return c.Close(websocket.StatusGoingAway, "") })
		synctest.Wait()
		if err := c.CloseNow(); err != nil {
			t.Errorf("CloseNow = %v", err)
		}
		for what, done := range map[string]<-chan error{"Read": read, "Write": write, "Ping": ping, "Close": closing} {
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s = %v", what, err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
		synctest.Wait()
		if n := s.closes.Load(); n != 1 {
			t.Errorf("the transport was closed %d times", n)
		}
		checkOver(t, c, false)
		peer.Close()
	})
}

// CloseRead sees the end, and takes no message.
func TestCloseRead(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "peer closes", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			ctx := c.CloseRead(context.Background())
			peer.SendFrames(wstest.Ping([]byte("p")))
			peer.Expect(wstest.Pong([]byte("p")))
			if ctx.Err() != nil {
				t.Fatal("ended too early")
			}
			peer.SendFrames(wstest.Close(1001, ""))
			peer.ExpectClose(1001)
			peer.Close()
			<-ctx.Done()
			if code := websocket.CloseStatus(context.Cause(ctx)); code != 1001 {
				t.Errorf("cause %v", context.Cause(ctx))
			}
		})
		bubble(t, "a message comes", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			ctx := c.CloseRead(context.Background())
			peer.SendFrames(wstest.Text("Hello"))
			peer.ExpectClose(1008)
			peer.SendFrames(wstest.Close(1008, ""))
			peer.CloseWrite()
			peer.ExpectEOF()
			<-ctx.Done()
			closeErrorOf(t, context.Cause(ctx))
		})
		bubble(t, "context ends", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			parent, cancel := context.WithCancel(context.Background())
			ctx := c.CloseRead(parent)
			synctest.Wait()
			cancel()
			<-ctx.Done()
			peer.ExpectClose(1001)
			peer.SendFrames(wstest.Close(1001, ""))
			peer.CloseWrite()
			peer.ExpectEOF()
			synctest.Wait()
			checkOver(t, c, true)
		})
	})
}

// A violation is answered with its code and the end of our direction; what the
// peer still sends is taken for a while, so that no reset destroys the close
// frame on its way.
func TestViolationLingers(t *testing.T) {
	eachRole(t, func(t *testing.T, role protocol.Role) {
		bad := frame.Header{Fin: true, RSV: frame.RSV2, Opcode: frame.OpText, Masked: role == protocol.RoleServer}
		bubble(t, "peer goes on and ends", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{ResetUnread: true})
			start := time.Now()
			// S2.25: what came before the violation is delivered first.
			peer.SendFrames(wstest.Text("good"))
			peer.Send(bad, []byte("bad"))
			peer.SendFrames(wstest.Binary(make([]byte, 20<<10)))
			if _, p, err := c.Read(t.Context()); err != nil || string(p) != "good" {
				t.Errorf("Read = %q, %v", p, err)
			}
			read := async(readError(c))
			peer.ExpectClose(1002)
			peer.ExpectEOF()
			peer.SendFrames(wstest.Binary(make([]byte, 20<<10)))
			peer.Close()
			ce := closeErrorOf(t, <-read)
			if !errors.Is(ce, frame.ErrReservedBits) || ce.Received != nil || !sameClose(ce.Sent, 1002, "") || ce.Code != 1006 {
				t.Errorf("ending %+v", ce)
			}
			if d := time.Since(start); d != 0 {
				t.Errorf("took %v", d)
			}
			checkOver(t, c, false)
		})
		bubble(t, "peer stays silent", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			start := time.Now()
			peer.Send(bad, nil)
			closeErrorOf(t, readError(c)())
			if d := time.Since(start); d != time.Second {
				t.Errorf("took %v", d)
			}
			peer.ExpectClose(1002)
			peer.ExpectEOF()
		})
		bubble(t, "peer goes on for ever", func(t *testing.T) {
			c, s, peer := scripted(t, role, nil, nil)
			peer.Send(bad, nil)
			read := async(readError(c))
			flood := async(func() error {
				for {
					if _, err := peer.Conn().Write(make([]byte, 4<<10)); err != nil {
						return err
					}
				}
			})
			closeErrorOf(t, <-read)
			if err := <-flood; err == nil {
				t.Error("the flood ended by itself")
			}
			if n := s.Stats().Read; n > 64<<10+4<<10+100 {
				t.Errorf("%d bytes were taken", n)
			}
		})
		bubble(t, "peer takes nothing", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 1 << 10})
			write := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20)) })
			synctest.Wait()
			start := time.Now()
			peer.Send(bad, nil)
			ce := closeErrorOf(t, readError(c)())
			if d := time.Since(start); d > 6*time.Second {
				t.Errorf("took %v", d)
			}
			if !errors.Is(ce, frame.ErrReservedBits) {
				t.Errorf("ending %+v", ce)
			}
			if err := <-write; err == nil {
				t.Error("Write succeeded")
			}
		})
	})
}

// One goroutine reads; a second one is told so and does no harm.
func TestConcurrentRead(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		first := async(readError(c))
		synctest.Wait()
		_, errBatch := c.ReadBatch(t.Context(), nil)
		_, _, errReader := c.Reader(t.Context())
		for what, err := range map[string]error{"Read": readError(c)(), "ReadBatch": errBatch, "Reader": errReader} {
			if !errors.Is(err, websocket.ErrConcurrentRead) || !strings.Contains(err.Error(), "only one may read") || errors.Is(err, net.ErrClosed) {
				t.Errorf("a second %s = %v", what, err)
			}
		}
		peer.SendFrames(wstest.Text("Hello"))
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// Any calls in any order from any goroutine: no panic, no deadlock.
func TestAnyOrder(t *testing.T) {
	calls := []func(c *websocket.Conn, ctx context.Context){
		func(c *websocket.Conn, ctx context.Context) { c.Read(ctx) },
		func(c *websocket.Conn, ctx context.Context) { c.ReadBatch(ctx, nil) },
		func(c *websocket.Conn, ctx context.Context) {
			if _, r, err := c.Reader(ctx); err == nil {
				io.Copy(io.Discard, r)
			}
		},
		func(c *websocket.Conn, ctx context.Context) { c.Write(ctx, websocket.MessageText, []byte("Hello")) },
		func(c *websocket.Conn, ctx context.Context) {
			c.Write(ctx, websocket.MessageBinary, make([]byte, 100<<10))
		},
		func(c *websocket.Conn, ctx context.Context) {
			c.WriteBatch(ctx, websocket.Text("a"), websocket.PingFrame(nil), websocket.Binary(make([]byte, 40<<10)))
		},
		func(c *websocket.Conn, ctx context.Context) {
			if w, err := c.Writer(ctx, websocket.MessageText); err == nil {
				io.WriteString(w, strings.Repeat("x", 40<<10))
				w.Close()
			}
		},
		func(c *websocket.Conn, ctx context.Context) { c.Ping(ctx) },
		func(c *websocket.Conn, ctx context.Context) { c.Close(websocket.StatusGoingAway, "") },
		func(c *websocket.Conn, ctx context.Context) { c.CloseNow() },
		func(c *websocket.Conn, ctx context.Context) { <-c.CloseRead(ctx).Done() },
	}
	for i, first := range calls {
		for j, second := range calls {
			t.Run(fmt.Sprintf("%d %d", i, j), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := wstest.Pair(t, &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: 1 << 10}})
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					var wg sync.WaitGroup
					for _, c := range []*websocket.Conn{client, server} {
						for _, call := range []func(*websocket.Conn, context.Context){first, second} {
							wg.Go(func() { call(c, ctx) })
						}
					}
					start := time.Now()
					wg.Wait()
					if d := time.Since(start); d > 16*time.Second {
						t.Errorf("took %v", d)
					}
					for _, c := range []*websocket.Conn{client, server} {
						c.CloseNow()
						synctest.Wait()
						closeErrorOf(t, readError(c)()) // gives back what a batch lent
					}
				})
			})
		}
	}
}
