package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
)

func other(r protocol.Role) protocol.Role {
	if r == protocol.RoleServer {
		return protocol.RoleClient
	}
	return protocol.RoleServer
}

var sizes = []int{0, 1, 2, 124, 125, 126, 127, 128, 250, 251, 252, 253, 254, 255, 256, 1000, 32767, 32768, 65534, 65535, 65536, 65537, 131071, 131072}

// What a Sender emits, a Receiver of the other role accepts: every size class,
// each codec, whole and in fragments, behind bytes that were there before.
func TestSymmetry(t *testing.T) {
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		for _, codec := range []string{"none", "rle", "rle off", "rle declines", "flip", "flip off"} {
			t.Run(fmt.Sprintf("%v/%s", role, codec), func(t *testing.T) {
				opts := func() *protocol.Options {
					name, _, _ := strings.Cut(codec, " ")
					o := &protocol.Options{Codec: newCodec(name)}
					if codec == "rle declines" {
						o.Codec = &rle{skip: true}
					}
					return o
				}
				s, r := protocol.NewSender(role, opts()), protocol.NewReceiver(other(role), opts())
				if strings.HasSuffix(codec, "off") {
					s.SetCoding(false)
				}
				if want := codec == "rle" || codec == "rle declines" || codec == "flip"; s.Coding() != want {
					t.Errorf("Coding is %v", s.Coding())
				}
				for _, size := range sizes {
					for _, text := range []string{strings.Repeat("a", size), strings.Repeat("ab", size/2)} {
						orig := strings.Clone(text)
						p := []byte(text)
						dst := []byte("before")
						dst, err := s.AppendMessage(dst, frame.OpText, p)
						if err != nil {
							t.Fatal(err)
						}
						if string(p) != orig {
							t.Fatalf("%d bytes: the caller's payload was changed", size)
						}
						if string(dst[:6]) != "before" {
							t.Fatalf("%d bytes: what was there before was changed: %q", size, dst[:6])
						}
						res := feed(t, r, [][]byte{dst[6:]})
						if res.err != nil || len(res.events) != 1 || res.events[0] != fmt.Sprintf("text %q", text) {
							t.Fatalf("%d bytes came as %d events, %v", size, len(res.events), res.err)
						}
						// In fragments of growing size, with a ping between.
						dst = dst[:0]
						for i, n := 0, 0; i < len(p) || n == 0; n++ {
							end := min(i+n*n*50, len(p))
							if dst, err = s.AppendFragment(dst, frame.OpText, p[i:end], end == len(p)); err != nil {
								t.Fatal(err)
							}
							if n == 1 && end < len(p) {
								if dst, err = s.AppendControl(dst, frame.OpPing, []byte("between")); err != nil {
									t.Fatal(err)
								}
								r.RefillControls(1)
							}
							if i = end; i == len(p) {
								break
							}
						}
						res = feed(t, r, [][]byte{dst})
						if res.err != nil || res.events[len(res.events)-1] != fmt.Sprintf("text %q", text) {
							t.Fatalf("%d bytes in fragments: %d events, %v", size, len(res.events), res.err)
						}
					}
				}
			})
		}
	}
}

