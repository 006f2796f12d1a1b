package server_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// waiting is an echo that reads nothing while it is owed too much.
type waiting struct {
	funcs
	relieved atomic.Int64
}

func (h *waiting) Message(s *server.Session, m websocket.Message) {
	echo(s, m)
	if s.Congested() {
		s.SetActive(false)
	}
}

func (h *waiting) Relieved(s *server.Session) {
	h.relieved.Add(1)
	s.SetActive(true)
}

// Back-pressure: a client that sends and does not read is read no further, what
// it is owed stays small, and nothing is lost.
func TestRelieved(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := &waiting{}
		sessions := make(chan *server.Session, 1)
		h.init = func(s *server.Session) { sessions <- s }
		hs := serve(t, engine, &server.Options{Backlog: server.Backlog{Hard: -1}}, func() server.Handler { return h })
		c := hs.dial(nil)
		s := wait(t, sessions)
		const messages, size = 100, 256 << 10
		written := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 6*patience) // the whole of it
		defer cancel()
		go func() {
			p := make([]byte, size)
			for i := range messages {
				p[0] = byte(i)
				if err := c.Write(ctx, websocket.MessageBinary, p); err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for s.Backlog() <= server.DefaultSoftBacklog {
			<-tick.C
		}
		for i := range messages {
			if n := s.Backlog(); n > server.DefaultSoftBacklog+2*size {
				t.Fatalf("%d bytes are owed", n)
			}
			_, p, err := c.Read(ctx)
			if err != nil || len(p) != size || p[0] != byte(i) {
				t.Fatalf("echo %d: %d bytes, %v", i, len(p), err)
			}
		}
		if err := wait(t, written); err != nil {
			t.Error(err)
		}
		if h.relieved.Load() == 0 {
			t.Error("Relieved was not called")
		}
	})
}
