package h2conn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

func TestTunnel(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		must(t, second(c.Write([]byte("hello"))))
		if got := readFull(t, s, 5); string(got) != "hello" {
			t.Errorf("server read %q", got)
		}
		must(t, second(s.Writev([]byte("wor"), []byte("ld"))))
		b, err := c.ReadBorrow(12)
		if err != nil || string(b) != "world" {
			t.Errorf("client read %q, %v", b, err)
		}
		bufpool.Put(b)
		must(t, c.CloseWrite())
		if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("server read %d, %v", n, err)
		}
		must(t, s.WriteEnd([]byte("bye")))
		if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
			t.Errorf("client read %q, %v", got, err)
		}
		c.Close()
		s.Close()
		if c.Err() != nil || s.Err() != nil {
			t.Errorf("errors %v, %v after an orderly end", c.Err(), s.Err())
		}
	})
}

func second[T any](_ T, err error) error { return err }

// Several MiB each way at the same time, through windows of 64 KiB.
func TestLargeBothWays(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		data := bytes.Repeat([]byte("0123456789abcdef"), 5<<16)
		results := make(chan error, 4)
		for _, e := range []*h2conn.Stream{c, s} {
			go func() {
				_, err := e.Write(data)
				if err == nil {
					err = e.CloseWrite()
				}
				results <- err
			}()
			go func() {
				got, err := io.ReadAll(e)
				if err == nil && !bytes.Equal(got, data) {
					err = errors.New("other bytes came")
				}
				results <- err
			}()
		}
		for range 4 {
			must(t, wait(t, results))
		}
	})
}

// H2-S11: streams that nobody reads, full to the brim, do not hold up another.
func TestUnreadStreams(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		var full []*h2conn.Stream
		for range 99 {
			c, s := p.open()
			n, err := s.TryWrite(make([]byte, 1<<20), nil)
			if err != nil {
				t.Fatal(err)
			}
			s.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			m, err := s.Write(make([]byte, 1<<20))
			if !errors.Is(err, os.ErrDeadlineExceeded) || n+m != h2.DefaultStreamWindow {
				t.Fatalf("wrote %d, %v; want a full window and a timeout", n+m, err)
			}
			full = append(full, c)
		}
		c, s := p.open()
		for range 100 {
			must(t, second(s.Write(make([]byte, 16<<10))))
			readFull(t, c, 16<<10)
		}
		// One that is full goes on once it is read.
		readFull(t, full[0], h2.DefaultStreamWindow)
	})
}

func TestDeadlines(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		c.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := c.ReadBorrow(12); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		c.SetReadDeadline(time.Time{})
		must(t, second(s.Write([]byte("x"))))
		readFull(t, c, 1)
		// A deadline that is set while a read waits.
		read := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		c.SetReadDeadline(time.Unix(1, 0))
		if err := wait(t, read); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	})
}

// H2-S10: END_STREAM goes with the last byte that was announced.
func TestEndAfter(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, &h2conn.Options{})
		c, s := p.open()
		s.EndAfter(7)
		must(t, second(s.TryWrite([]byte("ab"), []byte("c"))))
		must(t, second(s.Write([]byte("defg"))))
		if _, err := s.Write([]byte("h")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write behind the end: %v", err)
		}
		if got, err := io.ReadAll(c); string(got) != "abcdefg" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestReset(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		other, otherS := p.open()
		gone := make(chan struct{})
		s.OnGone(func() { close(gone) })
		must(t, second(c.Write([]byte("last words"))))
		c.Abort(uint32(h2.ErrCodeCancel))
		wait(t, gone)
		if got := readFull(t, s, 10); string(got) != "last words" {
			t.Errorf("read %q", got)
		}
		_, err := s.Read(make([]byte, 1))
		se, ok := errors.AsType[*h2.StreamError](err)
		if !ok || se.Code != h2.ErrCodeCancel || !se.Remote {
			t.Errorf("read: %v", err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, se) {
			t.Errorf("write: %v", err)
		}
		must(t, second(other.Write([]byte("alive"))))
		readFull(t, otherS, 5)
		late := make(chan struct{})
		s.OnGone(func() { close(late) })
		wait(t, late)
		s.Close()
	})
}

// A stream closed after its own END_STREAM waits a second for the peer's, then
// it is reset.
func TestCloseLingers(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		must(t, s.WriteEnd([]byte("end")))
		s.Close()
		readFull(t, c, 3)
		must(t, second(c.Write([]byte("dropped"))))
		start := time.Now()
		c.SetReadDeadline(start.Add(patience))
		gone := make(chan struct{})
		c.OnGone(func() { close(gone) })
		wait(t, gone)
		if took := time.Since(start); took < 500*time.Millisecond {
			t.Errorf("reset after %v", took)
		}
		if se, ok := errors.AsType[*h2.StreamError](c.Err()); !ok || se.Code != h2.ErrCodeCancel {
			t.Errorf("error %v", c.Err())
		}
	})
}