// The exact bytes of a client, with the RFC's key.
func TestSenderBytes(t *testing.T) {
	key := func() frame.Mask { return frame.Mask{0x37, 0xFA, 0x21, 0x3D} }
	client := func() *protocol.Sender {
		return protocol.NewSender(protocol.RoleClient, &protocol.Options{Mask: key})
	}
	server := func() *protocol.Sender { return protocol.NewSender(protocol.RoleServer, nil) }
	coded := func() *protocol.Sender {
		return protocol.NewSender(protocol.RoleServer, &protocol.Options{Codec: &rle{}})
	}
	tests := []struct {
		name string
		s    *protocol.Sender
		do   func(s *protocol.Sender) ([]byte, error)
		want string
	}{
		{"S2.19 masked text, RFC 6455 5.7", client(), func(s *protocol.Sender) ([]byte, error) {
			return s.AppendMessage(nil, frame.OpText, []byte("Hello"))
		}, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"masked pong, RFC 6455 5.7", client(), func(s *protocol.Sender) ([]byte, error) {
			return s.AppendControl(nil, frame.OpPong, []byte("Hello"))
		}, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"text, RFC 6455 5.7", server(), func(s *protocol.Sender) ([]byte, error) {
			return s.AppendMessage(nil, frame.OpText, []byte("Hello"))
		}, "\x81\x05Hello"},
		{"fragments, RFC 6455 5.7", server(), func(s *protocol.Sender) ([]byte, error) {
			dst, err := s.AppendFragment(nil, frame.OpText, []byte("Hel"), false)
			if err != nil {
				return nil, err
			}
			return s.AppendFragment(dst, frame.OpContinuation, []byte("lo"), true)
		}, "\x01\x03Hel\x80\x02lo"},
		{"fragments, opcode repeated", server(), func(s *protocol.Sender) ([]byte, error) {
			dst, err := s.AppendFragment(nil, frame.OpBinary, nil, false)
			if err != nil {
				return nil, err
			}
			return s.AppendFragment(dst, frame.OpBinary, nil, true)
		}, "\x02\x00\x80\x00"},
		{"S2.14 RSV1 on the first coded frame alone", coded(), func(s *protocol.Sender) ([]byte, error) {
			dst, err := s.AppendFragment(nil, frame.OpText, []byte("aa"), false)
			if err != nil {
				return nil, err
			}
			return s.AppendFragment(dst, frame.OpText, []byte("b"), true)
		}, "\x41\x02\x02a\x80\x02\x01b"},
		{"S2.14 coding turned off holds from the next message", coded(), func(s *protocol.Sender) ([]byte, error) {
			dst, err := s.AppendFragment(nil, frame.OpText, []byte("aa"), false)
			if err != nil {
				return nil, err
			}
			s.SetCoding(false)
			if dst, err = s.AppendFragment(dst, frame.OpText, []byte("b"), true); err != nil {
				return nil, err
			}
			if dst, err = s.AppendFragment(dst, frame.OpText, []byte("c"), false); err != nil {
				return nil, err
			}
			s.SetCoding(true)
			if dst, err = s.AppendFragment(dst, frame.OpText, []byte("d"), true); err != nil {
				return nil, err
			}
			return s.AppendMessage(dst, frame.OpText, []byte("e"))
		}, "\x41\x02\x02a\x80\x02\x01b" + "\x01\x01c\x80\x01d" + "\xc1\x02\x01e"},
		{"S2.23 empty close", server(), func(s *protocol.Sender) ([]byte, error) {
			return s.AppendClose(nil, frame.StatusNoStatusRcvd, "")
		}, "\x88\x00"},
		{"close", server(), func(s *protocol.Sender) ([]byte, error) {
			return s.AppendClose(nil, frame.StatusGoingAway, "bye")
		}, "\x88\x05\x03\xe9bye"},
		{"close as a payload", server(), func(s *protocol.Sender) ([]byte, error) {
			return s.AppendControl(nil, frame.OpClose, []byte("\x03\xe9bye"))
		}, "\x88\x05\x03\xe9bye"},
		{"a pong after our close frame", server(), func(s *protocol.Sender) ([]byte, error) {
			dst, err := s.AppendClose(nil, frame.StatusGoingAway, "")
			if err != nil {
				return nil, err
			}
			return s.AppendControl(dst, frame.OpPong, nil)
		}, "\x88\x02\x03\xe9\x8a\x00"},
		{"text is not looked at when the check is off", protocol.NewSender(protocol.RoleServer, &protocol.Options{SkipUTF8: true}), func(s *protocol.Sender) ([]byte, error) {
			dst, err := s.AppendMessage(nil, frame.OpText, []byte("\xff"))
			if err != nil {
				return nil, err
			}
			return s.AppendFragment(dst, frame.OpText, []byte("\xff"), true)
		}, "\x81\x01\xff\x81\x01\xff"},
	}
	for _, tt := range tests {
		got, err := tt.do(tt.s)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: % x, %v; want % x", tt.name, got, err, tt.want)
		}
	}
}

