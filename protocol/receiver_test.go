package protocol_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

func masked(op frame.Opcode, p string) []byte {
	return frame.Append(nil, frame.Header{Fin: true, Opcode: op, Masked: true, Mask: frame.Mask{1, 2, 3, 4}}, []byte(p))
}

// A connection holds both by value, so they are kept small.
func TestSizes(t *testing.T) {
	if n := reflect.TypeFor[protocol.Receiver]().Size(); n > 224 {
		t.Errorf("Receiver has %d bytes", n)
	}
	if n := reflect.TypeFor[protocol.Sender]().Size(); n > 128 {
		t.Errorf("Sender has %d bytes", n)
	}
	if n := reflect.TypeFor[protocol.Event]().Size(); n > 48 {
		t.Errorf("Event has %d bytes", n)
	}
}

// Next copies nothing and allocates nothing: the data is the caller's memory.
func TestNextNoCopy(t *testing.T) {
	var r protocol.Receiver = *protocol.NewReceiver(protocol.RoleServer, nil) // may be copied before its first use
	for _, size := range []int{0, 1, 7, 125, 126, 1000, 65535, 65536} {
		text := strings.Repeat("a", size)
		p := masked(frame.OpText, text)
		n, ev, ok, err := r.Next(p)
		if n != len(p) || !ok || err != nil || string(ev.Data) != text || !ev.First || !ev.Final {
			t.Fatalf("%d bytes: %d %v %v", size, n, ok, err)
		}
		if size > 0 && &ev.Data[0] != &p[len(p)-size] {
			t.Errorf("%d bytes: data was copied", size)
		}
		if cap(ev.Data) != len(ev.Data) && len(p) == n {
			t.Errorf("%d bytes: data can be appended over what follows", size)
		}
	}
	p := masked(frame.OpPing, "ping")
	if _, ev, ok, err := r.Next(p); !ok || err != nil || &ev.Data[0] != &p[len(p)-4] {
		t.Errorf("a whole ping was copied: %v %v", ok, err)
	}
	cut := append(masked(frame.OpText, "some text"), masked(frame.OpPing, "ping")...)
	buf := make([]byte, len(cut))
	allocs := testing.AllocsPerRun(100, func() {
		copy(buf, cut)
		for _, p := range [][]byte{buf[:10], buf[10:]} {
			for {
				n, _, ok, err := r.Next(p)
				if p = p[n:]; err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
			}
		}
		r.RefillControls(1)
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a cut message and a ping", allocs)
	}
}

// F12: what a header declares reserves nothing.
func TestDeclaredLengthReservesNothing(t *testing.T) {
	const conns = 1000
	h := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Length: 1 << 20})
	rs := make([]*protocol.Receiver, conns)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range rs {
		rs[i] = protocol.NewReceiver(protocol.RoleServer, nil)
		for _, p := range [][]byte{bytes.Clone(h), {'a'}} {
			if _, _, _, err := rs[i].Next(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / conns; n > 2048 {
		t.Errorf("%d bytes for a connection that declared 1 MiB and sent a byte", n)
	}
	if left, _ := rs[0].Payload(); left != 1<<20-1 {
		t.Errorf("Payload is %d", left)
	}
}

// A7: the work is linear. Each call allocates nothing and takes at least a
// byte, so the number of calls and of events counts the work.
func TestManyFragments(t *testing.T) {
	steps := func(n int) (calls int) {
		var stream []byte
		for i := range n {
			h := frame.Header{Opcode: frame.OpContinuation, Masked: true, Fin: i == n-1}
			if i == 0 {
				h.Opcode = frame.OpText
			}
			stream = frame.Append(stream, h, []byte("é")[i%2:i%2+1]) // A5: 1-byte fragments
		}
		r := protocol.NewReceiver(protocol.RoleServer, nil)
		allocs := testing.AllocsPerRun(1, func() {
			calls = 0
			for p := stream; ; calls++ {
				k, ev, ok, err := r.Next(p)
				if err != nil {
					t.Fatal(err)
				}
				if p = p[k:]; !ok {
					break
				}
				if ev.Final != (len(p) == 0) {
					t.Fatalf("Final is %v with %d bytes to come", ev.Final, len(p))
				}
			}
		})
		if allocs > 4 { // the runtime may have had some of its own
			t.Errorf("%v allocations for %d fragments", allocs, n)
		}
		return calls
	}
	half, whole := steps(8192), steps(protocol.DefaultMaxFragments)
	if half != 8192 || whole != 2*half {
		t.Errorf("A7: %d steps for 8192 fragments, %d for 16384", half, whole)
	}
}

// A3: any number of control frames between two fragments, where the budget is
// refilled or there is none.
func TestControlsBetweenFragments(t *testing.T) {
	for _, burst := range []int{0, -1} {
		r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{ControlBurst: burst})
		stream := [][]byte{[]byte("\x01\x03Hel")}
		for range 10_000 {
			stream = append(stream, []byte("\x89\x01p"))
		}
		stream = append(stream, []byte("\x80\x02lo"))
		pings, text := 0, ""
		for _, p := range stream {
			_, ev, ok, err := r.Next(p)
			switch {
			case !ok || err != nil:
				t.Fatal(ok, err)
			case ev.Kind == protocol.EventPing:
				pings++
				r.RefillControls(1)
			default:
				text += string(ev.Data)
			}
		}
		if pings != 10_000 || text != "Hello" {
			t.Errorf("A3 burst %d: %d pings, %q", burst, pings, text)
		}
	}
}

func TestPayloadAndInMessage(t *testing.T) {
	r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{Codec: &rle{}})
	step := func(p string, left int64, coded, in bool) {
		t.Helper()
		for b := []byte(p); ; {
			n, _, ok, err := r.Next(b)
			if b = b[n:]; err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
		}
		if l, c := r.Payload(); l != left || c != coded || r.InMessage() != in {
			t.Errorf("after %q: Payload %d %v, InMessage %v; want %d %v, %v", p, l, c, r.InMessage(), left, coded, in)
		}
	}
	step("", 0, false, false)
	step("\x02", 0, false, false)
	step("\x05", 5, false, true)
	step("ab", 3, false, true)
	step("cde", 0, false, true)
	step("\x89\x02a", 0, false, true) // a ping's payload is not the message's
	step("b\x80\x01", 1, false, true)
	step("f", 0, false, false)
	step("\x42\x04\x01", 3, true, true)
	step("a\x01b", 0, true, true)
	step("\x80\x00", 0, false, false)
}

