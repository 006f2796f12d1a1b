//go:build linux

package poll_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/poll"
)

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not yet: %s", what)
		}
	}
}

// recorded returns a source in p that tells what it is called for, but for
// Writable alone.
func recorded(t testing.TB, p *poll.Poller, fd int) (*source, <-chan poll.Events) {
	t.Helper()
	c := make(chan poll.Events, 1000)
	s := &source{ready: func(_ *poll.Worker, ev poll.Events) {
		if ev != poll.Writable {
			c <- ev
		}
	}}
	s.add(t, p, fd)
	return s, c
}

// settle waits until all events that are there were given to s.
func settle(t testing.TB, s *source, c <-chan poll.Events) (before []poll.Events) {
	t.Helper()
	s.d.Wake()
	for {
		ev := receive(t, c, "Woken")
		if ev == poll.Woken {
			return before
		}
		before = append(before, ev)
	}
}

func TestRead(t *testing.T) {
	p := newPoller(t, 1)
	fd, peer := pair(t)
	s, c := recorded(t, p, fd)
	buf := make([]byte, 4)
	if _, err := s.d.Read(buf); err != poll.ErrAgain {
		t.Fatalf("%v, want ErrAgain", err)
	}
	if n, err := s.d.Read(nil); n != 0 || err != nil {
		t.Fatalf("reading nothing: %d, %v", n, err)
	}
	peer.Write([]byte("abcdef"))
	if ev := receive(t, c, "Readable"); ev&poll.Readable == 0 || ev&poll.HangUp != 0 {
		t.Fatalf("events %b", ev)
	}
	for _, want := range []string{"abcd", "ef"} {
		if n, err := s.d.Read(buf); string(buf[:n]) != want || err != nil {
			t.Fatalf("%q, %v; want %q", buf[:n], err, want)
		}
	}
	if _, err := s.d.Read(buf); err != poll.ErrAgain {
		t.Fatalf("%v, want ErrAgain", err)
	}
	peer.CloseWrite()
	if ev := receive(t, c, "HangUp"); ev&poll.HangUp == 0 {
		t.Fatalf("events %b", ev)
	}
	if _, err := s.d.Read(buf); err != io.EOF {
		t.Fatalf("%v, want io.EOF", err)
	}
	if err := s.d.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(buf); err != io.EOF {
		t.Errorf("the peer reads %v, want io.EOF", err)
	}
	if err := s.d.Close(); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"Close":      s.d.Close(),
		"CloseWrite": s.d.CloseWrite(),
		"Read":       second(s.d.Read(buf)),
		"Write":      second(s.d.Write(buf, nil)),
		"Release":    second(s.d.Release()),
		"zero Close": new(poll.Desc).Close(),
		"zero Read":  second(new(poll.Desc).Read(buf)),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s of a closed Desc: %v", what, err)
		}
	}
	s.d.Wake()
	new(poll.Desc).Wake()
}

func second[T any](_ T, err error) error { return err }

// HB3: bytes come one at a time, with a wait before each.
func TestHB3ByteByByte(t *testing.T) {
	p := newPoller(t, 1)
	fd, peer := pair(t)
	s, c := recorded(t, p, fd)
	buf := make([]byte, 4)
	for i := range 100 {
		peer.Write([]byte{byte(i)})
		receive(t, c, "Readable")
		if n, err := s.d.Read(buf); n != 1 || buf[0] != byte(i) || err != nil {
			t.Fatalf("byte %d: %d, %v", i, n, err)
		}
	}
}

