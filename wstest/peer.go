package wstest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

const (
	maxLog     = 32       // entries of the conversation that are shown
	maxLogged  = 256      // bytes kept of each
	maxPayload = 64 << 20 // a frame that declares more is not waited for
)

// Peer plays one end of a connection by a script. It does nothing by itself:
// pings are not answered, close frames neither. What does not go as expected
// fails the test at once, with the conversation so far.
//
// Its methods are called from the goroutine of the test, one at a time, except
// that sending and expecting may go on side by side.
type Peer struct {
	// Timeout is how long an expectation waits for its bytes. Default 5 s; in
	// a bubble of testing/synctest they pass at once.
	Timeout time.Duration

	t    testing.TB
	conn net.Conn
	role protocol.Role
	buf  []byte // received and not looked at yet
	key  uint32 // of the last frame masked
	log  chan []logEntry
}

type logEntry struct {
	sent  bool
	front []byte
	total int
}

// NewPeer returns a Peer that speaks on conn as the given role: a
// protocol.RoleClient masks what it sends and expects nothing masked. The
// opening handshake is over. conn is closed at the end of the test.
func NewPeer(t testing.TB, conn net.Conn, role protocol.Role) *Peer {
	p := &Peer{Timeout: 5 * time.Second, t: t, conn: conn, role: role, log: make(chan []logEntry, 1)}
	p.log <- nil
	t.Cleanup(func() { conn.Close() })
	return p
}

// Conn returns the connection below. What is read from it directly does not
// reach the expectations.
func (p *Peer) Conn() net.Conn { return p.conn }

// SendHex sends bytes written in hex, where white space, and everything from
// a # to the end of its line, is left out.
func (p *Peer) SendHex(s string) {
	p.t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		for _, field := range strings.Fields(line) {
			digits.WriteString(field)
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		p.t.Fatalf("wstest: SendHex(%.64q): %v", s, err)
	}
	p.SendBytes(b)
}

// SendBytes sends bytes as they are, in one write.
func (p *Peer) SendBytes(b []byte) {
	p.t.Helper()
	p.note(true, b, len(b))
	if _, err := p.conn.Write(b); err != nil {
		p.fail("sending %d bytes: %v", len(b), err)
	}
}

// Send sends one frame with exactly this header; its Length is set to that of
// payload, which is masked with h.Mask when h.Masked.
func (p *Peer) Send(h frame.Header, payload []byte) {
	p.t.Helper()
	p.SendBytes(frame.Append(nil, h, payload))
}

// SendFrames sends frames in one write. A client masks them.
func (p *Peer) SendFrames(frames ...Frame) {
	p.t.Helper()
	var b []byte
	for _, f := range frames {
		if p.role == protocol.RoleClient && !f.Masked {
			p.key += 0x9E3779B9 // any walk through the keys will do here
			f.Masked = true
			binary.BigEndian.PutUint32(f.Mask[:], p.key)
		}
		b = f.Append(b)
	}
	p.SendBytes(b)
}

// Expect receives as many frames as are given and compares them: the FIN and
// reserved bits, the opcode and the payload. Frames of a client must be
// masked, with whatever key, those of a server must not be.
func (p *Peer) Expect(frames ...Frame) {
	p.t.Helper()
	for i, want := range frames {
		got, err := p.read()
		if err != nil {
			p.fail("frame %d of %d\n  expected  %v\n  came      %s", i+1, len(frames), want, p.noFrame(err))
			return
		}
		want.Masked, want.Mask = p.role == protocol.RoleServer, got.Mask
		if !got.same(want) {
			p.fail("frame %d of %d\n  expected  %v\n  came      %v%s", i+1, len(frames), want, got, difference(want.Payload, got.Payload))
		}
	}
}

// Receive returns the next frame, whatever it is.
func (p *Peer) Receive() Frame {
	p.t.Helper()
	f, err := p.read()
	if err != nil {
		p.fail("expected a frame\n  came      %s", p.noFrame(err))
	}
	return f
}

// ExpectClose receives one frame, which must be a close frame with this code,
// and returns its reason. [frame.StatusNoStatusRcvd] stands for the empty one.
func (p *Peer) ExpectClose(code frame.StatusCode) (reason string) {
	p.t.Helper()
	f, err := p.read()
	if err != nil {
		p.fail("expected  close %v\n  came      %s", code, p.noFrame(err))
		return ""
	}
	got, reason, err := frame.ParseClose(f.Payload)
	if f.Opcode != frame.OpClose || !f.Fin || f.RSV != 0 || err != nil || got != code || f.Masked != (p.role == protocol.RoleServer) {
		p.fail("expected  close %v\n  came      %v", code, f)
	}
	return reason
}