// What may not be sent is refused, and nothing is appended.
func TestSenderRefuses(t *testing.T) {
	long := make([]byte, 126)
	open := func(s *protocol.Sender) *protocol.Sender {
		if _, err := s.AppendFragment(nil, frame.OpText, []byte("a\xc3"), false); err != nil {
			t.Fatal(err)
		}
		return s
	}
	closed := func(s *protocol.Sender) *protocol.Sender {
		if _, err := s.AppendClose(nil, frame.StatusNormalClosure, ""); err != nil {
			t.Fatal(err)
		}
		return s
	}
	type send = func(s *protocol.Sender, dst []byte) ([]byte, error)
	message := func(op frame.Opcode, p string) send {
		return func(s *protocol.Sender, dst []byte) ([]byte, error) { return s.AppendMessage(dst, op, []byte(p)) }
	}
	header := func(op frame.Opcode, p string) send {
		return func(s *protocol.Sender, dst []byte) ([]byte, error) {
			dst, ok, err := s.AppendMessageHeader(dst, op, []byte(p))
			if ok {
				t.Error("AppendMessageHeader says ok beside an error")
			}
			return dst, err
		}
	}
	fragment := func(op frame.Opcode, p string, final bool) send {
		return func(s *protocol.Sender, dst []byte) ([]byte, error) {
			return s.AppendFragment(dst, op, []byte(p), final)
		}
	}
	control := func(op frame.Opcode, p []byte) send {
		return func(s *protocol.Sender, dst []byte) ([]byte, error) { return s.AppendControl(dst, op, p) }
	}
	closing := func(code frame.StatusCode, reason string) send {
		return func(s *protocol.Sender, dst []byte) ([]byte, error) { return s.AppendClose(dst, code, reason) }
	}
	same := func(s *protocol.Sender) *protocol.Sender { return s }
	tests := []struct {
		name string
		in   func(*protocol.Sender) *protocol.Sender
		do   send
		want error
	}{
		{"S2.20 S2.26 text that is not UTF-8", same, message(frame.OpText, "a\xff"), frame.ErrInvalidUTF8},
		{"S2.26 header of text that is not UTF-8", same, header(frame.OpText, "a\xff"), frame.ErrInvalidUTF8},
		{"S2.26 fragment that is not UTF-8", same, fragment(frame.OpText, "a\xff", false), frame.ErrInvalidUTF8},
		{"S2.26 last fragment inside a rune", same, fragment(frame.OpText, "a\xc3", true), frame.ErrInvalidUTF8},
		{"S2.26 fragment that breaks a rune", open, fragment(frame.OpText, "a", false), frame.ErrInvalidUTF8},
		{"S2.26 ping of 126 bytes", same, control(frame.OpPing, long), frame.ErrControlTooLong},
		{"S2.26 pong of 126 bytes", same, control(frame.OpPong, long), frame.ErrControlTooLong},
		{"S2.26 close of 126 bytes", same, control(frame.OpClose, long), frame.ErrControlTooLong},
		{"C11 close of 1 byte", same, control(frame.OpClose, []byte("a")), frame.ErrCloseTooShort},
		{"C11 close 999", same, closing(999, ""), frame.ErrCloseStatus},
		{"C11 close 1005 with a reason", same, closing(1005, "a"), frame.ErrCloseStatus},
		{"C11 close 1006", same, closing(1006, ""), frame.ErrCloseStatus},
		{"C11 close with 124 bytes of reason", same, closing(1000, strings.Repeat("a", 124)), frame.ErrControlTooLong},
		{"C11 close with a reason that is not UTF-8", same, closing(1000, "\xff"), frame.ErrInvalidUTF8},
		{"message with a control opcode", same, message(frame.OpPing, ""), protocol.ErrOpcode},
		{"message with the continuation opcode", same, message(frame.OpContinuation, ""), protocol.ErrOpcode},
		{"header with a reserved opcode", same, header(3, ""), protocol.ErrOpcode},
		{"fragment with a control opcode", same, fragment(frame.OpClose, "", true), protocol.ErrOpcode},
		{"control with a data opcode", same, control(frame.OpText, nil), protocol.ErrOpcode},
		{"control with a reserved opcode", same, control(0xB, nil), protocol.ErrOpcode},
		{"continuation of nothing", same, fragment(frame.OpContinuation, "", true), frame.ErrUnexpectedContinuation},
		{"message inside a message", open, message(frame.OpText, "b"), protocol.ErrMessageOpen},
		{"header inside a message", open, header(frame.OpText, "b"), protocol.ErrMessageOpen},
		{"fragment of another message", open, fragment(frame.OpBinary, "b", false), protocol.ErrMessageOpen},
		{"message after close", closed, message(frame.OpText, "b"), protocol.ErrCloseSent},
		{"header after close", closed, header(frame.OpText, "b"), protocol.ErrCloseSent},
		{"fragment after close", closed, fragment(frame.OpText, "b", true), protocol.ErrCloseSent},
		{"ping after close", closed, control(frame.OpPing, nil), protocol.ErrCloseSent},
		{"close after close", closed, control(frame.OpClose, nil), protocol.ErrCloseSent},
		{"C10 close after close", closed, closing(1000, ""), protocol.ErrCloseSent},
	}
	for _, tt := range tests {
		for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
			if role == protocol.RoleClient && strings.HasPrefix(strings.TrimPrefix(tt.name, "S2.26 "), "header") {
				continue // a client has no header without its payload: TestAppendMessageHeader
			}
			s := tt.in(protocol.NewSender(role, nil))
			dst, err := tt.do(s, []byte("before"))
			if !errors.Is(err, tt.want) || string(dst) != "before" {
				t.Errorf("%s, %v: %q, %v; want %v", tt.name, role, dst, err, tt.want)
			}
			if tt.want == protocol.ErrCloseSent && !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v is not net.ErrClosed", tt.name, err)
			}
		}
	}
	// After a refused fragment the message goes on where it was.
	s := open(protocol.NewSender(protocol.RoleServer, nil))
	if _, err := s.AppendFragment(nil, frame.OpText, []byte("x"), true); err != frame.ErrInvalidUTF8 {
		t.Error(err)
	}
	if dst, err := s.AppendFragment(nil, frame.OpText, []byte("\xa4"), true); err != nil || string(dst) != "\x80\x01\xa4" {
		t.Errorf("%q %v", dst, err)
	}
}

