package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

const (
	interval = 30 * time.Second
	timeout  = 10 * time.Second
)

// near allows for the tenth by which intervals vary, and for looking only a
// few times in each.
func near(d, want time.Duration) bool { return d >= want*7/10 && d <= want*13/10 }

func keepAlive(interval, timeout time.Duration) *websocket.ConnOptions {
	return &websocket.ConnOptions{KeepAlive: websocket.KeepAlive{Interval: interval, Timeout: timeout}}
}

// expectPing waits for a ping and returns it.
func expectPing(t *testing.T, peer *wstest.Peer) wstest.Frame {
	t.Helper()
	peer.Timeout = 2 * interval
	f := peer.Receive()
	if f.Opcode != frame.OpPing {
		t.Fatalf("came %v, expected a ping", f)
	}
	return f
}

// A silent peer is pinged after the interval. Its pongs keep the connection.
func TestKeepAlive(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, keepAlive(interval, timeout), nil)
		read := async(readError(c))
		for range 5 {
			start := time.Now()
			ping := expectPing(t, peer)
			if d := time.Since(start); !near(d, interval) {
				t.Errorf("a ping after %v", d)
			}
			<-time.After(timeout / 2)
			peer.SendFrames(wstest.Pong(ping.Payload))
		}
		peer.SendFrames(wstest.Text("still here"))
		if err := <-read; err != nil {
			t.Errorf("Read = %v", err)
		}
	})
}

// Without any sign of life the connection fails, and the error says why.
func TestKeepAliveFails(t *testing.T) {
	for _, wait := range []time.Duration{timeout, 0} {
		forCarried(t, func(t *testing.T, role protocol.Role) {
			var log bytes.Buffer
			o := keepAlive(interval, wait)
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c, s, peer := scripted(t, role, o, nil)
			read := async(readError(c))
			expectPing(t, peer)
			start := time.Now()
			ce := closeErrorOf(t, <-read)
			want := wait
			if want == 0 {
				want = interval // the default
			}
			if d := time.Since(start); !near(d, want) {
				t.Errorf("failed %v after the ping, want %v", d, want)
			}
			if !errors.Is(ce, websocket.ErrKeepAlive) || ce.Code != 1006 {
				t.Errorf("Read = %v", ce)
			}
			synctest.Wait()
			if n := s.closes.Load(); n != 1 {
				t.Errorf("the transport was closed %d times", n)
			}
			if !strings.Contains(log.String(), "keepalive") {
				t.Errorf("logged %q", log.String())
			}
			checkOver(t, c, false)
		})
	}
}

// Any received byte is a sign of life: there are no pings while data comes, and
// data counts as an answer.
func TestKeepAliveCountsData(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, keepAlive(interval, timeout), nil)
		done := make(chan error, 1)
		go func() {
			for {
				if _, _, err := c.Read(context.Background()); err != nil {
					done <- err
					return
				}
			}
		}()
		for range 10 {
			peer.ExpectNothing(interval / 2)
			peer.SendFrames(wstest.Text("data"))
		}
		expectPing(t, peer)
		peer.SendFrames(wstest.Text("no pong, but data"))
		expectPing(t, peer)
		// One byte of a long frame is enough.
		long := wstest.Text(strings.Repeat("x", 40))
		long.Masked = role == protocol.RoleServer
		for _, b := range long.Append(nil) {
			peer.SendBytes([]byte{b})
			peer.ExpectNothing(timeout / 2)
		}
		c.CloseNow()
		<-done
	})
}

// While nobody reads, nothing is judged: the answers may be there.
func TestKeepAliveNobodyReads(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, keepAlive(interval, timeout), nil)
		first := async(readError(c))
		peer.SendFrames(wstest.Text("one"))
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * interval) // the handler is busy
		peer.SendFrames(wstest.Text("two"))
		if _, p, err := c.Read(context.Background()); err != nil || string(p) != "two" {
			t.Fatalf("Read = %q, %v", p, err)
		}
		// Once somebody reads again, silence counts again, from now on.
		start := time.Now()
		ce := closeErrorOf(t, readError(c)())
		if d := time.Since(start); !errors.Is(ce, websocket.ErrKeepAlive) || d < timeout || d > 2*(interval+timeout) {
			t.Errorf("Read = %v after %v", ce, d)
		}
	})
}

// A negative Timeout sends pings and judges nothing; no Interval sends none.
func TestKeepAliveOff(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "no judgement", func(t *testing.T) {
			c, _, peer := scripted(t, role, keepAlive(interval, -1), nil)
			read := async(readError(c))
			for range 10 {
				expectPing(t, peer)
			}
			peer.SendFrames(wstest.Text("at last"))
			if err := <-read; err != nil {
				t.Errorf("Read = %v", err)
			}
		})
		bubble(t, "default", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			read := async(readError(c))
			peer.ExpectNothing(24 * time.Hour)
			peer.SendFrames(wstest.Text("at last"))
			if err := <-read; err != nil {
				t.Errorf("Read = %v", err)
			}
		})
		bubble(t, "not after the close frame", func(t *testing.T) {
			o := keepAlive(time.Second, time.Second)
			o.CloseTimeout = time.Minute
			c, _, peer := scripted(t, role, o, nil)
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			peer.ExpectClose(1000)
			peer.ExpectNothing(30 * time.Second)
			peer.SendFrames(wstest.Close(1000, ""))
			peer.Close()
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}
		})
	})
}

