package h2

import (
	"errors"
	"fmt"
	"io"
)

// ErrCode is an error code of RFC 9113, section 7.
type ErrCode uint32

// The error codes.
const (
	ErrCodeNo                 ErrCode = 0x0
	ErrCodeProtocol           ErrCode = 0x1
	ErrCodeInternal           ErrCode = 0x2
	ErrCodeFlowControl        ErrCode = 0x3
	ErrCodeSettingsTimeout    ErrCode = 0x4
	ErrCodeStreamClosed       ErrCode = 0x5
	ErrCodeFrameSize          ErrCode = 0x6
	ErrCodeRefusedStream      ErrCode = 0x7
	ErrCodeCancel             ErrCode = 0x8
	ErrCodeCompression        ErrCode = 0x9
	ErrCodeConnect            ErrCode = 0xa
	ErrCodeEnhanceYourCalm    ErrCode = 0xb
	ErrCodeInadequateSecurity ErrCode = 0xc
	ErrCodeHTTP11Required     ErrCode = 0xd
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// String returns the RFC's name.
func (c ErrCode) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("error code 0x%x", uint32(c))
}

// ConnError ends a connection: the peer broke a rule, or a GOAWAY of the peer
// with a code other than NO_ERROR. It is sent as GOAWAY.
type ConnError struct {
	Code   ErrCode
	Reason string
	Remote bool // the peer found it
}

func (e *ConnError) Error() string {
	return "websocket: HTTP/2 connection: " + describe(e.Code, e.Reason, e.Remote)
}

// StreamError ends one stream, and harms no other. It is sent as RST_STREAM.
type StreamError struct {
	Stream uint32
	Code   ErrCode
	Reason string
	Remote bool // the peer reset it
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("websocket: HTTP/2 stream %d: %s", e.Stream, describe(e.Code, e.Reason, e.Remote))
}

func describe(code ErrCode, reason string, remote bool) string {
	s := code.String()
	if reason != "" {
		s += ": " + reason
	}
	if remote {
		s += " (from the peer)"
	}
	return s
}

// What the methods that send return.
var (
	ErrStreamDone  = errors.New("websocket: HTTP/2: the stream is over")
	ErrNoSlot      = errors.New("websocket: HTTP/2: the peer takes no more streams at present")
	ErrGoingAway   = errors.New("websocket: HTTP/2: the connection takes no new streams")
	ErrHeadTooLong = errors.New("websocket: HTTP/2: the header is longer than the peer takes")

	errHeadOrder = errors.New("websocket: HTTP/2: a head is sent once, before the body: call Respond first")
	errQueued    = errors.New("websocket: HTTP/2: something is queued on the stream: wait for Written, or call Unqueue")
)

// errCut is of EOF.
var errCut = fmt.Errorf("websocket: HTTP/2: the peer's bytes end within a frame: %w", io.ErrUnexpectedEOF)
