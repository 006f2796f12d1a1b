//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// frames takes p apart into frames (RFC 9113, section 4). DATA is not waited
// for: it goes on as it comes.
func (e *engine) frames(l *link, p []byte) error {
	s := l.session
	for len(p) > 0 {
		if s.headLen < len(s.head) {
			k := copy(s.head[s.headLen:], p)
			s.headLen += k
			p = p[k:]
			if s.headLen < len(s.head) {
				return nil
			}
			if err := e.frameHead(s); err != nil {
				return err
			}
		}
		k := min(s.left, len(p))
		if s.frameType() != http2.FrameData {
			s.payload = append(s.payload, p[:k]...)
		} else if err := e.data(s, p[:k]); err != nil {
			return err
		}
		s.left -= k
		p = p[k:]
		if s.left == 0 {
			s.headLen = 0
			if err := e.frameEnd(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *session) frameType() http2.FrameType { return http2.FrameType(s.head[3]) }
func (s *session) has(f http2.Flags) bool     { return http2.Flags(s.head[4]).Has(f) }
func (s *session) id() uint32                 { return binary.BigEndian.Uint32(s.head[5:]) }

// frameHead looks at a frame's header, and opens windows that DATA uses up.
func (e *engine) frameHead(s *session) error {
	s.left = int(s.head[0])<<16 | int(s.head[1])<<8 | int(s.head[2])
	s.payload = s.payload[:0]
	if s.left > largestFrame {
		return fmt.Errorf("frame of %d bytes, more than allowed", s.left)
	}
	if s.inBlock != (s.frameType() == http2.FrameContinuation) {
		return errors.New("header block out of order")
	}
	if s.frameType() != http2.FrameData {
		return nil
	}
	w := s.streams[s.id()]
	if w == nil || w.stream.status != "200" {
		return fmt.Errorf("DATA on stream %d, which was not answered", s.id())
	}
	if s.has(http2.FlagDataPadded) {
		return errors.New("padded DATA, which the generator does not know")
	}
	s.credit += int64(s.left)
	if s.credit > connectionWindow/2 {
		s.control = appendWindowUpdate(s.control, 0, uint32(s.credit))
		s.credit = 0
	}
	w.stream.credit += int64(s.left)
	if w.stream.credit > streamWindow/2 && !s.has(http2.FlagDataEndStream) {
		s.control = appendWindowUpdate(s.control, w.stream.id, uint32(w.stream.credit))
		w.stream.credit = 0
	}
	return nil
}

// data takes a piece of DATA.
func (e *engine) data(s *session, p []byte) error {
	w := s.streams[s.id()]
	if e.spec.kind != kindGet {
		return e.parse(w, p)
	}
	at := w.size
	w.size += int64(len(p))
	if w.size > int64(len(e.body)) {
		return fmt.Errorf("GET answered with more than %d bytes", len(e.body))
	}
	if e.checking && !bytes.Equal(p, e.body[at:w.size]) {
		return errors.New("GET answered with other bytes")
	}
	return nil
}

// frameEnd does what a frame that has come whole asks for.
func (e *engine) frameEnd(s *session) error {
	switch t := s.frameType(); t {
	case http2.FrameData:
		if s.has(http2.FlagDataEndStream) {
			return e.ended(s, s.streams[s.id()])
		}
	case http2.FrameHeaders, http2.FrameContinuation:
		return e.headers(s)
	case http2.FrameSettings:
		return s.settings()
	case http2.FramePing:
		if !s.has(http2.FlagPingAck) {
			s.control = appendFrameHead(s.control, len(s.payload), http2.FramePing, http2.FlagPingAck, 0)
			s.control = append(s.control, s.payload...)
		}
	case http2.FrameWindowUpdate:
		if len(s.payload) != 4 {
			return fmt.Errorf("WINDOW_UPDATE of %d bytes", len(s.payload))
		}
		n := int64(binary.BigEndian.Uint32(s.payload))
		if s.id() == 0 {
			s.window += n
		} else if w := s.streams[s.id()]; w != nil {
			w.stream.window += n
		}
	case http2.FrameRSTStream, http2.FrameGoAway:
		if s.streams[s.id()] != nil || t == http2.FrameGoAway {
			return fmt.Errorf("the server sent %v %x on stream %d", t, s.payload, s.id())
		}
	}
	return nil
}

// settings takes the server's settings (RFC 9113, section 6.5).
func (s *session) settings() error {
	if s.has(http2.FlagSettingsAck) {
		return nil
	}
	for p := s.payload; len(p) >= 6; p = p[6:] {
		switch v := binary.BigEndian.Uint32(p[2:]); http2.SettingID(binary.BigEndian.Uint16(p)) {
		case http2.SettingHeaderTableSize:
			s.enc.SetMaxDynamicTableSizeLimit(min(v, 4096))
		case http2.SettingMaxConcurrentStreams:
			s.maxStreams = v
		case http2.SettingInitialWindowSize:
			for _, w := range s.streams {
				w.stream.window += int64(v) - s.initial
			}
			s.initial = int64(v)
		case http2.SettingEnableConnectProtocol:
			s.connect = v == 1
		}
	}
	s.settled = true
	s.control = appendFrameHead(s.control, 0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	return nil
}

// headers reads the head of a response (RFC 9113, section 8.3.2).
func (e *engine) headers(s *session) error {
	if s.frameType() == http2.FrameHeaders {
		if s.has(http2.FlagHeadersPadded) || s.has(http2.FlagHeadersPriority) {
			return errors.New("padded HEADERS, which the generator does not know")
		}
		s.heads, s.last = s.heads[:0], s.has(http2.FlagHeadersEndStream)
	}
	s.heads = append(s.heads, s.payload...)
	if s.inBlock = !s.has(http2.FlagHeadersEndHeaders); s.inBlock {
		return nil
	}
	s.status = ""
	if _, err := s.dec.Write(s.heads); err != nil {
		return err
	}
	if err := s.dec.Close(); err != nil {
		return err
	}
	w := s.streams[s.id()]
	if w == nil {
		return fmt.Errorf("HEADERS on stream %d, which is not open", s.id())
	}
	if w.stream.status != "" || s.status != "200" {
		return fmt.Errorf("stream %d was answered with status %q after %q", s.id(), s.status, w.stream.status)
	}
	w.stream.status = s.status
	if s.last {
		return e.ended(s, w)
	}
	s.opened++
	return nil
}

// ended is told of END_STREAM.
func (e *engine) ended(s *session, w *wire) error {
	if e.spec.kind != kindGet {
		return fmt.Errorf("the server ended stream %d", w.stream.id)
	}
	if w.size != int64(len(e.body)) {
		return fmt.Errorf("GET answered with %d bytes instead of %d", w.size, len(e.body))
	}
	delete(s.streams, w.stream.id)
	w.size, w.stream.credit = 0, 0
	e.completed(w)
	return nil
}
