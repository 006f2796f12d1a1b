//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// engine drives all connections of an echo or broadcast load from one thread:
// one epoll, plain system calls, no allocation while it runs. Every echoed byte
// passes through its parser.
type engine struct {
	spec  loadSpec
	ring  *frameRing
	epfd  int
	conns []*wire
	buf   []byte
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

// wire is one connection.
type wire struct {
	id, fd   int
	sentAt   time.Time // when the last message was written, if e.timed
	start    int       // frame the connection began with
	next     int       // frame to send next
	credit   int       // messages that may be sent
	pend     []byte    // rest of a run of frames that the socket did not take
	writable bool      // waits for the socket to be writable

	head    [14]byte
	headLen int
	need    int   // header bytes in all, 0: not known yet
	left    int64 // payload bytes to come
	body    bool  // inside a payload
	fin     bool
	coded   bool
	op      byte  // the message's
	size    int64 // the message's payload so far
	got     int   // messages received, for the content check
	content []byte
	inflate *inflator
}

func newEngine(spec loadSpec) (*engine, error) {
	e := &engine{spec: spec, buf: make([]byte, 512<<10), ready: make([]unix.EpollEvent, 1024)}
	var err error
	if e.ring, err = spec.ring(); err != nil {
		return nil, err
	}
	if e.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	to, err := netip.ParseAddrPort(spec.addr)
	if err != nil {
		return nil, err
	}
	for i := range spec.conns {
		w, err := e.connect(to, i)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		e.conns = append(e.conns, w)
	}
	return e, nil
}

func (e *engine) connect(to netip.AddrPort, i int) (*wire, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return nil, err
	}
	if !e.spec.raw {
		if err := e.upgrade(fd); err != nil {
			return nil, err
		}
	}
	if e.spec.mode == modeBroadcast {
		if err := e.ping(fd); err != nil {
			return nil, err
		}
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	w := &wire{id: i, fd: fd, inflate: &inflator{takeover: e.spec.mode == modeTakeover}}
	if !e.ring.chain {
		w.start = i % e.ring.n
		w.next = w.start
	}
	return w, unix.EpollCtl(e.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}

func (e *engine) upgrade(fd int) error {
	if _, err := unix.Write(fd, upgradeRequest(e.spec.addr, e.spec.mode)); err != nil {
		return err
	}
	var head []byte
	for !bytes.Contains(head, []byte("\r\n\r\n")) {
		n, err := unix.Read(fd, e.buf[:4096])
		if err != nil {
			return err
		}
		if n == 0 || len(head) > 16<<10 {
			return fmt.Errorf("no answer to the upgrade: %.200q", head)
		}
		head = append(head, e.buf[:n]...)
	}
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		return errors.New("the server spoke before it was spoken to")
	}
	_, err := checkUpgrade(head, e.spec.mode)
	return err
}

// ping sends a ping and waits for the answer, which shows that the server has
// come to reading from this connection and so counts it among the receivers.
func (e *engine) ping(fd int) error {
	p := appendFrame(nil, finBit|opPing, [4]byte{}, nil)
	if _, err := unix.Write(fd, p); err != nil {
		return err
	}
	want := []byte{finBit | opPong, 0}
	if e.spec.raw {
		want = p
	}
	n, err := unix.Read(fd, e.buf[:64])
	if err != nil {
		return err
	}
	if !bytes.Equal(e.buf[:n], want) {
		return fmt.Errorf("a ping was answered with %x", e.buf[:n])
	}
	return nil
}

// run keeps spec.inFlight messages of each connection under way for d (or, when
// d is 0, sends that many once), then waits for the last ones.
func (e *engine) run(d time.Duration) error {
	e.sent, e.received, e.wireBytes = 0, 0, 0
	e.stopping = d == 0
	deadline := time.Now().Add(d)
	senders := e.conns
	if e.spec.mode == modeBroadcast {
		senders = e.conns[:1]
	}
	for _, w := range senders {
		w.credit = e.spec.inFlight
		if err := e.send(w); err != nil {
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
	for i, w := range e.conns {
		w.credit = 1
		if err := e.send(w); err != nil {
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
		w := e.conns[ev.Fd]
		if ev.Events&unix.EPOLLOUT != 0 {
			if err := e.send(w); err != nil {
				return err
			}
		}
		if ev.Events&^unix.EPOLLOUT != 0 {
			if err := e.receive(w); err != nil {
				return fmt.Errorf("connection %d: %w", ev.Fd, err)
			}
		}
	}
	return nil
}

// send writes what the connection has credit for.
func (e *engine) send(w *wire) error {
	for {
		if len(w.pend) == 0 {
			if w.credit == 0 {
				break
			}
			k := w.credit
			w.pend = e.ring.buf[e.ring.off[w.next]:e.ring.off[w.next+k]]
			w.next = (w.next + k) % e.ring.n
			w.credit = 0
			e.sent += int64(k)
			e.outstanding += k * e.fanOut()
			if e.timed {
				w.sentAt = time.Now()
			}
		}
		n, err := unix.Write(w.fd, w.pend)
		if err == unix.EAGAIN {
			return e.watch(w, true)
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		w.pend = w.pend[n:]
	}
	return e.watch(w, false)
}

// fanOut is how many messages come back for one.
func (e *engine) fanOut() int {
	if e.spec.mode == modeBroadcast {
		return len(e.conns)
	}
	return 1
}

func (e *engine) watch(w *wire, on bool) error {
	if w.writable == on {
		return nil
	}
	w.writable = on
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(w.id)}
	if on {
		ev.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(e.epfd, unix.EPOLL_CTL_MOD, w.fd, &ev)
}

// receive reads once and sends one message for each that was completed.
func (e *engine) receive(w *wire) error {
	n, err := unix.Read(w.fd, e.buf)
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
	if err := e.parse(w, e.buf[:n]); err != nil {
		return err
	}
	k := int(e.received - before)
	if e.spec.mode == modeBroadcast {
		if k == 0 || e.received%int64(len(e.conns)) != 0 || e.stopping {
			return nil
		}
		e.conns[0].credit = 1
		return e.send(e.conns[0])
	}
	if k == 0 || e.stopping {
		return nil
	}
	w.credit += k
	return e.send(w)
}

// parse takes p apart into frames and counts messages.
func (e *engine) parse(w *wire, p []byte) error {
	for {
		if w.body {
			k := min(w.left, int64(len(p)))
			if e.checking {
				w.content = append(w.content, p[:k]...)
			}
			w.left -= k
			p = p[k:]
			if w.left > 0 {
				return nil
			}
			w.body = false
			if w.fin {
				if err := e.message(w); err != nil {
					return err
				}
			}
		}
		if len(p) == 0 {
			return nil
		}
		if w.headLen == 0 {
			w.need = 2
		}
		for w.headLen < w.need && len(p) > 0 {
			k := copy(w.head[w.headLen:w.need], p)
			w.headLen += k
			p = p[k:]
			if w.headLen == 2 && w.need == 2 {
				w.need = headerSize(w.head[1])
			}
		}
		if w.headLen < w.need {
			return nil
		}
		if err := e.header(w); err != nil {
			return err
		}
	}
}

// headerSize is the length of a header by its second byte.
func headerSize(b byte) int {
	n := 2
	switch b & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b&maskBit != 0 {
		n += 4
	}
	return n
}

func (e *engine) header(w *wire) error {
	h := w.head[:w.need]
	w.headLen = 0
	w.left = int64(h[1] & 0x7f)
	switch w.left {
	case 126:
		w.left = int64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		w.left = int64(binary.BigEndian.Uint64(h[2:]))
	}
	if masked := h[1]&maskBit != 0; masked != e.spec.raw {
		return fmt.Errorf("frame header %x: masked is %v", h, masked)
	}
	w.body = true
	w.fin = h[0]&finBit != 0
	switch op := h[0] & 0xf; {
	case op >= opClose:
		return fmt.Errorf("control frame %x", h)
	case op != 0:
		w.op, w.size = op, 0
		w.coded = h[0]&rsv1Bit != 0
		if e.checking {
			w.content = w.content[:0]
			if e.spec.raw {
				w.content = append(w.content, h...)
			}
		}
	}
	w.size += w.left
	return nil
}

// message checks a message that is complete.
func (e *engine) message(w *wire) error {
	e.received++
	e.outstanding--
	at := (w.start + w.got) % e.ring.n
	w.got++
	if e.timed {
		if err := e.clock(w, at); err != nil {
			return err
		}
	}
	if w.op != e.ring.op {
		return fmt.Errorf("message %d came back with opcode %d", w.got, w.op)
	}
	if deflated := e.spec.mode == modeDeflate || e.spec.mode == modeTakeover; w.coded != deflated {
		return fmt.Errorf("message %d: compressed is %v", w.got, w.coded)
	}
	if !w.coded && w.size != int64(len(e.ring.plain[at])) {
		return fmt.Errorf("message %d came back with %d bytes instead of %d", w.got, w.size, len(e.ring.plain[at]))
	}
	if !e.checking {
		return nil
	}
	got, want := w.content, e.ring.plain[at]
	if e.spec.raw {
		want = e.ring.buf[e.ring.off[at]:e.ring.off[at+1]]
	}
	if w.coded {
		var err error
		if got, err = w.inflate.message(got); err != nil {
			return err
		}
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("message %d came back changed", w.got)
	}
	return nil
}

// clock keeps how long the answer to message at of the ring took.
func (e *engine) clock(w *wire, at int) error {
	d := time.Since(w.sentAt)
	if e.ring.sleeper && at == e.ring.n-1 {
		if d < napTime {
			return fmt.Errorf("message %d was to be answered after %v, and was after %v", w.got, napTime, d)
		}
		return nil
	}
	e.latencies = append(e.latencies, d)
	return nil
}

func (e *engine) close() {
	for _, w := range e.conns {
		_ = unix.Close(w.fd)
	}
	_ = unix.Close(e.epfd)
}
