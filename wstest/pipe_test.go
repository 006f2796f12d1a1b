package wstest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/lariat-go/websocket/wstest"
)

func TestPipeIsConn(t *testing.T) {
	for name, o := range map[string]*wstest.PipeOptions{
		"default": nil,
		"small":   {Buffer: 7},
		"reset":   {ResetUnread: true},
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b := wstest.Pipe(o)
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

func TestPipeFlowControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 10})
		data := []byte("0123456789abcdefghij")
		done := make(chan error)
		go func() {
			_, err := a.Writev(data[:3], data[3:])
			done <- err
		}()
		synctest.Wait()
		if n := b.Unread(); n != 10 {
			t.Fatalf("%d bytes under way, want 10", n)
		}
		select {
		case <-done:
			t.Fatal("a write of 20 bytes returned with 10 bytes unread")
		default:
		}
		got := make([]byte, 20)
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("got %q", got)
		}
		if s := a.Stats(); s.Writes != 1 || s.Written != 20 || s.Reads != 0 {
			t.Fatalf("stats %+v", s)
		}
		if s := b.Stats(); s.Read != 20 || s.Writes != 0 {
			t.Fatalf("stats %+v", s)
		}
	})
}

func TestPipeWritesDoNotInterleave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 3})
		for _, s := range []string{"aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"} {
			go func() {
				if _, err := a.Write([]byte(s)); err != nil {
					t.Error(err)
				}
			}()
		}
		got := make([]byte, 30)
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if part := got[10*i : 10*i+10]; !bytes.Equal(part, bytes.Repeat(part[:1], 10)) {
				t.Fatalf("writes interleave: %q", got)
			}
		}
	})
}

// A write that makes no progress fails after its ten seconds, which pass at
// once in the bubble.
func TestPipeWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 5})
		start := time.Now()
		if err := a.SetWriteDeadline(start.Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := a.Write([]byte("0123456789"))
		if n != 5 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Write = %d, %v", n, err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Fatalf("took %v of virtual time, want 10s", d)
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Fatalf("%v is not a time-out", err)
		}
		// A later deadline makes the connection usable again.
		if err := a.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go a.Write([]byte("56789"))
		got := make([]byte, 10)
		if _, err := io.ReadFull(b, got); err != nil || string(got) != "0123456789" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

// Both ends write and neither reads: they wait, without keeping the clock of
// the bubble from going on.
func TestPipeBothWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 5})
		errs := make(chan error)
		for _, c := range []*wstest.PipeConn{a, b} {
			c.SetDeadline(time.Now().Add(time.Second))
			go func() {
				_, err := c.Write(make([]byte, 10))
				errs <- err
			}()
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		}
	})
}

func TestPipeReadDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := wstest.Pipe(nil)
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Second))
		done := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		a.SetReadDeadline(start.Add(time.Minute))
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		// A deadline in the past wakes one that waits.
		a.SetReadDeadline(time.Time{})
		go func() { done <- a.WaitRead() }()
		synctest.Wait()
		a.SetReadDeadline(time.Unix(1, 0))
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("WaitRead = %v", err)
		}
	})
}

func TestPipeHalfClose(t *testing.T) {
	a, b := wstest.Pipe(nil)
	a.Write([]byte("last words"))
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("Write after CloseWrite = %v", err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "last words" {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := b.WaitRead(); err != nil {
		t.Fatalf("WaitRead at the end of the stream = %v", err)
	}
	b.Write([]byte("answer"))
	b.Close()
	if got, err := io.ReadAll(a); err != nil || string(got) != "answer" {
		t.Fatalf("got %q, %v", got, err)
	}
	a.Close()
	for what, err := range map[string]error{
		"Close":       a.Close(),
		"CloseWrite":  a.CloseWrite(),
		"SetDeadline": a.SetDeadline(time.Time{}),
		"WaitRead":    a.WaitRead(),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close = %v", what, err)
		}
	}
}

func TestPipeResetUnread(t *testing.T) {
	for _, reset := range []bool{false, true} {
		a, b := wstest.Pipe(&wstest.PipeOptions{ResetUnread: reset})
		a.Write([]byte("for a"))
		b.Write([]byte("unread"))
		a.Close()
		got, err := io.ReadAll(b)
		if reset {
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Read = %q, %v, want a reset", got, err)
			}
		} else if err != nil || string(got) != "for a" {
			t.Errorf("Read = %q, %v", got, err)
		}
		if _, err := b.Write([]byte("x")); err == nil {
			t.Error("Write to a closed end succeeds")
		}
	}
}

func TestPipeCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 4})
		a.Write([]byte("lost"))
		errs := make(chan error)
		go func() { _, err := a.Write([]byte("more")); errs <- err }()
		go func() { _, err := a.Read(make([]byte, 1)); errs <- err }()
		synctest.Wait()
		b.Abort(0)
		for range 2 {
			if err := <-errs; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%v, want a reset", err)
			}
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read of the aborted end = %v", err)
		}
	})
}

func TestPipeStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 4})
		a.Stall()
		go func() {
			a.Write([]byte("123456"))
			a.Close()
		}()
		b.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := b.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read = %v", err)
		}
		b.SetReadDeadline(time.Time{})
		a.Resume()
		if got, err := io.ReadAll(b); err != nil || string(got) != "123456" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestPipeChunk(t *testing.T) {
	a, b := wstest.Pipe(nil)
	a.Write([]byte("abc"))
	a.Close()
	b.Chunk(1)
	got, err := io.ReadAll(b)
	if err != nil || string(got) != "abc" || b.Stats().Reads != 3 {
		t.Fatalf("got %q, %v in %d reads", got, err, b.Stats().Reads)
	}
}

func TestPipeAddr(t *testing.T) {
	a, b := wstest.Pipe(nil)
	if a.LocalAddr() != b.RemoteAddr() || a.RemoteAddr() != b.LocalAddr() || a.LocalAddr() == b.LocalAddr() {
		t.Errorf("addresses %v to %v, %v to %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	if n := a.LocalAddr().Network(); n != "pipe" {
		t.Errorf("network %q", n)
	}
}

// Moving bytes and deadlines allocates nothing, so that a pipe does not show
// in the allocation budgets of what is tested over it.
func TestPipeAllocs(t *testing.T) {
	a, b := wstest.Pipe(nil)
	p := make([]byte, 1000)
	at := time.Now().Add(time.Hour)
	if n := testing.AllocsPerRun(1000, func() {
		a.SetWriteDeadline(at)
		a.Writev(p[:10], p)
		b.SetReadDeadline(at)
		b.Read(p)
		b.Read(p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
