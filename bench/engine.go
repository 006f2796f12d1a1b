//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// engine drives all connections of an echo, broadcast or GET load from one
// thread: one epoll, plain system calls, no garbage while it runs but what
// crypto/tls and hpack make. Every byte that comes back passes through its
// parsers.
type engine struct {
	spec  loadSpec
	ring  *frameRing
	epfd  int
	links []*link
	wires []*wire
	buf   []byte
	clear []byte            // what TLS made of buf
	out   []byte            // what goes to a connection next; HTTP/2 only
	body  []byte            // what a GET is answered with
	ready []unix.EpollEvent // what poll learns

	timed     bool            // latencies are kept
	latencies []time.Duration // from send to answer; of mode sleep's messages only those that do not sleep

	checking    bool // contents are compared, not only lengths
	stopping    bool // no more messages are sent
	outstanding int  // messages to come
	sent        int64
	received    int64
	wireBytes   int64
}

func newEngine(spec loadSpec) (*engine, error) {
	e := &engine{spec: spec, buf: make([]byte, 512<<10), ready: make([]unix.EpollEvent, 1024)}
	var err error
	if e.ring, err = spec.ring(); err != nil {
		return nil, err
	}
	if spec.tls {
		e.clear = make([]byte, 16<<10)
	}
	if spec.kind == kindGet {
		e.body = randomPayloads(1, spec.size)[0]
	}
	if e.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(spec.addr)
	if err != nil {
		return nil, err
	}
	per := 1
	if spec.h2 {
		per = max(1, spec.streams)
	}
	for n := 0; n < spec.conns; n += per {
		if err := e.connect(to, min(per, spec.conns-n)); err != nil {
			return nil, fmt.Errorf("connection %d: %w", len(e.links), err)
		}
	}
	return e, nil
}

// run keeps spec.inFlight messages of each WebSocket under way for d (or, when
// d is 0, sends that many once), then waits for the last ones.
func (e *engine) run(d time.Duration) error {
	e.sent, e.received, e.wireBytes = 0, 0, 0
	e.stopping = d == 0
	deadline := time.Now().Add(d)
	senders := e.links
	if e.spec.mode == modeBroadcast {
		senders = e.links[:1]
	}
	for _, l := range senders {
		for _, w := range l.wires {
			w.grant(e.spec.inFlight)
		}
		if err := e.flush(l); err != nil {
			return err
		}
	}
	for e.outstanding > 0 {
		if err := e.poll(10_000); err != nil {
			return err
		}
		if !e.stopping && time.Now().After(deadline) {
			e.stopping = true
		}
	}
	return nil
}

// wake sends one message on every connection as fast as it can, taking what
// comes back in between, then waits for the rest. Latencies are kept.
func (e *engine) wake() error {
	e.sent, e.received, e.wireBytes = 0, 0, 0
	e.latencies = e.latencies[:0]
	e.stopping, e.timed = true, true
	for i, w := range e.wires {
		w.grant(1)
		if err := e.flush(w.link); err != nil {
			return err
		}
		if i%64 == 63 {
			if err := e.poll(0); err != nil {
				return err
			}
		}
	}
	for e.outstanding > 0 {
		if err := e.poll(10_000); err != nil {
			return err
		}
	}
	return nil
}

// poll waits for at most so many milliseconds and does what there is to do; it
// fails when nothing came of a wait.
func (e *engine) poll(ms int) error {
	n, err := unix.EpollWait(e.epfd, e.ready, ms)
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	if n == 0 && ms > 0 {
		return fmt.Errorf("%d messages did not come back within %d ms", e.outstanding, ms)
	}
	for _, ev := range e.ready[:n] {
		l := e.links[ev.Fd]
		if ev.Events&unix.EPOLLOUT != 0 {
			if err := e.flush(l); err != nil {
				return err
			}
		}
		if ev.Events&^unix.EPOLLOUT != 0 {
			if err := e.receive(l); err != nil {
				return fmt.Errorf("connection %d: %w", ev.Fd, err)
			}
		}
	}
	return nil
}

// flush writes what the connection's WebSockets have credit for.
func (e *engine) flush(l *link) error {
	for {
		full, err := l.sock.drain()
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if full {
			return e.watch(l, true)
		}
		more, err := e.stage(l)
		if err != nil {
			return err
		}
		if !more {
			return e.watch(l, false)
		}
	}
}

// stage gives a connection whose socket has taken everything what it is to
// write next; false: nothing.
func (e *engine) stage(l *link) (bool, error) {
	if l.session != nil {
		return e.stageFrames(l)
	}
	w := l.wires[0]
	if w.credit == 0 {
		return false, nil
	}
	return true, l.put(e.take(w))
}

// take returns the frames a WebSocket has credit for. They are part of the
// ring.
func (e *engine) take(w *wire) []byte {
	k := w.credit
	p := e.ring.buf[e.ring.off[w.next]:e.ring.off[w.next+k]]
	w.next = (w.next + k) % e.ring.n
	w.credit = 0
	e.sent += int64(k)
	e.outstanding += k * e.fanOut()
	if e.timed {
		w.sentAt = time.Now()
	}
	return p
}

// fanOut is how many messages come back for one.
func (e *engine) fanOut() int {
	if e.spec.mode == modeBroadcast {
		return len(e.wires)
	}
	return 1
}

func (e *engine) watch(l *link, on bool) error {
	if l.writable == on {
		return nil
	}
	l.writable = on
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.id)}
	if on {
		ev.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(e.epfd, unix.EPOLL_CTL_MOD, l.sock.fd, &ev)
}

// receive reads once and sends one message for each that was completed.
func (e *engine) receive(l *link) error {
	n, err := unix.Read(l.sock.fd, e.buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if n == 0 {
		return errors.New("the server closed the connection")
	}
	e.wireBytes += int64(n)
	before := e.received
	if err := e.open(l, e.buf[:n]); err != nil {
		return err
	}
	if e.spec.mode == modeBroadcast {
		if e.received == before || e.received%int64(len(e.wires)) != 0 || e.stopping {
			return nil
		}
		e.wires[0].grant(1)
		l = e.wires[0].link
	}
	return e.flush(l)
}

// open takes the TLS off what was read, where there is any, and parses it.
func (e *engine) open(l *link, p []byte) error {
	if l.tls == nil {
		return e.deliver(l, p)
	}
	l.sock.in = p
	for {
		n, err := l.tls.Read(e.clear)
		if err == errNoMore {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := e.deliver(l, e.clear[:n]); err != nil {
			return err
		}
	}
}

func (e *engine) deliver(l *link, p []byte) error {
	if l.session != nil {
		return e.frames(l, p)
	}
	return e.parse(l.wires[0], p)
}

// completed counts a message, or an answer to a GET, that came back whole, and
// lets its successor go.
func (e *engine) completed(w *wire) {
	e.received++
	e.outstanding--
	w.got++
	if !e.stopping && e.spec.mode != modeBroadcast {
		w.grant(1)
	}
}

func (e *engine) close() {
	for _, l := range e.links {
		_ = unix.Close(l.sock.fd)
	}
	_ = unix.Close(e.epfd)
}
