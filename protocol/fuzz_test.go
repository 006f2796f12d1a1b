package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

const (
	fuzzClient  = 1 << iota // the receiver's role
	fuzzCodec               // with rle
	fuzzSmall               // small limits
	fuzzUnmask              // put the masking bit right, to get deeper
	fuzzSkipped             // without the UTF-8 check
)

func fuzzOptions(mode uint8) (protocol.Role, func() *protocol.Options) {
	role := protocol.RoleServer
	if mode&fuzzClient != 0 {
		role = protocol.RoleClient
	}
	return role, func() *protocol.Options {
		o := &protocol.Options{Mask: func() frame.Mask { return frame.Mask{9, 8, 7, 6} }}
		if mode&fuzzCodec != 0 {
			o.Codec = &rle{}
		}
		if mode&fuzzSmall != 0 {
			o.MaxMessageSize, o.MaxFragments, o.MaxEmptyFragments, o.ControlBurst = 40, 5, 2, 3
		}
		o.SkipUTF8 = mode&fuzzSkipped != 0
		return o
	}
}

// FuzzStream: however a stream is cut, there are the same events, the same
// error and the same answer; nothing stays borrowed; the answer is valid.
func FuzzStream(f *testing.F) {
	for _, v := range vectors(f) {
		if len(v.in) > 300 {
			continue
		}
		mode := uint8(0)
		if v.role == protocol.RoleClient {
			mode |= fuzzClient
		}
		if v.codec == "rle" {
			mode |= fuzzCodec
		}
		f.Add(v.in, mode, []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, in []byte, mode uint8, sizes []byte) {
		if len(in) > 4<<10 {
			return
		}
		role, opts := fuzzOptions(mode)
		if mode&fuzzUnmask != 0 {
			in = mend(in, role)
		}
		var random [][]byte
		for i, rest := 0, in; len(rest) > 0; i++ {
			n := 1
			if len(sizes) > 0 {
				n = min(int(sizes[i%len(sizes)]), len(rest))
			}
			if n == 0 && i > len(in) {
				n = 1
			}
			random, rest = append(random, rest[:n]), rest[n:]
		}
		before := bufpool.Outstanding()
		var first *run
		var firstOut []byte
		for _, pieces := range [][][]byte{{in}, slices.Collect(slices.Chunk(in, 1)), random} {
			r := protocol.NewReceiver(role, opts())
			res := feed(t, r, pieces)
			open := r.InMessage()
			r.Close()

			out, events, err := fuzzEndpoint(role, opts(), pieces)
			if !slices.Equal(events, res.events) {
				t.Fatalf("Endpoint gives %q, Receiver %q", events, res.events)
			}
			var violation frame.Violation
			if errors.As(res.err, &violation) != (res.err != nil) || res.err != nil && !errors.Is(err, violation) {
				t.Fatalf("Endpoint fails with %v, Receiver with %v", err, res.err)
			}
			if res.err != nil && open {
				t.Fatal("a message is open after an error")
			}
			if first == nil {
				first, firstOut = res, out
				if got := feed(t, protocol.NewReceiver(other(role), nil), [][]byte{out}); got.err != nil || got.inside {
					t.Fatalf("the answer % x is not valid: %v", out, got.err)
				}
				continue
			}
			if !slices.Equal(res.events, first.events) || res.err != first.err {
				t.Fatalf("cut %d times: %q %v, whole: %q %v", len(pieces), res.events, res.err, first.events, first.err)
			}
			if !bytes.HasPrefix(res.part, first.part) && !bytes.HasPrefix(first.part, res.part) {
				t.Fatalf("unfinished: %q and %q", res.part, first.part)
			}
			if !bytes.Equal(out, firstOut) {
				t.Fatalf("cut %d times the answer is % x, whole % x", len(pieces), out, firstOut)
			}
		}
		if n := bufpool.Outstanding() - before; n != 0 {
			t.Fatalf("%d buffers are lent", n)
		}
	})
}

