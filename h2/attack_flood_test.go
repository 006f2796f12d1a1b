package h2_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// frame returns one frame, whatever it is.
func frame(typ http2.FrameType, flags http2.Flags, stream uint32, payload string) []byte {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), byte(typ), byte(flags)}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// ask is a request for /hold, which goes on until its stream ends.
func ask(stream uint32, end bool) []byte {
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	return frame(http2.FrameHeaders, flags, stream, "\x82\x86\x04\x05/hold\x01\x0bserver.test")
}

func reset(stream uint32) []byte { return frame(http2.FrameRSTStream, 0, stream, "\x00\x00\x00\x08") }

// all puts frames one behind the other.
func all(frames ...[]byte) (b []byte) {
	for _, f := range frames {
		b = append(b, f...)
	}
	return b
}

// Floods: each ends in GOAWAY with ENHANCE_YOUR_CALM soon after the limit was
// crossed, with little memory, few handlers, and none of them left.
func TestAttackFloods(t *testing.T) {
	const zero4, zero8 = "\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x00"
	same := func(b ...[]byte) func(uint32) []byte {
		one := all(b...)
		return func(uint32) []byte { return one }
	}
	cookie := "\x82\x86\x84\x01\x0bserver.test" + "\x60\x01a" + strings.Repeat("\xbe", 10000)
	bomb := "\x40\x01a\x7f\xa1\x1e" + strings.Repeat("b", 4000) + strings.Repeat("\xbe", 10000)
	for _, f := range []struct {
		name  string
		first []byte
		round func(i uint32) []byte
		most  uint32 // rounds, of which the last must not be needed
		code  string // if it is not ENHANCE_YOUR_CALM
	}{
		{name: "H2-S6 rapid reset 500x1", round: func(i uint32) []byte { return all(ask(2*i+1, true), reset(2*i+1)) }, most: 600},
		{name: "H2-S6 rapid reset 50x10", round: func(i uint32) (b []byte) {
			for j := range uint32(10) {
				b = append(b, ask(2*(10*i+j)+1, true)...)
			}
			for j := range uint32(10) {
				b = append(b, reset(2*(10*i+j)+1)...)
			}
			return b
		}, most: 60},
		{name: "H2-S6 rapid reset 1x500", round: func(i uint32) (b []byte) {
			for j := range uint32(500) {
				b = append(b, ask(2*(500*i+j)+1, true)...)
			}
			for j := range uint32(500) {
				b = append(b, reset(2*(500*i+j)+1)...)
			}
			return b
		}, most: 3},
		{name: "H2-S6 resets by windows of 0", round: func(i uint32) []byte {
			return all(ask(2*i+1, true), frame(http2.FrameWindowUpdate, 0, 2*i+1, zero4))
		}, most: 11},
		{name: "H2-S6 resets by windows too large", round: func(i uint32) []byte {
			return all(ask(2*i+1, true), frame(http2.FrameWindowUpdate, 0, 2*i+1, "\x7f\xff\xff\xff"))
		}, most: 11},
		{name: "H2-S6 resets by DATA after the end", round: func(i uint32) []byte {
			return all(ask(2*i+1, true), frame(http2.FrameData, 0, 2*i+1, "x"))
		}, most: 11},
		{name: "H2-S6 resets by HEADERS after the end", round: func(i uint32) []byte { return all(ask(2*i+1, true), ask(2*i+1, true)) }, most: 11},
		{name: "H2-S6 resets by a priority of itself", round: func(i uint32) []byte {
			p := string(binary.BigEndian.AppendUint32(nil, 2*i+1)) + "\x00"
			return all(ask(2*i+1, true), frame(http2.FramePriority, 0, 2*i+1, p))
		}, most: 11},
		{name: "H2-S6 resets by a priority too short", round: func(i uint32) []byte {
			return all(ask(2*i+1, true), frame(http2.FramePriority, 0, 2*i+1, zero4))
		}, most: 11},
		{name: "H2-S6 50 malformed requests", round: func(i uint32) []byte { return frame(http2.FrameHeaders, 5, 2*i+1, "\x82") }, most: 50},
		{name: "H2-S5 PING", round: same(frame(http2.FramePing, 0, 0, zero8)), most: 20000},
		{name: "H2-S5 SETTINGS", round: same(frame(http2.FrameSettings, 0, 0, "\x00\x04\x00\x00\x00\x09")), most: 20000},
		{name: "H2-S5 empty SETTINGS", round: same(frame(http2.FrameSettings, 0, 0, "")), most: 20000},
		{name: "H2-S5 empty DATA", first: ask(1, false), round: same(frame(http2.FrameData, 0, 1, "")), most: 20000},
		{name: "H2-S5 padding and no DATA", first: ask(1, false), round: same(frame(http2.FrameData, 8, 1, "\x02..")), most: 20000},
		{name: "H2-S5 PRIORITY", round: same(frame(http2.FramePriority, 0, 7, "\x00\x00\x00\x03\x01")), most: 20000},
		{name: "H2-S5 unknown frames", round: same(frame(0xbe, 0xff, 9, "unknown")), most: 20000},
		{name: "H2-S5 WINDOW_UPDATE of 1", round: same(frame(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x01")), most: 20000},
		{name: "H2-S5 WINDOW_UPDATE of 0", round: same(frame(http2.FrameWindowUpdate, 0, 0, zero4)), most: 2, code: "PROTOCOL_ERROR"},
		{name: "H2-S5 an empty CONTINUATION", first: frame(http2.FrameHeaders, 0, 1, "\x82"), round: same(frame(http2.FrameContinuation, 0, 1, "")), most: 2},
		{name: "H2-S7 100 CONTINUATION of 1 KiB", first: frame(http2.FrameHeaders, 0, 1, "\x82"), round: same(frame(http2.FrameContinuation, 0, 1, "\x00\x01a\x7f\xfa\x06"+strings.Repeat("b", 1017))), most: 100},
		{name: "H2-S7 10000 references", round: same(frame(http2.FrameHeaders, 5, 1, bomb)), most: 1},
		{name: "H2-S4 10000 cookies", round: same(frame(http2.FrameHeaders, 5, 1, cookie)), most: 1},
		{name: "H2-S11 streams beyond the limit", round: func(i uint32) []byte { return ask(2*i+1, false) }, most: 1200},
		{name: "H2-S12 GOAWAY", first: ask(1, false), round: same(frame(http2.FrameGoAway, 0, 0, zero8)), most: 20000},
		{name: "PUSH_PROMISE", round: same(frame(http2.FramePushPromise, 4, 1, "\x00\x00\x00\x02\x82")), most: 1, code: "PROTOCOL_ERROR"},
	} {
		t.Run(f.name, func(t *testing.T) {
			if f.code == "" {
				f.code = "ENHANCE_YOUR_CALM"
			}
			for _, tr := range transports {
				v := attacked(t, tr, nil, nil)
				c := newRaw(t, v.dial(t))
				before := heap()
				type end struct {
					code string
					at   time.Time
				}
				ended := make(chan end, 1)
				go func() {
					code, at := c.ending()
					ended <- end{code, at}
				}()
				var last time.Time
				b := f.first
				for i := range f.most {
					b = append(b, f.round(i)...)
					if len(b) > 4<<10 || i == f.most-1 {
						last = time.Now()
						if _, err := c.nc.Write(b); err != nil {
							break // it has seen enough
						}
						b = b[:0]
					}
				}
				more := heap() - before
				e := wait(t, ended)
				if e.code != f.code {
					t.Errorf("%s: ended with GOAWAY %q", tr, e.code)
				}
				asked := int(v.most.Load())
				t.Logf("%s: %v after the last write, %d KiB, %d handlers", tr, e.at.Sub(last).Round(time.Microsecond), more>>10, asked)
				if limit := int64(3 << 20); more > limit {
					t.Errorf("%s: %d KiB more", tr, more>>10)
				}
				if late := e.at.Sub(last); late > time.Second {
					t.Errorf("%s: after %v", tr, late)
				}
				if asked > 100 {
					t.Errorf("%s: %d handlers at once", tr, asked)
				}
				for until := time.Now().Add(patience); v.running.Load() > 0; {
					select {
					case <-v.done:
					case <-time.After(time.Until(until)):
						t.Fatalf("%s: %d handlers are left", tr, v.running.Load())
					}
				}
				c.nc.Close()
				v.serves(t)
			}
		})
	}
}

// What is not HTTP/2 at all ends the connection, and no other.
func TestAttackGarbage(t *testing.T) {
	for name, sent := range map[string]string{
		"H2-S8 half a preface, and then others": http2.ClientPreface[:12] + "HELO",
		"zeros":                                 strings.Repeat("\x00", 100000),
		"letters":                               strings.Repeat("GARBAGE", 10000),
		"HTTP/1.1 behind the preface":           http2.ClientPreface + "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"a preface twice":                       http2.ClientPreface + http2.ClientPreface,
		"a frame over the limit":                http2.ClientPreface + string(frame(http2.FrameSettings, 0, 0, "")) + "\xff\xff\xff\x00\x00\x00\x00\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			v := attacked(t, "tls", nil, nil)
			nc := v.dial(t)
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(patience))
			nc.Write([]byte(sent))
			_, err := io.Copy(io.Discard, nc)
			if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				t.Error("the connection lives")
			}
			v.serves(t)
		})
	}
}
