package h2_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// wire is a frame with its payload, as it goes over the wire.
type wire struct {
	typ     h2.FrameType
	flags   uint8
	stream  uint32
	payload []byte
}

func (f wire) String() string {
	return fmt.Sprintf("%v flags %#x stream %d %q", f.typ, f.flags, f.stream, f.payload)
}

func (f wire) bytes() []byte {
	n := len(f.payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), byte(f.typ), f.flags}
	return append(binary.BigEndian.AppendUint32(b, f.stream), f.payload...)
}

func join(frames ...wire) (b []byte) {
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	return b
}

func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func settings(kv ...uint32) wire {
	var p []byte
	for i := 0; i < len(kv); i += 2 {
		p = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(p, uint16(kv[i])), kv[i+1])
	}
	return wire{typ: h2.FrameSettings, payload: p}
}

func data(id uint32, flags uint8, p string) wire {
	return wire{h2.FrameData, flags, id, []byte(p)}
}

func update(id, more uint32) wire { return wire{h2.FrameWindowUpdate, 0, id, u32(more)} }

func reset(id uint32, code h2.ErrCode) wire {
	return wire{h2.FrameRSTStream, 0, id, u32(uint32(code))}
}

// fields encodes a header block without the dynamic table.
func fields(kv ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSizeLimit(0)
	for i := 0; i < len(kv); i += 2 {
		if err := e.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1]}); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func headers(id uint32, flags uint8, kv ...string) wire {
	return wire{h2.FrameHeaders, flags | h2.FlagEndHeaders, id, fields(kv...)}
}

func get(id uint32, more ...string) wire {
	return headers(id, h2.FlagEndStream, request("GET", more...)...)
}

func post(id uint32, more ...string) wire { return headers(id, 0, request("POST", more...)...) }

func request(method string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "https", ":authority", "example.com", ":path", "/"}, more...)
}

func connect(id uint32) wire { return headers(id, 0, request("CONNECT", ":protocol", "websocket")...) }

func status(id uint32, flags uint8, code string, more ...string) wire {
	return headers(id, flags, append([]string{":status", code}, more...)...)
}

// end is one side under test, and what it told.
type end struct {
	t   testing.TB
	c   *h2.Conn
	log []string
	evs []h2.Event
	err error
	dec *hpack.Decoder
}

func newEnd(t testing.TB, cfg h2.Config) *end {
	t.Helper()
	e := &end{t: t, c: new(h2.Conn), dec: hpack.NewDecoder(4096, nil)}
	e.c.Init(&cfg)
	t.Cleanup(e.c.Free)
	return e
}

// server returns a server that has a client's preface and SETTINGS, and whose
// own were taken.
func server(t testing.TB, cfg h2.Config, peer ...uint32) *end {
	t.Helper()
	cfg.Role = h2.RoleServer
	e := newEnd(t, cfg)
	e.feed([]byte(preface))
	e.start(peer)
	return e
}

// client is server for the other side.
func client(t testing.TB, cfg h2.Config, peer ...uint32) *end {
	t.Helper()
	cfg.Role = h2.RoleClient
	e := newEnd(t, cfg)
	if p := e.c.Output(nil, 1<<20); !bytes.HasPrefix(p, []byte(preface)) {
		t.Fatalf("a client begins with %q", p)
	}
	e.start(peer)
	return e
}

func (e *end) start(peer []uint32) {
	e.t.Helper()
	e.in(settings(peer...), wire{typ: h2.FrameSettings, flags: h2.FlagAck})
	e.ok()
	e.flush()
	e.log, e.evs = nil, nil
}

func (e *end) in(frames ...wire) { e.feed(join(frames...)) }

// feed gives p to Next, as its contract says.
func (e *end) feed(p []byte) {
	for e.err == nil {
		n, ev, ok, err := e.c.Next(p)
		if n < 0 || n > len(p) || n < len(p) && !ok && err == nil || ok && err != nil {
			e.t.Fatalf("Next took %d of %d", n, len(p))
		}
		p = p[n:]
		if ok {
			e.told(ev)
		}
		if e.err = err; !ok && err == nil {
			return
		}
	}
}

