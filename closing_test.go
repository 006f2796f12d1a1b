package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// C6: both sides close at the same time. Both learn both codes, and each
// closes its transport once.
func TestSimultaneousClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(nil)
		sa, sb := &countedStream{PipeConn: a}, &countedStream{PipeConn: b}
		client, server := wstest.PairOver(t, sa, sb, nil)
		start := time.Now()
		a.Stall() // so that neither has seen the other's close frame
		cc := async(func() error { return client.Close(websocket.StatusNormalClosure, "from the client") })
		sc := async(func() error { return server.Close(websocket.StatusGoingAway, "from the server") })
		synctest.Wait()
		a.Resume()
		for _, done := range []<-chan error{cc, sc} {
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
		ce := closeErrorOf(t, readError(client)())
		if !sameClose(ce.Sent, 1000, "from the client") || !sameClose(ce.Received, 1001, "from the server") || ce.Code != 1001 || ce.RemoteFirst || ce.Cause != nil {
			t.Errorf("client: %+v", ce)
		}
		ce = closeErrorOf(t, readError(server)())
		if !sameClose(ce.Sent, 1001, "from the server") || !sameClose(ce.Received, 1000, "from the client") || ce.Code != 1000 || ce.RemoteFirst || ce.Cause != nil {
			t.Errorf("server: %+v", ce)
		}
		if x, y := sa.closes.Load(), sb.closes.Load(); x != 1 || y != 1 {
			t.Errorf("the transport was closed %d times by the client, %d by the server", x, y)
		}
		checkOver(t, client, true)
		checkOver(t, server, true)
	})
}

// C7: the peer never answers our close frame.
func TestCloseUnanswered(t *testing.T) {
	for _, tc := range []struct {
		set  time.Duration
		want time.Duration
	}{{0, 5 * time.Second}, {time.Second, time.Second}, {time.Minute, time.Minute}} {
		t.Run(tc.want.String(), func(t *testing.T) {
			forCarried(t, func(t *testing.T, role protocol.Role) {
				c, s, peer := scripted(t, role, &websocket.ConnOptions{CloseTimeout: tc.set}, nil)
				start := time.Now()
				done := async(func() error { return c.Close(websocket.StatusNormalClosure, "bye") })
				if r := peer.ExpectClose(1000); r != "bye" {
					t.Errorf("reason %q", r)
				}
				peer.ExpectNothing(tc.want - time.Millisecond)
				peer.ExpectEOF()
				ce := closeErrorOf(t, <-done)
				if d := time.Since(start); d != tc.want {
					t.Errorf("took %v", d)
				}
				if ce.Code != 1006 || !sameClose(ce.Sent, 1000, "bye") || ce.Received != nil || !errors.Is(ce, websocket.ErrCloseTimeout) {
					t.Errorf("ending %+v", ce)
				}
				checkOver(t, c, false)
				synctest.Wait()
				if n := s.closes.Load(); n != 1 {
					t.Errorf("the transport was closed %d times", n)
				}
			})
		})
	}
}

// C8: the peer answers our close frame but never closes its TCP connection. A
// server closes at once, a client waits a second for the server to do it.
func TestCloseAnsweredTransportLeftOpen(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		want := time.Duration(0)
		if role == protocol.RoleClient {
			want = time.Second
		}
		bubble(t, "our close", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			start := time.Now()
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Close(1000, ""))
			if err := <-done; err != nil || time.Since(start) != want {
				t.Errorf("Close = %v after %v, want %v", err, time.Since(start), want)
			}
			peer.ExpectEOF()
			checkOver(t, c, true)
		})
		bubble(t, "peer's close", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			start := time.Now()
			peer.SendFrames(wstest.Close(3000, "theirs"))
			ce := closeErrorOf(t, readError(c)())
			if d := time.Since(start); d != want {
				t.Errorf("took %v, want %v", d, want)
			}
			if !sameClose(ce.Received, 3000, "theirs") || !sameClose(ce.Sent, 3000, "") || !ce.RemoteFirst || ce.Code != 3000 || ce.Reason != "theirs" || ce.Cause != nil {
				t.Errorf("ending %+v", ce)
			}
			peer.ExpectClose(3000)
			peer.ExpectEOF()
			checkOver(t, c, true)
		})
		bubble(t, "peer closes in time", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			start := time.Now()
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Close(1000, ""))
			peer.Close()
			if err := <-done; err != nil || time.Since(start) != 0 {
				t.Errorf("Close = %v after %v", err, time.Since(start))
			}
		})
	})
}