// A Receiver is at rest where another one can take its place, and only there.
func TestAtRest(t *testing.T) {
	for name, o := range map[string]protocol.Options{
		"fast path": {Codec: &rle{}},
		"traced":    {Codec: &rle{}, OnHeader: func(bool, frame.Header) {}},
	} {
		r := protocol.NewReceiver(protocol.RoleClient, &o)
		step := func(p string, events int, want bool) {
			t.Helper()
			for b := []byte(p); events > 0; events-- {
				n, _, ok, err := r.Next(b)
				if b = b[n:]; err != nil || !ok {
					t.Fatalf("%s: %q: %v, %v", name, p, ok, err)
				}
				p = string(b)
			}
			if p != "" {
				if _, _, ok, err := r.Next([]byte(p)); ok || err != nil {
					t.Fatalf("%s: %q: %v, %v", name, p, ok, err)
				}
			}
			if got := r.AtRest(); got != want {
				t.Errorf("%s: after %q: AtRest %v", name, p, got)
			}
		}
		step("", 0, true)
		step("\x81\x02hi", 1, true)
		step("\x81", 0, false)         // half a header
		step("\x02h", 1, false)        // half a frame
		step("i", 1, true)             //
		step("\x01\x01a", 1, false)    // between frames of a message
		step("\x89\x00", 1, false)     // and after a ping there
		step("\x80", 0, false)         //
		step("\x00", 1, true)          //
		step("\x89\x00", 1, true)      // a whole ping
		step("\x89\x02p", 0, false)    // half a ping
		step("i", 1, true)             // the event lies in borrowed memory
		step("\xC1\x02\x03a", 1, true) // the same with a message
		r.Close()                      // which is given back
		step("", 0, true)              //
		step("\x88\x00", 1, false)     // closed
		step("\x81\x00", 0, false)
	}
	failed := protocol.NewReceiver(protocol.RoleClient, nil)
	if _, _, _, err := failed.Next([]byte("\x83")); err == nil || failed.AtRest() {
		t.Errorf("after an error: %v, AtRest %v", err, failed.AtRest())
	}
}

