package protocol_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

// A vector is one case of testdata/*.txt; see testdata/README.md.
type vector struct {
	name  string
	file  string
	line  int
	role  protocol.Role
	opts  protocol.Options
	codec string
	in    []byte
	want  []string        // events
	err   frame.Violation // 0: none
	at    int             // how many bytes of in it takes to see err
	out   []byte          // what an Endpoint answers
	outOK bool            // out is stated
	open  bool            // a message is left open
}

func (v *vector) options() *protocol.Options {
	o := v.opts
	o.Codec = newCodec(v.codec)
	o.Mask = func() frame.Mask { return frame.Mask{} }
	return &o
}

var violationNames = map[string]frame.Violation{
	"ErrReservedBits":           frame.ErrReservedBits,
	"ErrReservedOpcode":         frame.ErrReservedOpcode,
	"ErrLengthNotMinimal":       frame.ErrLengthNotMinimal,
	"ErrLengthOverflow":         frame.ErrLengthOverflow,
	"ErrMaskRequired":           frame.ErrMaskRequired,
	"ErrMaskForbidden":          frame.ErrMaskForbidden,
	"ErrControlFragmented":      frame.ErrControlFragmented,
	"ErrControlTooLong":         frame.ErrControlTooLong,
	"ErrUnexpectedContinuation": frame.ErrUnexpectedContinuation,
	"ErrExpectedContinuation":   frame.ErrExpectedContinuation,
	"ErrInvalidUTF8":            frame.ErrInvalidUTF8,
	"ErrCloseTooShort":          frame.ErrCloseTooShort,
	"ErrCloseStatus":            frame.ErrCloseStatus,
	"ErrFrameTooBig":            frame.ErrFrameTooBig,
	"ErrMessageTooBig":          frame.ErrMessageTooBig,
	"ErrTooManyFragments":       frame.ErrTooManyFragments,
	"ErrTooManyControls":        frame.ErrTooManyControls,
	"ErrExtensionData":          frame.ErrExtensionData,
}

// vectors reads all of testdata.
func vectors(t testing.TB) []*vector {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata: %v, %d files", err, len(files))
	}
	var all []*vector
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var v *vector
		sc := bufio.NewScanner(f)
		for n := 1; sc.Scan(); n++ {
			line := sc.Text()
			if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
				continue
			}
			key, val, ok := strings.Cut(line, ":")
			val = strings.TrimSpace(val)
			if ok && key == "case" {
				v = &vector{name: val, file: filepath.Base(name), line: n, role: protocol.RoleServer}
				all = append(all, v)
				continue
			}
			if !ok || v == nil {
				t.Fatalf("%s:%d: want key: value", name, n)
			}
			if err := v.set(key, val); err != nil {
				t.Fatalf("%s:%d: %v", name, n, err)
			}
		}
		if err := sc.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func (v *vector) set(key, val string) (err error) {
	switch key {
	case "role":
		v.role = map[string]protocol.Role{"server": protocol.RoleServer, "client": protocol.RoleClient}[val]
	case "codec":
		v.codec = val
	case "max":
		v.opts.MaxMessageSize, err = strconv.ParseInt(val, 10, 64)
	case "fragments":
		v.opts.MaxFragments, err = strconv.Atoi(val)
	case "empty":
		v.opts.MaxEmptyFragments, err = strconv.Atoi(val)
	case "controls":
		v.opts.ControlBurst, err = strconv.Atoi(val)
	case "skiputf8":
		v.opts.SkipUTF8 = true
	case "in":
		var b []byte
		b, err = parseBytes(val)
		v.in = append(v.in, b...)
	case "out":
		var b []byte
		b, err = parseBytes(val)
		v.out, v.outOK = append(v.out, b...), true
	case "want":
		times := 1
		if i := strings.LastIndex(val, "\"*"); i >= 0 {
			if times, err = strconv.Atoi(val[i+2:]); err != nil {
				return err
			}
			val = val[:i+1]
		}
		v.want = append(v.want, slices.Repeat([]string{val}, times)...)
	case "open":
		v.open = true
	case "error":
		if _, err = fmt.Sscanf(val, "%s at %d", &key, &v.at); err == nil {
			if v.err = violationNames[key]; v.err == 0 {
				err = fmt.Errorf("no violation %q", key)
			}
		}
	default:
		err = fmt.Errorf("no key %q", key)
	}
	return err
}