// C9: the transport ends, or is reset, without a close frame.
func TestAbnormalClosure(t *testing.T) {
	eachRole(t, func(t *testing.T, role protocol.Role) {
		for _, sent := range []struct {
			name   string
			frames []byte
			cut    int // bytes left away
		}{
			{"idle", nil, 0},
			{"in a header", wstest.Text("Hello").Append(nil)[:1], 0},
			{"in a payload", wstest.Text("Hello").Append(nil), 2},
			{"between fragments", wstest.Text("Hel").NotFinal().Append(nil), 0},
		} {
			for _, reset := range []bool{false, true} {
				bubble(t, fmt.Sprintf("%s, reset %v", sent.name, reset), func(t *testing.T) {
					c, _, peer := scripted(t, role, nil, nil)
					b := sent.frames
					if role == protocol.RoleServer && len(b) > 1 {
						h, n, _ := frame.ParseHeader(b)
						h.Masked = true
						b = frame.Append(nil, h, b[n:])
					}
					done := async(readError(c))
					if len(b) > 0 {
						peer.SendBytes(b[:len(b)-sent.cut])
					}
					synctest.Wait()
					want := io.ErrUnexpectedEOF
					if reset {
						want = syscall.ECONNRESET
						peer.Conn().(*wstest.PipeConn).Cut()
					} else {
						peer.CloseWrite()
					}
					ce := closeErrorOf(t, <-done)
					if ce.Code != 1006 || websocket.CloseStatus(ce) != websocket.StatusAbnormalClosure || ce.Received != nil || ce.Sent != nil || !errors.Is(ce, want) {
						t.Errorf("ending %v, %+v; want %v in it", ce, ce, want)
					}
					if reset {
						if oe, ok := errors.AsType[*net.OpError](ce); !ok {
							t.Errorf("%v does not hold the error of the transport: %v", ce, oe)
						}
					} else {
						peer.ExpectEOF()
					}
					checkOver(t, c, false)
				})
			}
		}
	})
}

// C10: Close from 100 goroutines, with and without a reader, and while a
// message is written: one close frame, and everybody returns.
func TestCloseFromEverywhere(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		closeAll := func(c *websocket.Conn) <-chan error {
			done := make(chan error, 100)
			for range cap(done) {
				go func() { done <- c.Close(websocket.StatusNormalClosure, "bye") }()
			}
			return done
		}
		expectAll := func(t *testing.T, done <-chan error) {
			t.Helper()
			for range cap(done) {
				if err := <-done; err != nil {
					t.Fatalf("Close = %v", err)
				}
			}
		}
		finish := func(peer *wstest.Peer) {
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Close(1000, ""))
			peer.CloseWrite()
			peer.ExpectEOF()
		}
		bubble(t, "alone", func(t *testing.T) {
			c, s, peer := scripted(t, role, nil, nil)
			done := closeAll(c)
			finish(peer)
			expectAll(t, done)
			synctest.Wait()
			if n := s.closes.Load(); n != 1 {
				t.Errorf("the transport was closed %d times", n)
			}
			checkOver(t, c, true)
		})
		bubble(t, "during Read", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			read := async(readError(c))
			synctest.Wait()
			done := closeAll(c)
			finish(peer)
			expectAll(t, done)
			if ce := closeErrorOf(t, <-read); ce.Code != 1000 || ce.RemoteFirst {
				t.Errorf("Read: %+v", ce)
			}
		})
		bubble(t, "during Write", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			big := make([]byte, 1<<20)
			write := async(func() error { return c.Write(t.Context(), websocket.MessageBinary, big) })
			synctest.Wait()
			done := closeAll(c)
			synctest.Wait()
			peer.Expect(wstest.Binary(big))
			finish(peer)
			expectAll(t, done)
			if err := <-write; err != nil {
				t.Errorf("Write = %v", err)
			}
		})
		bubble(t, "in the handler", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			handler := async(func() error {
				for m, err := range c.Messages(context.Background()) {
					if err != nil {
						return err
					}
					if string(m.Data) == "stop" {
						if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
							return err
						}
					}
				}
				return nil
			})
			peer.SendFrames(wstest.Text("go on"), wstest.Text("stop"), wstest.Text("too late"))
			finish(peer)
			if err := <-handler; err != nil {
				t.Errorf("the handler ends with %v", err)
			}
		})
		bubble(t, "in a callback", func(t *testing.T) {
			var c *websocket.Conn
			closed := make(chan error, 1)
			c, _, peer := scripted(t, role, &websocket.ConnOptions{
				OnPing: func([]byte) { closed <- c.Close(websocket.StatusNormalClosure, "") },
			}, nil)
			_ = peer
			start := time.Now()
			read := async(readError(c))
			peer.SendFrames(wstest.Ping(nil))
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Close(1000, ""))
			<-closed
			<-read
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
			peer.ExpectEOF()
		})
		bubble(t, "peer gone", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			done := closeAll(c)
			peer.ExpectClose(1000)
			peer.Close()
			for range cap(done) {
				if ce := closeErrorOf(t, <-done); ce.Code != 1006 || ce.Sent == nil {
					t.Fatalf("Close = %+v", ce)
				}
			}
		})
	})
}