// After the codec has failed no message can be sent, but a close frame can.
func TestSenderCodecFails(t *testing.T) {
	first := []func(s *protocol.Sender) ([]byte, error){
		func(s *protocol.Sender) ([]byte, error) { return s.AppendMessage([]byte("b"), frame.OpText, nil) },
		func(s *protocol.Sender) ([]byte, error) {
			return s.AppendFragment([]byte("b"), frame.OpText, nil, true)
		},
	}
	for _, f := range first {
		s := protocol.NewSender(protocol.RoleServer, &protocol.Options{Codec: broken{}})
		for range 2 {
			for _, f := range first {
				if dst, err := f(s); !errors.Is(err, errBroken) || string(dst) != "b" {
					t.Errorf("%q, %v", dst, err)
				}
			}
		}
		if dst, err := f(s); !errors.Is(err, errBroken) || string(dst) != "b" {
			t.Errorf("%q, %v", dst, err)
		}
		if dst, err := s.AppendClose(nil, frame.StatusInternalError, ""); err != nil || string(dst) != "\x88\x02\x03\xf3" {
			t.Errorf("%q, %v", dst, err)
		}
	}
}

func TestAppendMessageHeader(t *testing.T) {
	payload := []byte(strings.Repeat("é", 500))
	off := protocol.NewSender(protocol.RoleServer, &protocol.Options{Codec: &rle{}})
	off.SetCoding(false)
	bitless := protocol.NewSender(protocol.RoleServer, &protocol.Options{Codec: flip{}})
	bitless.SetCoding(false)
	for _, tt := range []struct {
		name string
		s    *protocol.Sender
		ok   bool
	}{
		{"server", protocol.NewSender(protocol.RoleServer, nil), true},
		{"server, coding off", off, true},
		{"server, coding", protocol.NewSender(protocol.RoleServer, &protocol.Options{Codec: &rle{}}), false},
		{"server, a codec that can't be left out", bitless, false},
		{"client", protocol.NewSender(protocol.RoleClient, nil), false},
	} {
		dst, ok, err := tt.s.AppendMessageHeader([]byte("b"), frame.OpText, payload)
		want := "b"
		if tt.ok {
			want = "b\x81\x7e\x03\xe8"
		}
		if err != nil || ok != tt.ok || string(dst) != want {
			t.Errorf("%s: %q %v %v, want %q", tt.name, dst, ok, err, want)
		}
	}
}

