//go:build linux

package poll_test

import (
	"io"
	"testing"
)

func TestEventsAllocateNothing(t *testing.T) {
	if race {
		t.Log("the race detector allocates")
		return
	}
	p := newPoller(t, 1)
	fd, peer := pair(t)
	e := &echo{done: make(chan error, 1)}
	if err := p.Add(&e.d, fd, e); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if n := testing.AllocsPerRun(2000, func() {
		peer.Write(buf)
		io.ReadFull(peer, buf)
	}); n != 0 {
		t.Errorf("%v allocations for an echo", n)
	}
	tail := make([]byte, 32)
	if n := testing.AllocsPerRun(2000, func() {
		if _, err := e.d.Write(buf[:32], tail); err != nil {
			t.Error(err)
		}
		io.ReadFull(peer, buf)
	}); n != 0 {
		t.Errorf("%v allocations for a write of two parts", n)
	}
	peer.Close()
	receive(t, e.done, "the end")
}