func fuzzEndpoint(role protocol.Role, o *protocol.Options, pieces [][]byte) (out []byte, events []string, err error) {
	e := protocol.NewEndpoint(role, o)
	defer e.Release()
	for _, p := range pieces {
		evs, rerr := e.Receive(bytes.Clone(p))
		for _, ev := range evs {
			if ev.Kind == protocol.EventData && ev.Opcode == frame.OpText && !o.SkipUTF8 && !utf8.Valid(ev.Data) {
				err = fmt.Errorf("text %q", ev.Data)
				return nil, nil, err
			}
			events = append(events, show(ev))
		}
		err = rerr
	}
	return e.Output(), events, err
}

// mend walks the frames of in and puts each masking bit right for a receiver of
// the given role.
func mend(in []byte, role protocol.Role) []byte {
	in = bytes.Clone(in)
	for p := in; len(p) >= 2; {
		p[1] &^= 0x80
		if role == protocol.RoleServer {
			p[1] |= 0x80
		}
		h, n, err := frame.ParseHeader(p)
		if err != nil || n == 0 || h.Length > int64(len(p)-n) {
			break
		}
		p = p[n+int(h.Length):]
	}
	return in
}

// FuzzRoundTrip: what one end sends, by any calls, the other end gets, in
// order; what the Sender refuses leaves no trace.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x01Hello\x00\x02fragment\x05 and more\x00\x03ping"), uint8(0))
	f.Add([]byte("\x11aaaaaaaaaaaaaaaa\x00\x12aaab\x00\x15\xc3\x00\x15\xa4\x00"), uint8(fuzzCodec))
	f.Add([]byte("\x01\xff\x00\x07\x00\x04bye\x00\x01late"), uint8(fuzzClient|fuzzCodec))
	f.Fuzz(func(t *testing.T, script []byte, mode uint8) {
		role, opts := fuzzOptions(mode &^ fuzzSmall)
		s, r := protocol.NewSender(role, opts()), protocol.NewReceiver(other(role), opts())
		var wire, open []byte
		var want []string
		fragments, inside, over := 0, false, false
		// A command is a byte, its argument goes to the next 0.
		for len(script) > 0 && len(want) < 150 {
			cmd := script[0]
			arg, rest, _ := bytes.Cut(script[1:], []byte{0})
			script = rest
			if cmd&0x10 != 0 && len(arg) < 1000 {
				arg = bytes.Repeat(arg, 100)
			}
			op := frame.OpText
			if cmd&0x20 != 0 {
				op = frame.OpBinary
			}
			was := len(wire)
			var err error
			switch cmd & 7 {
			case 0, 1:
				if wire, err = s.AppendMessage(wire, op, arg); err == nil {
					want = append(want, fmt.Sprintf("%v %q", op, arg))
				}
			case 2, 5:
				final := cmd&7 == 5
				if fragments++; fragments > 60 {
					final = true
				}
				if inside {
					op = frame.OpContinuation
				} else {
					open = nil
				}
				if wire, err = s.AppendFragment(wire, op, arg, final); err == nil {
					open = append(open, arg...)
					if !inside {
						inside = true
						open = append(fmt.Appendf(nil, "%v ", op), open...)
					}
					if final {
						kind, text, _ := bytes.Cut(open, []byte(" "))
						want = append(want, fmt.Sprintf("%s %q", kind, text))
						inside, fragments = false, 0
					}
				}
			case 3:
				if wire, err = s.AppendControl(wire, frame.OpPing, arg); err == nil {
					want = append(want, fmt.Sprintf("ping %q", arg))
				}
			case 4:
				if wire, err = s.AppendClose(wire, frame.StatusGoingAway, string(arg)); err == nil {
					want = append(want, fmt.Sprintf("close 1001 %q", arg))
					over = true
				}
			case 6:
				s.SetCoding(cmd&0x20 != 0)
			case 7:
				var ok bool
				if wire, ok, err = s.AppendMessageHeader(wire, op, arg); ok {
					wire = append(wire, arg...)
					want = append(want, fmt.Sprintf("%v %q", op, arg))
				}
			}
			if err != nil && len(wire) != was {
				t.Fatalf("%v, and %d bytes appended", err, len(wire)-was)
			}
			if over && err == nil && cmd&7 != 4 && len(wire) != was {
				t.Fatal("sent after the close frame")
			}
		}
		if res := feed(t, r, slices.Collect(slices.Chunk(wire, 97))); res.err != nil || !slices.Equal(res.events, want) {
			t.Fatalf("%q %v, want\n%q", res.events, res.err, want)
		}
		r.Close()
	})
}