func TestSenderOnHeader(t *testing.T) {
	var got []frame.Header
	o := &protocol.Options{Codec: &rle{}, OnHeader: func(sent bool, h frame.Header) {
		if !sent {
			t.Error("sent is not set")
		}
		got = append(got, h)
	}}
	s := protocol.NewSender(protocol.RoleServer, o)
	var err error
	do := func(_ []byte, e error) { err = errors.Join(err, e) }
	do(s.AppendMessage(nil, frame.OpText, []byte("aaa")))
	s.SetCoding(false)
	do(s.AppendMessage(nil, frame.OpText, []byte("aaa")))
	dst, _, e := s.AppendMessageHeader(nil, frame.OpBinary, []byte("aaaa"))
	do(dst, e)
	do(s.AppendFragment(nil, frame.OpBinary, []byte("a"), false))
	do(s.AppendControl(nil, frame.OpPing, nil))
	do(s.AppendClose(nil, frame.StatusGoingAway, ""))
	if err != nil {
		t.Fatal(err)
	}
	want := []frame.Header{
		{Fin: true, RSV: frame.RSV1, Opcode: frame.OpText, Length: 2},
		{Fin: true, Opcode: frame.OpText, Length: 3},
		{Fin: true, Opcode: frame.OpBinary, Length: 4},
		{Opcode: frame.OpBinary, Length: 1},
		{Fin: true, Opcode: frame.OpPing},
		{Fin: true, Opcode: frame.OpClose, Length: 2},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want\n%+v", got, want)
	}
}

// Each frame of a client has a key of its own.
func TestSenderKeys(t *testing.T) {
	s := protocol.NewSender(protocol.RoleClient, nil)
	seen := map[string]bool{}
	for range 1000 {
		dst, err := s.AppendMessage(nil, frame.OpBinary, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(dst[2:6])] = true
	}
	if len(seen) < 999 {
		t.Errorf("%d keys for 1000 frames", len(seen))
	}
}

func TestAppendMessageAllocs(t *testing.T) {
	text := bytes.Repeat([]byte("a"), 200)
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		s := protocol.NewSender(role, nil)
		dst := make([]byte, 0, 1000)
		if n := testing.AllocsPerRun(100, func() {
			dst, _ = s.AppendMessage(dst[:0], frame.OpText, text)
			dst, _ = s.AppendControl(dst, frame.OpPing, text[:125])
		}); n > 0 && !raceEnabled {
			t.Errorf("%v: %v allocations", role, n)
		}
	}
}

// A server's Sender that neither codes nor traces is not changed by messages, so
// that connections may share it (the race detector looks on).
func TestSenderShared(t *testing.T) {
	s := protocol.NewSender(protocol.RoleServer, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, n := range []int{0, 5, 70000} {
				if p, err := s.AppendMessage(nil, frame.OpText, make([]byte, n)); err != nil || len(p) < n+2 {
					t.Errorf("%d bytes: %d, %v", n, len(p), err)
				}
				if _, ok, err := s.AppendMessageHeader(nil, frame.OpBinary, make([]byte, n)); !ok || err != nil {
					t.Errorf("header of %d bytes: %v", n, err)
				}
			}
			if _, err := s.AppendControl(nil, frame.OpPing, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestFresh(t *testing.T) {
	r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{ControlBurst: 2})
	if !r.Fresh() {
		t.Error("a new Receiver is not fresh")
	}
	r.Next([]byte("\x89\x00"))
	if r.Fresh() || !r.AtRest() {
		t.Error("a ping leaves no trace")
	}
	if r.RefillAfter(2e9); !r.Fresh() {
		t.Error("not fresh when all control frames are allowed again")
	}
}