// HB5: a write to an idle connection brings no event but Writable, and only
// after it took less than everything.
func TestHB5Write(t *testing.T) {
	p := newPoller(t, 1)
	c, peer := tcpPair(t)
	fd, err := poll.Take(c)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan poll.Events, 1000)
	s := &source{ready: func(_ *poll.Worker, ev poll.Events) { events <- ev }}
	s.add(t, p, fd)
	for _, ev := range settle(t, s, events) {
		if ev != poll.Writable {
			t.Fatalf("events %b", ev)
		}
	}
	if n, err := s.d.Write([]byte("head"), []byte("tail")); n != 8 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	buf := make([]byte, 8)
	if _, err := io.ReadFull(peer, buf); err != nil || string(buf) != "headtail" {
		t.Fatalf("%q, %v", buf, err)
	}
	if before := settle(t, s, events); len(before) != 0 {
		t.Errorf("events %b after a write that took everything", before)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	sent, err := s.d.Write(want[:1000], want[1000:])
	if err != nil || sent == 0 || sent == len(want) {
		t.Fatalf("%d, %v: that should not fit", sent, err)
	}
	got := make(chan []byte)
	go func() {
		b := make([]byte, len(want))
		io.ReadFull(peer, b)
		got <- b
	}()
	for sent < len(want) {
		if ev := receive(t, events, "Writable"); ev&poll.Writable == 0 {
			t.Fatalf("events %b", ev)
		}
		k := min(len(want), sent+5000)
		n, err := s.d.Write(want[sent:k], want[k:])
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	if !bytes.Equal(receive(t, got, "everything"), want) {
		t.Error("what came is not what was sent")
	}
	peer.Close()
	eventually(t, "a write fails", func() bool {
		n, err := s.d.Write([]byte("x"), nil)
		var errno syscall.Errno
		return n == 0 && errors.As(err, &errno)
	})
}

// HB2: a reset wakes once.
func TestHB2Reset(t *testing.T) {
	p := newPoller(t, 1)
	c, peer := tcpPair(t)
	fd, err := poll.Take(c)
	if err != nil {
		t.Fatal(err)
	}
	s, events := recorded(t, p, fd)
	peer.SetLinger(0)
	peer.Close()
	if ev := receive(t, events, "HangUp"); ev&poll.HangUp == 0 {
		t.Fatalf("events %b", ev)
	}
	if _, err := s.d.Read(make([]byte, 1)); err != syscall.ECONNRESET {
		t.Errorf("%v, want ECONNRESET", err)
	}
	if before := settle(t, s, events); len(before) != 0 {
		t.Errorf("events %b after the reset", before)
	}
}

// HB2: a descriptor is closed and another opened, which has its number and its
// place in the table, while an event for the first is on its way: the second
// one is not called for it.
func TestHB2DescriptorIsUsedAgain(t *testing.T) {
	p := newPoller(t, 1)
	for _, how := range []string{"data", "wake"} {
		t.Run(how, func(t *testing.T) {
			old := &source{ready: func(_ *poll.Worker, ev poll.Events) {
				if ev != poll.Writable {
					t.Errorf("events %b for what was closed", ev)
				}
			}}
			young := make(chan poll.Events, 10)
			next := &source{ready: func(_ *poll.Worker, ev poll.Events) {
				if ev != poll.Writable {
					young <- ev
				}
			}}
			fdA, peerA := pair(t)
			fdB, peerB := pair(t)
			fdC, peerC := pair(t)
			replaced := make(chan error, 1)
			a := &source{}
			a.ready = func(_ *poll.Worker, ev poll.Events) {
				if ev == poll.Writable {
					return
				}
				// The event for old is the next one.
				old.d.Close()
				if err := syscall.Dup3(fdC, fdB, syscall.O_CLOEXEC); err != nil {
					replaced <- err
					return
				}
				syscall.Close(fdC)
				replaced <- p.Add(&next.d, fdB, next)
			}
			t.Cleanup(func() { next.d.Close() })
			a.add(t, p, fdA)
			old.add(t, p, fdB)
			woken(t, p, func(*poll.Worker) {
				if how == "wake" {
					a.d.Wake()
					old.d.Wake()
					return
				}
				peerA.Write([]byte("x"))
				peerB.Write([]byte("x"))
			}).d.Wake()
			if err := receive(t, replaced, "the second descriptor"); err != nil {
				t.Fatal(err)
			}
			if before := settle(t, next, young); len(before) != 0 {
				t.Errorf("events %b are another's", before)
			}
			peerC.Write([]byte("x"))
			if ev := receive(t, young, "its own event"); ev&poll.Readable == 0 {
				t.Errorf("events %b, want Readable", ev)
			}
		})
	}
}

func TestWakeIsCoalesced(t *testing.T) {
	p := newPoller(t, 1)
	calls, hold := make(chan struct{}, 100), make(chan struct{})
	s := woken(t, p, func(*poll.Worker) { calls <- struct{}{} })
	woken(t, p, func(*poll.Worker) {
		for range 50 {
			s.d.Wake()
		}
		close(hold)
	}).d.Wake()
	receive(t, hold, "the waker")
	receive(t, calls, "Woken")
	last := woken(t, p, func(*poll.Worker) { calls <- struct{}{} })
	last.d.Wake()
	receive(t, calls, "the last one")
	if len(calls) != 0 {
		t.Errorf("%d calls too many", len(calls))
	}
}

func TestRelease(t *testing.T) {
	p := newPoller(t, 1)
	fd, peer := pair(t)
	s, c := recorded(t, p, fd)
	settle(t, s, c)
	got, err := s.d.Release()
	if got != fd || err != nil {
		t.Fatalf("%d, %v; want %d", got, err, fd)
	}
	peer.Write([]byte("x"))
	done := make(chan struct{})
	woken(t, p, func(*poll.Worker) { close(done) }).d.Wake()
	receive(t, done, "the next event")
	f := os.NewFile(uintptr(fd), "released")
	defer f.Close()
	b := make([]byte, 2)
	if n, err := f.Read(b); n != 1 || err != nil {
		t.Errorf("%d, %v from what was released", n, err)
	}
	if len(c) != 0 {
		t.Errorf("events %b for what was released", <-c)
	}
}
