package h2conn_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// Many streams at the same time, echoed by callbacks and by goroutines, in pieces
// of all sizes; some are reset on the way.
func TestStress(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, &h2conn.Options{Config: h2.Config{Resets: -1}}, nil)
		must(t, p.client.AwaitSettings(p.context()))
		var servers sync.WaitGroup
		served := make(chan struct{})
		go func() {
			defer close(served)
			for {
				select {
				case r := <-p.requests:
					r.Detach()
					r.Respond(&h2.Head{Status: 200, ContentLength: -1}, nil, false)
					if r.ID()%4 == 1 {
						echoAll(r.Stream)
						continue
					}
					servers.Go(func() {
						io.Copy(struct{ io.Writer }{r.Stream}, struct{ io.Reader }{r.Stream})
						r.CloseWrite()
						r.Close()
					})
				case <-p.server.Done():
					return
				}
			}
		}()
		var clients sync.WaitGroup
		many, often := 40, 8
		if raceEnabled { // which makes it slow
			many, often = 15, 3
		}
		for range many {
			clients.Go(func() {
				for range often {
					s, err := p.client.Open(p.context(), tunnel, false, true)
					if err != nil {
						t.Errorf("open: %v", err)
						return
					}
					exchange(t, s, 1+rand.IntN(300<<10))
				}
			})
		}
		clients.Wait()
		p.client.Close()
		wait(t, served)
		servers.Wait()
	})
}

// exchange sends n bytes and wants them back; one in eight times it gives up in
// the middle.
func exchange(t *testing.T, s *h2conn.Stream, n int) {
	defer s.Close()
	s.SetDeadline(time.Now().Add(patience))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 7)
	}
	givesUp := rand.IntN(8) == 0
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		for rest := data; len(rest) > 0; {
			piece := rest[:min(len(rest), 1+rand.IntN(40<<10))]
			if _, err := s.Write(piece); err != nil {
				if !givesUp {
					t.Errorf("write: %v", err)
				}
				return
			}
			rest = rest[len(piece):]
		}
		if err := s.CloseWrite(); err != nil && !givesUp {
			t.Errorf("CloseWrite: %v", err)
		}
	}()
	if givesUp {
		io.ReadFull(s, make([]byte, n/2))
		s.Abort(uint32(h2.ErrCodeCancel))
		<-wrote
		return
	}
	got, err := io.ReadAll(s)
	<-wrote
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), n, err)
	}
}

// echoAll makes a stream echo without a goroutine, whatever the peer takes.
func echoAll(s *h2conn.Stream) {
	var (
		mu   sync.Mutex
		left []byte
	)
	s.Watch(&watcher{ready: func(h2conn.Events) {
		mu.Lock()
		defer mu.Unlock()
		for {
			n, err := s.TryWrite(left, nil)
			if left = left[n:]; err != nil || len(left) > 0 {
				if err != nil {
					s.Close()
				}
				return
			}
			b, _, err := s.TryRead()
			if errors.Is(err, h2conn.ErrAgain) {
				return
			}
			if err != nil {
				s.CloseWrite()
				s.Close()
				return
			}
			left = bytes.Clone(b)
			putBack(b)
		}
	}})
}

// A connection that somebody else closes, as http.Server.Close does.
func TestClosedOutside(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		read := make(chan error, 1)
		go func() {
			_, err := s.Read(make([]byte, 1))
			read <- err
		}()
		p.server.NetConn().Close()
		if err := wait(t, read); err == nil {
			t.Error("a read on a connection that is closed succeeded")
		}
		if err := wait(t, p.served); err == nil {
			t.Error("Serve returned nil")
		}
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the client read something")
		}
	})
}

// H2-S8: a peer that opens its windows, and then does not read.
func TestWriteTimeout(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		var client *stallable
		stall := func(c net.Conn) net.Conn {
			client = &stallable{Conn: c, free: make(chan struct{})}
			return client
		}
		p := connectVia(t, e, stall, &h2conn.Options{WriteTimeout: 100 * time.Millisecond}, &h2conn.Options{
			Config: h2.Config{StreamWindow: 1 << 30, ConnWindow: 1 << 30},
		})
		_, s := p.open()
		client.stalled.Store(true)
		defer close(client.free)
		wrote := make(chan error, 1)
		go func() {
			_, err := s.Write(make([]byte, 64<<20))
			wrote <- err
		}()
		if err := wait(t, wrote); err == nil {
			t.Error("64 MiB were written to a peer that does not read")
		}
		if err := wait(t, p.served); err == nil {
			t.Error("Serve returned nil")
		}
	})
}

// stallable is a connection whose Read can be held up.
type stallable struct {
	net.Conn
	stalled atomic.Bool
	free    chan struct{}
}

func (c *stallable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.stalled.Load() {
		<-c.free
	}
	return n, err
}