// Connections opened together do not ping together.
func TestKeepAliveVaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const conns = 20
		start := time.Now()
		at := make(chan time.Duration)
		for range conns {
			c, _, peer := scripted(t, protocol.RoleServer, keepAlive(interval, timeout), nil)
			go c.Read(context.Background())
			go func() {
				peer.Conn().Read(make([]byte, 2))
				at <- time.Since(start)
			}()
		}
		times := make(map[time.Duration]bool)
		for range conns {
			d := <-at
			if !near(d, interval) {
				t.Errorf("a ping after %v", d)
			}
			times[d] = true
		}
		if len(times) < conns/2 {
			t.Errorf("%d connections ping at %d times", conns, len(times))
		}
	})
}

// S2.21: a ping measures the time to its pong; several at once are told apart.
func TestPing(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		type result struct {
			rtt time.Duration
			err error
		}
		ping := func(ctx context.Context, c *websocket.Conn) <-chan result {
			done := make(chan result, 1)
			go func() {
				rtt, err := c.Ping(ctx)
				done <- result{rtt, err}
			}()
			return done
		}
		bubble(t, "one", func(t *testing.T) {
			var seen []byte
			c, _, peer := scripted(t, role, &websocket.ConnOptions{OnPong: func(p []byte) { seen = append([]byte(nil), p...) }}, nil)
			go c.Read(context.Background())
			done := ping(context.Background(), c)
			f := peer.Receive()
			<-time.After(250 * time.Millisecond)
			peer.SendFrames(wstest.Pong(f.Payload))
			if r := <-done; r.err != nil || r.rtt != 250*time.Millisecond {
				t.Errorf("Ping = %v, %v", r.rtt, r.err)
			}
			if f.Opcode != frame.OpPing || !bytes.Equal(seen, f.Payload) {
				t.Errorf("%v was sent, OnPong saw %q", f, seen)
			}
		})
		bubble(t, "several", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			go c.Read(context.Background())
			var done []<-chan result
			var sent []wstest.Frame
			for range 3 {
				done = append(done, ping(context.Background(), c))
				sent = append(sent, peer.Receive())
				<-time.After(time.Second)
			}
			if bytes.Equal(sent[0].Payload, sent[1].Payload) || bytes.Equal(sent[1].Payload, sent[2].Payload) {
				t.Error("pings have the same payload")
			}
			// P4: what nobody asked for is no answer.
			peer.SendFrames(wstest.Pong(nil), wstest.Pong([]byte("12345678")), wstest.Pong(make([]byte, 8)))
			synctest.Wait()
			for i := range done {
				select {
				case r := <-done[i]:
					t.Errorf("ping %d was answered with nothing of its own: %+v", i, r)
				default:
				}
			}
			peer.SendFrames(wstest.Pong(sent[0].Payload))
			if r := <-done[0]; r.err != nil || r.rtt != 3*time.Second {
				t.Errorf("Ping 0 = %v, %v", r.rtt, r.err)
			}
			// A peer may answer only the latest (RFC 6455, section 5.5.3).
			<-time.After(time.Second)
			peer.SendFrames(wstest.Pong(sent[2].Payload))
			for i, want := range map[int]time.Duration{1: 3 * time.Second, 2: 2 * time.Second} {
				if r := <-done[i]; r.err != nil || r.rtt != want {
					t.Errorf("Ping %d = %v, %v, want %v", i, r.rtt, r.err, want)
				}
			}
			peer.SendFrames(wstest.Pong(sent[1].Payload)) // late
			peer.SendFrames(wstest.Text("x"))
			peer.ExpectNothing(time.Second)
		})
		bubble(t, "context", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				t.Errorf("Ping = %v", err)
			}
			late := peer.Receive()
			peer.SendFrames(wstest.Pong(late.Payload), wstest.Text("x"))
			if err := readError(c)(); err != nil {
				t.Errorf("Read = %v", err)
			}
		})
		bubble(t, "the end", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			done := ping(context.Background(), c)
			peer.Receive()
			peer.SendFrames(wstest.Close(1001, ""))
			peer.CloseWrite()
			read := readError(c)()
			if r := <-done; closeErrorOf(t, r.err).Code != 1001 || r.err.Error() != read.Error() {
				t.Errorf("Ping = %v, Read = %v", r.err, read)
			}
		})
	})
}
