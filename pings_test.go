package websocket_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// P1, P2: pings are answered in order, and while the peer takes nothing their
// answers are not heaped up: the latest one is sent. P3: a peer that takes
// none of them is dropped.
func TestPings(t *testing.T) {
	eachRole(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "P1", func(t *testing.T) {
			var seen []string
			c, _, peer := scripted(t, role, &websocket.ConnOptions{OnPing: func(p []byte) { seen = append(seen, string(p)) }}, nil)
			read := async(readError(c))
			for _, n := range []int{0, 1, 125} {
				peer.SendFrames(wstest.Ping(make([]byte, n)))
				peer.Expect(wstest.Pong(make([]byte, n)))
			}
			peer.SendFrames(wstest.Ping([]byte("a")), wstest.Ping([]byte("b")), wstest.Text("x"))
			peer.Expect(wstest.Pong([]byte("a")), wstest.Pong([]byte("b")))
			if err := <-read; err != nil {
				t.Error(err)
			}
			if len(seen) != 5 || seen[3] != "a" || seen[4] != "b" {
				t.Errorf("OnPing saw %q", seen)
			}
		})
		bubble(t, "P2 flood", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			read := async(readError(c))
			flood := async(func() error {
				for range 10_000 {
					if _, err := peer.Conn().Write(pingBytes(role)); err != nil {
						return err
					}
				}
				return nil
			})
			pongs := 0
			for {
				f := peer.Receive()
				if f.Opcode == frame.OpClose {
					if code, _, _ := frame.ParseClose(f.Payload); code != 1008 {
						t.Errorf("came %v", f)
					}
					break
				}
				pongs++
			}
			if pongs > 200 {
				t.Errorf("%d pongs before the end", pongs)
			}
			if ce := closeErrorOf(t, <-read); !errors.Is(ce, frame.ErrTooManyControls) {
				t.Errorf("ended with %v", ce)
			}
			<-flood
		})
		bubble(t, "P2 steady", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			read := async(readError(c))
			for range 1000 { // 90 in a second
				peer.SendFrames(wstest.Ping(nil))
				peer.Expect(wstest.Pong(nil))
				<-time.After(time.Second / 90)
			}
			peer.SendFrames(wstest.Text("x"))
			if err := <-read; err != nil {
				t.Error(err)
			}
		})
		bubble(t, "P3", func(t *testing.T) {
			c, s, peer := scripted(t, role, &websocket.ConnOptions{WriteTimeout: 10 * time.Second}, &wstest.PipeOptions{Buffer: 512})
			start := time.Now()
			read := async(readError(c))
			for range 150 {
				peer.SendFrames(wstest.Ping(make([]byte, 125)))
			}
			ce := closeErrorOf(t, <-read)
			if !errors.Is(ce, websocket.ErrWriteTimeout) || ce.Code != 1006 {
				t.Errorf("ended with %v", ce)
			}
			if d := time.Since(start); d != 10*time.Second {
				t.Errorf("took %v", d)
			}
			if n := s.closes.Load(); n != 1 {
				t.Errorf("the transport was closed %d times", n)
			}
		})
	})
}

func pingBytes(to protocol.Role) []byte {
	return frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpPing, Masked: to == protocol.RoleServer}, []byte("flood"))
}
