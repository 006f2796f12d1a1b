package websocket_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// OnEnd is called once, whatever ends the connection, when the transport is
// closed and no lock is held.
func TestOnEnd(t *testing.T) {
	background := context.Background()
	for _, tt := range []struct {
		name string
		set  websocket.ConnOptions
		end  func(c *websocket.Conn, p *wstest.Peer)
		code websocket.StatusCode
		is   error // nil: no cause
	}{
		{name: "the peer closes", code: websocket.StatusGoingAway, end: func(c *websocket.Conn, p *wstest.Peer) {
			p.SendFrames(wstest.Close(websocket.StatusGoingAway, ""))
			p.CloseWrite()
			c.Read(background)
		}},
		{name: "Close", code: websocket.StatusNormalClosure, end: func(c *websocket.Conn, p *wstest.Peer) {
			closed := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			p.ExpectClose(websocket.StatusNormalClosure)
			p.SendFrames(wstest.Close(websocket.StatusNormalClosure, ""))
			p.CloseWrite()
			<-closed
		}},
		{name: "CloseNow", code: websocket.StatusAbnormalClosure, end: func(c *websocket.Conn, _ *wstest.Peer) {
			c.CloseNow()
		}},
		{name: "a violation", code: websocket.StatusAbnormalClosure, is: frame.ErrReservedOpcode, end: func(c *websocket.Conn, p *wstest.Peer) {
			p.Send(frame.Header{Fin: true, Opcode: 3}, nil)
			c.Read(background)
		}},
		{name: "a lost transport", code: websocket.StatusAbnormalClosure, is: io.ErrUnexpectedEOF, end: func(c *websocket.Conn, p *wstest.Peer) {
			p.Conn().Close()
			c.Read(background)
		}},
		{
			name: "a silent peer", code: websocket.StatusAbnormalClosure, is: websocket.ErrKeepAlive,
			set: websocket.ConnOptions{KeepAlive: websocket.KeepAlive{Interval: time.Second}},
			end: func(c *websocket.Conn, _ *wstest.Peer) { c.Read(background) },
		},
		{
			name: "no answer to Close", code: websocket.StatusAbnormalClosure, is: websocket.ErrCloseTimeout,
			end: func(c *websocket.Conn, _ *wstest.Peer) { c.Close(websocket.StatusNormalClosure, "") },
		},
		{
			name: "a peer that takes nothing", code: websocket.StatusAbnormalClosure, is: websocket.ErrWriteTimeout,
			end: func(c *websocket.Conn, _ *wstest.Peer) {
				c.Write(background, websocket.MessageBinary, make([]byte, 1<<20))
			},
		},
		{
			name: "a write cut off", code: websocket.StatusAbnormalClosure, is: websocket.ErrHalfWritten,
			end: func(c *websocket.Conn, _ *wstest.Peer) {
				ctx, cancel := context.WithTimeout(background, time.Second)
				defer cancel()
				c.Write(ctx, websocket.MessageBinary, make([]byte, 1<<20))
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forCarried(t, func(t *testing.T, role protocol.Role) {
				var (
					c    *websocket.Conn
					s    *countedStream
					ends []*websocket.CloseError
				)
				o := tt.set
				o.OnEnd = func(err *websocket.CloseError) {
					ends = append(ends, err)
					if s != nil && s.closes.Load() != 1 {
						t.Errorf("the transport was closed %d times before OnEnd", s.closes.Load())
					}
					if err := c.Write(background, websocket.MessageText, nil); !errors.Is(err, ends[0]) {
						t.Errorf("Write within OnEnd: %v", err)
					}
				}
				var p *wstest.Peer
				c, s, p = scripted(t, role, &o, nil)
				tt.end(c, p)
				synctest.Wait()
				if len(ends) != 1 || ends[0] == nil {
					t.Fatalf("OnEnd was called %d times: %v", len(ends), ends)
				}
				if ends[0].Code != tt.code || tt.is != nil && !errors.Is(ends[0], tt.is) {
					t.Errorf("OnEnd got %v, want code %d and %v", ends[0], tt.code, tt.is)
				}
				if _, _, err := c.Read(background); !errors.Is(err, ends[0]) {
					t.Errorf("Read: %v; OnEnd got %v", err, ends[0])
				}
				c.CloseNow()
				c.Close(websocket.StatusNormalClosure, "")
				if len(ends) != 1 {
					t.Errorf("OnEnd was called %d times in the end", len(ends))
				}
			})
		})
	}
}

// A server's connection with OnEnd has it to itself: the next one, which has
// none, is not told of.
func TestOnEndIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := 0
		with, _, _ := scripted(t, protocol.RoleServer, &websocket.ConnOptions{OnEnd: func(*websocket.CloseError) { ends++ }}, nil)
		without, _, _ := scripted(t, protocol.RoleServer, nil, nil)
		without.CloseNow()
		if ends != 0 {
			t.Error("OnEnd of another connection was called")
		}
		with.CloseNow()
		if ends != 1 {
			t.Errorf("OnEnd was called %d times", ends)
		}
	})
}

func TestHTTPVersionString(t *testing.T) {
	for v, want := range map[websocket.HTTPVersion]string{
		websocket.HTTPAuto: "auto", websocket.HTTP1: "HTTP/1.1", websocket.HTTP2: "HTTP/2", websocket.HTTP3: "HTTP/3",
		0: "HTTPVersion(0)", 9: "HTTPVersion(9)",
	} {
		if got := v.String(); got != want {
			t.Errorf("%d is %q, want %q", int(v), got, want)
		}
	}
}