// parseBytes reads hex bytes, "quoted" text, and either of them *N times.
func parseBytes(s string) ([]byte, error) {
	var out []byte
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == ';' {
			break // comment
		}
		var b []byte
		if q, err := strconv.QuotedPrefix(s); err == nil {
			t, _ := strconv.Unquote(q)
			b, s = []byte(t), s[len(q):]
		} else {
			n := strings.IndexAny(s, " *;")
			if n < 0 {
				n = len(s)
			}
			if b, err = hex.DecodeString(s[:n]); err != nil {
				return nil, err
			}
			s = s[n:]
		}
		times := 1
		if strings.HasPrefix(s, "*") {
			num, _, _ := strings.Cut(s[1:], " ")
			n, err := strconv.Atoi(num)
			if err != nil {
				return nil, err
			}
			times, s = n, s[1+len(num):]
		}
		out = append(out, bytes.Repeat(b, times)...)
	}
	return out, nil
}

// show writes an event as testdata does.
func show(ev protocol.Event) string {
	switch ev.Kind {
	case protocol.EventClose:
		return fmt.Sprintf("close %d %q", ev.Code, ev.Reason)
	case protocol.EventData:
		return fmt.Sprintf("%v %q", ev.Opcode, ev.Data)
	}
	return fmt.Sprintf("%v %q", ev.Kind, ev.Data)
}

// A run is what came out of a stream: the events with the pieces of each
// message joined, what there is of an unfinished message, and the error.
type run struct {
	events []string
	part   []byte
	inside bool // a message has begun by its events
	err    error
	at     int // bytes given when the error came
}

// feed gives the pieces to r one after the other.
func feed(t testing.TB, r *protocol.Receiver, pieces [][]byte) *run {
	t.Helper()
	res := &run{}
	for _, piece := range pieces {
		p := bytes.Clone(piece)
		for {
			n, ev, ok, err := r.Next(p)
			if n < 0 || n > len(p) {
				t.Fatalf("Next took %d of %d bytes", n, len(p))
			}
			p = p[n:]
			if err != nil {
				if ok || ev.Kind != 0 {
					t.Fatalf("event %v beside error %v", ev, err)
				}
				res.err = err
				res.at += len(piece)
				if n, ev, ok, again := r.Next([]byte{0x8A, 0x80, 0, 0, 0, 0}); ok || n != 0 || ev.Kind != 0 || again != err {
					t.Fatalf("after the error: %d %v %v %v", n, ev, ok, again)
				}
				return res
			}
			if !ok {
				if len(p) != 0 {
					t.Fatalf("Next needs more and leaves %d bytes", len(p))
				}
				break
			}
			res.take(t, ev)
		}
		res.at += len(piece)
	}
	return res
}

func (res *run) take(t testing.TB, ev protocol.Event) {
	t.Helper()
	if ev.Kind != protocol.EventData {
		if !ev.First || !ev.Final {
			t.Fatalf("control event is not whole: %+v", ev)
		}
		res.events = append(res.events, show(ev))
		return
	}
	if ev.First == res.inside {
		t.Fatalf("First %v inside %v", ev.First, res.inside)
	}
	if len(ev.Data) == 0 && !ev.Final {
		t.Fatalf("empty piece: %+v", ev)
	}
	res.part = append(res.part, ev.Data...)
	res.inside = !ev.Final
	if ev.Final {
		ev.Data = res.part
		res.events = append(res.events, show(ev))
		res.part = nil
	}
}

// cuts calls f with in cut in every way that the tests use: whole, once at
// each byte, and at every byte.
func cuts(in []byte, f func(how string, pieces [][]byte)) {
	f("whole", [][]byte{in})
	if len(in) <= 4<<10 {
		for i := 1; i < len(in); i++ {
			f("cut at "+strconv.Itoa(i), [][]byte{in[:i], in[i:]})
		}
	}
	f("byte by byte", slices.Collect(slices.Chunk(in, 1)))
	// F14: an interrupted read brings nothing.
	var pieces [][]byte
	for i := range in {
		pieces = append(pieces, nil, in[i:i+1])
	}
	f("byte by byte with empty reads", append(pieces, nil))
}