func TestRefillAfter(t *testing.T) {
	r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{ControlBurst: 10})
	pings := func(n int) (got int) {
		for range n {
			if _, _, ok, _ := r.Next([]byte("\x89\x00")); ok {
				got++
			}
		}
		return got
	}
	const ms = 1e6
	for _, step := range []struct {
		ns   int64
		want bool
		n    int
	}{
		{0, false, 10}, {100 * ms, false, 0}, {200 * ms, true, 1}, {1000 * ms, true, 5}, {1 << 62, true, 10},
	} {
		if ok := r.RefillAfter(step.ns); ok != step.want {
			t.Errorf("after %d ns: %v", step.ns, ok)
		}
		if got := pings(step.n); got != step.n {
			t.Errorf("after %d ns: %d pings, want %d", step.ns, got, step.n)
		}
	}
	if none := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{ControlBurst: -1}); none.RefillAfter(1 << 40) {
		t.Error("something is due where there is no limit")
	}
}

func TestSetMaxMessageSize(t *testing.T) {
	first := func(max int64, fin bool) *protocol.Receiver {
		r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{MaxMessageSize: max, Codec: &rle{}})
		p := frame.Append(nil, frame.Header{Fin: fin, Opcode: frame.OpText}, []byte("abcde"))
		if n, _, ok, err := r.Next(p); n != len(p) || !ok || err != nil {
			t.Fatal(n, ok, err)
		}
		return r
	}
	more := func(r *protocol.Receiver, op frame.Opcode, n int64) error {
		_, _, _, err := r.Next(frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: op, Length: n}))
		return err
	}
	tests := []struct {
		name string
		max  int64
		fin  bool
		op   frame.Opcode
		size int64
		want error
	}{
		{"raised", 8, true, frame.OpText, 8, nil},
		{"raised, one more", 8, true, frame.OpText, 9, frame.ErrFrameTooBig},
		{"within a message", 8, false, frame.OpContinuation, 3, nil},
		{"within a message, one more", 8, false, frame.OpContinuation, 4, frame.ErrMessageTooBig},
		{"below what came", 3, false, frame.OpContinuation, 0, frame.ErrMessageTooBig},
		{"default", 0, true, frame.OpText, 1 << 20, nil},
		{"default, one more", 0, true, frame.OpText, 1<<20 + 1, frame.ErrFrameTooBig},
		{"none", -1, true, frame.OpText, math.MaxInt64, nil},
	}
	for _, tt := range tests {
		r := first(5, tt.fin)
		r.SetMaxMessageSize(tt.max)
		if err := more(r, tt.op, tt.size); err != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}

	// The decoded size of an open message obeys as well.
	r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{MaxMessageSize: 300, Codec: &rle{}})
	if _, _, ok, err := r.Next([]byte("\x42\x02\x14a")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	r.SetMaxMessageSize(30)
	if _, _, ok, err := r.Next([]byte("\x00\x02\x0Aa")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, _, _, err := r.Next([]byte("\x80\x02\x01a")); err != frame.ErrMessageTooBig {
		t.Errorf("decoded past the new limit: %v", err)
	}
}

func TestRefillControls(t *testing.T) {
	ping := func(r *protocol.Receiver) error {
		_, _, _, err := r.Next([]byte("\x89\x00"))
		return err
	}
	for _, tt := range []struct{ refill, more int }{{0, 0}, {-5, 0}, {1, 1}, {3, 3}, {4, 3}, {math.MaxInt, 3}} {
		r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{ControlBurst: 3})
		for range 3 {
			if err := ping(r); err != nil {
				t.Fatal(err)
			}
		}
		r.RefillControls(tt.refill)
		for range tt.more {
			if err := ping(r); err != nil {
				t.Errorf("P2 refilled by %d: %v", tt.refill, err)
			}
		}
		if err := ping(r); err != frame.ErrTooManyControls {
			t.Errorf("P2 refilled by %d and %d taken: %v", tt.refill, tt.more, err)
		}
	}
	none := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{ControlBurst: -1})
	none.RefillControls(1) // must not make a limit where there is none
	for range 1000 {
		if err := ping(none); err != nil {
			t.Fatal(err)
		}
	}
	// Limits above what fits are as good as none.
	huge := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{ControlBurst: math.MaxInt, MaxFragments: math.MaxInt})
	if err := ping(huge); err != nil {
		t.Error(err)
	}
}

