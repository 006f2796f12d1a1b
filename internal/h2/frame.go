package h2

import (
	"encoding/binary"
	"fmt"
)

// FrameType is a type of frame (RFC 9113, section 6).
type FrameType uint8

// The types of frames.
const (
	FrameData         FrameType = 0x0
	FrameHeaders      FrameType = 0x1
	FramePriority     FrameType = 0x2
	FrameRSTStream    FrameType = 0x3
	FrameSettings     FrameType = 0x4
	FramePushPromise  FrameType = 0x5
	FramePing         FrameType = 0x6
	FrameGoAway       FrameType = 0x7
	FrameWindowUpdate FrameType = 0x8
	FrameContinuation FrameType = 0x9
)

// framePriorityUpdate is ignored, but comes with requests (RFC 9218).
const framePriorityUpdate FrameType = 0x10

func frameName(t FrameType) string {
	switch t {
	case FrameData:
		return "DATA"
	case FrameHeaders:
		return "HEADERS"
	case FramePriority:
		return "PRIORITY"
	case FrameRSTStream:
		return "RST_STREAM"
	case FrameSettings:
		return "SETTINGS"
	case FramePushPromise:
		return "PUSH_PROMISE"
	case FramePing:
		return "PING"
	case FrameGoAway:
		return "GOAWAY"
	case FrameWindowUpdate:
		return "WINDOW_UPDATE"
	case FrameContinuation:
		return "CONTINUATION"
	}
	return ""
}

// String returns the RFC's name.
func (t FrameType) String() string {
	if s := frameName(t); s != "" {
		return s
	}
	return fmt.Sprintf("frame type 0x%x", uint8(t))
}

// The flags of frames.
const (
	FlagEndStream  = 0x1 // of DATA and HEADERS
	FlagAck        = 0x1 // of SETTINGS and PING
	FlagEndHeaders = 0x4
	FlagPadded     = 0x8
	FlagPriority   = 0x20
)

// Preface is what a client's bytes begin with (RFC 9113, section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	headerLen = 9     // of a frame's header
	frameSize = 16384 // the smallest SETTINGS_MAX_FRAME_SIZE, and the largest DATA we send
	maxWindow = 1<<31 - 1
	maxStream = 1<<31 - 1
)

// frameHeader is the header of a frame (RFC 9113, section 4.1).
type frameHeader struct {
	length uint32
	typ    FrameType
	flags  uint8
	stream uint32
}

func (h *frameHeader) has(flag uint8) bool { return h.flags&flag != 0 }

// parseHeader parses p, which has headerLen bytes. The reserved bit is ignored.
func parseHeader(p []byte) frameHeader {
	_ = p[8]
	return frameHeader{
		length: uint32(p[0])<<16 | uint32(p[1])<<8 | uint32(p[2]),
		typ:    FrameType(p[3]),
		flags:  p[4],
		stream: binary.BigEndian.Uint32(p[5:]) & maxStream,
	}
}

func appendHeader(dst []byte, h frameHeader) []byte {
	return append(dst, byte(h.length>>16), byte(h.length>>8), byte(h.length), byte(h.typ), h.flags,
		byte(h.stream>>24), byte(h.stream>>16), byte(h.stream>>8), byte(h.stream))
}

// checkHeader holds a frame to what can be seen in its header: which stream it
// may be on, and its length.
func checkHeader(h *frameHeader) (code ErrCode, reason string) {
	onStream, size := true, -1
	switch h.typ {
	case FrameData, FrameHeaders, FrameContinuation, FramePushPromise, FramePriority:
		// PRIORITY of another length than 5 is an error of its stream.
	case FrameRSTStream:
		size = 4
	case FrameSettings:
		onStream = false
		switch {
		case h.stream != 0: // below
		case h.has(FlagAck) && h.length != 0:
			return ErrCodeFrameSize, "an acknowledgement of SETTINGS with a payload"
		case h.length%6 != 0:
			return ErrCodeFrameSize, "SETTINGS whose length is not a multiple of 6"
		}
	case FramePing:
		onStream, size = false, 8
	case FrameGoAway:
		onStream = false
		if h.length < 8 {
			return ErrCodeFrameSize, "GOAWAY of less than 8 bytes"
		}
	case FrameWindowUpdate:
		onStream, size = h.stream != 0, 4
	default:
		return 0, ""
	}
	switch {
	case onStream && h.stream == 0:
		return ErrCodeProtocol, h.typ.String() + " on stream 0"
	case !onStream && h.stream != 0:
		return ErrCodeProtocol, h.typ.String() + " on a stream"
	case size >= 0 && h.length != uint32(size):
		return ErrCodeFrameSize, h.typ.String() + " of a wrong length"
	}
	return 0, ""
}

// unpad returns the payload of a HEADERS frame without padding (RFC 9113,
// section 6.2).
func unpad(h *frameHeader, p []byte) (rest []byte, code ErrCode, reason string) {
	if !h.has(FlagPadded) {
		return p, 0, ""
	}
	if len(p) == 0 {
		return nil, ErrCodeFrameSize, "a padded frame without the length of its padding"
	}
	pad := int(p[0])
	if pad >= len(p) {
		return nil, ErrCodeProtocol, "padding longer than its frame"
	}
	return p[1 : len(p)-pad], 0, ""
}
