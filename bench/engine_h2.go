//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The windows are those of Chromium: as large as a browser's, so that the
// generator is not what a server waits for. They are opened again when half of
// them is used up.
const (
	connectionWindow = 15 << 20
	streamWindow     = 6 << 20
	largestFrame     = 16 << 10 // that is sent, whatever the server allows, and the default for what comes
	firstWindow      = 1<<16 - 1
)

// session is the HTTP/2 side of a connection (RFC 9113).
type session struct {
	settled    bool // the server's SETTINGS came
	connect    bool // they allow extended CONNECT
	maxStreams uint32
	maxFrame   int
	initial    int64 // the server's window for a new stream
	window     int64 // what it still takes on all of them
	credit     int64 // what has come since its window was opened
	opened     int   // streams answered with 200, WebSockets only
	next       uint32
	streams    map[uint32]*wire
	due        []*wire // have something to send
	control    []byte  // frames to be sent before all others
	fields     []hpack.HeaderField
	enc        *hpack.Encoder
	block      sliceWriter // what enc writes
	dec        *hpack.Decoder
	status     string // of the header block being read

	head    [9]byte // of the frame being read
	headLen int
	left    int    // payload to come
	payload []byte // of a frame that is no DATA
	inBlock bool   // a CONTINUATION has to follow
	last    bool   // the block's HEADERS had END_STREAM
	heads   []byte // a header block in pieces
}

// stream is what a wire is on an HTTP/2 connection.
type stream struct {
	id     uint32
	window int64  // what the server still takes
	credit int64  // what has come since its window was opened
	pend   []byte // frames that did not fit in the windows
	due    bool   // in session.due
	status string
}

type sliceWriter []byte

func (s *sliceWriter) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

func newSession(spec loadSpec) *session {
	s := &session{
		maxStreams: 1<<32 - 1, maxFrame: largestFrame, initial: firstWindow, window: firstWindow,
		next: 1, streams: make(map[uint32]*wire), fields: spec.fields(),
	}
	s.enc = hpack.NewEncoder(&s.block)
	s.dec = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":status" {
			s.status = f.Value
		}
	})
	return s
}

// openSession starts HTTP/2 on a connection, and its WebSockets.
func (e *engine) openSession(l *link) error {
	s := newSession(e.spec)
	l.session = s
	s.control = append(s.control, http2.ClientPreface...)
	s.control = appendFrameHead(s.control, 12, http2.FrameSettings, 0, 0)
	s.control = appendSetting(s.control, http2.SettingEnablePush, 0)
	s.control = appendSetting(s.control, http2.SettingInitialWindowSize, streamWindow)
	s.control = appendWindowUpdate(s.control, 0, connectionWindow-firstWindow)
	if err := e.flush(l); err != nil {
		return err
	}
	for !s.settled {
		if err := e.poll(10_000); err != nil {
			return fmt.Errorf("waiting for SETTINGS: %w", err)
		}
	}
	if int64(s.maxStreams) < int64(len(l.wires)) {
		return fmt.Errorf("the server allows %d streams, not %d", s.maxStreams, len(l.wires))
	}
	if e.spec.kind == kindGet {
		return nil
	}
	if !s.connect {
		return errors.New("the server has no extended CONNECT")
	}
	for _, w := range l.wires {
		s.control = s.request(s.control, w, 0)
	}
	if err := e.flush(l); err != nil {
		return err
	}
	for s.opened < len(l.wires) {
		if err := e.poll(10_000); err != nil {
			return fmt.Errorf("waiting for %d of %d streams to open: %w", len(l.wires)-s.opened, len(l.wires), err)
		}
	}
	return nil
}

// await lists w as having something to send.
func (s *session) await(w *wire) {
	if !w.stream.due {
		w.stream.due = true
		s.due = append(s.due, w)
	}
}

