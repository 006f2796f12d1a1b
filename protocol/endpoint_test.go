package protocol_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

// pump carries bytes between two endpoints until both have nothing to say, and
// returns what each received.
func pump(t *testing.T, a, b *protocol.Endpoint) (atA, atB []string) {
	t.Helper()
	for {
		out, back := a.Output(), b.Output()
		if out == nil && back == nil {
			return atA, atB
		}
		atB = append(atB, receive(t, b, out)...)
		atA = append(atA, receive(t, a, back)...)
	}
}

func receive(t *testing.T, e *protocol.Endpoint, p []byte) (got []string) {
	t.Helper()
	evs, err := e.Receive(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range evs {
		if !ev.First || !ev.Final {
			t.Fatalf("S2.23 not whole: %+v", ev)
		}
		got = append(got, show(ev))
	}
	return got
}

func pair() (client, server *protocol.Endpoint) {
	return protocol.NewEndpoint(protocol.RoleClient, nil), protocol.NewEndpoint(protocol.RoleServer, nil)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A conversation, with each kind of frame (S2.2, S2.3, S2.19, S2.21, S2.23).
func TestEndpointConversation(t *testing.T) {
	client, server := pair()
	must(t,
		client.Send(frame.OpText, []byte("Hello")),
		client.Ping([]byte("are you there")),
		client.SendFragment(frame.OpBinary, []byte{1}, false),
		client.Ping(nil),
		client.SendFragment(frame.OpContinuation, []byte{2}, true),
	)
	atClient, atServer := pump(t, client, server)
	if want := []string{`text "Hello"`, `ping "are you there"`, `ping ""`, `binary "\x01\x02"`}; !slices.Equal(atServer, want) {
		t.Errorf("server got %q", atServer)
	}
	if want := []string{`pong "are you there"`, `pong ""`}; !slices.Equal(atClient, want) {
		t.Errorf("client got %q", atClient)
	}
	must(t, server.Close(frame.StatusNormalClosure, "done"))
	if server.State() != protocol.StateClosing || server.Err() != nil {
		t.Errorf("%v %v", server.State(), server.Err())
	}
	if err := server.Send(frame.OpText, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("sent after close: %v", err)
	}
	atClient, atServer = pump(t, client, server)
	if !slices.Equal(atClient, []string{`close 1000 "done"`}) || !slices.Equal(atServer, []string{`close 1000 ""`}) {
		t.Errorf("%q %q", atClient, atServer)
	}
	for _, e := range []*protocol.Endpoint{client, server} {
		if e.State() != protocol.StateClosed {
			t.Errorf("%v", e.State())
		}
		var ce *protocol.CloseError
		if !errors.As(e.Err(), &ce) || ce.Code != 1000 || ce.RemoteFirst != (e == client) || ce.Cause != nil {
			t.Errorf("%#v", e.Err())
		}
		// C2: what comes after is ignored, the end of the stream too.
		evs, err := e.Receive([]byte("\xff\xff"))
		e.ReceiveEOF()
		if len(evs) != 0 || !errors.As(e.Err(), &ce) || ce.Cause != nil || e.Output() != nil {
			t.Errorf("after the end: %v %v %v", evs, err, e.Err())
		}
		e.Release()
	}
}

// C6: both close at the same time: each sees its own code and the peer's, and
// neither answers.
func TestEndpointSimultaneousClose(t *testing.T) {
	client, server := pair()
	must(t, client.Close(frame.StatusGoingAway, "leaving"), server.Close(4000, "full"))
	fromClient, fromServer := client.Output(), server.Output()
	receive(t, client, fromServer)
	receive(t, server, fromClient)
	if client.Output() != nil || server.Output() != nil {
		t.Error("a close frame was answered twice")
	}
	for _, tt := range []struct {
		e          *protocol.Endpoint
		sent, rcvd frame.StatusCode
	}{{client, 1001, 4000}, {server, 4000, 1001}} {
		var ce *protocol.CloseError
		if !errors.As(tt.e.Err(), &ce) || ce.Sent.Code != tt.sent || ce.Received.Code != tt.rcvd || ce.RemoteFirst || ce.Code != tt.rcvd {
			t.Errorf("%#v", tt.e.Err())
		}
		if tt.e.State() != protocol.StateClosed {
			t.Errorf("%v", tt.e.State())
		}
	}
}

// C1: every code that may be sent is echoed, ruling C9: an empty one with an
// empty one; C4: every other one is a violation.
func TestEndpointEchoesEveryCode(t *testing.T) {
	for code := range 1 << 16 {
		c := frame.StatusCode(code)
		server := protocol.NewEndpoint(protocol.RoleServer, nil)
		in := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpClose, Masked: true}, []byte{byte(c >> 8), byte(c)})
		_, err := server.Receive(in)
		want := c
		if !c.Sendable() {
			want = frame.StatusProtocolError
			if !errors.Is(err, frame.ErrCloseStatus) {
				t.Fatalf("C4 %d: %v", c, err)
			}
		} else if err != nil {
			t.Fatalf("C1 %d: %v", c, err)
		}
		if out := server.Output(); string(out) != string([]byte{0x88, 2, byte(want >> 8), byte(want)}) {
			t.Fatalf("%d answered with % x", c, out)
		}
	}
}