func TestConnectionLost(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		gone := make(chan struct{})
		s.OnGone(func() { close(gone) })
		read := make(chan error, 1)
		go func() {
			_, err := s.Read(make([]byte, 1))
			read <- err
		}()
		p.client.NetConn().Close()
		wait(t, gone)
		if err := wait(t, read); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		if err := wait(t, p.served); err == nil {
			t.Error("a connection that was lost with a stream ended in order")
		}
		wait(t, p.client.Done())
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("a write on a connection that is closed succeeded")
		}
	})
}

// S2.11: who finds no slot waits in line, within the context.
func TestOpenWaits(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, &h2conn.Options{Config: h2.Config{MaxStreams: 1}}, nil)
		c, s := p.open()
		if _, err := p.client.Open(t.Context(), tunnel, false, false); !errors.Is(err, h2.ErrNoSlot) {
			t.Errorf("without waiting: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := p.client.Open(ctx, tunnel, false, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ends: %v", err)
		}
		opened := make(chan error, 1)
		go func() {
			next, err := p.client.Open(p.context(), tunnel, false, true)
			if err == nil {
				next.Abort(uint32(h2.ErrCodeCancel))
			}
			opened <- err
		}()
		must(t, c.CloseWrite())
		must(t, s.CloseWrite())
		must(t, wait(t, opened))
	})
}

// H2-S12: a connection that is drained lives as long as its streams.
func TestDrain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		c, s := p.open()
		drained := make(chan struct{})
		s.OnDrain(func() { close(drained) })
		p.server.Drain()
		wait(t, drained)
		must(t, second(c.Write([]byte("still here"))))
		readFull(t, s, 10)
		must(t, p.client.Ping(p.context()))
		if _, err := p.client.Open(p.context(), tunnel, false, true); !errors.Is(err, h2.ErrGoingAway) {
			t.Errorf("open: %v", err)
		}
		must(t, c.WriteEnd([]byte("bye")))
		must(t, s.WriteEnd([]byte("bye")))
		if err := wait(t, p.served); err != nil {
			t.Errorf("drained: %v", err)
		}
	})
}

func TestPingAndTimeouts(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		must(t, p.client.Ping(p.context()))
		must(t, p.server.Ping(p.context()))
	})
}

// H2-S8: a peer that sends half a preface, or no acknowledgement.
func TestHandshakeTimeout(t *testing.T) {
	for name, sent := range map[string]string{
		"nothing":            "",
		"half a preface":     "PRI * HTTP/2.0\r\n",
		"no acknowledgement": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			a, b := net.Pipe()
			defer a.Close()
			go io.Copy(io.Discard, a)
			s := h2conn.New(b, &h2conn.Options{HandshakeTimeout: 20 * time.Millisecond, Config: h2.Config{Role: h2.RoleServer}})
			served := make(chan error, 1)
			go func() { served <- s.Serve() }()
			io.WriteString(a, sent)
			if err := wait(t, served); err == nil {
				t.Error("no error")
			}
		})
	}
}

// A message costs no allocation on its way through both ends; crypto/tls makes
// some of its own.
func TestStreamAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools")
	}
	p := connect(t, plain, nil, nil)
	c, s := p.open()
	go func() {
		for {
			b, err := s.ReadBorrow(12)
			if err != nil {
				return
			}
			s.TryWrite(b, nil)
			bufpool.Put(b)
		}
	}()
	msg, in := make([]byte, 128), make([]byte, 128)
	echo := func() {
		c.TryWrite(msg, nil)
		io.ReadFull(c, in)
	}
	for range 100 {
		echo()
	}
	if n := testing.AllocsPerRun(500, echo); n >= 1 {
		t.Errorf("%v allocations", n)
	}
	c.Abort(8)
}

// H2-S8: an answer that the client did not take in time is reset with CANCEL, and
// the connection lives.
func TestReleaseAfterDeadline(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := connect(t, e, nil, nil)
		must(t, p.client.AwaitSettings(p.context()))
		c, err := p.client.Open(p.context(), tunnel, false, true)
		must(t, err)
		t.Cleanup(func() { c.Close() })
		r := wait(t, p.requests)
		must(t, r.Respond(&h2.Head{Status: 200, ContentLength: -1}, nil, false))
		r.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := r.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		gone := make(chan struct{})
		c.OnGone(func() { close(gone) })
		r.Release()
		wait(t, gone)
		if se, ok := errors.AsType[*h2.StreamError](c.Err()); !ok || se.Code != h2.ErrCodeCancel {
			t.Errorf("the client was told %v", c.Err())
		}
		must(t, p.client.Ping(p.context()))
	})
}