func TestVectors(t *testing.T) {
	before := bufpool.Outstanding()
	seen := map[frame.Violation]bool{}
	for _, v := range vectors(t) {
		t.Run(fmt.Sprintf("%s:%d %s", v.file, v.line, v.name), func(t *testing.T) {
			var parts [][]byte
			cuts(v.in, func(how string, pieces [][]byte) {
				r := protocol.NewReceiver(v.role, v.options())
				res := feed(t, r, pieces)
				v.check(t, how, res)
				if v.err == 0 && r.InMessage() != v.open {
					t.Errorf("%s: InMessage is %v", how, r.InMessage())
				}
				if strings.HasPrefix(how, "byte") && v.err != 0 && res.at != v.at {
					t.Errorf("%s: error came with byte %d, want %d", how, res.at, v.at)
				}
				parts = append(parts, res.part)
				r.Close()

				out, events, err := endpoint(v, pieces)
				if !errors.Is(err, nilOr(v.err)) {
					t.Errorf("%s: Endpoint's error %v, want %v", how, err, v.err)
				}
				if !slices.Equal(events, v.want) {
					t.Errorf("%s: Endpoint's events\n%q, want\n%q", how, events, v.want)
				}
				if v.outOK && !bytes.Equal(out, v.out) {
					t.Errorf("%s: Endpoint's output % x, want % x", how, out, v.out)
				}
				if v.err != 0 {
					v.closes(t, how, out)
				}
			})
			// What was given of an unfinished message differs in length alone.
			slices.SortFunc(parts, func(a, b []byte) int { return len(a) - len(b) })
			for i := 1; i < len(parts); i++ {
				if !bytes.HasPrefix(parts[i], parts[i-1]) {
					t.Errorf("unfinished message: %q is not the beginning of %q", parts[i-1], parts[i])
				}
			}
		})
		if v.err != 0 {
			seen[v.err] = true
		}
	}
	// Every violation can be shown by a stream of bytes.
	for _, v := range frame.Violations() {
		if !seen[v] {
			t.Errorf("no case for %v", v)
		}
	}
	if n := bufpool.Outstanding() - before; n != 0 {
		t.Errorf("%d borrowed buffers were not given back", n)
	}
}

func nilOr(v frame.Violation) error {
	if v == 0 {
		return nil
	}
	return v
}

func (v *vector) check(t *testing.T, how string, res *run) {
	t.Helper()
	if !errors.Is(res.err, nilOr(v.err)) {
		t.Errorf("%s: error %v, want %v", how, res.err, nilOr(v.err))
	}
	if !slices.Equal(res.events, v.want) {
		t.Errorf("%s: events\n%q, want\n%q", how, res.events, v.want)
	}
}

// closes checks that out ends with the close frame of v.err.
func (v *vector) closes(t *testing.T, how string, out []byte) {
	t.Helper()
	other := protocol.RoleServer
	if v.role == protocol.RoleServer {
		other = protocol.RoleClient
	}
	res := feed(t, protocol.NewReceiver(other, nil), [][]byte{out})
	want := fmt.Sprintf("close %d %q", v.err.Status(), "")
	if res.err != nil || len(res.events) == 0 || res.events[len(res.events)-1] != want {
		t.Errorf("%s: answered %q, %v; want the last to be %s", how, res.events, res.err, want)
	}
}

// endpoint gives the pieces to an Endpoint.
func endpoint(v *vector, pieces [][]byte) (out []byte, events []string, err error) {
	e := protocol.NewEndpoint(v.role, v.options())
	defer e.Release()
	for _, p := range pieces {
		evs, rerr := e.Receive(bytes.Clone(p))
		for _, ev := range evs {
			events = append(events, show(ev))
		}
		err = rerr
	}
	return e.Output(), events, err
}
