//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// wire is one WebSocket: a connection, or a stream of one. In GET loads it is a
// place for one request at a time.
type wire struct {
	link   *link
	sentAt time.Time // when the last message was written, if e.timed
	start  int       // frame the connection began with
	next   int       // frame to send next
	credit int       // messages or requests that may be sent
	stream stream    // over HTTP/2

	head    [14]byte
	headLen int
	need    int   // header bytes in all, 0: not known yet
	left    int64 // payload bytes to come
	body    bool  // inside a payload
	fin     bool
	coded   bool
	op      byte  // the message's
	size    int64 // the message's payload so far
	got     int   // messages received, for the content check
	content []byte
	inflate *inflator
}

// grant lets k more messages go.
func (w *wire) grant(k int) {
	w.credit += k
	if w.link.session != nil {
		w.link.session.await(w)
	}
}

// parse takes p apart into frames and counts messages.
func (e *engine) parse(w *wire, p []byte) error {
	for {
		if w.body {
			k := min(w.left, int64(len(p)))
			if e.checking {
				w.content = append(w.content, p[:k]...)
			}
			w.left -= k
			p = p[k:]
			if w.left > 0 {
				return nil
			}
			w.body = false
			if w.fin {
				if err := e.message(w); err != nil {
					return err
				}
			}
		}
		if len(p) == 0 {
			return nil
		}
		if w.headLen == 0 {
			w.need = 2
		}
		for w.headLen < w.need && len(p) > 0 {
			k := copy(w.head[w.headLen:w.need], p)
			w.headLen += k
			p = p[k:]
			if w.headLen == 2 && w.need == 2 {
				w.need = headerSize(w.head[1])
			}
		}
		if w.headLen < w.need {
			return nil
		}
		if err := e.header(w); err != nil {
			return err
		}
	}
}

// headerSize is the length of a header by its second byte.
func headerSize(b byte) int {
	n := 2
	switch b & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b&maskBit != 0 {
		n += 4
	}
	return n
}

func (e *engine) header(w *wire) error {
	h := w.head[:w.need]
	w.headLen = 0
	w.left = int64(h[1] & 0x7f)
	switch w.left {
	case 126:
		w.left = int64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		w.left = int64(binary.BigEndian.Uint64(h[2:]))
	}
	if masked := h[1]&maskBit != 0; masked != e.spec.raw {
		return fmt.Errorf("frame header %x: masked is %v", h, masked)
	}
	w.body = true
	w.fin = h[0]&finBit != 0
	switch op := h[0] & 0xf; {
	case op >= opClose:
		return fmt.Errorf("control frame %x", h)
	case op != 0:
		w.op, w.size = op, 0
		w.coded = h[0]&rsv1Bit != 0
		if e.checking {
			w.content = w.content[:0]
			if e.spec.raw {
				w.content = append(w.content, h...)
			}
		}
	}
	w.size += w.left
	return nil
}

// message checks a message that is complete.
func (e *engine) message(w *wire) error {
	at := (w.start + w.got) % e.ring.n
	e.completed(w)
	if e.timed {
		if err := e.clock(w, at); err != nil {
			return err
		}
	}
	if w.op != e.ring.op {
		return fmt.Errorf("message %d came back with opcode %d", w.got, w.op)
	}
	if deflated := e.spec.mode == modeDeflate || e.spec.mode == modeTakeover; w.coded != deflated {
		return fmt.Errorf("message %d: compressed is %v", w.got, w.coded)
	}
	if !w.coded && w.size != int64(len(e.ring.plain[at])) {
		return fmt.Errorf("message %d came back with %d bytes instead of %d", w.got, w.size, len(e.ring.plain[at]))
	}
	if !e.checking {
		return nil
	}
	got, want := w.content, e.ring.plain[at]
	if e.spec.raw {
		want = e.ring.buf[e.ring.off[at]:e.ring.off[at+1]]
	}
	if w.coded {
		var err error
		if got, err = w.inflate.message(got); err != nil {
			return err
		}
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("message %d came back changed", w.got)
	}
	return nil
}

// clock keeps how long the answer to message at of the ring took.
func (e *engine) clock(w *wire, at int) error {
	d := time.Since(w.sentAt)
	if e.ring.sleeper && at == e.ring.n-1 {
		if d < napTime {
			return fmt.Errorf("message %d was to be answered after %v, and was after %v", w.got, napTime, d)
		}
		return nil
	}
	e.latencies = append(e.latencies, d)
	return nil
}
