package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// F13: the stream ends within a header, after each of its up to 14 bytes, and
// after it: 1006, and io.ErrUnexpectedEOF in it.
func TestHeaderCutOff(t *testing.T) {
	for _, length := range []int64{5, 300, 70_000} {
		forCarried(t, func(t *testing.T, role protocol.Role) {
			h := frame.Header{Fin: true, Opcode: frame.OpBinary, Length: length, Masked: role == protocol.RoleServer, Mask: frame.Mask{1, 2, 3, 4}}
			whole := append(frame.AppendHeader(nil, h), 'x')
			for n := 1; n <= len(whole); n++ {
				c, _, peer := scripted(t, role, nil, nil)
				peer.SendBytes(whole[:n])
				peer.CloseWrite()
				ce := closeErrorOf(t, readError(c)())
				if ce.Code != 1006 || !errors.Is(ce, io.ErrUnexpectedEOF) || ce.Received != nil || ce.Sent != nil {
					t.Errorf("after %d of %d bytes: %+v", n, len(whole), ce)
				}
				peer.ExpectEOF()
			}
		})
	}
}

// P1: pings of every length are answered with the same bytes, in their order.
func TestPingsOfEveryLength(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		read := async(readError(c))
		var pings, pongs []wstest.Frame
		for n := range frame.MaxControlPayload + 1 {
			p := bytes.Repeat([]byte{byte(n)}, n)
			pings, pongs = append(pings, wstest.Ping(p)), append(pongs, wstest.Pong(p))
		}
		start := time.Now()
		for i := 0; i < len(pings); i += 7 {
			peer.SendFrames(pings[i : i+7]...)
			peer.Expect(pongs[i : i+7]...)
		}
		if d := time.Since(start); d > 10*time.Millisecond {
			t.Errorf("took %v", d)
		}
		peer.SendFrames(wstest.Text("x"))
		if err := <-read; err != nil {
			t.Error(err)
		}
	})
}

// P2: while the peer takes nothing, the answers to its pings are not heaped up:
// some are kept, in their order, and of the others the latest (RFC 6455,
// section 5.5.3).
func TestLatestPingIsAnswered(t *testing.T) {
	const pings = 150
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 512})
		big := wstest.Binary(make([]byte, 64<<10))
		write := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, big.Payload) })
		read := async(readError(c))
		synctest.Wait()
		for i := range pings {
			peer.SendFrames(wstest.Ping(fmt.Appendf(nil, "%0125d", i)))
		}
		synctest.Wait()
		peer.Expect(big)
		if err := <-write; err != nil {
			t.Error(err)
		}
		last, count := -1, 0
		for last < pings-1 {
			var i int
			f := peer.Receive()
			if _, err := fmt.Sscanf(string(f.Payload), "%d", &i); err != nil || f.Opcode != frame.OpPong || i <= last {
				t.Fatalf("came %v after the answer to ping %d", f, last)
			}
			last = i
			count++
		}
		if count > pings/2 {
			t.Errorf("%d answers were kept", count)
		}
		peer.ExpectNothing(time.Minute)
		peer.SendFrames(wstest.Text("x"))
		if err := <-read; err != nil {
			t.Error(err)
		}
	})
}

// P3: a flood of pings by a peer that takes nothing costs 4 KiB at most.
func TestPingFloodMemory(t *testing.T) {
	const conns, pings = 50, 500
	eachRole(t, func(t *testing.T, role protocol.Role) {
		synctest.Test(t, func(t *testing.T) {
			var all []*websocket.Conn
			var peers []*wstest.Peer
			for range conns {
				c, _, peer := scripted(t, role, &websocket.ConnOptions{MaxControls: -1}, &wstest.PipeOptions{Buffer: 512})
				go c.Read(context.Background())
				all, peers = append(all, c), append(peers, peer)
				peer.SendFrames(wstest.Ping(nil))
				peer.Expect(wstest.Pong(nil))
			}
			synctest.Wait()
			ping := bytes.Repeat(wire(&scripter{masks: role == protocol.RoleServer}, wstest.Ping(make([]byte, 125))), pings)
			before := heap()
			for _, peer := range peers {
				peer.Conn().Write(ping)
			}
			synctest.Wait()
			if per := (heap() - before) / conns; per > 4<<10 && !raceEnabled {
				t.Errorf("%d bytes are held for each connection", per)
			}
			for _, c := range all {
				c.CloseNow()
			}
		})
	})
}

// P4: pongs nobody asked for count as control frames, and end the connection
// when they are a flood.
func TestPongFlood(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		read := async(readError(c))
		for range 200 {
			peer.SendFrames(wstest.Pong([]byte("old")))
		}
		peer.ExpectNothing(time.Hour) // time that is granted is not piled up beyond the burst
		for range 200 {
			peer.SendFrames(wstest.Pong([]byte("old")))
		}
		peer.SendFrames(wstest.Pong(nil))
		peer.ExpectClose(websocket.StatusPolicyViolation)
		peer.Close()
		if ce := closeErrorOf(t, <-read); !errors.Is(ce, frame.ErrTooManyControls) {
			t.Errorf("ended with %v", ce)
		}
	})
}