// Borrowed memory comes back: at the next call, at an error, at Close.
func TestScratch(t *testing.T) {
	before := bufpool.Outstanding()
	lent := func(want int64, when string) {
		t.Helper()
		if n := bufpool.Outstanding() - before; n != want {
			t.Errorf("%s: %d buffers are lent, want %d", when, n, want)
		}
	}
	r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{Codec: &rle{}})
	_, ev, ok, _ := r.Next([]byte("\xC2\x04\xFFa\xFFb"))
	if !ok || len(ev.Data) != 510 {
		t.Fatalf("%d bytes", len(ev.Data))
	}
	lent(1, "coded data")
	r.Next(nil)
	lent(0, "the call after it, without bytes")

	r.Next([]byte("\xC2\x02\x01a"))
	lent(1, "coded data")
	r.Next([]byte("\x81\x05Hello"))
	lent(0, "a whole message after it")

	r.Next([]byte("\x42\x03\x01"))
	lent(0, "coded data without output")
	r.Next([]byte("a"))
	lent(1, "coded data with output")
	r.Next([]byte("\x05"))
	lent(0, "half a pair")
	r.Next([]byte("\x80\x01b"))
	lent(1, "the end")

	// A ping that comes in pieces; the fast path works again afterwards.
	r.Next([]byte("\x89\x04pi"))
	lent(1, "half a ping")
	_, ev, _, _ = r.Next([]byte("ng\x81\x05Hello"))
	if ev.Kind != protocol.EventPing || string(ev.Data) != "ping" {
		t.Errorf("%+v", ev)
	}
	lent(1, "a ping")
	_, ev, _, _ = r.Next([]byte("\x81\x05Hello"))
	if string(ev.Data) != "Hello" {
		t.Errorf("%+v", ev)
	}
	lent(0, "a text")

	r.Next([]byte("\xC2\x04\x01a"))
	if _, _, _, err := r.Next([]byte("\x00")); err != frame.ErrExtensionData {
		t.Error(err)
	}
	lent(0, "an error")

	r = protocol.NewReceiver(protocol.RoleClient, nil)
	r.Next([]byte("\x89\x04pi"))
	lent(1, "half a ping")
	r.Close()
	r.Close()
	lent(0, "Close")
}

func TestOnHeader(t *testing.T) {
	var got []frame.Header
	o := &protocol.Options{OnHeader: func(sent bool, h frame.Header) {
		if sent {
			t.Error("sent is set for a received frame")
		}
		got = append(got, h)
	}}
	stream := append(masked(frame.OpText, "Hello"), masked(frame.OpPing, "")...)
	feed(t, protocol.NewReceiver(protocol.RoleServer, o), [][]byte{stream})
	feed(t, protocol.NewReceiver(protocol.RoleServer, o), slices.Collect(slices.Chunk(stream, 1)))
	key := frame.Mask{1, 2, 3, 4}
	want := []frame.Header{
		{Fin: true, Opcode: frame.OpText, Masked: true, Mask: key, Length: 5},
		{Fin: true, Opcode: frame.OpPing, Masked: true, Mask: key},
	}
	want = append(want, want...)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A codec's own error is told, and is a violation.
func TestCodecError(t *testing.T) {
	r := protocol.NewReceiver(protocol.RoleClient, &protocol.Options{Codec: broken{}})
	_, _, _, err := r.Next([]byte("\xB2\x01a"))
	if !errors.Is(err, frame.ErrExtensionData) || !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
}

// The fast path unmasks and judges text of every length and alignment.
func TestUnmaskText(t *testing.T) {
	key := frame.Mask{0x80, 0x7F, 0xFF, 0x01}
	for size := range 150 {
		for at := -1; at < size; at++ {
			text := bytes.Repeat([]byte("x"), size)
			if at >= 0 {
				text[at] = 0xFF
			}
			for _, cut := range []int{0, 1, 2, 3, size} {
				p := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText, Masked: true, Mask: key}, text)
				i := min(len(p)-size+cut, len(p))
				res := feed(t, protocol.NewReceiver(protocol.RoleServer, nil), [][]byte{p[:i], p[i:]})
				if (res.err != nil) != (at >= 0) {
					t.Fatalf("size %d, bad byte at %d, cut %d: %v", size, at, cut, res.err)
				}
			}
		}
	}
}