// C11: a code or a reason that must not be sent is refused before anything is
// sent, and the connection goes on.
func TestCloseRefusesItsArguments(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		for _, tc := range []struct {
			code   websocket.StatusCode
			reason string
			want   error
		}{
			{999, "", frame.ErrCloseStatus},
			{1004, "", frame.ErrCloseStatus},
			{0, "reason", frame.ErrCloseStatus},
			{1005, "", frame.ErrCloseStatus},
			{1005, "reason", frame.ErrCloseStatus},
			{1006, "", frame.ErrCloseStatus},
			{1015, "", frame.ErrCloseStatus},
			{1016, "", frame.ErrCloseStatus},
			{2999, "", frame.ErrCloseStatus},
			{5000, "", frame.ErrCloseStatus},
			{1000, strings.Repeat("x", 124), frame.ErrControlTooLong},
			{1000, "\xff", frame.ErrInvalidUTF8},
		} {
			err := c.Close(tc.code, tc.reason)
			if !errors.Is(err, tc.want) || errors.Is(err, net.ErrClosed) {
				t.Errorf("Close(%d, %.9q) = %v, want %v", tc.code, tc.reason, err, tc.want)
			}
			err = c.WriteBatch(t.Context(), websocket.Text("before"), websocket.CloseFrame(tc.code, tc.reason))
			if !errors.Is(err, tc.want) || errors.Is(err, net.ErrClosed) {
				t.Errorf("CloseFrame(%d, %.9q) = %v, want %v", tc.code, tc.reason, err, tc.want)
			}
		}
		peer.ExpectNothing(time.Hour)
		if err := c.Write(t.Context(), websocket.MessageText, []byte("still here")); err != nil {
			t.Error(err)
		}
		peer.Expect(wstest.Text("still here"))
	})
}

// S2.23, ruling C9: a close frame without a code is sent by code 0, from Close
// and in a batch, and answered by an empty one.
func TestCloseWithoutCode(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		for what, closing := range map[string]func(*websocket.Conn) error{
			"Close": func(c *websocket.Conn) error { return c.Close(0, "") },
			"batch": func(c *websocket.Conn) error {
				return c.WriteBatch(context.Background(), websocket.CloseFrame(0, ""), websocket.Text("dropped"))
			},
		} {
			c, _, peer := scripted(t, role, nil, nil)
			done := async(func() error { return closing(c) })
			peer.Expect(wstest.Close(websocket.StatusNoStatusRcvd, ""))
			peer.SendFrames(wstest.Close(websocket.StatusNoStatusRcvd, ""))
			peer.CloseWrite()
			if err := <-done; err != nil {
				t.Errorf("%s = %v", what, err)
			}
			ce := closeErrorOf(t, readError(c)())
			if ce.Code != 1005 || !sameClose(ce.Sent, 1005, "") || !sameClose(ce.Received, 1005, "") || ce.RemoteFirst || ce.Cause != nil {
				t.Errorf("%s: ending %+v", what, ce)
			}
			peer.ExpectEOF()
		}
	})
}

// C12: close while 10 MB are on their way. What can be written is written
// until the close timeout; then the connection is dropped, and the result says
// how many bytes were not sent.
func TestCloseWithMuchQueued(t *testing.T) {
	const size = 10 << 20
	unsent := regexp.MustCompile(`websocket: (\d+) bytes were not sent`)
	eachRole(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "peer takes nothing", func(t *testing.T) {
			c, s, peer := scripted(t, role, nil, nil)
			write := async(func() error { return c.Write(t.Context(), websocket.MessageBinary, make([]byte, size)) })
			synctest.Wait()
			start := time.Now()
			err := c.Close(websocket.StatusNormalClosure, "")
			if d := time.Since(start); d != 5*time.Second {
				t.Errorf("took %v", d)
			}
			closeErrorOf(t, err)
			m := unsent.FindStringSubmatch(err.Error())
			if m == nil {
				t.Fatalf("Close = %v, want the number of bytes not sent", err)
			}
			n, _ := strconv.Atoi(m[1])
			left := int(s.Stats().Written)
			total := size + 10 + 4 // with the headers and the code
			if role == protocol.RoleClient {
				total += 2 * 4
			}
			if n+left != total {
				t.Errorf("%d bytes not sent and %d sent, of %d", n, left, total)
			}
			if err := <-write; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %v", err)
			}
			peer.Close()
		})
		bubble(t, "peer takes all in time", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			write := async(func() error { return c.Write(t.Context(), websocket.MessageBinary, make([]byte, size)) })
			synctest.Wait()
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			<-time.After(4 * time.Second)
			peer.Expect(wstest.Binary(make([]byte, size)))
			peer.ExpectClose(1000)
			peer.SendFrames(wstest.Close(1000, ""))
			peer.Close()
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}
			if err := <-write; err != nil {
				t.Errorf("Write = %v", err)
			}
		})
	})
}