// told notes an event; DATA that follows DATA is joined to it.
func (e *end) told(ev h2.Event) {
	ev.Data = bytes.Clone(ev.Data)
	if n := len(e.evs); ev.Kind == h2.KindData && n > 0 {
		if l := &e.evs[n-1]; l.Kind == h2.KindData && l.Stream == ev.Stream && !l.End {
			l.Data = append(l.Data, ev.Data...)
			l.End = ev.End
			e.log[n-1] = describe(*l)
			return
		}
	}
	e.evs = append(e.evs, ev)
	e.log = append(e.log, describe(ev))
}

func describe(ev h2.Event) string {
	s := [...]string{"?", "head", "trailers", "data", "reset", "window", "settings", "ack", "pong", "goaway"}[ev.Kind]
	if ev.Stream != nil {
		s += fmt.Sprintf(" %d", ev.Stream.ID)
	}
	if h := ev.Head; h != nil {
		for _, v := range []string{h.Method, h.Protocol, h.Path} {
			if v != "" {
				s += " " + v
			}
		}
		if h.Status > 0 {
			s += fmt.Sprintf(" %d", h.Status)
		}
		for _, f := range h.Fields {
			s += fmt.Sprintf(" %s=%s", f.Name, f.Value)
		}
	}
	if ev.Kind == h2.KindData {
		s += fmt.Sprintf(" %q", ev.Data)
	}
	if ev.Err != nil {
		s += " " + ev.Err.Code.String()
		if ev.Err.Remote {
			s += " remote"
		}
	}
	if ev.Kind == h2.KindGoAway {
		s += fmt.Sprintf(" last %d", ev.LastStream)
	}
	if ev.End {
		s += " end"
	}
	if ev.First {
		s += " first"
	}
	return s
}

// events returns what was told since the last call, and forgets it.
func (e *end) events() []string {
	l := e.log
	e.log, e.evs = nil, nil
	return l
}

// want checks what was told since the last call.
func (e *end) want(events ...string) {
	e.t.Helper()
	if got := e.events(); fmt.Sprint(got) != fmt.Sprint(events) {
		e.t.Fatalf("events %q, want %q", got, events)
	}
}

func (e *end) ok() {
	e.t.Helper()
	if e.err != nil {
		e.t.Fatalf("unexpected: %v", e.err)
	}
}

// stream returns the stream of the last event.
func (e *end) stream() *h2.Stream {
	e.t.Helper()
	e.ok()
	if len(e.evs) == 0 || e.evs[len(e.evs)-1].Stream == nil {
		e.t.Fatalf("no stream; events %q", e.log)
	}
	return e.evs[len(e.evs)-1].Stream
}

// flush takes the output apart.
func (e *end) flush() []wire { return e.parse(e.c.Output(nil, 1<<30)) }

func (e *end) parse(p []byte) (frames []wire) {
	e.t.Helper()
	for len(p) > 0 {
		n := int(p[0])<<16 | int(p[1])<<8 | int(p[2])
		if len(p) < 9+n {
			e.t.Fatalf("half a frame: %x", p)
		}
		frames = append(frames, wire{h2.FrameType(p[3]), p[4], binary.BigEndian.Uint32(p[5:]), p[9 : 9+n]})
		p = p[9+n:]
	}
	return frames
}

// sent checks what the output is.
func (e *end) sent(want ...wire) {
	e.t.Helper()
	if got := e.flush(); fmt.Sprint(got) != fmt.Sprint(want) {
		e.t.Fatalf("sent\n%v, want\n%v", got, want)
	}
}

// failed checks that the connection ended with code, and GOAWAY says so.
func (e *end) failed(code h2.ErrCode) {
	e.t.Helper()
	ce, ok := e.err.(*h2.ConnError)
	if !ok || ce.Code != code {
		e.t.Fatalf("error %v, want %v; events %q", e.err, code, e.log)
	}
	if _, _, _, err := e.c.Next([]byte{0}); err != e.err {
		e.t.Fatalf("the next call returns %v", err)
	}
	out := e.flush()
	if len(out) == 0 {
		e.t.Fatal("no GOAWAY")
	}
	last := out[len(out)-1]
	if last.typ != h2.FrameGoAway || binary.BigEndian.Uint32(last.payload[4:]) != uint32(code) {
		e.t.Fatalf("sent %v, want GOAWAY %v", out, code)
	}
}