// ExpectEOF expects the end of the stream, and no byte before it.
func (p *Peer) ExpectEOF() {
	p.t.Helper()
	switch f, err := p.read(); {
	case err == nil:
		p.fail("expected  the end of the stream\n  came      %v", f)
	case err != io.EOF:
		p.fail("expected  the end of the stream\n  came      %s", p.noFrame(err))
	}
}

// ExpectNothing expects that no byte, and not the end either, comes for d.
func (p *Peer) ExpectNothing(d time.Duration) {
	p.t.Helper()
	if len(p.buf) == 0 {
		err := p.fill(d)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			p.fail("expected  nothing for %v\n  came      %s", d, p.noFrame(err))
			return
		}
	}
	f, err := p.read()
	if err != nil {
		p.fail("expected  nothing for %v\n  came      %s", d, p.noFrame(err))
		return
	}
	p.fail("expected  nothing for %v\n  came      %v", d, f)
}

// CloseWrite ends the sending direction.
func (p *Peer) CloseWrite() {
	p.t.Helper()
	c, ok := p.conn.(interface{ CloseWrite() error })
	if !ok {
		p.t.Fatalf("wstest: %T has no CloseWrite", p.conn)
	}
	if err := c.CloseWrite(); err != nil {
		p.fail("CloseWrite: %v", err)
	}
}

// Close closes the transport, without a closing handshake.
func (p *Peer) Close() { _ = p.conn.Close() }

// read returns the next frame, unmasked.
func (p *Peer) read() (Frame, error) {
	for {
		h, n, err := frame.ParseHeader(p.buf)
		if err != nil {
			return Frame{}, err
		}
		if n > 0 && h.Length > maxPayload {
			return Frame{}, fmt.Errorf("a header that declares %d bytes", h.Length)
		}
		if end := n + int(h.Length); n > 0 && len(p.buf) >= end {
			p.note(false, p.buf[:min(end, maxLogged)], end)
			f := Frame{h, append([]byte(nil), p.buf[n:end]...)}
			if h.Masked {
				h.Mask.XOR(f.Payload, 0)
			}
			p.buf = p.buf[end:]
			return f, nil
		}
		if err := p.fill(p.Timeout); err != nil {
			return Frame{}, err
		}
	}
}

// fill reads some bytes more.
func (p *Peer) fill(d time.Duration) error {
	if err := p.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	var chunk [32 << 10]byte
	n, err := p.conn.Read(chunk[:])
	p.buf = append(p.buf, chunk[:n]...)
	if err == io.EOF && len(p.buf) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if n > 0 {
		return nil
	}
	return err
}

// noFrame says what came instead of a frame.
func (p *Peer) noFrame(err error) string {
	s := err.Error()
	switch {
	case err == io.EOF:
		return "the end of the stream"
	case err == io.ErrUnexpectedEOF:
		s = "the end of the stream in the middle of a frame"
	case errors.Is(err, os.ErrDeadlineExceeded):
		s = fmt.Sprintf("nothing for %v", p.Timeout)
	}
	if len(p.buf) > 0 {
		s += ", after\n" + dump(p.buf[:min(len(p.buf), maxLogged)], len(p.buf))
	}
	return s
}

// note adds to the conversation.
func (p *Peer) note(sent bool, b []byte, total int) {
	e := logEntry{sent: sent, front: append([]byte(nil), b[:min(len(b), maxLogged)]...), total: total}
	log := append(<-p.log, e)
	p.log <- log[max(0, len(log)-maxLog):]
}

func (p *Peer) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("wstest: %s\n%s", fmt.Sprintf(format, args...), p.Conversation())
}

// Conversation shows the frames sent and received so far, the last 32 of them.
func (p *Peer) Conversation() string {
	log := <-p.log
	p.log <- log
	if len(log) == 0 {
		return "nothing was sent or received before"
	}
	var b strings.Builder
	b.WriteString("conversation (> sent by the peer, < received by it):\n")
	for _, e := range log {
		mark := "<"
		if e.sent {
			mark = ">"
		}
		for line := range strings.Lines(dump(e.front, e.total)) {
			b.WriteString(mark + line)
		}
	}
	return b.String()
}

// difference says where two long payloads part.
func difference(want, got []byte) string {
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	if i < maxShown/2 || i == len(want) && i == len(got) {
		return ""
	}
	return fmt.Sprintf("\n  the payloads are equal up to byte %d, then\n  expected  %.32q\n  came      %.32q", i, want[i:], got[i:])
}
