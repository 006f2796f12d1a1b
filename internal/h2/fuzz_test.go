package h2_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
)

// FuzzH2Server feeds a server whatever comes after a preface: no panic, bounded
// memory, the same however it is split, legal frames out.
func FuzzH2Server(f *testing.F) {
	for _, p := range scripts() {
		f.Add(bytes.TrimPrefix(p, []byte(preface)), byte(3))
	}
	f.Fuzz(func(t *testing.T, p []byte, cut byte) {
		fuzz(t, h2.RoleServer, append([]byte(preface), p...), cut)
	})
}

// FuzzH2Client is the same for a client, which has opened some streams.
func FuzzH2Client(f *testing.F) {
	for _, l := range [][]wire{
		{status(1, 0, "200", "content-length", "4"), data(1, 1, "abcd"), status(3, 1, "204"), reset(5, 7)},
		{status(1, 0, "103"), status(1, 0, "200"), data(1, 0, "x"), headers(1, 1, "a", "b"), {h2.FrameGoAway, 0, 0, append(u32(3), u32(0)...)}},
		{settings(3, 1, 4, 0, 8, 1), update(0, 9), update(3, 9), {h2.FramePing, 0, 0, make([]byte, 8)}, {h2.FramePushPromise, 4, 1, u32(2)}},
	} {
		f.Add(join(append([]wire{settings(8, 1), {h2.FrameSettings, 1, 0, nil}}, l...)...), byte(3))
	}
	f.Fuzz(func(t *testing.T, p []byte, cut byte) { fuzz(t, h2.RoleClient, p, cut) })
}

func fuzz(t *testing.T, role h2.Role, p []byte, cut byte) {
	if len(p) > 1<<16 {
		return
	}
	whole := drive(t, role, p, len(p))
	if split := drive(t, role, p, 1+int(cut)); split != whole {
		t.Errorf("in pieces of %d:\n%s\nwhole:\n%s", 1+int(cut), split, whole)
	}
}

// drive feeds p in pieces, answers what can be answered, and says what came of
// it.
func drive(t *testing.T, role h2.Role, p []byte, piece int) string {
	e := newEnd(t, h2.Config{Role: role, ExtendedConnect: true, MaxStreams: 3, StreamWindow: 5000})
	defer e.c.Free()
	var mine []*h2.Stream
	if role == h2.RoleClient {
		e.c.Output(nil, 1<<20)
		mine = append(mine, ask(e, "GET", true), ask(e, "CONNECT", false), ask(e, "HEAD", true))
		if err := e.c.Queue(mine[1], make([]byte, 70000), true); err != nil {
			t.Fatal(err)
		}
	}
	borrowed := bufpool.Outstanding()
	for len(p) > 0 && e.err == nil {
		n := min(piece, len(p))
		e.feed(p[:n])
		p = p[n:]
		if n := bufpool.Outstanding() - borrowed; n > 3 {
			t.Fatalf("%d buffers are borrowed", n)
		}
	}
	for _, ev := range e.evs {
		switch {
		case ev.Kind == h2.KindHead && role == h2.RoleServer:
			e.c.Respond(ev.Stream, &h2.Head{Status: 200, ContentLength: -1}, false)
			e.c.Queue(ev.Stream, make([]byte, 3000), true)
			e.c.Release(ev.Stream)
		case ev.Kind == h2.KindData:
			e.c.Consumed(ev.Stream, len(ev.Data))
		}
	}
	if len(p) == 0 {
		e.c.EOF()
	}
	before := e.c.Streams()
	var out []byte
	for e.c.HasOutput() {
		n := len(out)
		if out = e.c.Output(out, 1<<14); len(out) == n {
			t.Fatal("HasOutput, but there is none")
		}
	}
	legal(t, out)
	if e.err != nil && (e.c.Streams() != before || !e.c.GoingAway()) {
		t.Error("alive after an error")
	}
	return fmt.Sprintf("%q %v %x", e.log, e.err, out)
}

// legal has x/net's Framer read what we send.
func legal(t *testing.T, out []byte) {
	fr := http2.NewFramer(nil, bytes.NewReader(out))
	for n := 0; n < len(out); {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatalf("an illegal frame at %d: %v", n, err)
		}
		n += 9 + int(f.Header().Length)
	}
}

// FuzzH2Frame compares what single frames do with what x/net's Framer says of
// them: what it refuses, we refuse; and of sizes and stream 0, what we refuse
// it refuses.
func FuzzH2Frame(f *testing.F) {
	for typ := range byte(12) {
		for _, n := range []int{0, 4, 5, 6, 8, 9} {
			f.Add(typ, byte(0), uint32(0), make([]byte, n))
			f.Add(typ, byte(0xff), uint32(1), bytes.Repeat([]byte{1}, n))
		}
	}
	f.Fuzz(func(t *testing.T, typ, flags byte, stream uint32, payload []byte) {
		if len(payload) > 1<<16 {
			return
		}
		in := wire{h2.FrameType(typ), flags, stream, payload}.bytes()
		e := server(t, h2.Config{})
		defer e.c.Free()
		e.in(post(1))
		e.flush()
		e.events()
		e.feed(in)

		fr := http2.NewFramer(nil, bytes.NewReader(in))
		fr.SetMaxReadFrameSize(16384)
		if typ >= byte(h2.FrameContinuation) {
			return // the Framer has to see the HEADERS before, and knows types that are ignored here
		}
		_, err := fr.ReadFrame()
		var conn http2.ConnectionError
		var str http2.StreamError
		ce, failed := e.err.(*h2.ConnError)
		switch {
		case errors.As(err, &conn), errors.Is(err, http2.ErrFrameTooLarge):
			// PRIORITY of a wrong length is an error of its stream (RFC 9113, section 6.3).
			if !failed && typ != byte(h2.FramePriority) {
				t.Errorf("the Framer says %v, we go on: %q", err, e.log)
			}
		case errors.As(err, &str):
			if out := e.flush(); !failed && len(e.log) == 0 && len(out) == 0 {
				t.Errorf("the Framer says %v, we say nothing", err)
			}
		case err == nil && failed && ce.Code == h2.ErrCodeFrameSize:
			t.Errorf("we say %v, the Framer nothing", ce)
		}
	})
}