func FuzzCloseCode(f *testing.F) {
	f.Add([]byte("\x03\xe8bye"))
	f.Add([]byte{})
	f.Add([]byte("\x03\xed"))
	f.Add([]byte("\x0f\xa0\xce"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > frame.MaxControlPayload {
			return
		}
		code, reason, perr := frame.ParseClose(p)
		in := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpClose}, p)
		e := protocol.NewEndpoint(protocol.RoleClient, nil)
		evs, err := e.Receive(in)
		if !errors.Is(err, perr) {
			t.Fatalf("%v, ParseClose says %v", err, perr)
		}
		s := protocol.NewSender(protocol.RoleServer, nil)
		if perr != nil {
			if _, err := s.AppendControl(nil, frame.OpClose, p); err != perr {
				t.Fatalf("AppendControl: %v, want %v", err, perr)
			}
			return
		}
		if len(evs) != 1 || evs[0].Code != code || evs[0].Reason != reason || e.State() != protocol.StateClosed {
			t.Fatalf("%+v, %v", evs, e.State())
		}
		if dst, err := s.AppendClose(nil, code, reason); err != nil || !bytes.Equal(dst, frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpClose}, p)) {
			t.Fatalf("AppendClose: % x %v", dst, err)
		}
	})
}

// C11: what can't be sent is refused, and the connection stays open.
func TestEndpointCloseRefuses(t *testing.T) {
	for _, tt := range []struct {
		code   frame.StatusCode
		reason string
		want   error
	}{
		{1005, "", frame.ErrCloseStatus},
		{999, "", frame.ErrCloseStatus},
		{1006, "", frame.ErrCloseStatus},
		{0, "a", frame.ErrCloseStatus},
		{1000, strings.Repeat("a", 124), frame.ErrControlTooLong},
		{1000, "\xff", frame.ErrInvalidUTF8},
	} {
		e := protocol.NewEndpoint(protocol.RoleServer, nil)
		if err := e.Close(tt.code, tt.reason); err != tt.want {
			t.Errorf("C11 Close(%d, %q): %v, want %v", tt.code, tt.reason, err, tt.want)
		}
		if e.State() != protocol.StateOpen || e.Output() != nil {
			t.Errorf("C11 Close(%d, %q) did something: %v", tt.code, tt.reason, e.State())
		}
	}
	e := protocol.NewEndpoint(protocol.RoleServer, nil)
	must(t, e.Close(0, "")) // S2.23
	if out := e.Output(); string(out) != "\x88\x00" {
		t.Errorf("S2.23 empty close: % x", out)
	}
	if err := e.Close(1000, ""); err != protocol.ErrCloseSent {
		t.Errorf("second Close: %v", err)
	}
}

// S2.18, S2.25: what came before a violation is delivered with it, and the
// error is the whole ending.
func TestEndpointViolation(t *testing.T) {
	e := protocol.NewEndpoint(protocol.RoleServer, nil)
	in := append(masked(frame.OpText, "good"), "\x81\x03bad"...)
	evs, err := e.Receive(in)
	if len(evs) != 1 || string(evs[0].Data) != "good" {
		t.Errorf("S2.25 %+v", evs)
	}
	var ce *protocol.CloseError
	if !errors.As(err, &ce) || !errors.Is(err, frame.ErrMaskRequired) || !errors.Is(err, net.ErrClosed) || ce.Sent.Code != 1002 {
		t.Errorf("S2.18 %#v", err)
	}
	if out := e.Output(); string(out) != "\x88\x02\x03\xea" {
		t.Errorf("% x", out)
	}
	evs, err = e.Receive(masked(frame.OpText, "more"))
	if len(evs) != 0 || !errors.Is(err, frame.ErrMaskRequired) || e.Output() != nil {
		t.Errorf("after the violation: %+v %v", evs, err)
	}
}

func TestEndpointFail(t *testing.T) {
	e := protocol.NewEndpoint(protocol.RoleServer, nil)
	e.Fail(frame.ErrTooManyFragments)
	if out := e.Output(); string(out) != "\x88\x02\x03\xf0" {
		t.Errorf("% x", out)
	}
	if _, err := e.Receive(masked(frame.OpText, "more")); !errors.Is(err, frame.ErrTooManyFragments) || e.State() != protocol.StateClosed {
		t.Errorf("%v %v", err, e.State())
	}
}