// request appends the HEADERS that open a stream for w.
func (s *session) request(dst []byte, w *wire, flags http2.Flags) []byte {
	w.stream.id, w.stream.window, w.stream.status = s.next, s.initial, ""
	s.streams[s.next] = w
	s.block = s.block[:0]
	for _, f := range s.fields {
		_ = s.enc.WriteField(f) // to memory
	}
	dst = appendFrameHead(dst, len(s.block), http2.FrameHeaders, flags|http2.FlagHeadersEndHeaders, s.next)
	s.next += 2
	return append(dst, s.block...)
}

// stageFrames gives the connection what its streams have credit for and the
// server's windows let through.
func (e *engine) stageFrames(l *link) (bool, error) {
	s := l.session
	out := append(e.out[:0], s.control...)
	s.control = s.control[:0]
	keep := s.due[:0]
	for _, w := range s.due {
		if e.spec.kind == kindGet {
			out = s.request(out, w, http2.FlagHeadersEndStream)
			e.sent++
			e.outstanding++
			w.credit--
			w.stream.due = w.credit > 0
		} else {
			out = e.stageData(out, s, w)
			w.stream.due = len(w.stream.pend) > 0
		}
		if w.stream.due {
			keep = append(keep, w)
		}
	}
	s.due, e.out = keep, out
	if len(out) == 0 {
		return false, nil
	}
	if l.tls != nil {
		return true, l.put(out)
	}
	_, err := l.sock.Write(out) // e.out is for all connections
	return true, err
}

// stageData appends DATA frames of what w has credit for, as far as the windows
// go.
func (e *engine) stageData(out []byte, s *session, w *wire) []byte {
	for {
		if len(w.stream.pend) == 0 {
			if w.credit == 0 {
				return out
			}
			w.stream.pend = e.take(w)
		}
		n := int(min(int64(len(w.stream.pend)), int64(s.maxFrame), s.window, w.stream.window))
		if n <= 0 {
			return out
		}
		out = appendFrameHead(out, n, http2.FrameData, 0, w.stream.id)
		out = append(out, w.stream.pend[:n]...)
		w.stream.pend = w.stream.pend[n:]
		w.stream.window -= int64(n)
		s.window -= int64(n)
	}
}

func appendFrameHead(dst []byte, n int, t http2.FrameType, flags http2.Flags, id uint32) []byte {
	dst = append(dst, byte(n>>16), byte(n>>8), byte(n), byte(t), byte(flags))
	return binary.BigEndian.AppendUint32(dst, id)
}

func appendSetting(dst []byte, id http2.SettingID, v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, uint16(id)), v)
}

func appendWindowUpdate(dst []byte, id, n uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrameHead(dst, 4, http2.FrameWindowUpdate, 0, id), n)
}

// fields are those of a browser's request: a WebSocket (RFC 8441, section 4) or
// a GET of so many bytes.
func (s loadSpec) fields() []hpack.HeaderField {
	scheme := "http"
	if s.tls {
		scheme = "https"
	}
	agent := hpack.HeaderField{Name: "user-agent", Value: "Mozilla/5.0 (X11; Linux x86_64) bench"}
	language := hpack.HeaderField{Name: "accept-language", Value: "en"}
	if s.kind == kindGet {
		return []hpack.HeaderField{
			{Name: ":method", Value: "GET"},
			{Name: ":authority", Value: s.addr},
			{Name: ":scheme", Value: scheme},
			{Name: ":path", Value: fmt.Sprintf("/%d", s.size)},
			agent,
			{Name: "accept", Value: "*/*"},
			{Name: "sec-fetch-site", Value: "same-origin"},
			{Name: "sec-fetch-mode", Value: "cors"},
			{Name: "sec-fetch-dest", Value: "empty"},
			{Name: "referer", Value: scheme + "://" + s.addr + "/"},
			{Name: "accept-encoding", Value: "gzip, deflate, br, zstd"},
			language,
		}
	}
	return []hpack.HeaderField{
		{Name: ":method", Value: "CONNECT"},
		{Name: ":authority", Value: s.addr},
		{Name: ":scheme", Value: scheme},
		{Name: ":path", Value: "/echo"},
		{Name: ":protocol", Value: "websocket"},
		{Name: "origin", Value: scheme + "://" + s.addr},
		{Name: "sec-websocket-version", Value: "13"},
		agent,
		language,
	}
}
