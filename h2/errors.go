package h2

import (
	"errors"

	"github.com/lariat-go/websocket/internal/h2"
)

// ErrConfigured is returned by [ConfigureServer] for a server that has an
// implementation of HTTP/2 already.
var ErrConfigured = errors.New("websocket: this http.Server speaks HTTP/2 already; call ConfigureServer once, before the server serves")

// What handlers get when they use what is over.
var (
	errReturned = errors.New("websocket: the handler has returned; its ResponseWriter is valid only until then")
	errHandover = errors.New("websocket: the stream was taken over by HijackStream; read from and write to what it returned")
)

// ErrCode is an error code of RFC 9113, section 7.
type ErrCode = h2.ErrCode

// The error codes.
const (
	ErrCodeNo                 = h2.ErrCodeNo
	ErrCodeProtocol           = h2.ErrCodeProtocol
	ErrCodeInternal           = h2.ErrCodeInternal
	ErrCodeFlowControl        = h2.ErrCodeFlowControl
	ErrCodeSettingsTimeout    = h2.ErrCodeSettingsTimeout
	ErrCodeStreamClosed       = h2.ErrCodeStreamClosed
	ErrCodeFrameSize          = h2.ErrCodeFrameSize
	ErrCodeRefusedStream      = h2.ErrCodeRefusedStream
	ErrCodeCancel             = h2.ErrCodeCancel
	ErrCodeCompression        = h2.ErrCodeCompression
	ErrCodeConnect            = h2.ErrCodeConnect
	ErrCodeEnhanceYourCalm    = h2.ErrCodeEnhanceYourCalm
	ErrCodeInadequateSecurity = h2.ErrCodeInadequateSecurity
	ErrCodeHTTP11Required     = h2.ErrCodeHTTP11Required
)

// StreamError is why one stream ended early: it has the stream's number, an
// [ErrCode], and whether the peer sent it. Reading a request's body and writing
// an answer return one after a reset.
type StreamError = h2.StreamError

// ConnError is why a connection was ended by an error of the protocol.
type ConnError = h2.ConnError