// F13: the stream ends inside a header, at each of its bytes.
func TestEndpointEOF(t *testing.T) {
	h := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Length: 1 << 16})
	if len(h) != frame.MaxHeaderSize {
		t.Fatal(len(h))
	}
	for i := range len(h) + 1 {
		e := protocol.NewEndpoint(protocol.RoleServer, nil)
		receive(t, e, bytes.Clone(h[:i]))
		e.ReceiveEOF()
		var ce *protocol.CloseError
		for _, err := range []error{
			e.Send(frame.OpText, nil), e.SendFragment(frame.OpText, nil, true), e.Ping(nil), e.Close(1000, ""),
		} {
			if !errors.As(err, &ce) || e.Output() != nil {
				t.Errorf("sent after the end: %v", err)
			}
		}
		if !errors.As(e.Err(), &ce) || ce.Code != 1006 || !errors.Is(ce, io.ErrUnexpectedEOF) || ce.Sent != nil || e.State() != protocol.StateClosed {
			t.Errorf("F13 after %d bytes: %#v", i, e.Err())
		}
	}
}

// The events of one call stay as they are until the next, whatever memory they
// came through, and nothing stays borrowed.
func TestEndpointDataStays(t *testing.T) {
	before := bufpool.Outstanding()
	codec := &rle{}
	e := protocol.NewEndpoint(protocol.RoleClient, &protocol.Options{Codec: codec})
	receive(t, e, []byte("\x89\x04pi"))
	in := []byte("ng" + "\xC1\x02\x03a" + "\xC1\x02\x02b" + "\x41\x01\x01" + "\x8A\x01o" + "\x00\x03c\x01d" + "\x80\x00" + "\x02\x01e" + "\x80\x01f" + "\x81\x01g")
	want := []string{`ping "ping"`, `text "aaa"`, `text "bb"`, `pong "o"`, `text "cd"`, `binary "ef"`, `text "g"`}
	evs, err := e.Receive(in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ev := range evs {
		got = append(got, show(ev))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want\n%q", got, want)
	}
	// The close frame and a pong in pieces.
	receive(t, e, []byte("\x8A\x02p"))
	if got := receive(t, e, []byte("q\x88\x03\x03")); !slices.Equal(got, []string{`pong "pq"`}) {
		t.Errorf("%q", got)
	}
	if got := receive(t, e, []byte("\xe8x")); !slices.Equal(got, []string{`close 1000 "x"`}) {
		t.Errorf("%q", got)
	}
	e.Release()
	if n := bufpool.Outstanding() - before; n != 0 || codec.closed != 1 {
		t.Errorf("%d buffers are lent, codec closed %d times", n, codec.closed)
	}
}

// P2: the control budget bounds the answers that wait; who fetches them may go
// on for ever.
func TestEndpointControlBudget(t *testing.T) {
	e := protocol.NewEndpoint(protocol.RoleClient, nil)
	for range 10 * protocol.DefaultControlBurst {
		receive(t, e, []byte("\x89\x01a"))
		if out := e.Output(); len(out) != 7 {
			t.Fatalf("% x", out)
		}
	}
	_, err := e.Receive([]byte(strings.Repeat("\x89\x01a", protocol.DefaultControlBurst+1)))
	if !errors.Is(err, frame.ErrTooManyControls) {
		t.Errorf("P2 %v", err)
	}
	if out := e.Output(); len(out) != 7*protocol.DefaultControlBurst+8 {
		t.Errorf("P2 %d bytes wait", len(out))
	}
}

// An Endpoint keeps of an unfinished message what came, and no more.
func TestEndpointBounded(t *testing.T) {
	e := protocol.NewEndpoint(protocol.RoleServer, &protocol.Options{MaxMessageSize: 1000, MaxFragments: -1})
	kept := 0
	for i := range 2000 {
		op := frame.OpContinuation
		if i == 0 {
			op = frame.OpBinary
		}
		in := frame.Append(nil, frame.Header{Opcode: op, Masked: true}, []byte{1})
		if _, err := e.Receive(in); err != nil {
			if !errors.Is(err, frame.ErrMessageTooBig) {
				t.Fatal(err)
			}
			break
		}
		kept++
	}
	if kept != 1000 {
		t.Errorf("A2 %d bytes were kept", kept)
	}
}

// S2.26, S2.14: errors of the Sender come through, and coding can be switched.
func TestEndpointSend(t *testing.T) {
	e := protocol.NewEndpoint(protocol.RoleServer, &protocol.Options{Codec: &rle{}})
	for _, err := range []error{
		e.Send(frame.OpText, []byte("\xff")),
		e.SendFragment(frame.OpText, []byte("\xff"), true),
	} {
		if err != frame.ErrInvalidUTF8 {
			t.Errorf("S2.26 %v", err)
		}
	}
	if err := e.Ping(make([]byte, 126)); err != frame.ErrControlTooLong {
		t.Errorf("S2.26 %v", err)
	}
	must(t, e.Send(frame.OpText, []byte("aa")))
	e.SetCoding(false)
	must(t, e.Send(frame.OpText, []byte("aa")))
	if out := e.Output(); string(out) != "\xC1\x02\x02a\x81\x02aa" {
		t.Errorf("S2.14 % x", out)
	}
	if e.Output() != nil {
		t.Error("Output gives twice")
	}
}
