// Package h2 is one side of an HTTP/2 connection (RFC 9113) without I/O: bytes
// in, events out, and bytes to be sent. It has no goroutine, no lock and no
// clock; package h2conn moves its bytes.
//
// A [Conn] takes what the peer sent with [Conn.Next] and gives what is to be
// sent with [Conn.Output]. States, flow control, settings, the order of what is
// written, header blocks, limits and budgets against floods are all here.
package h2

import (
	"math"

	"golang.org/x/net/http2/hpack"
)

// Role says which side a Conn is.
type Role uint8

// The roles.
const (
	RoleClient Role = iota
	RoleServer
)

// Field is a header field. Names are in lower case.
type Field = hpack.HeaderField

// The defaults of [Config].
const (
	DefaultMaxStreams     = 100
	DefaultStreamWindow   = 64 << 10
	DefaultConnWindow     = 1 << 20
	DefaultMaxFrameSize   = 16 << 10
	DefaultMaxHeaderBytes = 32 << 10
	DefaultMaxFields      = 100
	DefaultNonProgress    = 1000
	DefaultResets         = 500
	DefaultOwnResets      = 10
	DefaultMaxControls    = 1000
)

// Config says how a Conn behaves. Of every number, 0 means the default and a
// negative one no limit where the field says so.
type Config struct {
	Role Role

	// ExtendedConnect announces SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
	// Only for a server.
	ExtendedConnect bool

	// MaxStreams is how many streams the peer may have open at once, and how
	// many of them may be occupied: a stream that was reset counts until
	// [Conn.Release] says that nobody works for it any more.
	MaxStreams uint32

	// StreamWindow and ConnWindow are how many bytes the peer may send ahead,
	// on a stream and on all of them. Bytes.
	StreamWindow, ConnWindow uint32

	// MaxFrameSize is the largest frame taken, 16 KiB to 16 MiB - 1.
	MaxFrameSize uint32

	// MaxHeaderBytes limits a header block, compressed and not (names, values
	// and 32 for each field, RFC 9113, section 6.5.2).
	MaxHeaderBytes uint32

	// MaxFields limits the fields of a header block; the pieces of a cookie
	// count as one.
	MaxFields int

	// Budgets for ten seconds each: so many are one too many. Negative: none.
	// NonProgress is for frames that carry nothing: PING, SETTINGS, empty DATA,
	// unknown ones, requests beyond MaxStreams, interim responses, and of
	// WINDOW_UPDATE and PRIORITY what is more than requests and DATA account for.
	// Resets is for RST_STREAM from a client, OwnResets for streams we reset
	// because of what the peer sent.
	NonProgress, Resets, OwnResets int

	// MaxControls is how many control frames may wait to be sent: more means
	// that the peer does not read.
	MaxControls int

	// SendAtOnce sends whatever the peer's windows let through, however little
	// that is. It is for those who have no clock: otherwise less than 1 KiB
	// waits for 50 ms, and [Conn.Retry] says so.
	SendAtOnce bool

	// OnFrame, if not nil, is told of every frame in both directions. The slice
	// in it is valid until it returns.
	OnFrame func(FrameInfo)
}

// HeaderBytes returns Config.MaxHeaderBytes for a setting of which 0 means the
// default, and a negative number no limit.
func HeaderBytes(n int) uint32 {
	if n < 0 {
		return math.MaxUint32
	}
	return uint32(min(uint64(n), math.MaxUint32))
}

// FrameInfo says what [Config.OnFrame] is told.
type FrameInfo struct {
	Sent     bool
	Type     FrameType
	Flags    uint8
	Stream   uint32
	Length   uint32    // of the payload
	Settings []Setting // of SETTINGS
	Code     ErrCode   // of RST_STREAM and GOAWAY
	Value    uint32    // WINDOW_UPDATE: the increment; GOAWAY: the last stream
}

// Head is a header block that is not trailers: a request or a response, decoded
// or to be sent.
type Head struct {
	Method, Scheme, Authority, Path, Protocol string // of a request; Protocol is that of an extended CONNECT
	Status                                    int    // of a response

	Fields        []Field // without the pseudo-header fields; a Host is among them
	ContentLength int64   // -1: not given; what is sent says it unless Fields do

	// TooLarge says that the block is over MaxHeaderBytes or MaxFields, and
	// that fields are missing: the answer is a 431.
	TooLarge bool
}

// Kind is what an [Event] is about.
type Kind uint8

// The kinds of events.
const (
	// KindHead is a request (the stream is new), or a response's head, which
	// may be an interim one. Head and End are set.
	KindHead Kind = iota + 1
	// KindTrailers ends the peer's direction. Head.Fields are the trailers.
	KindTrailers
	// KindData is a piece of what DATA carries; End with the last one, which
	// may be empty. Data is a part of what Next was given, or valid until the
	// next call of it. Whoever has read it says so with [Conn.Consumed].
	KindData
	// KindReset ends a stream, which is out of the Conn's hands then: by the
	// peer's RST_STREAM, or by ours because of what it sent. Err is set.
	KindReset
	// KindWindow: the peer lets more be sent on Stream, or on all streams when
	// that is nil. Those in the queue are sent by [Conn.Output]; somebody who
	// waits to call [Conn.Write] again may try.
	KindWindow
	// KindSettings: the peer's SETTINGS are in force; First with the first ones.
	KindSettings
	// KindSettingsAck: the peer has our SETTINGS.
	KindSettingsAck
	// KindPong answers [Conn.Ping] with the same Ping.
	KindPong
	// KindGoAway: the peer takes no new streams. LastStream, Err (its code and
	// debug data) are set; streams of ours above LastStream are reset by events
	// of their own, with ErrRefusedStream.
	KindGoAway
)

// Event is something the peer did.
type Event struct {
	Kind       Kind
	End        bool // of the peer's direction of Stream
	First      bool
	Stream     *Stream
	Head       *Head
	Data       []byte
	Err        *StreamError
	LastStream uint32
	Ping       [8]byte
}
